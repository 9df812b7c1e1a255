"""What `run.json` tells of how a run came about: program, device and data, and the calls that repeat and resume it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

from centerloss_core import devices
from centerloss_core.datasets import Dataset
from centerloss_core.devices import Device
from centerloss_core.errors import Warn
from centerloss_core.run_directory.provenance import provenance
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.own_network import OwnNetwork, resume_call


def resume_command(path: Path) -> str:
    """The command that resumes a run."""
    return f"cl train --resume {shlex.quote(str(path))}"


def way_to_resume(path: Path, own: OwnNetwork | None) -> str:
    """That command; for a network of the caller the call from Python, which alone has it."""
    return resume_command(path) if own is None else resume_call(path, own)


def repeat_call(config: Path, init: Path | None, own: OwnNetwork | None) -> str:
    """The command or call that makes the same run again."""
    if own is not None:
        begins_with = "" if init is None else f", init={str(init)!r}"
        return f"train(load_config({str(config)!r}), DIRECTORY{begins_with}, network={own['name']})"
    begins_with = "" if init is None else f" --init {shlex.quote(str(init))}"
    return f"cl train --config {shlex.quote(str(config))}{begins_with}"


def origin_on(device: Device) -> dict[str, Any]:
    """Versions, device and all else that the last bits of a result depend on."""
    return {
        **provenance(device.backend),
        "backend": device.backend,
        "device": device.label,
        "threads": devices.threads_of_this_process(),
        "precision": device.precision,
        "precision_reason": device.precision_reason,
        "onednn": device.backend == "tensorflow" and devices.onednn_is_on(),
    }


def say_what_differs(run: Run, origin: dict[str, Any], tell: Warn) -> None:
    """Name what makes a resumed run end in other bits than one that was never stopped."""
    for key in ("backend", "device", "threads", "precision", "onednn", "versions"):
        earlier, now = run.manifest.get(key), origin[key]
        if earlier is not None and earlier != now:
            tell(
                f"resumed with {key} {now}, begun with {earlier}: the last bits of the result may differ for that"
            )


def describe(dataset: Dataset) -> dict[str, Any]:
    """The section `data` of `run.json`."""
    validation, open_set = dataset.validation, dataset.open_set
    return {
        "name": dataset.name,
        "title": dataset.title,
        "source": dataset.source,
        "fingerprint": dataset.fingerprint,
        "train": len(dataset.train.labels),
        "validation": 0 if validation is None else len(validation.labels),
        "test": len(dataset.test.labels),
        "image_shape": list(dataset.image_shape),
        "class_names": list(dataset.class_names),
        **({} if dataset.excluded is None else {"excluded": dataset.excluded}),
        **({} if open_set is None else {"unknown": open_set._asdict()}),
    }
