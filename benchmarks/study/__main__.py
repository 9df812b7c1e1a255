"""`python -m benchmarks.study DIR …`: docs/study.md and its figures, from the sweep's directories alone."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.study.page import write_page
from centerloss_core.errors import ExpectedError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.study", description=__doc__)
    parser.add_argument(
        "directories", nargs="+", type=Path, metavar="DIR", help="sweeps of the study, or runs"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path("docs/study.md"),
        help="the page; its figures go to figures/ beside it",
    )
    asked = parser.parse_args(arguments)
    try:
        for path in write_page(asked.directories, asked.out):
            print(path)
    except ExpectedError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
