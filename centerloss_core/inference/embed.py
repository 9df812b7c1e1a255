"""`cl embed`: images in, a file and some first rows out, in memory that does not grow with the number of images."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.inference.api import joined
from centerloss_core.inference.embedding import Decision, Embedder, Embeddings, decision_of, with_class_points
from centerloss_core.inference.images import Batch, Images, images_of, open_images, preprocessing_of
from centerloss_core.inference.model import LAST, InferenceError, TrainedModel, open_model
from centerloss_core.inference.own_data import own_data
from centerloss_core.inference.tables import check_table, writing_table
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.reader import RunRecord

ROWS = 10  # that are shown


@dataclass(frozen=True)
class Progress:
    """Where it stands: images done, how many there are, and images/s since the first batch, which compiles.

    The latter two are None as long as nobody knows them.
    """

    done: int
    total: int | None
    images_per_second: float | None

    @property
    def seconds_left(self) -> float | None:
        if self.total is None or not self.images_per_second:
            return None
        return max(0, self.total - self.done) / self.images_per_second


@dataclass(frozen=True)
class Result:
    """What became of it.

    Attributes:
        model: the network, with class points.
        decision: by what an image is known.
        first: what was found of the first images, `ROWS` at most.
        images, known: how many were embedded, and how many of these are known; the latter None where nothing decides.
        broken: how many could not be read.
        left_out: files beside the images.
    """

    model: TrainedModel
    decision: Decision
    first: Embeddings
    images: int
    known: int | None
    broken: int
    left_out: int


def embed_files(
    run: RunRecord,
    places: Sequence[Path] = (),
    *,
    split: str | None = None,
    out: Path | None = None,
    checkpoint: str = LAST,
    score: str | None = None,
    accept: float = 0.99,
    threshold: float | None = None,
    strict: bool = False,
    show: Callable[[Progress], None] = lambda _: None,
    warn: Callable[[str], None] = lambda _: None,
) -> Result:
    """Embed images of files, or a split of the run's own data.

    Args:
        run: in whatever state, if it has a checkpoint.
        places: see `images.open_images`.
        split: "train" or "test", in place of `places`.
        out: the file to write, see `tables.writing_table`.
        checkpoint, score, accept, threshold: see `api.embed`.
        strict: raise DataError for a broken image.
        show: called after each batch.
        warn: called with each broken image, and with what one should know of the thresholds.

    Raises:
        DataError: a place holds no images, or these have another shape than those of the run.
        InferenceError: `out` cannot be written, no image can be read, or the run cannot be used for it.
        OSError: `out` cannot be written.
    """
    if out is not None:
        check_table(out)
        if any(place.exists() and out.exists() and place.samefile(out) for place in places):
            raise InferenceError(
                f"{out}: holds the images, and would be replaced: choose another place with --out"
            )
    with ExitStack() as stack:
        images = stack.enter_context(_opened(run, places, split, strict=strict))
        model = with_class_points(open_model(run, checkpoint))
        decision = decision_of(model, score, accept, threshold)
        if run.status != "completed":
            warn(f"{run.path} {how_to_complete(run)}; this is the network after step {model.step:,}")
        _say_what_thresholds_promise(run, decision, warn)
        write = None
        if out is not None:
            write = stack.enter_context(writing_table(out, model.class_names, _about(model, decision)))
        broken: list[str] = []
        done, known, first = 0, 0, []
        began = compiled = 0.0
        for found in Embedder(model, decision)(_whole(images.batches, broken, warn)):
            if done < ROWS:
                first.append(found)
            done += len(found.names)
            known += 0 if found.known is None else int(found.known.sum())
            if write is not None:
                write(found)
            read, now = done + len(broken), time.perf_counter()
            pace = (read - compiled) / (now - began) if compiled else None
            if not compiled:
                compiled, began = read, now
            show(Progress(read, images.count, pace))
        if not done:
            raise InferenceError("no image can be used" if broken else "there are no images")
    return Result(
        model,
        decision,
        joined(first),
        done,
        None if decision.threshold is None else known,
        len(broken),
        images.left_out,
    )


@contextmanager
def _opened(run: RunRecord, places: Sequence[Path], split: str | None, *, strict: bool) -> Iterator[Images]:
    if split is None:
        with open_images(places, preprocessing_of(run), strict=strict) as images:
            yield images
    else:
        yield images_of(getattr(own_data(run), split))


def _whole(batches: Iterator[Batch], broken: list[str], warn: Callable[[str], None]) -> Iterator[Batch]:
    """Those batches that have images; what is broken is told and kept."""
    for batch in batches:
        for message in batch.broken:
            warn(f"skipped: {message}")
        broken += batch.broken
        if batch.names:
            yield batch


def _say_what_thresholds_promise(run: RunRecord, decision: Decision, warn: Callable[[str], None]) -> None:
    if decision.why_not:
        warn(f"known or not is left open: {decision.why_not}")
    elif decision.accept is not None and run.thresholds is not None:
        for message in run.thresholds.warnings:
            warn(message)


def _about(model: TrainedModel, decision: Decision) -> dict[str, Any]:
    return {
        "points": model.points,
        "points_kind": model.points_kind,
        "score": decision.score,
        "threshold": decision.threshold,
        "step": model.step,
    }
