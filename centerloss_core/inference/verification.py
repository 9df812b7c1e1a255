"""`cl evaluate RUN --pairs`: a trained run verifies given pairs of images, in folds."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets.arrays import DataError
from centerloss_core.datasets.decoding import decoded
from centerloss_core.datasets.image_files import file_at
from centerloss_core.datasets.own import listed
from centerloss_core.files.paths import from_the_root
from centerloss_core.formatting import percent
from centerloss_core.inference.embed import Progress
from centerloss_core.inference.images import batched, preprocessing_of
from centerloss_core.inference.model import TrainedModel
from centerloss_core.inference.pair_lists import PairList
from centerloss_core.metrics.pairs import By, Verified, figures_as_json, verify
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.names import PLOTS
from centerloss_core.run_directory.writer import Run

EVALUATION, TABLE, FIGURE = "evaluation-pairs.json", "evaluation-pairs.csv", f"{PLOTS}/pairs-roc.png"


ShowProgress = Callable[[Progress], None]


@dataclass(frozen=True, eq=False)
class PairsReport:
    """What a run reaches on a list of pairs.

    Attributes:
        listed: the pairs.
        found: by "cosine" and "euclidean", what fits the loss first.
        step: of the checkpoint.
        warnings: what keeps the figures from what they seem to say.
        written: the files.
    """

    listed: PairList
    found: dict[By, Verified]
    step: int
    warnings: tuple[str, ...]
    written: tuple[Path, ...]


def verify_run(
    model: TrainedModel,
    pairs: PairList,
    *,
    flip: bool = False,
    subtract_mean: bool = False,
    show: ShowProgress = lambda _: None,
) -> PairsReport:
    """Verify pairs with a trained network; replace an earlier verification in the run.

    The run gets `evaluation-pairs.json` (the figures), `evaluation-pairs.csv` (a row for each pair) and
    `plots/pairs-roc.png`.

    Args:
        model: the network.
        pairs: see `read_pairs`.
        flip: whether the feature of an image is the mean of its own and that of its mirror image.
        subtract_mean: see `metrics.pairs.verify`.
        show: called after each batch of images.

    Raises:
        DataError: an image cannot be read, or does not fit the run.
        RunError: the run's directory cannot be written.
        InUseError: another process works there.
        OSError: a file cannot be written.
    """
    with Run.open(model.run.path) as run:
        features = _features(model, pairs, flip, show)
        order: tuple[By, ...] = ("cosine", "euclidean") if model.is_angular else ("euclidean", "cosine")
        found = {by: verify(features, pairs.pairs, by, subtract_mean=subtract_mean) for by in order}
        content = {
            "format": FORMAT,
            "pairs_file": str(from_the_root(pairs.path)),
            "images_folder": str(from_the_root(pairs.folder)),
            "step": model.step,
            "images": len(pairs.images),
            "pairs": len(pairs.pairs.same),
            "same_pairs": int(pairs.pairs.same.sum()),
            "folds": pairs.pairs.folds,
            "flip": flip,
            "subtract_mean": subtract_mean,
            "fits": order[0],
            **{str(by): figures_as_json(each, by) for by, each in found.items()},
        }
        run.write_json(EVALUATION, content)
        with run.writing(TABLE) as file:
            file.write(_table(pairs, found))
        with run.writing(FIGURE) as file:
            _draw(file, model, pairs, found)
    written = tuple(model.run.path / name for name in (EVALUATION, TABLE, FIGURE))
    return PairsReport(pairs, found, model.step, tuple(_overlap(model, pairs)), written)


def _features(model: TrainedModel, pairs: PairList, flip: bool, show: ShowProgress) -> NDArray[np.float32]:
    """The feature of each image (n, d), in memory that does not grow with the images themselves."""
    try:
        made = [features for features, _ in model.outputs(_blocks(model, pairs.images, flip, show))]
    except DataError as error:
        raise DataError(f"{pairs.path}: an image of its pairs cannot be used: {error}") from error
    if flip:
        made = [(own + mirrored) / np.float32(2) for own, mirrored in zip(made[::2], made[1::2], strict=True)]
    return np.concatenate(made)


def _blocks(
    model: TrainedModel, files: Sequence[Path], flip: bool, show: ShowProgress
) -> Iterator[NDArray[np.uint8]]:
    """Blocks of images (m, h, w, c), each followed by its mirror images if these are wanted."""
    began, done = time.perf_counter(), 0
    how = preprocessing_of(model.run)
    images = zip(
        map(str, files), decoded([file_at(file) for file in files], how.color, how.size), strict=True
    )
    for batch in batched(images, how, strict=True):
        yield batch.images
        if flip:
            yield batch.images[:, :, ::-1]
        done += len(batch.names)
        show(Progress(done, len(files), time.perf_counter() - began))


def _table(pairs: PairList, found: dict[By, Verified]) -> bytes:
    """A row for each pair: what it is, its distance, and what was decided."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    columns = [column for by in found for column in (f"{by}_distance", f"{by}_same")]
    writer.writerow(["left", "right", "same", "fold", *columns])
    names = [str(image.relative_to(pairs.folder)) for image in pairs.images]
    listed = pairs.pairs
    values: list[Any] = [
        [names[place] for place in listed.left],
        [names[place] for place in listed.right],
        listed.same.astype(int),
        listed.fold + 1,
    ]
    for each in found.values():
        values += [each.distances, each.decided.astype(int)]
    writer.writerows(zip(*values, strict=True))
    return text.getvalue().encode()


def _draw(file: Any, model: TrainedModel, pairs: PairList, found: dict[By, Verified]) -> None:
    from centerloss_core.plotting.roc import Curve, draw_roc

    curves = [
        Curve(
            f"{by}: {percent(each.accuracy, each.standard_error)}".replace("euclidean", "Euclidean"),
            each.distances,
            pairs.pairs.same,
        )
        for by, each in found.items()
    ]
    count = f"{len(pairs.pairs.same):,} pairs in {pairs.pairs.folds} folds"
    draw_roc(file, curves, f"{model.run.name}: {count}, accuracy ± standard error")


def _overlap(model: TrainedModel, pairs: PairList) -> Iterator[str]:
    """Verification is of classes that training has not seen; a list of the same people promises too much."""
    folders = {image.relative_to(pairs.folder).parts[0] for image in pairs.images}
    both = sorted(folders & set(model.class_names))
    if both:
        yield (
            f"{len(both):,} of {len(folders):,} folders of these images are called like classes that the run was "
            f"trained on, {listed(both)}: if they are the same, the figures say less of new ones; take them out"
        )
