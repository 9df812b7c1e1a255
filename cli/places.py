"""Where results go when the user does not say."""

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from centerloss_core.config import Config, load_config, parse_list
from centerloss_core.config.axes import Settings, name_part, point_name, value_of, varied_keys
from centerloss_core.config.tree import RIVALS
from centerloss_core.files.paths import from_the_root
from centerloss_core.run_directory.names import MANIFEST, free_path

from .options import UsageError

_RUNS = Path("runs")
_PLACES = ("data.dir", "data.memory", "train.device")  # they say where, and not what the run is
_MOST_CHANGES = 4  # that a name can tell


def asked(
    words: Sequence[str] | None, config_file: Path | None, settings: Sequence[str] | None
) -> tuple[Path | None, list[str]]:
    """Return config and settings, whether they were given with `--config` and `--set` or as plain words.

    Raises:
        UsageError: there are two configs.
    """
    given = list(settings or ())
    for word in words or ():
        if "=" in word and not os.path.lexists(word):
            given.append(word)
        elif config_file is not None:
            raise UsageError(
                f"{config_file} and {word}: give one config; a setting is written KEY=VALUE, and several values 0,1, "
                "without spaces"
            )
        else:
            config_file = Path(word)
    return config_file, given


def required(config_file: Path | None) -> Path:
    """Return the config file of a new run or sweep.

    Raises:
        UsageError: none was given.
    """
    if config_file is None:
        raise UsageError(
            "give a config to begin a new run or sweep (`cl configs` lists some), or --resume DIR to resume one"
        )
    return config_file


def refuse_a_new_place(
    *, run_dir: Path | None, name: str | None = None, init: Path | None = None, dry_run: bool
) -> None:
    """Raise UsageError for an option that has no meaning beside --resume."""
    options = {"--run-dir": run_dir, "--name": name, "--init": init}
    for option, given in options.items():
        if given is not None:
            raise UsageError(f"{option} and --resume exclude each other: a run is resumed where it is")
    if dry_run:
        raise UsageError(
            "--dry-run shows what a new run or sweep would be; `cl runs DIR` shows what is there to be resumed"
        )


def one_value(key: str, text: str) -> Any:
    """Return the value of a flag that takes several in `cl sweep`, and one in `cl train`.

    Raises:
        UsageError: several were given.
        ConfigError: the text cannot be read.
    """
    values = parse_list(key, text)
    if len(values) > 1:
        flag = f"--{key.rpartition('.')[2]}"
        raise UsageError(
            f"{flag} {text}: a run has one value, with a point for decimals; `cl sweep` takes several"
        )
    return values[0]


def free_directory(name: str) -> Path:
    """Return a directory in `runs/` that does not exist yet."""
    return free_path(_RUNS, name)


def run_directory(
    config_file: Path, config: Config, *, run_dir: Path | None, name: str | None, init: Path | None = None
) -> Path:
    """Return the directory of one run: as given, else `runs/<name>`, else a free name that says what the run is.

    Raises:
        UsageError: both were given, or the name is not plain.
    """
    if run_dir is not None and name is not None:
        raise UsageError("--run-dir and --name exclude each other: --name NAME means --run-dir runs/NAME")
    if run_dir is not None:
        return run_dir
    if name is None:
        return free_directory(_name_of(config_file, config, init))
    if name != Path(name).name or not name or name.startswith((".", "-")) or not name.isprintable():
        raise UsageError(f"--name {name!r} must be a plain name; use --run-dir for a path")
    return _RUNS / name


def _name_of(config_file: Path, config: Config, init: Path | None) -> str:
    """A name that says what the run is: of the config of an earlier run, what has changed since."""
    if not (config_file.parent / MANIFEST).is_file():
        return f"{config_file.stem}-{point_name(config.settings())}"
    if init is not None:
        return f"{from_the_root(init).name}-continued"
    name = from_the_root(config_file).parent.name
    before, now = load_config(config_file).settings(), config.settings()
    changed = [key for key in varied_keys([before, now]) if key not in _PLACES and not _is_replaced(key, now)]
    if not changed or len(changed) > _MOST_CHANGES:
        return f"{name}-{'changed' if changed else 'repeat'}"
    for key in changed:
        old, new = (name_part(key, value_of(each, key), changed) for each in (before, now))
        name, found = re.subn(rf"(?<![^-]){re.escape(old)}(?![^-])", new, name, count=1)  # a whole part of it
        if not found:
            name += f"-{new}"
    return name


def _is_replaced(key: str, settings: Settings) -> bool:
    """Whether it is epochs in place of iterations, or the reverse, that says how long the run is."""
    return tuple(key.split(".")) in RIVALS and settings.get(key) is None
