"""How well the classes, taken as clusters, keep apart: silhouette and Davies–Bouldin, from scikit-learn.

Both are ratios of distances and change neither when the features are moved or rotated nor when all are multiplied by a
number. But scikit-learn's functions have absolute tolerances and lose precision far from the origin; so the features
are standardized before.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import Features, class_means, pair_distances
from centerloss_core.metrics.sample import balanced_sample

# The time grows with the square: 10,000 images take about 2 s on one core.
SILHOUETTE_IMAGES = 10_000
_WORKING_MEMORY = 64  # MiB for the distances that scikit-learn holds at a time; its own default is 1 GiB
# Relative to the size of the cloud. scikit-learn's distances are no better than this, being roots of differences.
_COINCIDENT = 1e-7

Labels = NDArray[np.integer[Any]]


def silhouette(
    features: Features, labels: Labels, images: int = SILHOUETTE_IMAGES
) -> tuple[float | None, int]:
    """Mean of (b − a) / max(a, b) over images, each on average a from its class and b from the nearest other class.

    The only image of its class counts as 0 (Rousseeuw 1987).

    Args:
        features: (n, d).
        labels: (n,) the class of each image.
        images: at most so many take part, a fixed sample with as many of each class.

    Returns:
        A number in −1 … 1, and how many images took part. None where fewer than two classes are present, every image
        is a class of its own, or all features are equal.
    """
    from sklearn import config_context
    from sklearn.metrics import silhouette_score

    chosen = balanced_sample(labels, images)
    labels = labels[chosen]
    standard = _standardized(features[chosen])
    if standard is None or not _are_clusters(labels):
        return None, len(chosen)
    with config_context(working_memory=_WORKING_MEMORY):
        return float(silhouette_score(standard, labels)), len(chosen)


def davies_bouldin(features: Features, labels: Labels) -> float | None:
    """Mean over classes of the worst (s_i + s_j) / ‖m_i − m_j‖, s being the mean distance to the class mean m.

    Args:
        features: (n, d).
        labels: (n,) the class of each image.

    Returns:
        A number from 0, the best, upwards. None where fewer than two classes are present, every image is a class of
        its own, or two class means coincide: that is infinitely bad, and scikit-learn would overlook the pair.
    """
    from sklearn.metrics import davies_bouldin_score

    standard = _standardized(features)
    if standard is None or not _are_clusters(labels):
        return None
    _, means = class_means(standard, labels)
    if pair_distances(means).min() < _COINCIDENT:
        return None
    return float(davies_bouldin_score(standard, labels))


def _standardized(features: Features) -> NDArray[np.float64] | None:
    """The features around their mean, at a root mean square distance of 1 from it; None where all are equal."""
    if (features == features[0]).all():
        return None
    # From one of them first: of features far out, the mean itself would be rounded.
    around = features.astype(np.float64)
    around -= around[0].copy()
    around -= around.mean(axis=0)
    around /= np.sqrt(np.einsum("id,id->", around, around) / len(around))
    return around


def _are_clusters(labels: Labels) -> bool:
    """Whether there are at least two classes, and one with two images."""
    return 2 <= len(np.unique(labels)) < len(labels)
