"""`cl runs`: what has been trained, as a list."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .streams import printable, say, say_json

if TYPE_CHECKING:
    from centerloss_core.run_directory.listing import RunRow


# A run is "stopped" where its process was killed.
Status = StrEnum("Status", ["RUNNING", "STOPPED", "COMPLETED", "FAILED", "INTERRUPTED", "DAMAGED"])

# The names of a sweep's runs say λ, α and seed themselves.
_SPARE = ("time", "age", "data", "α", "seed", "nearest center", "λ")
_MARK = "!"  # of a run with warnings
_MOST_NAMED = 4  # runs in one command: more do not fit side by side


class SortKey(StrEnum):
    """What runs can be put in order by."""

    NAME = "name"
    STATUS = "status"
    LAMBDA = "lambda"
    ALPHA = "alpha"
    SEED = "seed"
    ACCURACY = "accuracy"
    NEAREST_CENTER = "nearest-center"
    RATIO = "ratio"
    AGE = "age"
    DURATION = "duration"


def runs(
    directory: Annotated[
        Path, typer.Argument(metavar="DIR", help="Where to look: here and one level deeper.")
    ] = Path("runs"),
    status: Annotated[
        list[Status] | None, typer.Option("--status", help="Only runs of this status; may be repeated.")
    ] = None,
    lambda_: Annotated[
        list[float] | None, typer.Option("--lambda", help="Only runs with this λ; may be repeated.")
    ] = None,
    alpha: Annotated[
        list[float] | None, typer.Option("--alpha", help="Only runs with this α; may be repeated.")
    ] = None,
    seed: Annotated[
        list[int] | None, typer.Option("--seed", help="Only runs with this seed; may be repeated.")
    ] = None,
    data: Annotated[
        list[str] | None,
        typer.Option("--data", metavar="NAME", help="Only runs on this data set; may be repeated."),
    ] = None,
    sort: Annotated[
        SortKey,
        typer.Option(
            "--sort",
            help="Smallest first; runs without the figure come last. Of status: running first, damaged last.",
        ),
    ] = SortKey.NAME,
    reverse: Annotated[bool, typer.Option("--reverse", help="Largest first.")] = False,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a list of objects with the keys name, path, status, reason, lambda, lambda_eq, alpha, seed, "
            "data, accuracy, nearest_center_accuracy, separation_ratio, created, age_seconds, duration_seconds, "
            "warnings, settings; null is what is not known.",
        ),
    ] = False,
) -> None:
    """List the runs of a directory with their settings, results on the test images, age and duration.

    A run is called stopped if its process was killed: resume it with `cl train --resume`.
    """
    from centerloss_core.run_directory.listing import choose_rows, list_runs, sort_rows

    # Without a DIR, `runs/` is a place where nothing has been put yet, not a name that was mistyped.
    found = list_runs(directory) if directory != Path("runs") or directory.exists() else []
    rows = choose_rows(
        found,
        statuses=status or (),
        data=data or (),
        settings={"loss.lambda": lambda_ or (), "loss.alpha": alpha or (), "train.seed": seed or ()},
    )
    rows = sort_rows(rows, sort.value, reverse=reverse)
    if json_:
        say_json([row.as_dict() for row in rows])
    elif rows:
        say("\n".join(_lines(rows)))
    elif found:
        say(f"none of the {len(found)} runs in {directory} matches; leave out a filter")
    else:
        say(f"no runs in {directory} yet; begin with: cl train --config configs/quickstart.yaml")


def _lines(rows: Sequence[RunRow]) -> list[str]:
    from centerloss_core.run_directory.listing import count_statuses

    from .tables import table_lines

    heads = (
        "run",
        "status",
        "data",
        "λ",
        "α",
        "seed",
        "softmax",
        "nearest center",
        "inter/intra",
        "age",
        "time",
    )
    lines = table_lines(heads, [_cells(row) for row in rows], left=3, spare=_SPARE)
    counts = ", ".join(f"{number} {status}" for status, number in count_statuses(rows).items())
    lines += ["", f"{len(rows)} {'run' if len(rows) == 1 else 'runs'}: {counts}"]
    lines += [printable(f"damaged: {row.reason}") for row in rows if row.status == "damaged"]
    return lines + _warned(rows) + _advice(rows)


def _cells(row: RunRow) -> list[str]:
    from centerloss_core.formatting import duration, exact, number, percent

    return [
        row.name,
        f"{row.status} {_MARK}" if row.warnings else row.status,
        row.data or "–",
        exact(row.record.lambda_),
        exact(row.record.alpha),
        exact(row.record.seed),
        percent(row.figure("accuracy")),
        percent(row.figure("nearest_center_accuracy")),
        number(row.figure("separation_ratio")),
        _age(row.age),
        duration(row.duration),
    ]


def _warned(rows: Sequence[RunRow]) -> list[str]:
    """How to read the warnings of the runs that are marked."""
    warned = [row for row in rows if row.warnings]
    if not warned:
        return []
    if len(warned) == 1:
        return [f"{_MARK} 1 run has warnings: cl report {_quoted(warned[0].path)}"]
    paths = " ".join(_quoted(row.path) for row in warned[:_MOST_NAMED])
    first = f", the first {_MOST_NAMED}" if len(warned) > _MOST_NAMED else ""
    return [f"{_MARK} {len(warned)} runs have warnings{first}: cl compare {paths}"]


def _age(seconds: float | None) -> str:
    """The largest unit alone: nobody asks for the minutes of a run of last week."""
    if seconds is None:
        return "–"
    for unit, name in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= unit:
            return f"{int(seconds // unit)} {name}"
    return f"{max(int(seconds), 0)} s"  # the clock may have been put back since


def _advice(rows: Sequence[RunRow]) -> list[str]:
    from centerloss_core.run_directory.names import sweep_of

    unfinished = [row for row in rows if row.status in ("stopped", "interrupted")]
    if not unfinished:
        return []
    run = unfinished[0].path
    sweep = sweep_of(run)  # which knows with how many threads its points were begun
    path, command = (run, "train") if sweep is None else (sweep, "sweep")
    first = "the unfinished one" if len(unfinished) == 1 else "the first unfinished one"
    return [f"resume {first}: cl {command} --resume {_quoted(path)}"]


def _quoted(path: Path) -> str:
    import shlex

    return printable(shlex.quote(str(path)))
