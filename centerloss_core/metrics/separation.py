"""How well the features of a split separate its classes, from a feature dump alone, without scikit-learn.

These figures are cheap enough for every epoch. docs/metrics.md defines them.
"""

import math
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import class_means, pair_distances
from centerloss_core.metrics.recognition import decisions
from centerloss_core.run_directory.feature_dumps import FeatureDump


@dataclass(frozen=True)
class SeparationMetrics:
    """Accuracy and distances of the images of known classes. Distances are Euclidean, in the units of the features.

    The distances are not comparable between values of λ, because center loss shrinks all features; the two ratios are.

    Attributes:
        accuracy: fraction of images whose largest logit is that of their class; None without logits.
        nearest_center_accuracy: fraction of images whose nearest *trained* center is that of their class; of
            equally near centers the lowest class wins. The centers of all classes take part. None without centers, and
            where these are weights, whose lengths mean nothing.
        nearest_center_accuracy_cosine: the same by the smallest angle at the origin. A feature that is exactly 0 has
            none, and its image counts as wrong. None without centers, or where no feature or no center has a direction.
        nearest_mean_accuracy: the same with the mean features of the classes of this very split in place of the
            trained centers. The means include the image itself, so it is too high for few images in many dimensions.
        nearest_mean_accuracy_cosine: by the smallest angle to the mean of the directions x/‖x‖ of a class.
        intra_class_distance: mean over images of the distance to the mean feature of their own class.
        inter_class_distance: mean over pairs of classes of the distance between their mean features; None
            where fewer than two classes are present.
        inter_class_distance_min: the same for the closest pair of classes; None likewise.
        separation_ratio: inter_class_distance / intra_class_distance; None where there is no inter-class
            distance, or where the intra-class distance is 0 (JSON has no infinity).
        fisher_ratio: scatter between classes over scatter within them, tr S_B / tr S_W, with
            S_B = Σ_c n_c (m_c − m)(m_c − m)ᵀ and S_W = Σ_i (x_i − m_{y_i})(x_i − m_{y_i})ᵀ (Fukunaga, Introduction
            to Statistical Pattern Recognition, 2nd ed. 1990, section 10.2); None where fewer than two classes
            are present or nothing scatters within them.

    A class without images in the split has no mean feature and takes no part in the distances.
    """

    accuracy: float | None
    nearest_center_accuracy: float | None
    nearest_center_accuracy_cosine: float | None
    nearest_mean_accuracy: float | None
    nearest_mean_accuracy_cosine: float | None
    intra_class_distance: float
    inter_class_distance: float | None
    inter_class_distance_min: float | None
    separation_ratio: float | None
    fisher_ratio: float | None

    def as_dict(self) -> dict[str, float | None]:
        """Return the figures by name, ready for JSON."""
        return asdict(self)


def separation(dump: FeatureDump) -> SeparationMetrics:
    """Measure a dump. Float32 features are taken as float64, so that n = 60,000 sums lose nothing.

    Raises:
        ValueError: no image is of a known class.
    """
    dump = dump.known()
    features = dump.features.astype(np.float64)
    present, means = class_means(features, dump.labels)
    own_class = np.searchsorted(present, dump.labels)
    squared = np.square(features - means[own_class]).sum(axis=1)
    intra = float(np.sqrt(squared).mean())
    between = pair_distances(means)
    inter = float(between.mean()) if between.size else None
    return SeparationMetrics(
        **{
            name: None if chosen is None else float((chosen == dump.labels).mean())
            for name, chosen in decisions(dump).items()
        },
        intra_class_distance=intra,
        inter_class_distance=inter,
        inter_class_distance_min=float(between.min()) if between.size else None,
        separation_ratio=_ratio(inter, intra),
        fisher_ratio=_ratio(_between_scatter(means, np.bincount(own_class)), float(squared.sum())),
    )


def _between_scatter(means: NDArray[np.float64], counts: NDArray[np.intp]) -> float | None:
    """tr S_B of classes with these means (k, d) and numbers of images (k,); None for one class."""
    if len(means) < 2:
        return None
    # Around one of them, so that means far from the origin do not round the mean of all.
    around = means - means[0]
    around -= counts @ around / counts.sum()
    return float(counts @ np.square(around).sum(axis=1))


def _ratio(between: float | None, within: float) -> float | None:
    """The ratio, or None where JSON cannot hold it."""
    if between is None or within == 0:
        return None
    ratio = between / within
    return ratio if math.isfinite(ratio) else None
