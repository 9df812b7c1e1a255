"""`make bench` or `python -m benchmarks`: measure, print a table per section, keep everything in one JSON file."""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.report import header, machine, table
from benchmarks.sections import MissingError, Options
from centerloss_core.files.atomic import atomic_write

# Each is a module of this package with a function `measure(options) -> Outcome`.
SECTIONS = {
    "startup": "how long a person waits before anything happens (1 to 3 minutes)",
    "data": "reading, unpacking and checking a data set (seconds)",
    "peak": "the rate of matrix products, the ceiling of everything else (1 minute)",
    "step": "images/s of our training step and of the plain PyTorch loop (10 minutes)",
    "scale": "the step with little and much data; center loss with many classes (10 minutes)",
    "backend": "the step on TensorFlow and on JAX (5 minutes)",
    "sweep": "what a point of a sweep costs beyond its steps, memory, --jobs 2 (10 minutes)",
    "launchers": "a thousand points that do nothing, by each launcher (15 minutes)",
    "cpu": "the float32 step beside PyTorch in both layouts and the matrix peak (10 minutes; only by name)",
    "gpu": "the step under JAX, one setting varied at a time; a run; 20 points (5 minutes; only by name)",
    "streaming": "images that memory is not to hold: images/s, and memory (20 minutes for 4 GiB; only by name)",
    "mislabels": "labels made wrong that `cl rank` puts first, for three λ (5 minutes a seed; only by name)",
    "figure": "from Enter to the figure on disk, beside the public recipe (minutes a seed; not in --quick)",
}
_NOT_QUICK = ("figure",)  # unless --only names it
_ONLY_BY_NAME = ("cpu", "gpu", "mislabels", "streaming")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    asked = _parser().parse_args(arguments)
    if asked.list:
        for name, what in SECTIONS.items():
            print(f"{name:9}  {what}")
        return 0
    names = asked.only or [
        name for name in SECTIONS if name not in _ONLY_BY_NAME and not (asked.quick and name in _NOT_QUICK)
    ]
    options = Options(quick=asked.quick, device=asked.device, seeds=tuple(asked.seeds), gib=asked.gib)
    now = datetime.now(UTC)
    out = asked.out or Path("runs") / "benchmarks" / f"{now:%Y%m%dT%H%M%SZ}.json"
    found = machine()
    print(header(found))
    if options.quick:
        print("quick: to see that everything runs; the figures mean little")
    content: dict[str, Any] = {
        "format": 1,
        "created": now.isoformat(timespec="seconds"),
        "quick": options.quick,
        "device": options.device,
        "machine": found,
        "sections": {},
    }
    for name in names:
        print(f"\n== {name}: {SECTIONS[name]}", flush=True)
        content["sections"][name] = _measure(name, options)
        _write(out, content)  # after each: what fails in the last minute must not cost an hour of measuring
    print(f"\nall figures: {out}")
    return 1 if any("failed" in section for section in content["sections"].values()) else 0


def _measure(name: str, options: Options) -> dict[str, Any]:
    """Measure one section and print it; one that fails does not stop the others."""
    began = time.perf_counter()
    try:
        outcome = importlib.import_module(f"benchmarks.{name}").measure(options)
    except MissingError as missing:
        print(f"skipped: {missing}")
        return {"skipped": str(missing)}
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"
        print(f"failed: {reason}")
        return {"failed": reason}
    print(table(outcome), flush=True)
    return {
        "rows": [row.as_dict() for row in outcome.rows],
        "notes": outcome.notes,
        "seconds": time.perf_counter() - began,
    }


def _write(out: Path, content: dict[str, Any]) -> None:
    out.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(out) as file:
        file.write((json.dumps(content, indent=2, ensure_ascii=False) + "\n").encode())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure, in turns, beside what we compare with."
    )
    parser.add_argument(
        "--only", type=_names, metavar="NAME[,NAME]", help="these sections; --list names them"
    )
    parser.add_argument("--quick", action="store_true", help="little work, to see that everything runs")
    parser.add_argument("--list", action="store_true", help="print the sections and stop")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="the JSON file (default: runs/benchmarks/<UTC time>.json)"
    )
    parser.add_argument(
        "--seeds", type=_seeds, default=[0], metavar="0[,1,…]", help="of `figure`, `mislabels`"
    )
    parser.add_argument(
        "--gib", type=float, default=4.0, metavar="N", help="size of the images of `streaming`"
    )
    parser.add_argument("--device", choices=("cpu", "gpu"), default="cpu", help="where to train")
    return parser


def _names(text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")]
    unknown = [name for name in names if name not in SECTIONS]
    if unknown:
        raise argparse.ArgumentTypeError(f"no such section: {unknown[0]!r}; there are {', '.join(SECTIONS)}")
    return names


def _seeds(text: str) -> list[int]:
    try:
        return [int(seed) for seed in text.split(",")]
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"expected integers such as 0,1,2; received {text!r}") from error


if __name__ == "__main__":
    sys.exit(main())
