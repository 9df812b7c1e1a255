"""The configs that come with the program, by name."""

import os
from pathlib import Path

from centerloss_core.installation import CONFIGS


def shipped() -> dict[str, Path]:
    """Their files, by name: `quickstart` for `configs/quickstart.yaml`."""
    return {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def located(path: Path) -> Path:
    """The file of a config: an existing path as it is, else the config of this name, if there is one.

    A folder is no config: `mnist` is one also beside a folder of that name, which may hold the data.
    """
    is_a_file = os.path.lexists(path) and not path.is_dir()
    return path if is_a_file else shipped().get(str(path), path)
