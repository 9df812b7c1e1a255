"""Features of any dimension as points of a plane."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from centerloss_core.run_directory.feature_dumps import FeatureDump


@dataclass(frozen=True)
class Plane:
    """What to draw."""

    points: NDArray[np.float64]  # (n, 2), an image each
    labels: NDArray[np.integer]  # (n,), their classes
    centers: NDArray[np.float64]  # (k, 2), the centers of the classes; (0, 2) where there are none
    middles: NDArray[
        np.float64
    ]  # (k, 2), where each class's name goes: its center, or else its median; NaN if empty
    axis_labels: tuple[str, str] = ("", "")  # empty where the axes are the two features themselves
    note: str = ""  # what a title must add
    isometric: bool = True  # whether distances in the plane are distances between features
    kind: str = "center"  # what the centers are


Projector = Callable[[FeatureDump], Plane]


def project(dump: FeatureDump, reference: FeatureDump | None = None) -> Plane:
    """Show two features as they are, one as a strip per class, more by two principal components.

    Args:
        dump: what to show.
        reference: whose principal components to take, so that several dumps share a plane; None for its own.
    """
    features = dump.features.astype(np.float64)
    dimensions = features.shape[1]
    centers, kind = dump.points.astype(np.float64), dump.centers_kind or "center"
    if dimensions == 1:
        return _strips(features, centers, dump.labels, kind)
    if dimensions == 2:
        return Plane(features, dump.labels, centers, middles_of(features, centers, dump.labels), kind=kind)
    mean, axes = _principal_axes(features if reference is None else reference.features.astype(np.float64))
    points, projected = (features - mean) @ axes, (centers - mean) @ axes
    parts = explained_variance(features, axes)
    return Plane(
        points,
        dump.labels,
        projected,
        middles_of(points, projected, dump.labels),
        (
            f"first principal component ({100 * parts[0]:.0f} % of the variance)",
            f"second principal component ({100 * parts[1]:.0f} %)",
        ),
        f"first two of {dimensions} principal components, {100 * parts.sum():.0f} % of the variance",
        kind=kind,
    )


def explained_variance(features: NDArray[np.float64], axes: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the part of the variance of (n, d) features that lies along each of the orthonormal axes (d, 2)."""
    total = features.var(axis=0).sum()
    along: NDArray[np.float64] = (features @ axes).var(axis=0)
    return along / total if total > 0 else np.zeros(2)


def turn_to_axes(
    dump: FeatureDump, reference: FeatureDump | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return three features (n, 3), and the points of the classes (k, 3), by their principal components from the mean.

    The first two are those of `project`; `reference` as there.
    """
    mean, axes = _principal_axes((reference or dump).features.astype(np.float64), 3)
    return (dump.features.astype(np.float64) - mean) @ axes, (dump.points.astype(np.float64) - mean) @ axes


def _principal_axes(
    features: NDArray[np.float64], count: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean (d,) and the first principal axes (d, count) of (n, d) features."""
    mean = features.mean(axis=0)
    centered = features - mean
    # The covariance has the same axes as the features and is (d, d), however many images there are.
    axes = np.linalg.svd(centered.T @ centered)[0][:, :count]
    # An axis has no direction of its own: let its largest component be positive, on every machine.
    largest = np.abs(axes).argmax(axis=0)
    return mean, axes * np.sign(axes[largest, np.arange(count)])


def middles_of(
    points: NDArray[np.float64], centers: NDArray[np.float64], labels: NDArray[np.integer]
) -> NDArray[np.float64]:
    """Return the centers, or, where there are none, the median of each class's points."""
    if len(centers):
        return centers
    middles = np.full((int(labels.max(initial=-1)) + 1, 2), np.nan)
    for label in np.unique(labels[labels >= 0]):
        middles[label] = np.median(points[labels == label], axis=0)
    return middles


def _strips(
    features: NDArray[np.float64], centers: NDArray[np.float64], labels: NDArray[np.integer], kind: str
) -> Plane:
    """Spread each class about its own height by a fixed jitter, so that points do not hide one another."""
    jitter = np.random.default_rng(0).uniform(-0.32, 0.32, len(labels))
    marked = np.column_stack([centers, np.arange(len(centers))])
    return Plane(
        np.column_stack([features, labels + jitter]),
        labels,
        marked,
        marked,
        ("feature", "class"),
        isometric=False,
        kind=kind,
    )
