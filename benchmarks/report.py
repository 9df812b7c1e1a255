"""What a person reads and what a program reads: tables on the terminal, one JSON file."""

from __future__ import annotations

import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.sections import Outcome, Row
from centerloss_core.devices import (
    THREAD_VARIABLES,
    processor_has_fast_bfloat16,
    processor_model,
    usable_cores,
)
from centerloss_core.run_directory.provenance import git_revision

_PACKAGES = ("centerloss", "tensorflow", "keras", "numpy", "matplotlib", "torch", "jax")


def machine() -> dict[str, Any]:
    """What the figures depend on: processor, threads, memory, load, versions, revision."""
    return {
        "processor": processor_model(),
        "fast_bfloat16": processor_has_fast_bfloat16(),
        "threads": usable_cores(),
        "thread_limits": {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ},
        "memory_gib": _memory_gib(),
        # Above 0 when the benchmark begins: somebody else is working here, and the figures suffer.
        "load_average": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
        "platform": platform.platform(),
        "versions": {"python": platform.python_version(), **_versions()},
        "git_revision": git_revision(Path(__file__).parent.parent / "centerloss_core"),
    }


def header(found: dict[str, Any]) -> str:
    """Return the machine in three lines."""
    bfloat16 = "with" if found["fast_bfloat16"] else "without"
    load = found["load_average"]
    return "\n".join(
        [
            f"{found['processor']}, {found['threads']} threads, {bfloat16} bfloat16 in hardware, "
            f"{found['memory_gib']} GiB" + ("" if load is None else f", load {load[0]:.1f} at the start"),
            ", ".join(f"{name} {number}" for name, number in found["versions"].items()),
            f"revision {found['git_revision']}",
        ]
    )


def table(outcome: Outcome) -> str:
    """Return the rows of a section under one another, with its notes."""
    lines: list[tuple[str, ...]] = [("", "median", "min … max", "n", "", "ratio")]
    lines += [_cells(row) for row in outcome.rows]
    return "\n".join([*_aligned(lines), *outcome.notes])


def _cells(row: Row) -> tuple[str, ...]:
    spread = f"{_number(min(row.values))} … {_number(max(row.values))}" if len(row.values) > 1 else ""
    ratio = "" if row.ratio is None else f"{row.ratio:.2f} × {row.reference}"
    return row.what, _number(row.median), spread, str(len(row.values)), row.unit, ratio


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    left = (0, 4, 5)  # words to the left, numbers to the right
    return [
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        ).rstrip()
        for line in lines
    ]


def _number(value: float) -> str:
    """Four digits, without an exponent."""
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _versions() -> dict[str, str]:
    versions = {}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:  # what is compared with need not be installed
            continue
    return versions


def _memory_gib() -> int | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
    except (AttributeError, OSError, ValueError):
        return None
