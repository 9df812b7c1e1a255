"""`cl runs`: what has been trained, as a list."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, varied_keys
from centerloss_core.config.problems import nearest, printable

from .options import UsageError
from .streams import say, say_json

if TYPE_CHECKING:
    from centerloss_core.run_directory.listing import RunRow


# A run is "stopped" where its process was killed.
Status = StrEnum("Status", ["RUNNING", "STOPPED", "COMPLETED", "FAILED", "INTERRUPTED", "DAMAGED"])

_OWN_COLUMN = (LAMBDA, ALPHA, SEED, "data.name")
_MARK = "!"  # of a run with warnings
_SHORT = {  # heads wider than their figures
    "nearest_center_accuracy": "nearest",
    "nearest_mean_accuracy": "mean",
    "separation_ratio": "ratio",
}
_SORT_BY_HEAD = {"run": "name", "softmax": "accuracy", "time": "duration"}
_SORT_BY_HEAD |= {"nearest": "nearest-center", "nearest mean": "nearest-mean", "mean": "nearest-mean"}
_SORT_BY_HEAD |= {"inter/intra": "ratio", "λ": "lambda", "α": "alpha"}
_NARROW = 120  # columns of a terminal
_WIDEST = 200  # columns of a list in a file
_MOST_NAMED = 4  # runs in one command: more do not fit side by side


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
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where",
            metavar="SECTION.KEY=VALUE",
            help="Only runs with this setting, such as model.feature_dim=8; may be repeated.",
        ),
    ] = None,
    sort: Annotated[
        str,
        typer.Option(
            "--sort",
            metavar="KEY",
            help="name, status, lambda, alpha, seed, accuracy, nearest-center, nearest-mean, ratio, steps, age, "
            "duration, or the key of any setting. Accuracies and ratio: best first, anything else: smallest first; of "
            "status: running first. Runs without the value come last.",
        ),
    ] = "name",
    reverse: Annotated[bool, typer.Option("--reverse", help="The other way round.")] = False,
    json_: Annotated[
        bool,
        typer.Option(
            "--json",
            help="Print a list of objects with the keys name, path, status, reason, lambda, lambda_eq, alpha, seed, "
            "data, accuracy, nearest_center_accuracy, nearest_center_accuracy_cosine, nearest_mean_accuracy, "
            "nearest_mean_accuracy_cosine, separation_ratio, steps, created, age_seconds, duration_seconds, warnings, "
            "settings; null is what is not known.",
        ),
    ] = False,
) -> None:
    """List the runs of a directory with their settings, results on the test images, age and duration.

    A run is called stopped if its process was killed: resume it with `cl train --resume`.
    """
    from centerloss_core.run_directory.listing import SORT_KEYS, choose_rows, list_runs, sort_rows

    # Without a DIR, `runs/` is a place where nothing has been put yet, not a name that was mistyped.
    found = list_runs(directory) if directory != Path("runs") or os.path.lexists(directory) else []
    settings: dict[str, list[Any]] = {LAMBDA: lambda_ or [], ALPHA: alpha or [], SEED: seed or []}
    for key, value in map(_parsed, where or ()):
        settings[key] = [*settings.get(key, []), value]
    _refuse_unknown(found, "--where", settings)
    # Whatever the class points are called.
    sort = _SORT_BY_HEAD.get(sort) or ("nearest-center" if sort.startswith("nearest ") else sort)
    if sort not in SORT_KEYS:
        _refuse_unknown(found, "--sort", {sort: [sort]})
    rows = choose_rows(found, statuses=status or (), data=data or (), settings=settings)
    rows = sort_rows(rows, sort, reverse=reverse)
    if json_:
        say_json([row.as_dict() for row in rows])
    elif rows:
        say("\n".join(_lines(rows)))
    elif found:
        say(f"none of the {len(found)} runs in {directory} matches; leave out a filter")
    else:
        say(f"no runs in {directory} yet; begin with: cl train quickstart")


def _lines(rows: Sequence[RunRow]) -> list[str]:
    from centerloss_core.formatting import duration
    from centerloss_core.metrics.names import ANGLE, ANGLE_MEANING, separation_of, with_points
    from centerloss_core.run_directory.manifest import mapping

    from .fitting import MARGIN
    from .tables import setting_columns, table_lines, terminal_width

    settings = [row.record.settings for row in rows]
    points = {row.record.class_points for row in rows if row.record.manifest}
    names = with_points(separation_of([row.figures for row in rows]), points)
    shown = [LAMBDA, ALPHA, *_varied(rows), SEED]
    of_settings = setting_columns(settings, shown, always=shown)
    columns = {
        "run": [row.name for row in rows],
        "status": [
            f"{row.record.status} {_MARK}" if row.record.warnings else row.record.status for row in rows
        ],
        "data": [row.data or "–" for row in rows],
        **of_settings,
        **{
            name.title: [name.cell(row.figures, row.record.images("test")) for row in rows]
            for name in names
            if name.best
        },
        "steps": ["–" if (steps := row.record.steps) is None else f"{steps:,}" for row in rows],
        "age": [_age(row.age) for row in rows],
        "time": [duration(row.duration) for row in rows],
    }
    heads = dict(zip(shown, of_settings, strict=True))
    axes = {key for row in rows for key in mapping(row.record.point.get("settings"))}
    further = [heads[key] for key in reversed(shown) if key not in (*axes, LAMBDA, ALPHA, SEED)]
    cells = list(zip(*columns.values(), strict=True))
    width = terminal_width()
    if width is None:  # a file has room for all but the many settings of many recipes
        lines = table_lines(list(columns), cells, left=3, spare=further, width=_WIDEST)
    else:
        # What does not vary goes first, what a sweep varies last, and λ never.
        titles = {name.key: name.title for name in names if name.key in _SHORT}
        short = {title: _SHORT[key] if width < _NARROW else title for key, title in titles.items()}
        columns = {short.get(name, name): column for name, column in columns.items()}
        kept = (*further, "steps", "data", "α", "seed", *short.values())
        constant = [name for name in ("data", "α", "seed") if len(set(columns[name])) == 1]
        of_sweeps = [heads[key] for key in shown if key in axes - {LAMBDA, ALPHA, SEED}]
        spare = (*constant, "time", MARGIN, "age", *kept, *reversed(of_sweeps))
        lines = table_lines(list(columns), cells, left=3, spare=spare, names=("run",))
        lines += [f"{head}: {name}" for name, head in short.items() if head != name and head in lines[0]]
    lines += [f"{ANGLE}: {ANGLE_MEANING}"] if any(ANGLE in line for line in lines) else []
    statuses = Counter(sorted(row.record.status for row in rows))
    counts = ", ".join(f"{count} {status}" for status, count in statuses.most_common())
    lines += ["", f"{len(rows)} {'run' if len(rows) == 1 else 'runs'}: {counts}"]
    lines += [printable(f"damaged: {row.reason}") for row in rows if row.record.status == "damaged"]
    return lines + _warned(rows) + _advice(rows)


def _varied(rows: Sequence[RunRow]) -> list[str]:
    """The settings that vary, beside those that are shown in any case."""
    known = [row.record.settings for row in rows if row.record.manifest]
    return [key for key in varied_keys(known) if key not in _OWN_COLUMN]


def _parsed(text: str) -> tuple[str, Any]:
    """The key and the value of `--where`."""
    key, separator, value = text.partition("=")
    if not separator:
        raise UsageError(f"--where {text}: expected SECTION.KEY=VALUE, such as model.feature_dim=8")
    try:
        return key.strip(), json.loads(value)
    except ValueError:
        return key.strip(), value.strip()


def _refuse_unknown(rows: Sequence[RunRow], option: str, asked: Mapping[str, Sequence[Any]]) -> None:
    from centerloss_core.run_directory.listing import SORT_KEYS

    known = {key for row in rows for key in row.record.settings}
    for key in asked:
        if known and asked[key] and key not in known and key not in (LAMBDA, ALPHA, SEED):
            titles = {each.rpartition(".")[2]: each for each in known} | {"λ": LAMBDA, "α": ALPHA}
            meant = titles.get(key) or nearest(key, {*known, *(SORT_KEYS if option == "--sort" else ())})
            hint = f"; did you mean {meant}?" if meant else ""
            raise UsageError(f"{option} {key}: no run here has this setting{hint}")


def _warned(rows: Sequence[RunRow]) -> list[str]:
    """How to read the warnings of the runs that are marked."""
    warned = [row for row in rows if row.record.warnings]
    if not warned:
        return []
    if len(warned) == 1:
        return [f"{_MARK} 1 run has warnings: cl report {_quoted(warned[0].record.path)}"]
    paths = " ".join(_quoted(row.record.path) for row in warned[:_MOST_NAMED])
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

    unfinished = [row for row in rows if row.record.status in ("stopped", "interrupted")]
    if not unfinished:
        return []
    run = unfinished[0].record.path
    sweep = sweep_of(run)  # which knows with how many threads its points were begun
    path, command = (run, "train") if sweep is None else (sweep, "sweep")
    first = "the unfinished one" if len(unfinished) == 1 else "the first unfinished one"
    return [f"resume {first}: cl {command} --resume {_quoted(path)}"]


def _quoted(path: Path) -> str:
    import shlex

    return printable(shlex.quote(str(path)))
