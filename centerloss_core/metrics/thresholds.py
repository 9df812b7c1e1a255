"""Thresholds of scores: below one, an image belongs to none of the known classes.

A threshold is taken from images that training has not seen, so that it accepts a promised share of new images of the
known classes. It promises nothing of images of other classes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from fractions import Fraction

import numpy as np

from centerloss_core.formatting import percent
from centerloss_core.metrics.scores import Floats, default_score, means_of, points_of, scores_of
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.names import features_path
from centerloss_core.run_directory.reader import RunRecord
from centerloss_core.run_directory.thresholds import SHARES, Threshold, Thresholds

_SURE = 0.95  # of the interval that the share of new images is told by


def thresholds_of(run: RunRecord, dumps: Mapping[str, FeatureDump]) -> Thresholds:
    """Take the thresholds of a run from its final features: of validation images, else of training images.

    Args:
        run: for the score that fits its loss.
        dumps: by split: "train", and "validation" where the run has it. Images of unknown classes take no part.

    Raises:
        ValueError: no image is of a known class, or the two are not of one network.
    """
    split = "validation" if "validation" in dumps else "train"
    known = dumps[split].known()
    images = len(known.labels)
    scores = scores_of(known, points_of(known, dumps["train"]), means_of(dumps["train"]))
    fits = default_score(run)
    is_held_out = split == "validation"
    return Thresholds(
        split,
        images,
        fits if fits in scores else next(iter(scores)),  # such as logits that an earlier version has not kept
        tuple(_of_few(images) if is_held_out else _of_training(run)),
        tuple(
            Threshold(
                name,
                share,
                value := threshold_of(own, share),
                _share(own, value),
                expected_share(images, share) if is_held_out else None,
            )
            for name, own in scores.items()
            for share in SHARES
        ),
    )


def accepted(run: Thresholds, dump: FeatureDump, train: FeatureDump | None) -> dict[Threshold, float]:
    """The share of the known images of a dump that each threshold accepts, where the dump has its score.

    Args:
        run: the thresholds.
        dump: the images.
        train: the training features, for the class means of a loss that holds no class points.

    Raises:
        ValueError: no image is of a known class.
    """
    known = dump.known()
    scores = scores_of(known, points_of(known, train), None if train is None else means_of(train))
    return {each: _share(scores[each.score], each.value) for each in run.values if each.score in scores}


def place_of_threshold(images: int, share: float) -> int:
    """Which of the scores of so many images, in ascending order, is the threshold: 1 is the lowest, 0 is below all.

    Of n images and a new one of the same kind, each place in the order is as likely for the new one. So it is below
    the k-th of n with a probability of k / (n + 1) at most, and this is 1 − share for k = (n + 1)(1 − share), rounded
    down.
    """
    return math.floor((images + 1) * (1 - Fraction(str(share))))  # exact: 0.99 has no float


def threshold_of(scores: Floats, share: float) -> float:
    """The largest threshold that accepts at least a share of all n + 1 images: n with these scores, and a lost one.

    So it accepts at least this share of the scores (n,), and in the mean of new ones. Of too few images for that it
    is the lowest score.
    """
    place = max(1, place_of_threshold(len(scores), share))
    return float(np.partition(scores, place - 1)[place - 1])


def expected_share(images: int, share: float) -> tuple[float, float]:
    """Where the share of new images lies that such a threshold accepts, in 95 of 100 draws of the n images.

    The share has the distribution Beta(n + 1 − k, k) for the k-th lowest of n different scores; equal scores make
    it larger.
    """
    from scipy.special import betaincinv

    place = max(1, place_of_threshold(images, share))
    ends = ((1 - _SURE) / 2, (1 + _SURE) / 2)
    low, high = (float(betaincinv(images + 1 - place, place, end)) for end in ends)
    return low, high


def _share(scores: Floats, value: float) -> float:
    return float(np.mean(scores >= value))


def _of_training(run: RunRecord) -> Iterator[str]:
    mend = "data.validation holds images out for them"
    if run.images("validation"):
        mend = f"{features_path(run.path, 'validation-final')} is missing"
    yield (
        "taken from training images, which the network knows: the thresholds are too tight, and accept less of "
        f"new images than they should; {mend}"
    )


def _of_few(images: int) -> Iterator[str]:
    for share in SHARES:
        if place_of_threshold(images, share) == 0:
            needed = math.ceil(1 / (1 - Fraction(str(share)))) - 1
            yield (
                f"{images:,} images are too few for {100 * share:g} %: the threshold is their lowest score, which "
                f"accepts {percent(images / (images + 1))} of new images in the mean; {needed} images are enough"
            )
