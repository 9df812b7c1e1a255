"""How many bytes of images are held in memory; more are streamed."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Literal

Memory = float | Literal["auto"]

_SHARE = 0.25  # of the free memory: images are copied when they are put in order, and by the framework
_CONTROL_GROUPS = (  # of a container or a job: what it may take, and what it has taken
    ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat"),
    (
        "/sys/fs/cgroup/memory/memory.limit_in_bytes",
        "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        "/sys/fs/cgroup/memory/memory.stat",
    ),
)


def room_for_images(memory: Memory) -> int:
    """`data.memory` in bytes: "auto" is a quarter of what this machine, or this container, has free now."""
    if memory != "auto":
        return int(memory * (1 << 30))
    found = [_free_on_the_machine(), *(_free_in_the_group(*files) for files in _CONTROL_GROUPS)]
    return int(_SHARE * min(each for each in found if each is not None))


def _free_on_the_machine() -> int:
    try:
        lines = Path("/proc/meminfo").read_text().splitlines()
        return next(int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:"))
    except (OSError, StopIteration):  # not Linux: half of what there is
        if hasattr(os, "sysconf"):
            return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
        return 8 << 30


def _free_in_the_group(limit: str, used: str, statistics: str) -> int | None:
    """None where nothing is limited."""
    try:
        most = int(Path(limit).read_text())
        stat = dict(line.split() for line in Path(statistics).read_text().splitlines())
        cached = int(
            stat.get("total_inactive_file", stat.get("inactive_file", 0))
        )  # is given back when needed
        return max(0, most - int(Path(used).read_text()) + cached)
    except (OSError, ValueError):  # "max"
        return None
