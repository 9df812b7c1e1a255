"""Any folder of runs, or several runs, read as a sweep is: what varies between them is found out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from centerloss_core.config.axes import (
    ALPHA,
    LAMBDA,
    SEED,
    VARIANT,
    in_order,
    values_of,
    varied_keys,
    varying,
)
from centerloss_core.files.paths import from_the_root
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.listing import ListingError, list_runs
from centerloss_core.run_directory.manifest import SHORT_KEYS, mapping
from centerloss_core.run_directory.names import is_run, is_sweep, what_is_missing
from centerloss_core.run_directory.reader import RunRecord, SweepRecord, look_at, read_sweep

# With more further settings that vary, a run is told by its name.
_MOST_AXES = 4
# They say where and how often, and change no figure.
_NO_AXES = (
    "data.dir",
    "train.device",
    "train.log_every",
    "train.checkpoint_",
    "train.dump_",
    "train.tensorboard",
)


def read_collection(paths: Sequence[Path]) -> SweepRecord:
    """Read runs, sweeps and folders of runs as one sweep; each run once, a damaged one as a record with a problem.

    Where the settings do not tell the runs apart, or too many of them vary, their names do, as variants.

    Raises:
        RunError: a path holds no run.
    """
    found = [record for path in paths for record in runs_in(path)]
    records = list({record.path.resolve(): record for record in found}.values())
    for record, name in zip(records, short_names([record.path for record in records]), strict=True):
        record.alias = name
    known = [record.settings for record in records if record.manifest]
    further = [
        key
        for key in varied_keys(known)
        if key not in (LAMBDA, ALPHA, SEED, VARIANT) and not key.startswith(_NO_AXES)
    ]
    if len(further) > _MOST_AXES:
        further = []
    axes = in_order([LAMBDA, ALPHA, *further, SEED])
    by_name = len({str(values_of(settings, varying(known, axes))) for settings in known}) < len(known)
    for record in records:
        settings = values_of(record.settings, axes) | ({VARIANT: record.name} if by_name else {})
        record.point = {**record.point, "settings": settings}
        record.__dict__.pop("settings", None)  # it is kept once it was asked for
    return SweepRecord(
        _place_of(paths), records, in_order([VARIANT, *axes]) if by_name else axes, is_collection=True
    )


def runs_in(path: Path) -> list[RunRecord]:
    """The run in `path`, the points of the sweep there, or the runs of the folder and one level deeper.

    Raises:
        RunError: there are none.
    """
    if is_run(path):
        return [look_at(path)]
    if is_sweep(path):
        return read_sweep(path).runs
    try:
        records = [row.record for row in list_runs(path)]
    except ListingError:
        records = []
    if not records:
        raise RunError(what_is_missing(path))
    return records


def row_of(run: RunRecord) -> dict[str, Any]:
    """What a sweep would keep of a run in its `summary.json`."""
    test = mapping(run.metrics.get("test"))
    in_short = {name: run.settings.get(key) for name, key in SHORT_KEYS.items()}
    return {
        "directory": run.name,
        "settings": run.point.get("settings"),
        **in_short,
        "lambda_eq": run.lambda_eq,
        "loss": run.loss,
        "class_points": run.class_points,
        "is_angular": run.is_angular,
        "status": run.status,
        "warnings": "; ".join(run.warnings) or None,
        **test,
        "test_images": run.images("test"),
        **{key: run.metrics.get(key) for key in ("images_per_second", "seconds")},
    }


def short_names(paths: Sequence[Path]) -> list[str]:
    """The last parts of each path, as few as tell all of them apart; the paths as given where nothing does."""
    parts = [from_the_root(path).parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(each[-count:]) for each in parts]
        if len(set(names)) == len(names):
            return names
    return list(map(str, paths))


def _place_of(paths: Sequence[Path]) -> Path:
    """Where figures and tables of all of them go: the folder that they are in, and never into one run or sweep."""
    if len(paths) == 1:
        return paths[0]
    place = Path(os.path.relpath(os.path.commonpath([path.absolute() for path in paths])))
    if paths[0].is_absolute():
        place = place.absolute()
    while is_run(place) or is_sweep(place):
        place = place.absolute().parent
    return place
