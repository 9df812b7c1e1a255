"""The configs that come with the program, by name."""

import os
from pathlib import Path

from centerloss_core.installation import CONFIGS


def shipped() -> dict[str, Path]:
    """Their files, by name: `quickstart` for `configs/quickstart.yaml`."""
    return {path.stem: path for path in sorted(CONFIGS.glob("*.yaml"))}


def located(path: Path) -> Path:
    """The file of a config: an existing path as it is, else the config of this name, if there is one."""
    return path if os.path.lexists(path) else shipped().get(str(path), path)
