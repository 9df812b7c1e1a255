"""Where results go when the user does not say."""

from pathlib import Path

from centerloss_core.config import Config
from centerloss_core.errors import ExpectedError
from centerloss_core.runs import MANIFEST, free_path, point_name

_RUNS = Path("runs")


class UsageError(ExpectedError):
    """Options that do not go together, or an option with a value it cannot have."""

    exit_code = 2


def run_directory(config_file: Path, config: Config, *, run_dir: Path | None, name: str | None) -> Path:
    """The directory of one run: as given, else `runs/<name>`, else a free name that says what the run is.

    Raises:
        UsageError: both were given, or the name is not a plain one.
    """
    if run_dir is not None and name is not None:
        raise UsageError("--run-dir and --name exclude each other: --name NAME means --run-dir runs/NAME")
    if run_dir is not None:
        return run_dir
    if name is None and (config_file.parent / MANIFEST).is_file():  # the config.yaml of an earlier run
        return free_path(_RUNS, f"{config_file.absolute().parent.name}-repeat")
    if name is None:
        return free_path(_RUNS, f"{config_file.stem}-{point_name(config)}")
    if name != Path(name).name or name in ("", ".", ".."):
        raise UsageError(f"--name {name!r} must be a plain name; use --run-dir for a path")
    return _RUNS / name


def sweep_directory(config_file: Path, *, run_dir: Path | None) -> Path:
    """The directory of a sweep: as given, else a free name after the config."""
    return run_dir if run_dir is not None else free_path(_RUNS, f"{config_file.stem}-sweep")
