"""What differs between runs: in their configs, in where they come from, in what they reached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.config import Config
from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.formatting import finite
from centerloss_core.run_directory.listing import same_setting
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.names import MANIFEST, features_path
from centerloss_core.run_directory.reader import RunRecord, read_run
from centerloss_core.run_directory.resume_check import begun_config

_PROVENANCE = ("versions", "platform", "git_revision", "backend", "device", "threads", "precision")
_DATA = ("fingerprint", "train", "validation", "test")  # not `source`: the same images may lie elsewhere
_SPLITS = ("test", "train")  # that `cl evaluate` measures
_DUMPS = ("test-final", "train-final")


class ComparisonError(ExpectedError):
    """Runs that cannot be compared; the message names them and the mend."""


class TooFewRunsError(ComparisonError):
    """A comparison takes two."""

    exit_code = 2


@dataclass(frozen=True)
class Difference:
    """A value that is not the same in all runs.

    Attributes:
        key: dotted, as in `--set` or in `run.json`: `loss.lambda`, `versions.keras`.
        values: of each run, in the order asked for; None where a run has none.
    """

    key: str
    values: tuple[Any, ...]


@dataclass(frozen=True)
class Result:
    """A figure of each run, equal or not.

    Attributes:
        key: as in the `metrics` or `evaluation` of `run.json`: `test.accuracy`.
        values: of each run, None where it has none.
        differences: to the first run; None where one of the two has no figure.
    """

    key: str
    values: tuple[float | None, ...]
    differences: tuple[float | None, ...]

    def as_dict(self) -> dict[str, Any]:
        return {"key": self.key, "values": list(self.values), "differences": list(self.differences)}


@dataclass(frozen=True)
class Twins:
    """Runs with the same config, every key of it.

    Attributes:
        runs: their places in the order asked for; two or more.
        dumps_equal: whether their final feature dumps are the same files, byte for byte; None where one lacks a dump.
    """

    runs: tuple[int, ...]
    dumps_equal: bool | None


@dataclass(frozen=True)
class Comparison:
    """All that `compare_runs` found.

    Attributes:
        runs: as they are on disk, in the order asked for; `settings` of each holds every setting.
        names: short, and different for each run.
        results: what the runs noted of themselves.
        evaluation: what `cl evaluate` has measured since; empty where it was not asked for any.
    """

    runs: tuple[RunRecord, ...]
    names: tuple[str, ...]
    config: tuple[Difference, ...]
    provenance: tuple[Difference, ...]
    results: tuple[Result, ...]
    evaluation: tuple[Result, ...]
    twins: tuple[Twins, ...]

    def as_dict(self) -> dict[str, Any]:
        """For JSON, with keys that stay. Lists of values are in the order of `runs`."""
        return {
            "runs": [
                {
                    "path": str(run.path),
                    "name": name,
                    "status": run.status,
                    "warnings": run.warnings,
                    "settings": run.settings,
                }
                for run, name in zip(self.runs, self.names, strict=True)
            ],
            "config": [{"key": each.key, "values": list(each.values)} for each in self.config],
            "provenance": [{"key": each.key, "values": list(each.values)} for each in self.provenance],
            "results": [each.as_dict() for each in self.results],
            "evaluation": [each.as_dict() for each in self.evaluation],
            "same_config": [
                {
                    "runs": [str(self.runs[index].path) for index in each.runs],
                    "final_dumps_equal": each.dumps_equal,
                }
                for each in self.twins
            ],
        }


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Lay runs side by side. They need not be completed; what one has not reached is None.

    Raises:
        TooFewRunsError: fewer than two.
        ComparisonError, RunError: one is not a run directory, or its `run.json` is damaged.
        ConfigError: its `config.yaml` is missing or wrong.
    """
    if len(paths) < 2:
        raise TooFewRunsError(
            "name two or more run directories: cl compare A B (cl runs lists what there is)"
        )
    for path in paths:
        _require_run(path)
    runs = [read_run(path) for path in paths]
    configs = [begun_config(path) for path in paths]
    return Comparison(
        runs=tuple(runs),
        names=_short_names(paths),
        config=tuple(differing([_plain(config) for config in configs])),
        provenance=tuple(differing([_origin(run) for run in runs])),
        results=tuple(_results([run.metrics for run in runs])),
        evaluation=tuple(_results([_evaluation(run) for run in runs])),
        twins=tuple(_twins(paths, configs)),
    )


