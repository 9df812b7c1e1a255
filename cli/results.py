"""What is printed before and after runs: the plan of `--dry-run`, the results, the figures, and what to do next."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerloss_core.config.axes import ALPHA, LAMBDA, LOSS, SEED, SHORT_NAMES, Settings, canonical, value_of
from centerloss_core.formatting import duration, number, percent
from centerloss_core.metrics.names import ANGLE, ANGLE_MEANING, SPEED, Name, separation_of, with_points
from centerloss_core.metrics.uncertainty import MEANING, mean_and_deviation
from centerloss_core.run_directory.class_points import renamed, trained
from centerloss_core.run_directory.loss_names import settings_by_loss
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.names import checkpoint_path
from centerloss_core.run_directory.reader import read_run

from .fitting import MARGIN
from .progress import in_images
from .streams import say
from .tables import PAGE, ordered_keys, print_table, setting_columns, settings_of, terminal_width, wrapped

if TYPE_CHECKING:
    from centerloss_core.config import Config

_MOST_LINES = 20  # of what the settings of a sweep allow
_MEANINGS = {
    "λ_eq": "λ_eq: λ for a mean over the batch",
    "intra": "intra, inter: mean distance to the mean of the own class, between the means of two",
    "nearest mean": "nearest mean: accuracy by the nearest class mean of these images",
    MARGIN: f"{MARGIN}: {MEANING}",
    ANGLE: f"{ANGLE}: {ANGLE_MEANING}",
}


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
    from centerloss_core.datasets import train_size_if_here, verify
    from centerloss_core.training.suited import refuse_unsuited, unexpected

    _, config = runs[0]
    # Before anything is printed: what a run would refuse is refused here.
    places: dict[str, None] = {}
    warnings: dict[str, None] = {}
    for data in dict.fromkeys(each.data for _, each in runs):
        place, dataset = verify(data)
        places[f"{data.name}: {place}"] = None
        for each in (each for _, each in runs if each.data == data):
            if dataset is not None:
                refuse_unsuited(each, dataset)
                warnings |= dict.fromkeys(unexpected(each, dataset))
    sizes = [train_size_if_here(each.data) for _, each in runs]
    steps = [
        None if size is None else each.train.total_steps(size)
        for size, (_, each) in zip(sizes, runs, strict=True)
    ]
    with open(os.devnull, "wb") as nowhere, devices.chatter_to(nowhere):
        device = devices.find_device(config.train)
    say(dump_yaml(config))
    if len(runs) > 1:
        say("# … with these values:\n")
    settings = [
        {**own, **{key: each.in_short()[SHORT_NAMES[key]] for key in (LAMBDA, ALPHA, SEED)}}
        for (_, each), own in zip(runs, axes or [{}] * len(runs), strict=True)
    ]
    columns = setting_columns(settings, ordered_keys(settings), always=(LAMBDA, ALPHA, SEED))
    images = [
        None if count is None else count * each.train.batch_size
        for count, (_, each) in zip(steps, runs, strict=True)
    ]
    columns = {
        "run": [str(path) for path, _ in runs],
        "λ": columns.pop("λ"),
        "λ_eq": [number(each.lambda_eq, "g") for _, each in runs],
        **columns,
        "length": [_length(each) for _, each in runs],
        "steps": [number(each, ",") for each in steps],
        "images": [number(each, ",") for each in images],
    }
    rows = list(zip(*columns.values(), strict=True))
    print_table(list(columns), rows, spare=("length", "λ_eq"), names=("run",))
    reason = f", because {device.precision_reason}" if device.precision_reason else ""
    counted = [(count, of_run) for count, of_run in zip(steps, images, strict=True) if count and of_run]
    total = in_images(sum(count for count, _ in counted), sum(of_run for _, of_run in counted))
    of_runs = f" of {len(counted)} runs" * (len(runs) > 1)
    to_come = "the images that are learnt are counted once they are downloaded"
    said = [f"{total}{of_runs}"] * bool(counted) + [to_come] * (len(counted) < len(runs))
    say(f"\nlength: {'; of the others '.join(said)}")
    lines = list(dict.fromkeys(line for _, each in runs for line in each.allows()))
    for line in lines[:_MOST_LINES]:
        say(f"allows: {line}")
    if len(lines) > _MOST_LINES:
        say(f"allows: … and {len(lines) - _MOST_LINES} more")
    say(f"device: {device.label}, convolutions in {device.precision}{reason}")
    for place in places:
        say(f"data:   {place}")
    for warning in warnings:
        say(f"        {warning}")
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
    run = read_run(path)
    reached = [{**metrics[split], "is_angular": run.is_angular} for split in splits]
    kinds = {run.class_points} - {None}
    separation = with_points(separation_of(reached), kinds)
    rows = [
        [split, *(name.cell(row, run.images(split)) for name in separation)]
        for split, row in zip(splits, reached, strict=True)
    ]
    head = ("split", *(name.title for name in separation))
    _explain(head, print_table(head, rows, spare=(MARGIN, "intra", "inter")), kinds)
    if best := mapping(run.manifest.get("best")):
        words = [
            f"{key.replace('_', ' ')} {percent(best[key])}" for key in best if key not in ("epoch", "step")
        ]
        kept = checkpoint_path(path, best["step"])
        say(f"\nbest on the validation images: epoch {best['epoch']}, {', '.join(words)}: {kept}")
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
    settings = settings_by_loss(rows, [settings_of(row) for row in rows])
    over_losses = LOSS in settings[0]
    grid = setting_columns(settings, ordered_keys(settings), always=(LOSS if over_losses else LAMBDA,))
    if not over_losses:
        grid = {"λ": grid.pop("λ"), "λ_eq": [number(row.get("lambda_eq"), "g") for row in rows], **grid}
    kinds = {kind for row in rows if (kind := str(row.get("class_points") or "")).isidentifier()}
    completed = [row for row in rows if row.get("status") == "completed"]
    separation = with_points(separation_of(completed), kinds)
    cells = []
    for row, values in zip(rows, zip(*grid.values(), strict=True), strict=True):
        if row.get("status") == "completed":
            speed = [name.write(row.get(name.key)) for name in SPEED]
            reached = [name.cell(row, row.get("test_images")) for name in separation]
            cells.append([*values, *reached, *speed])
        else:
            cells.append([*values, str(row.get("status")), *[""] * (len(separation) + 1)])
    say("\nOn the test images:")
    head = (*grid, *(name.title for name in separation), *(name.title for name in SPEED))
    spare = ("images/s", "time", "intra", "inter", MARGIN, "λ_eq")
    _explain(head, print_table(head, cells, spare=spare, names=("loss",), page=PAGE), kinds)
    _show_seeds(rows, settings, separation)
    # Warnings that differ in their numbers alone are one.
    alike: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        if row.get("warnings"):
            alike.setdefault(re.sub(r"[0-9.]+", "", str(row["warnings"])), []).append(row)
    for first, *others in alike.values():
        likewise = f" (likewise {', '.join(str(row.get('directory')) for row in others)})" if others else ""
        say(f"warning: {first.get('directory')}: {first['warnings']}{likewise}")


def _explain(columns: Sequence[str], table: Sequence[str], kinds: Collection[str | None]) -> None:
    """Say below a table what its words mean, of those columns that had room."""
    left_out = " ".join(table).partition("no room for these columns: ")[2].split(", ")
    signs = {sign for sign in (MARGIN, ANGLE) for line in table if sign in line}
    names = {*columns, *signs} - {*left_out}
    points = " or ".join(sorted(trained(kind) for kind in kinds if kind)) or "trained center"
    nearest = renamed("nearest center", kinds)
    known = {nearest: f"{nearest}: accuracy by the nearest {points}", **_MEANINGS}
    meanings = "; ".join(meaning for name, meaning in known.items() if name in names)
    say("\n".join(wrapped(f"{meanings} (docs/metrics.md)", terminal_width())))


def _show_seeds(
    rows: Sequence[Mapping[str, Any]], settings: Sequence[Settings], separation: Sequence[Name]
) -> None:
    """Print mean and standard deviation over the seeds of each setting that was completed with several."""
    keys = [key for key in ordered_keys(settings) if key != SEED]
    groups: dict[str, list[int]] = {}
    for index, row in enumerate(rows):
        if row.get("status") == "completed":
            groups.setdefault(canonical([value_of(settings[index], key) for key in keys]), []).append(index)
    several = [places for places in groups.values() if len(places) > 1]
    if not several:
        return
    columns = setting_columns([settings[places[0]] for places in several], keys, always=keys[:1])
    columns["seeds"] = [str(len(places)) for places in several]
    for name in separation:
        if name.best:
            values = [[name.of(rows[index]) for index in places] for places in several]
            columns[name.title] = [
                _over_seeds(name, each, name.sign(rows[places[0]]))
                for each, places in zip(values, several, strict=True)
            ]
    say("\nMean ± standard deviation over the seeds:")
    print_table(list(columns), list(zip(*columns.values(), strict=True)), page=PAGE)


def _over_seeds(name: Name, values: Sequence[object], sign: str) -> str:
    found = mean_and_deviation(values)
    if found is None:
        return "–"
    return name.over_seeds(*found) + sign


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
