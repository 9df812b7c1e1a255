"""The GPUs of this machine, handed out one by one; no framework is imported to count them."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence


def visible_gpus() -> list[str]:
    """What CUDA_VISIBLE_DEVICES would name each GPU that this process may use."""
    asked = os.environ.get("CUDA_VISIBLE_DEVICES")
    if asked is not None:
        names = [name.strip() for name in asked.split(",")]
        # CUDA itself stops at the first name that is not one of a GPU.
        end = next((index for index, name in enumerate(names) if name in ("", "-1")), len(names))
        return names[:end]
    try:
        listed = subprocess.run(
            ["nvidia-smi", "--list-gpus"], capture_output=True, text=True, check=True, timeout=30
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return []
    return [
        str(index) for index, _ in enumerate(line for line in listed.splitlines() if line.startswith("GPU "))
    ]


class Gpus:
    """Which point has which GPU.

    Args:
        names: all GPUs.
        each: what one point takes: whole ones, a fraction of one, or 0.
    """

    def __init__(self, names: Sequence[str], each: float) -> None:
        self._whole = max(1, int(each)) if each else 0
        self._points_per_gpu = int(1 / each) if 0 < each < 1 else 1
        self._users = dict.fromkeys(names, 0)

    @property
    def places(self) -> int:
        """How many points fit at a time."""
        return len(self._users) * self._points_per_gpu // max(1, self._whole)

    def take(self) -> list[str]:
        """The GPUs with the fewest points on them."""
        taken = sorted(self._users, key=lambda name: self._users[name])[: self._whole]
        for name in taken:
            self._users[name] += 1
        return taken

    def give_back(self, taken: Sequence[str]) -> None:
        """Note that a point has ended."""
        for name in taken:
            self._users[name] -= 1