def _require_run(path: Path) -> None:
    if (path / MANIFEST).exists():
        return
    if not path.is_dir():
        raise ComparisonError(f"{path}: no such run directory; cl runs lists what there is")
    points = sorted(each.parent.name for each in path.glob(f"[!.]*/{MANIFEST}"))
    if points:
        raise ComparisonError(
            f"{path} holds {len(points)} runs and is not a run itself; name the ones to compare, such as "
            f"{path / points[0]}"
        )
    raise ComparisonError(f"{path} is not a run directory: it has no {MANIFEST}; cl runs lists what there is")


def _short_names(paths: Sequence[Path]) -> tuple[str, ...]:
    """The last parts of each path, as few as tell all of them apart; the paths as given where nothing does."""
    parts = [path.absolute().parts for path in paths]
    for count in range(1, max(map(len, parts)) + 1):
        names = tuple("/".join(each[-count:]) for each in parts)
        if len(set(names)) == len(names):
            return names
    return tuple(map(str, paths))


# ---- Settings and origins -----------------------------------------------------------------------------------


def _plain(config: Config) -> dict[str, Any]:
    # Through the schema, not the file: a key that is younger than a run has its default there.
    return config.model_dump(mode="json", by_alias=True)


def _origin(run: RunRecord) -> dict[str, Any]:
    resumed = run.manifest.get("resumed")
    return {
        **{key: run.manifest.get(key) for key in _PROVENANCE},
        "data": {key: run.data.get(key) for key in _DATA},
        "resumed_at": [mapping(row).get("step") for row in resumed] if isinstance(resumed, list) else [],
    }


def differing(values: Sequence[Any], key: str = "") -> list[Difference]:
    """The innermost keys whose values differ; a mapping that some runs lack (`loss.ramp: null`) is one value."""
    if all(isinstance(value, dict) for value in values):
        names = dict.fromkeys(name for value in values for name in value)
        return [
            difference
            for name in names
            for difference in differing([value.get(name) for value in values], f"{key}.{name}")
        ]
    if all(same_setting(value, values[0]) for value in values):
        return []
    return [Difference(key.removeprefix("."), tuple(values))]


# ---- Results ------------------------------------------------------------------------------------------------


def _results(metrics: Sequence[Mapping[str, Any]]) -> list[Result]:
    """The figures that any run has, in the order of `run.json`; λ_eq is among them there, and is a setting."""
    flat = [_flat(each) for each in metrics]
    keys = dict.fromkeys(key for each in flat for key in each if key != "lambda_eq")
    results = []
    for key in keys:
        values = tuple(each.get(key) for each in flat)
        first = values[0]
        differences = (None if value is None or first is None else value - first for value in values)
        results.append(Result(key, values, tuple(differences)))
    return results


def _evaluation(run: RunRecord) -> dict[str, Any]:
    """The figures alone; classes and settings are in `evaluation.json`."""
    found = mapping(run.manifest.get("evaluation"))
    return {
        split: {key: value for key, value in mapping(found.get(split)).items() if not isinstance(value, dict)}
        for split in _SPLITS
    }


def _flat(metrics: Mapping[str, Any], key: str = "") -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, value in metrics.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{key}{name}."))
        elif (figure := finite(value)) is not None:
            flat[f"{key}{name}"] = figure
    return flat


# ---- Runs with the same config ------------------------------------------------------------------------------


def _twins(paths: Sequence[Path], configs: Sequence[Config]) -> list[Twins]:
    groups: list[list[int]] = []
    for index, config in enumerate(configs):
        for group in groups:
            if configs[group[0]] == config:
                group.append(index)
                break
        else:
            groups.append([index])
    return [
        Twins(tuple(group), _dumps_are_equal([paths[index] for index in group]))
        for group in groups
        if len(group) > 1
    ]


def _dumps_are_equal(paths: Sequence[Path]) -> bool | None:
    for name in _DUMPS:
        digests = [_digest(features_path(path, name)) for path in paths]
        if None in digests:
            return None
        if len(set(digests)) > 1:
            return False
    return True


def _digest(path: Path) -> str | None:
    try:
        with open_to_read(path) as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except (OSError, ValueError):
        return None
