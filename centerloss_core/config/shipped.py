"""The configs that come with the program, by name."""

import os
from pathlib import Path

from centerloss_core.installation import CONFIGS


def shipped() -> dict[str, Path]:
    """Their files, by name: `quickstart` for `configs/quickstart.yaml`, `losses/ring` for one in a folder."""
    paths = sorted(CONFIGS.glob("**/*.yaml"), key=lambda path: (len(path.relative_to(CONFIGS).parts), path))
    return {path.relative_to(CONFIGS).with_suffix("").as_posix(): path for path in paths}


def located(path: Path) -> Path:
    """The file of a config: an existing path as it is, else the config of this name, if there is one.

    A folder is no config: `mnist` is one also beside a folder of that name, which may hold the data.
    """
    is_a_file = os.path.lexists(path) and not path.is_dir()
    return path if is_a_file else shipped().get(path.as_posix(), path)
