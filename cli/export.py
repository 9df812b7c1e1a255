"""`cl export`: the network of a run for another program."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

if TYPE_CHECKING:
    from centerloss_core.inference import formats

Format = StrEnum("Format", ["KERAS", "SAVEDMODEL", "ONNX", "NPZ"])


def export(
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="A run of `cl train` or of a sweep.", show_default=False)
    ],
    format_: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="keras: a .keras file. savedmodel: a folder for TensorFlow. onnx: needs pip install "
            "'centerloss[onnx]'. npz: the weights by name. Default: by the ending of --out, or keras.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="PATH",
            help="The file or folder to write; it must not exist. Default: a new one in export/ of the run.",
        ),
    ] = None,
    checkpoint: Annotated[
        str,
        typer.Option(
            metavar="last|best|STEP", help="Which of the run's checkpoints to take the weights from."
        ),
    ] = "last",
) -> None:
    """Write the network of a run for a program that does not have this one: Keras, TensorFlow, ONNX, NumPy.

    It takes images of the run's shape with pixels from 0 to 255, and gives features and, where the loss has them,
    logits, in float32. PATH.json beside it has the names of the classes, their points, and the run's thresholds.
    """
    from centerloss_core.inference.export import export_run
    from centerloss_core.run_directory.reader import read_run

    from .streams import say

    chosen = None if format_ is None else cast("formats.Format", format_.value)
    done = export_run(read_run(run), out, chosen, checkpoint)
    say(
        f"exported: {done.path} ({done.size / 1e6:.1f} MB), step {done.model.step:,}; classes: {done.description}"
    )
    say(f"takes:    images, float32 {_shape(done.model.image_shape)}, pixels from 0 to 255")
    gives = ", ".join(f"{name} {_shape(shape)}" for name, shape in done.outputs.items())
    say(f"gives:    {gives}, float32")
    found = [
        f"{each.largest:.1g} in {name} of up to {each.of:.2g}" for name, each in done.differences.items()
    ]
    say(
        f"differs:  from the run's own network, in {done.precision}, by at most {', '.join(found)} "
        f"({done.images} images of random pixels)"
    )


def _shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join(map(str, ('m', *shape)))})"
