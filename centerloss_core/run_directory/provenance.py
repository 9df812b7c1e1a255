"""Where a result came from: versions, command, code revision."""

from __future__ import annotations

import importlib.metadata
import platform
import shlex
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

_PACKAGES = ("centerloss", "keras", "numpy", "mlxtend")
_BACKENDS = {"tensorflow": ("tensorflow",), "jax": ("jax", "jaxlib")}  # by Keras' names


def provenance(backend: str | None = None) -> dict[str, Any]:
    """The fields of `run.json` that do not depend on the config.

    Args:
        backend: the backend of Keras whose versions count; without it those of all that are installed.
    """
    backends = _BACKENDS if backend is None else (backend,)
    packages = (*_PACKAGES, *(package for each in backends for package in _BACKENDS[each]))
    return {
        "command": shlex.join(["cl", *sys.argv[1:]]),
        "versions": {"python": platform.python_version(), **_installed_versions(packages)},
        "platform": platform.platform(),
        "git_revision": git_revision(Path(__file__).parent),
    }


@cache
def _installed_versions(packages: tuple[str, ...]) -> dict[str, str]:
    versions = {}
    for package in packages:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:  # tensorflow-cpu and the like go by other names
            continue
    return versions


@cache  # what is edited later is not what this process has imported
def git_revision(directory: Path) -> str | None:
    """The commit of the checkout that the code runs from, with "+changes" where it was edited; None elsewhere."""
    try:
        # The file asked for must be one that git tracks: an installed package may lie inside another repository.
        _git(directory, "ls-files", "--error-unmatch", "provenance.py")
        revision = _git(directory, "rev-parse", "HEAD")
        changed = _git(directory, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return None
    return f"{revision}+changes" if changed else revision


def _git(directory: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(directory), *arguments], capture_output=True, text=True, check=True, timeout=10
    )
    return done.stdout.strip()
