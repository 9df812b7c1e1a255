"""Are these two images of the same class? What a threshold on their distance answers, over many pairs.

The paper's experiments verify faces of people that training has never seen. Here the classes are those that training
has seen, so the figures serve to compare runs with each other.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.alignment import alignment_and_uniformity
from centerloss_core.metrics.distances import directions
from centerloss_core.metrics.sample import balanced_sample

# All their pairs are 1,999,000; of ten classes with 200 images each, 199,000 are of one class.
IMAGES = 2_000
# 2 − 2 cos = 2: what a vector without a direction gets, the distance of directions at right angles.
RIGHT_ANGLE = np.sqrt(2.0)

Floats = NDArray[np.float64]
Labels = NDArray[np.integer[Any]]


def verification(
    features: NDArray[np.float32] | Floats, labels: Labels, images: int = IMAGES
) -> dict[str, float | int | None]:
    """Compare all pairs of a fixed sample of images.

    Args:
        features: (n, d).
        labels: (n,) the class of each image.
        images: at most so many take part, as many of each class; time and memory (about 100 bytes a pair) grow with
            the square.

    Returns:
        How well a distance tells pairs of the same class from the others: `cosine_…`, the angle at the origin, and
        `euclidean_…`. A feature that is exactly 0 has no direction; to every other it counts as at right angles.

        - `auc`: area under the ROC curve: the chance that a pair of one class is nearer than a pair of two classes,
          ties counting half.
        - `eer`: equal error rate, where as large a part of the other pairs is accepted as of the same pairs is
          refused; linear between two points of the ROC curve.
        - `tar_at_far_1e2`: the largest part of the same pairs that a threshold accepts which accepts at most 1 % of
          the others. None where there are fewer than 100 others: such a rate cannot be seen.
        - `tar_at_far_1e3`: likewise for 0.1 % and 1,000.

        All are None where there are no pairs of the same class, or no others. Besides, `alignment` and `uniformity` of
        the same pairs; `verification_images`, and `verification_same_pairs` and `verification_different_pairs` of them.
    """
    chosen = balanced_sample(labels, images)
    sample, labels = features[chosen].astype(np.float64), labels[chosen]
    pairs = np.triu_indices(len(chosen), k=1)
    same = labels[pairs[0]] == labels[pairs[1]]
    units, told = directions(sample)
    angles = _distances(units)[pairs]
    known = told[pairs[0]] & told[pairs[1]]
    spread = alignment_and_uniformity(angles[known], same[known])
    angles[~known] = RIGHT_ANGLE
    return {
        **{f"cosine_{name}": value for name, value in pair_figures(angles, same).items()},
        **{
            f"euclidean_{name}": value
            for name, value in pair_figures(_distances(sample)[pairs], same).items()
        },
        **spread,
        "verification_images": len(chosen),
        "verification_same_pairs": int(same.sum()),
        "verification_different_pairs": int((~same).sum()),
    }


def _distances(features: Floats) -> Floats:
    """(n, n) Euclidean distances by differences, so that equal features are exactly 0 apart."""
    from sklearn.metrics import DistanceMetric

    distances: Floats = DistanceMetric.get_metric("euclidean").pairwise(features)
    return distances


def pair_figures(distances: Floats, same: NDArray[np.bool_]) -> dict[str, float | None]:
    """Return `auc`, `eer`, `tar_at_far_1e2` and `tar_at_far_1e3` of pairs that are accepted up to a distance.

    Args:
        distances: (m,) of the pairs.
        same: (m,) whether each is of one class.
    """
    from sklearn.metrics import auc, roc_curve

    if same.all() or not same.any():  # also where there are no pairs at all
        return dict.fromkeys(("auc", "eer", "tar_at_far_1e2", "tar_at_far_1e3"))
    # With all points: those on a straight line, which scikit-learn drops, may be the ones asked for.
    far, tar, _ = roc_curve(same, -distances, drop_intermediate=False)
    others = int((~same).sum())
    return {
        "auc": float(auc(far, tar)),
        "eer": _equal_error_rate(far, 1 - tar),
        "tar_at_far_1e2": _accepted(far, tar, 1e-2) if others >= 100 else None,
        "tar_at_far_1e3": _accepted(far, tar, 1e-3) if others >= 1000 else None,
    }


def _equal_error_rate(far: Floats, frr: Floats) -> float:
    """Where the two rates cross; along the curve `far` rises from 0 to 1 and `frr` falls from 1 to 0."""
    lead = frr - far
    after = int(np.argmax(lead <= 0))
    share = lead[after - 1] / (lead[after - 1] - lead[after])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))


def _accepted(far: Floats, tar: Floats, limit: float) -> float:
    return float(tar[np.searchsorted(far, limit, side="right") - 1])
