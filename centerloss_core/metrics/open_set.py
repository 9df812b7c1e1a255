"""Known or unknown? How well scores tell images of known classes from images of classes that training never saw.

An image is accepted where its score is at least a threshold. Known images are the positive ones: the true positive rate
(TPR) is the share of them that is accepted, the false positive rate (FPR) the share of unknown images that is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from centerloss_core.metrics.distances import nearest
from centerloss_core.metrics.neighborhood import map_at_r
from centerloss_core.metrics.scores import means_of, points_of, scores_of
from centerloss_core.metrics.verification import verification
from centerloss_core.run_directory.feature_dumps import UNKNOWN, FeatureDump

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
Figures = dict[str, float | None]

TPR = 0.95
FPRS = {"ccr_at_fpr_1e1": 0.1, "ccr_at_fpr_1e2": 0.01, "ccr_at_fpr_1e3": 0.001}


class Curve(NamedTuple):
    """A curve over all thresholds, from the one that accepts nothing to the one that accepts all.

    Attributes:
        fpr: share of the unknown images that is accepted, from 0 to 1.
        tpr: share of the known images that is accepted, from 0 to 1: the ROC curve.
        ccr: share of the known images that is accepted and given the right class, from 0 to the closed-set accuracy:
            the OSCR curve.
    """

    fpr: Floats
    tpr: Floats
    ccr: Floats


@dataclass(frozen=True)
class OpenSet:
    """What was measured on known and unknown images together.

    Attributes:
        figures: of the run: "known_images", "unknown_images", "closed_set_accuracy".
        class_by: what gives each image its class: "softmax", or "nearest" the class point or mean.
        scores: by the name of each score its figures, see `figures_of`.
        unseen: of pairs of unknown images: verification and MAP@R; empty where they are not of several classes.
    """

    figures: dict[str, Any]
    class_by: str
    scores: dict[str, Figures]
    unseen: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return {**self.figures, "class_by": self.class_by, "scores": self.scores, "unseen": self.unseen}


def open_set(dump: FeatureDump, train: FeatureDump) -> OpenSet | None:
    """Measure a dump with images of known and of unknown classes; None where either are missing.

    Args:
        dump: the images.
        train: the training features, for class means.
    """
    unknown = dump.labels == UNKNOWN
    if not unknown.any() or unknown.all():
        return None
    right, class_by = right_of(dump, train)
    measured = {name: figures_of(curve_of(score, right, unknown), score, unknown)
                for name, score in open_scores(dump, train).items()}  # fmt: skip
    counts = {"known_images": int((~unknown).sum()), "unknown_images": int(unknown.sum())}
    figures = {**counts, "closed_set_accuracy": float(right[~unknown].mean())}
    return OpenSet(figures, class_by, measured, _unseen(dump, unknown))


def open_scores(dump: FeatureDump, train: FeatureDump | None) -> dict[str, Floats]:
    """Every score that a dump has, (n,) each, by name; without training features those that need none."""
    return scores_of(dump, points_of(dump, train), None if train is None else means_of(train))


def right_of(dump: FeatureDump, train: FeatureDump | None) -> tuple[Mask, str]:
    """Which images are given their class, (n,), never an unknown one; and by what.

    It is the head that decides, and where a loss has none the nearest class point, or else the nearest class mean of
    the training features.
    """
    if dump.predictions is not None:
        return dump.predictions == dump.labels, "softmax"
    if dump.centers is None and train is not None:
        known = train.known()
        present, means = np.unique(known.labels), means_of(train)
        return present[nearest(dump.features.astype(np.float64), means)] == dump.labels, "nearest mean"
    return nearest(
        dump.features.astype(np.float64), dump.points
    ) == dump.labels, f"nearest {dump.centers_kind}"


def curve_of(score: Floats, right: Mask, unknown: Mask) -> Curve:
    """The ROC and the OSCR curve, by one sort.

    Images of one score are accepted together, so between two points an order of them by chance is on the straight line.

    Args:
        score: (n,), larger is more known.
        right: (n,), which images are given the right class.
        unknown: (n,), which images are of unknown classes; there are some of both.
    """
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)  # of the images with one score

    def shares(counted: Mask, of: int) -> Floats:
        return np.concatenate([[0.0], np.cumsum(counted[order])[last] / of])

    count, known = int(unknown.sum()), int((~unknown).sum())
    return Curve(shares(unknown, count), shares(~unknown, known), shares(right & ~unknown, known))


def threshold_at(score: Floats, unknown: Mask, tpr: float = TPR) -> float:
    """The largest threshold that accepts at least such a share of the known images."""
    known = np.sort(score[~unknown])
    return float(known[len(known) - int(np.ceil(round(tpr * len(known), 9)))])


def figures_of(curve: Curve, score: Floats, unknown: Mask) -> Figures:
    """The figures of one score.

    Returns:
        - `auroc`: area under the ROC curve: the chance that a known image has a larger score than an unknown one, ties
          counting half.
        - `aupr_known`: average precision (scikit-learn's sum, without interpolation) where known images are the
          positive ones; `aupr_unknown` where the unknown are, by the score with the other sign.
        - `tnr_at_tpr_95`: share of the unknown images that is refused by the largest threshold that accepts at least
          95 % of the known.
        - `oscr`: area under the correct classification rate over the false positive rate, by trapezoids.
        - `ccr_at_fpr_1e1`, `_1e2`, `_1e3`: the largest correct classification rate of a threshold that accepts at most
          this share of the unknown images; None where there are too few of them to see such a share.
    """
    from sklearn.metrics import auc, average_precision_score, roc_auc_score

    count = int(unknown.sum())
    return {
        "auroc": float(roc_auc_score(~unknown, score)),
        "aupr_known": float(average_precision_score(~unknown, score)),
        "aupr_unknown": float(average_precision_score(unknown, -score)),
        "tnr_at_tpr_95": float((score[unknown] < threshold_at(score, unknown)).mean()),
        "oscr": float(auc(curve.fpr, curve.ccr)),
        **{name: ccr_at(curve, fpr) if count * fpr >= 1 else None for name, fpr in FPRS.items()},
    }


def ccr_at(curve: Curve, fpr: float) -> float:
    """The largest correct classification rate of a threshold that accepts at most this share of the unknown images."""
    return float(curve.ccr[np.searchsorted(curve.fpr, fpr, side="right") - 1])


def _unseen(dump: FeatureDump, unknown: Mask) -> dict[str, Any]:
    """Are two unknown images of one class? Classes that training has not seen, by the distance of their features."""
    if dump.original_labels is None:
        return {}
    features, labels = dump.features[unknown], dump.original_labels[unknown]
    _, counts = np.unique(labels, return_counts=True)
    if len(counts) < 2 or counts.max() < 2:
        return {}
    return {"classes": len(counts), **verification(features, labels), **map_at_r(features, labels)}
