"""The network of a run for other programs: from images to features and logits, without this package."""

from __future__ import annotations

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from centerloss_core import devices
from centerloss_core.errors import ExpectedError
from centerloss_core.files.atomic import atomic_entries, new_file
from centerloss_core.inference.description import as_text, description_of
from centerloss_core.inference.formats import (
    ENDINGS,
    Format,
    compare_onnx,
    format_by_ending,
    refuse_format,
    write_model,
)
from centerloss_core.inference.model import LAST, TrainedModel, open_model
from centerloss_core.networks import BuildNetwork
from centerloss_core.run_directory.names import EXPORT
from centerloss_core.run_directory.reader import RunRecord

_IMAGES = 64  # of random pixels, that the exported network is compared on


class TargetError(ExpectedError):
    """A place that an export cannot be written to; the message says why."""


@dataclass(frozen=True)
class Difference:
    """Of one output, between the exported network and that of the run: the largest, and the largest number."""

    largest: float
    of: float


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        path: the model, a file or the folder of a SavedModel.
        description: the JSON file beside it.
        model: what it was made from.
        outputs: the shape of each, without the number of images.
        differences: of each, on `images` images of random pixels.
    """

    path: Path
    description: Path
    model: TrainedModel
    outputs: dict[str, tuple[int, ...]]
    differences: dict[str, Difference]
    images: int = _IMAGES

    @property
    def size(self) -> int:
        """Of the model, in bytes."""
        files = self.path.rglob("*") if self.path.is_dir() else [self.path]
        return sum(file.stat().st_size for file in files if file.is_file())

    @property
    def precision(self) -> str:
        """What the layers of the run compute in: "float32" or "bfloat16"."""
        kinds = {getattr(layer, "compute_dtype", None) for layer in self.model.network.layers}
        return "bfloat16" if "bfloat16" in kinds else "float32"


def export_run(
    run: RunRecord,
    out: Path | str | None = None,
    format: Format | None = None,
    checkpoint: str = LAST,
    network: BuildNetwork | None = None,
) -> Exported:
    """Write the network of a run in the format of another program, and a JSON file beside it. Imports Keras.

    The network is rebuilt from Keras' own layers in float32, whatever the run computed in. It takes float32 images
    (m, h, w, c) with pixels from 0 to 255, and gives "features" (m, d) and, where the loss has them, "logits" (m, k).
    The JSON file, PATH.json, has class names, class points and thresholds. Nothing is left if it fails.

    Args:
        run: in whatever state.
        out: the model to write; its name ends as the format wants. Default: in `export/` of the run.
        format: "keras", "savedmodel" (a folder), "onnx", or "npz" (the weights by name). Default: as `out` ends, or
            else "keras".
        checkpoint: "last", "best", or the number of a step.
        network: the function that the run was trained with, if it was trained with one.

    Raises:
        TargetError: there is something already, the folder is missing, or the name has another ending.
        FormatError: the format needs another backend, or a library that is not installed.
        ExportError: the network has a layer that another program does not have.
        InferenceError, CheckpointError, …: see `open_model`.
    """
    format = format or format_by_ending("" if out is None else Path(out).suffix)
    refuse_format(format)
    path = _target(run, None if out is None else Path(out), format, checkpoint)
    beside = path.with_name(f"{path.name}.json")
    for each in (path, beside):
        if os.path.lexists(each):
            raise TargetError(f"{each} is there already: remove it, or choose another place with --out")
    if out is not None and not path.parent.is_dir():
        raise TargetError(f"{path.parent}: no such folder: make it, or choose another place with --out")
    model = open_model(run, checkpoint, network)

    from centerloss_core.inference.rebuild import rebuild

    images = np.random.default_rng(0).integers(0, 256, (_IMAGES, *model.image_shape), np.uint8)
    with tempfile.TemporaryFile() as chatter, devices.chatter_to(chatter):
        rebuilt = rebuild(model.network)
        made = rebuilt.predict_on_batch(images.astype(np.float32))
        outputs = {name: np.asarray(each) for name, each in made.items()}
        description = description_of(model, rebuilt, with_layers=format == "npz")
        if out is None:
            path.parent.mkdir(exist_ok=True)
        with atomic_entries(beside, path) as folder:  # a model that is there has its description
            write_model(rebuilt, format, folder / path.name)
            if format == "onnx":
                compare_onnx(folder / path.name, images.astype(np.float32), outputs)
            with new_file(folder / beside.name) as file:
                file.write(as_text(description).encode())
    features, logits = model.apply(images)
    own = {"features": features} if logits is None else {"features": features, "logits": logits}
    differences = {
        name: Difference(float(np.abs(outputs[name] - each).max()), float(np.abs(each).max()))
        for name, each in own.items()
    }
    shapes = {name: tuple(each.shape[1:]) for name, each in outputs.items()}
    return Exported(path, beside, model, shapes, differences)


def _target(run: RunRecord, out: Path | None, format_: Format, checkpoint: str) -> Path:
    """The path of the model; TargetError unless it ends as the format wants."""
    ending = ENDINGS[format_]
    if out is None:
        stem = "savedmodel" if format_ == "savedmodel" else "model"
        of = "" if checkpoint == LAST else f"-{checkpoint}"
        out = run.path / EXPORT / f"{stem}{of}{ending}"
    if out.suffix != ending and (ending or out.suffix in ENDINGS.values()):
        needed = f"must end in {ending}" if ending else "is that of a folder, without such an ending"
        raise TargetError(f"{out}: the name of a model in the format {format_} {needed}")
    return out
