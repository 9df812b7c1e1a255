"""`read_run(path).embed(images)` and `.predict(images)`."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets.array_file import as_images
from centerloss_core.inference.embedding import Embedder, Embeddings, decision_of, with_class_points
from centerloss_core.inference.images import Images, images_of_array, open_images, preprocessing_of
from centerloss_core.inference.model import LAST, InferenceError, TrainedModel, open_model
from centerloss_core.networks import BuildNetwork
from centerloss_core.run_directory.reader import RunRecord

Pictures = NDArray[Any] | str | Path | Sequence[str | Path]


def embed(
    run: RunRecord,
    images: Pictures,
    *,
    checkpoint: str | int = LAST,
    network: BuildNetwork | None = None,
    score: str | None = None,
    accept: float = 0.99,
    threshold: float | None = None,
) -> Embeddings:
    """Embed images by the network of a run, which is kept for the next call.

    Args:
        run: as `read_run` gives it.
        images: (n, h, w) or (n, h, w, c), whole numbers from 0 to 255 or fractions from 0 to 1; or the path of an image
            file, a folder, a zip file, .npz, CSV or IDX file, or several paths.
        checkpoint: "last", "best", or the number of a step.
        network: the function that the run was trained with, if it was trained with one.
        score: what decides on known images; None: that of the run's loss.
        accept: the share of known images whose threshold is taken, 0.95 or 0.99.
        threshold: another one; a known image has at least this score.

    Raises:
        DataError: an image cannot be read, or has another shape than those of the run.
        InferenceError: there is no image, or the run has no such checkpoint, score or threshold.
        ExpectedError: whatever `open_model` raises.
    """
    model = _model(run, str(checkpoint), network)
    embedder = Embedder(model, decision_of(model, score, accept, threshold))
    with ExitStack() as stack:
        found = list(embedder(_images(images, run, stack).batches))
    if not found:
        raise InferenceError("there are no images to embed")
    return joined(found)


def predict(run: RunRecord, images: Pictures, **options: Any) -> list[str | None]:
    """The name of the class of each image: by the head, or without one by the nearest class point.

    None stands for an image of no known class, where the run has thresholds or one is given; see `embed`.
    """
    found = embed(run, images, **options)
    classes = found.classes if found.head_classes is None else found.head_classes
    known = np.ones(len(classes), bool) if found.known is None else found.known
    return [
        run.class_names[label] if is_known and label >= 0 else None
        for label, is_known in zip(classes.tolist(), known.tolist(), strict=True)
    ]


def joined(parts: Sequence[Embeddings]) -> Embeddings:
    """Those of several batches as one."""
    arrays: dict[str, Any] = {
        field.name: None
        if getattr(parts[0], field.name) is None
        else np.concatenate([getattr(part, field.name) for part in parts])
        for field in fields(Embeddings)
        if field.name != "names"
    }
    return Embeddings(names=tuple(name for part in parts for name in part.names), **arrays)


def _model(run: RunRecord, checkpoint: str, network: BuildNetwork | None) -> TrainedModel:
    key = checkpoint, network
    if key not in run.opened:  # opening one takes seconds
        run.opened[key] = with_class_points(open_model(run, checkpoint, network))
    return run.opened[key]


def _images(images: Pictures, run: RunRecord, stack: ExitStack) -> Images:
    made = preprocessing_of(run)
    if isinstance(images, np.ndarray):
        return images_of_array(as_images(images, "images"), made)
    places = [images] if isinstance(images, str | Path) else images
    return stack.enter_context(open_images([*map(Path, places)], made, strict=True))
