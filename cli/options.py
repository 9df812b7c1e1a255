"""The options that several commands share, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

ConfigFile = Annotated[
    Path | None, typer.Option("--config", help="YAML config, such as configs/mnist.yaml.", show_default=False)
]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="SECTION.KEY=VALUE", help="Change one setting of the config; may be repeated."
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option("--run-dir", metavar="DIR", help="The directory to create. Default: a new one in runs/."),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="auto|cpu|gpu|gpu:N", help="Where to compute. Default: train.device."),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the resolved config and what would start; start nothing.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]
