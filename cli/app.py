"""The `cl` command: its subcommands, its version, and nothing heavy at import."""

from typing import Annotated

import typer

from centerloss_core.isolation import isolate_process

from .compare import compare
from .configs import configs
from .data import data
from .embed import embed
from .evaluate import evaluate
from .export import export
from .plot import plot
from .rank import rank
from .report import report
from .runs import runs
from .streams import errors_as_messages, prepare_streams
from .sweep import sweep
from .train import train
from .usage import Command, Training

app = typer.Typer(
    name="cl",
    help="Train a CNN with a two-dimensional feature layer on MNIST with softmax plus center loss, "
    "and see what the loss does.",
    epilog="Begin with: cl sweep quickstart",
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # the frames around the help took longer to import than everything else together
)
# Short enough for a line of 80 characters each in `cl --help`; their own help says more.
app.command(cls=Training, short_help="Train one run into a new directory.")(train)
app.command(cls=Training, short_help="Train every combination of λ, α and seed.")(sweep)
app.command(cls=Command, short_help="Draw the figures of a run or a sweep.")(plot)
app.command(cls=Command, short_help="Write a run or a sweep as one HTML file to explore.")(report)
app.command(cls=Command, short_help="Measure the features of a run or a sweep.")(evaluate)
app.command(cls=Command, short_help="Write the network of a run for another program.")(export)
app.command(cls=Command, short_help="List the images of a run that fit their label least.")(rank)
app.command(cls=Command, short_help="Embed new images: class, distance, known or not.")(embed)
app.command(cls=Command, short_help="List runs, with their settings and results.")(runs)
app.command(cls=Command, short_help="Show what differs between runs, and by how much.")(compare)
app.command(cls=Training, short_help="Show the images that a config would train on.")(data)
app.command(cls=Command, short_help="List the configs that come with the program, or print one.")(configs)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"cl {version('centerloss')}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit."),
    ] = False,
) -> None:
    """Hold the options that belong to no subcommand."""


def main() -> None:
    """Run the command; turn expected errors into a message and an exit code."""
    isolate_process()
    prepare_streams()
    with errors_as_messages():
        app()
