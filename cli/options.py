"""The options that several commands share, each defined once."""

from pathlib import Path
from typing import Annotated

import typer

from centerloss_core.errors import ExpectedError

ConfigFile = Annotated[
    Path | None,
    typer.Option("--config", help="YAML config, or the name of one of `cl configs`.", show_default=False),
]
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="CONFIG|KEY=VALUE", help="The same as --config and --set.", show_default=False),
]
# `cl train` takes one value of each, `cl sweep` several with commas between.
Lambda = Annotated[
    str | None,
    typer.Option(
        "--lambda",
        metavar="NUMBER",
        help="Weight λ of the center loss; `cl sweep` takes several. Default: the config's, or 0,0.01,0.1,1.0.",
    ),
]
Alpha = Annotated[
    str | None,
    typer.Option(
        "--alpha",
        metavar="NUMBER",
        help="Rate α of the centers; `cl sweep` takes several. Default: the config's.",
    ),
]
Seed = Annotated[
    str | None,
    typer.Option(
        "--seed", metavar="INTEGER", help="Random seed; `cl sweep` takes several. Default: the config's."
    ),
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
Directories = Annotated[
    list[Path],
    typer.Argument(
        metavar="DIR…",
        help="A run, a sweep, any folder of runs, or several of these, shown together.",
        show_default=False,
    ),
]
Device = Annotated[
    str | None,
    typer.Option("--device", metavar="auto|cpu|gpu|gpu:N", help="Where to compute. Default: train.device."),
]
Resume = Annotated[
    Path | None,
    typer.Option(
        "--resume",
        metavar="DIR",
        help="Resume the run or sweep in this directory. A sweep takes more values of --lambda, --alpha, --seed and "
        "--grid, a run more train.epochs.",
    ),
]
DryRun = Annotated[
    bool, typer.Option("--dry-run", help="Print the resolved config and what would start; start nothing.")
]
Open = Annotated[bool, typer.Option("--open", help="Show it in the browser.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


class UsageError(ExpectedError):
    """Options that do not go together, or an option with a value it cannot have."""

    exit_code = 2
