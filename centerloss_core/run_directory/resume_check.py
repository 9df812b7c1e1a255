"""What is resumed must be what was begun, but for where the data is and, where no step depends on it, the length."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from centerloss_core.config import Config, Data, dump_yaml, load_config
from centerloss_core.errors import ExpectedError
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.manifest import read_manifest
from centerloss_core.run_directory.names import CONFIG, MANIFEST, checkpoints, is_sweep, sweep_of

PLACES = ("data.dir", "data.memory")  # the images are compared by their content, wherever they are held


class ChangedError(ExpectedError):
    """What is to be resumed is not what was begun; the message shows the difference."""

    exit_code = 2


def refuse_changes(begun: str, now: str, complaint: str) -> None:
    """Raise ChangedError, with complaint and difference, if two texts differ by more than how lines end."""
    before, after = begun.splitlines(), now.splitlines()
    if before == after:
        return
    names = "as it was begun", "as it is asked for now"
    lines = difflib.unified_diff(before, after, *names, lineterm="", n=1)
    raise ChangedError("\n".join([f"{complaint}:", *(f"  {line}" for line in lines)]))


def refuse_other_data(path: Path, begun: object, now: str) -> None:
    """Raise ChangedError if the data's fingerprint is not the one, if known, that the run in `path` was begun with."""
    if isinstance(begun, str) and begun != now:
        raise ChangedError(
            f"{path}: the data is not what the run was begun with (fingerprint {now}, then {begun}): "
            "put the same data back, name its folder (--set data.dir=FOLDER), or begin a new run"
        )


def refuse_fewer_steps(path: Path, taken: int, total: int) -> None:
    """Raise ChangedError if a run that has taken so many steps is asked to end before them."""
    if total < taken:
        raise ChangedError(
            f"{path} has taken {taken} steps already, and a run of {total} is asked for: ask for more"
        )


@contextmanager
def naming_the_way_to_moved_data(data: Data, command: str) -> Iterator[None]:
    """Say below an error of loading the data how `command`, which resumes, takes it from another folder.

    That stands in place of what helps a new run: another data set would be refused here.
    """
    try:
        yield
    except ExpectedError as error:
        if data.has_a_place:
            error.__notes__ = [f"if the data was moved: {command} --set data.dir=FOLDER"]
        raise


def begun_config(path: Path) -> Config:
    """The config that the run in `path` was begun with.

    Raises:
        RunError: it is not a run directory, or its `config.yaml` is missing.
        ConfigError: its `config.yaml` is wrong.
    """
    if is_sweep(path):
        raise RunError(f"{path} is a sweep: cl sweep --resume {shlex.quote(str(path))}")
    read_manifest(path)
    config = path / CONFIG
    if not os.path.lexists(config):
        raise RunError(f"{config} is missing, and a run is resumed as it was begun: {_config_back(path)}")
    return load_config(config)


def _config_back(path: Path) -> str:
    """Where the `config.yaml` of the run in `path` can be had again."""
    config = path / CONFIG
    copies = [each / CONFIG for each in checkpoints(path) if (each / CONFIG).is_file()]
    if copies:  # to the letter, as resuming from that checkpoint asks for
        return f"put it back: {shlex.join(['cp', str(copies[-1]), str(config)])}"
    return (
        f'put it back as it was ({path / MANIFEST} keeps it as "config"), or begin anew in another directory'
    )


def refuse_another_config(begun: Config, asked: Config, complaint: str) -> None:
    """Raise ChangedError, with complaint and difference, unless the same images are learnt from in the same way.

    A place is no part of that: what lies there is compared by its fingerprint.
    """
    refuse_changes(dump_yaml(_without_places(begun)), dump_yaml(_without_places(asked)), complaint)


def config_to_resume(path: Path, begun: Config, asked: Config) -> Config:
    """The config that the run in `path` goes on with: its own, with the data's place and the length asked for.

    A place that is not asked for stays: a config file without `data.dir` does not say that the data was moved.

    Raises:
        ChangedError: anything else differs, or the length does, and its steps depend on it.
    """
    asked = with_place_of(asked, begun)
    complaint = f"{path} was begun with another config, and a run is resumed as it was begun"
    refuse_another_config(begun, with_length_of(asked, begun), complaint)
    if with_length_of(asked, begun) != asked:
        _refuse_another_length(path, begun)
    return asked


def with_length_of(config: Config, other: Config) -> Config:
    """A config with the `train.epochs` and `train.iterations` of another."""
    length = {key: getattr(other.train, key) for key in ("epochs", "iterations")}
    return config.model_copy(update={"train": config.train.model_copy(update=length)})


def with_place_of(config: Config, other: Config) -> Config:
    """A config with what another says of the place of its data, where it does not say that itself."""
    unsaid = {"dir", "memory"} - config.data.model_fields_set
    return _with_places(config, {key: getattr(other.data, key) for key in unsaid})


def changed_settings(begun: Config, now: Config) -> dict[str, Any]:
    """By key, what differs: `{"data.dir": {"from": None, "to": "/mnt/mnist"}}`, as `run.json` notes it."""
    before, after = begun.settings(), now.settings()
    return {
        key: {"from": before.get(key), "to": value}
        for key, value in after.items()
        if before.get(key) != value
    }


def _with_places(config: Config, places: dict[str, Any]) -> Config:
    return config.model_copy(update={"data": config.data.model_copy(update=places)})


def _without_places(config: Config) -> Config:
    return _with_places(config, {"dir": None, "memory": "auto"})


def _refuse_another_length(path: Path, begun: Config) -> None:
    because = begun.spans_the_run
    if (sweep := sweep_of(path)) is not None:
        because = f"it is a point of the sweep {sweep}, and all of those are as long as they were begun"
    if because is not None:
        raise ChangedError(
            f"{path} cannot be given another length: {because}. To train on from its weights, begin a new run: "
            f"cl train --init {shlex.quote(str(path))} --set train.epochs=…"
        )


def refuse_changed_config(path: Path, manifest: Mapping[str, Any], config: Config) -> None:
    """Raise ChangedError, with the difference, if `config.yaml` is not what the run's manifest keeps of it."""
    kept = manifest.get("config")
    try:
        begun = Config.model_validate(kept)
    except ValidationError as error:
        raise ChangedError(f"{path / MANIFEST}: its config was changed: put it back as it was") from error
    complaint = (
        f"{path / 'config.yaml'} was changed after the run was begun, and a run is resumed as it was begun"
    )
    refuse_another_config(begun, config, complaint)
