"""Where this program lies: in a checkout, with the folders `cli` and `configs`, or installed, where these are packages.

An editable installation is a checkout.
"""

from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
IS_INSTALLED = (HOME / "centerloss_cli").is_dir()

# The package that `python -m` starts as the `cl` command, with HOME on the path.
COMMAND = "centerloss_cli" if IS_INSTALLED else "cli"
CONFIGS = HOME / ("centerloss_configs" if IS_INSTALLED else "configs")
