"""What differs between runs: in their configs, in where they come from, in what they reached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from centerloss_core.config import Config
from centerloss_core.config.axes import canonical, flatten
from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.formatting import finite
from centerloss_core.run_directory.collection import runs_in, short_names
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.loss_names import names_by_loss
from centerloss_core.run_directory.manifest import items, mapping
from centerloss_core.run_directory.names import features_path, is_run
from centerloss_core.run_directory.reader import RunRecord, read_run
from centerloss_core.run_directory.resume_check import begun_config

_PROVENANCE = ("versions", "platform", "git_revision", "backend", "device", "threads", "precision", "init")
_DATA = ("fingerprint", "train", "validation", "test")  # not `source`: the same images may lie elsewhere
_SPLITS = ("test", "train")  # that `cl evaluate` measures
_DUMPS = ("test-final", "train-final")


class ComparisonError(ExpectedError):
    """A comparison takes two runs."""

    exit_code = 2


class Twins(NamedTuple):
    """Runs with the same config, every key of it.

    Attributes:
        runs: their places in the order asked for; two or more.
        dumps_equal: whether their final feature dumps are the same files, byte for byte; None where one lacks a dump.
    """

    runs: tuple[int, ...]
    dumps_equal: bool | None


@dataclass(frozen=True)
class Comparison:
    """What `compare_runs` found; values by dotted key are in the order of `runs`, None where a run has none.

    Attributes:
        runs: as they are on disk, in the order asked for; `settings` of each holds every setting.
        names: short, and different for each run: of runs of several losses, what these are called.
        config: the settings that differ, `loss.lambda`.
        provenance: what differs of where the runs come from, `versions.keras`.
        results: the figures that the runs noted of themselves, equal or not, `test.accuracy`.
        evaluation: what `cl evaluate` has measured since; empty where it was not asked for any.
        twins: the runs with equal configs.
    """

    runs: list[RunRecord]
    names: list[str]
    config: dict[str, list[Any]]
    provenance: dict[str, list[Any]]
    results: dict[str, list[float | None]]
    evaluation: dict[str, list[float | None]]
    twins: list[Twins]

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
            "config": [{"key": key, "values": values} for key, values in self.config.items()],
            "provenance": [{"key": key, "values": values} for key, values in self.provenance.items()],
            "results": _with_differences(self.results),
            "evaluation": _with_differences(self.evaluation),
            "same_config": [
                {
                    "runs": [str(self.runs[index].path) for index in each.runs],
                    "final_dumps_equal": each.dumps_equal,
                }
                for each in self.twins
            ],
        }


def _with_differences(results: Mapping[str, list[float | None]]) -> list[dict[str, Any]]:
    return [
        {"key": key, "values": values, "differences": to_first(values)} for key, values in results.items()
    ]


def to_first(values: Sequence[float | None]) -> list[float | None]:
    """The difference of each value to the first; None where one of the two is."""
    first = values[0]
    return [None if value is None or first is None else value - first for value in values]


def compare_runs(paths: Sequence[Path]) -> Comparison:
    """Lay runs side by side; of a sweep or a folder, all its runs. What one has not reached is None.

    Raises:
        ComparisonError: fewer than two.
        RunError: one is not a run directory, or its `run.json` is damaged.
        ConfigError: its `config.yaml` is missing or wrong.
    """
    paths = [run for path in paths for run in _runs_of(path)]
    if len(paths) < 2:
        raise ComparisonError(
            "name two or more runs, or a folder of runs: cl compare A B (cl runs lists what there is)"
        )
    runs = [read_run(path) for path in paths]
    configs = [begun_config(path) for path in paths]
    return Comparison(
        runs=runs,
        names=names_by_loss(runs) or short_names(paths),
        # Through the schema, not the file: a key that is younger than a run has its default there.
        config=differing([config.model_dump(mode="json", by_alias=True) for config in configs]),
        provenance=differing([_origin(run) for run in runs]),
        results=_figures([run.metrics for run in runs]),
        evaluation=_figures([_evaluation(run) for run in runs]),
        twins=_twins(paths, configs),
    )


def _runs_of(path: Path) -> list[Path]:
    """The run itself, or those of a sweep or a folder that have begun; whatever else it is, it is read as a run."""
    try:
        return [path] if is_run(path) else [run.path for run in runs_in(path) if is_run(run.path)]
    except RunError:
        return [path]


def _origin(run: RunRecord) -> dict[str, Any]:
    return {
        **{key: run.manifest.get(key) for key in _PROVENANCE},
        "data": {key: run.data.get(key) for key in _DATA},
        "resumed_at": [mapping(row).get("step") for row in items(run.manifest.get("resumed"))],
    }


def differing(values: Sequence[Any], key: str = "") -> dict[str, list[Any]]:
    """The innermost keys whose values differ; a mapping that some runs lack (`loss.ramp: null`) is one value."""
    if all(isinstance(value, dict) for value in values):
        found: dict[str, list[Any]] = {}
        for name in dict.fromkeys(name for value in values for name in value):
            found |= differing([value.get(name) for value in values], f"{key}.{name}")
        return found
    return {key.removeprefix("."): list(values)} if len(set(map(canonical, values))) > 1 else {}


def _figures(metrics: Sequence[Mapping[str, Any]]) -> dict[str, list[float | None]]:
    """The figures that any run has, in the order of `run.json`; λ_eq is among them there, and is a setting."""
    runs = [flatten(each) for each in metrics]
    keys = dict.fromkeys(key for run in runs for key, value in run.items() if finite(value) is not None)
    return {key: [finite(run.get(key)) for run in runs] for key in keys if key != "lambda_eq"}


def _evaluation(run: RunRecord) -> dict[str, Any]:
    """The figures alone, of unknown classes those of the score that fits; the others are in `evaluation.json`."""
    found = mapping(run.manifest.get("evaluation"))
    scores = mapping(mapping(found.get("open_set")).get("scores"))
    fits = "" if run.thresholds is None else run.thresholds.default
    return {
        **{
            split: {
                key: value for key, value in mapping(found.get(split)).items() if not isinstance(value, dict)
            }
            for split in _SPLITS
        },
        "unknown": mapping(scores.get(fits)),
    }


def _twins(paths: Sequence[Path], configs: Sequence[Config]) -> list[Twins]:
    groups: dict[str, list[int]] = {}
    for index, config in enumerate(configs):
        groups.setdefault(config.model_dump_json(), []).append(index)
    return [
        Twins(tuple(group), _dumps_are_equal([paths[index] for index in group]))
        for group in groups.values()
        if len(group) > 1
    ]


def _dumps_are_equal(paths: Sequence[Path]) -> bool | None:
    for name in _DUMPS:
        digests = set()
        for path in paths:
            try:
                with open_to_read(features_path(path, name)) as file:
                    digests.add(hashlib.file_digest(file, "sha256").digest())
            except (OSError, ValueError):
                return None
        if len(digests) > 1:
            return False
    return True
