"""What is printed before and after runs: the plan of `--dry-run`, the results, the figures, and what to do next."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerloss_core.config.axes import ALPHA, LAMBDA, SEED, Settings
from centerloss_core.formatting import duration, number
from centerloss_core.metrics.names import SEPARATION, SPEED

from .progress import in_images
from .streams import say
from .tables import ordered_keys, print_table, setting_columns, settings_of

if TYPE_CHECKING:
    from centerloss_core.config import Config

_SEPARATION = [name.title for name in SEPARATION]


def show_plan(
    runs: Sequence[tuple[Path, Config]],
    axes: Sequence[Settings] | None = None,
    launcher: str | None = None,
) -> None:
    """Print what `--dry-run` promises: the resolved config, the runs, device, data source and launcher.

    Args:
        runs: the directory and the config of each.
        axes: of each run, the settings that its sweep varies.
        launcher: of a sweep, in words.
    """
    from centerloss_core import devices
    from centerloss_core.config import dump_yaml
    from centerloss_core.datasets import train_size, verify

    _, config = runs[0]
    # Before anything is printed: what a run would refuse is refused here.
    steps = [
        each.train.total_steps(train_size(each.data.name, validation=each.data.validation))
        for _, each in runs
    ]
    data = dict.fromkeys((each.data.name, each.data.dir) for _, each in runs)
    places = [f"{name}: {verify(name, dir=folder)}" for name, folder in data]
    with open(os.devnull, "wb") as nowhere, devices.chatter_to(nowhere):
        device = devices.find_device(config.train)
    say(dump_yaml(config))
    if len(runs) > 1:
        say("# … with these values:\n")
    settings = [
        {LAMBDA: each.loss.lambda_, ALPHA: each.loss.alpha, SEED: each.train.seed, **own}
        for (_, each), own in zip(runs, axes or [{}] * len(runs), strict=True)
    ]
    columns = setting_columns(settings, ordered_keys(settings), always=(LAMBDA, ALPHA, SEED))
    images = [count * each.train.batch_size for count, (_, each) in zip(steps, runs, strict=True)]
    columns = {
        "run": [str(path) for path, _ in runs],
        "λ": columns.pop("λ"),
        "λ_eq": [number(each.lambda_eq, "g") for _, each in runs],
        **columns,
        "length": [_length(each) for _, each in runs],
        "steps": [f"{each:,}" for each in steps],
        "images": [f"{each:,}" for each in images],
    }
    print_table(list(columns), list(zip(*columns.values(), strict=True)), spare=("length",))
    reason = f", because {device.precision_reason}" if device.precision_reason else ""
    say(f"\nlength: {in_images(sum(steps), sum(images))}{f' of {len(runs)} runs' * (len(runs) > 1)}")
    say(f"device: {device.label}, convolutions in {device.precision}{reason}")
    for place in places:
        say(f"data:   {place}")
    if launcher is not None:
        say(f"by:     {launcher}")
    say("Nothing was started.")


def _length(config: Config) -> str:
    train = config.train
    number, unit = (train.epochs, "epoch") if train.epochs is not None else (train.iterations, "iteration")
    return f"{number:,} {unit}{'' if number == 1 else 's'}"


def show_result(path: Path, metrics: Mapping[str, Any]) -> None:
    """Print what one run reached, where it is, and what to do next."""
    splits = [split for split in ("test", "validation", "train") if split in metrics]
    rows = [[split, *_separation_cells(metrics[split])] for split in splits]
    print_table(("split", *_SEPARATION), rows, spare=("intra", "inter"))
    say(f"\n{metrics['images_per_second']:.0f} images/s, {duration(metrics['seconds'])} in all")
    _say_next(path)


def show_completed(path: Path) -> None:
    """Say that there is nothing left to do for a run."""
    say(f"{path} is completed: there is nothing to resume")
    _say_next(path)


def show_sweep_result(directory: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Print the results of a sweep, where they are, and what to do next."""
    show_sweep_table(rows)
    say(f"table: {directory / 'summary.csv'}")
    _say_next(directory)


def show_sweep_table(rows: Sequence[Mapping[str, Any]]) -> None:
    """Print what each point of a sweep reached on the test images.

    Args:
        rows: from `summary.json`, which can be edited by hand: what is missing or is no number becomes a dash.
    """
    settings = [settings_of(row) for row in rows]
    grid = setting_columns(settings, ordered_keys(settings), always=(LAMBDA,))
    grid = {"λ": grid.pop("λ"), "λ_eq": [number(row.get("lambda_eq"), "g") for row in rows], **grid}
    cells = []
    for row, values in zip(rows, zip(*grid.values(), strict=True), strict=True):
        if row.get("status") == "completed":
            speed = [name.write(row.get(name.key)) for name in SPEED]
            cells.append([*values, *_separation_cells(row), *speed])
        else:
            cells.append([*values, str(row.get("status")), *[""] * (len(_SEPARATION) + 1)])
    say("\nOn the test images:")
    head = (*grid, *_SEPARATION, *(name.title for name in SPEED))
    print_table(head, cells, spare=("images/s", "time", "intra", "inter", "λ_eq"))
    # Warnings that differ in their numbers alone are one.
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("warnings"):
            alike.setdefault(re.sub(r"[0-9.]+", "", str(row["warnings"])), []).append(row)
    for first, *others in alike.values():
        likewise = f" (likewise {', '.join(str(row.get('directory')) for row in others)})" if others else ""
        say(f"warning: {first.get('directory')}: {first['warnings']}{likewise}")


def _separation_cells(row: Mapping[str, Any]) -> list[str]:
    return [name.write(row.get(name.key)) for name in SEPARATION]


def show_figures(written: Sequence[Path]) -> None:
    """Print the folders of the figures, and last, where the eye is, the one that shows most by name."""
    main, *others = written
    for folder in dict.fromkeys(path.parent for path in others):
        names = ", ".join(path.name for path in others if path.parent == folder)
        say(f"also:   {folder}/ ({names})")
    say(f"figure: {main}")


def _say_next(path: Path) -> None:
    say(f"results: {path}")
    say(f"figures: cl plot {shlex.quote(str(path))}")
