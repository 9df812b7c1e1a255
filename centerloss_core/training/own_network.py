"""A network that a Python program brings along: what `run.json` says of it, and what may go on with it."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from centerloss_core.networks import BuildNetwork
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.resume_check import ChangedError

OwnNetwork = Mapping[str, Any]  # what is kept of it: "name", "sha256"


def record_of(network: BuildNetwork | None) -> OwnNetwork | None:
    """Name and hash of the source of a function; the hash is None where Python does not know the source.

    Raises:
        TypeError: it is no function.
    """
    if network is None:
        return None
    if not inspect.isfunction(network):
        raise TypeError(
            f"network must be a function (image_shape, model) → Keras model or features; received {network!r}"
        )
    try:
        source = hashlib.sha256(inspect.getsource(network).encode()).hexdigest()
    except OSError:  # of code that was typed in
        source = None
    return {"name": network.__qualname__, "sha256": source}


def named(record: OwnNetwork | None) -> str | None:
    """A network in a message; None for that of the config."""
    return f"{record.get('name')} ({str(record.get('sha256'))[:8]})" if record else None


def refuse_another_network(path: Path, manifest: Mapping[str, Any], network: BuildNetwork | None) -> None:
    """Raise ChangedError unless the run in `path` goes on with the network that its `run.json` names."""
    begun, now = mapping(manifest.get("network")) or None, record_of(network)
    if begun == now:
        return
    if begun is None:
        raise ChangedError(f"{path} was begun with the network of its config: resume it without `network`")
    if now is None:
        raise ChangedError(
            f"{path} has a network of its own, the function {begun.get('name')} of a Python program: resume it there, "
            f"{resume_call(path, begun)}"
        )
    raise ChangedError(
        f"{path} was begun with the network {named(begun)}, and is to go on with {named(now)}: the letters in brackets "
        "are of a hash of its source; put the function back as it was"
    )


def resume_call(path: Path, record: OwnNetwork) -> str:
    """The line of Python that resumes a run."""
    return f"centerloss_core.resume({str(path)!r}, network={record.get('name')})"
