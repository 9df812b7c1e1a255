"""Features of many dimensions as points of a plane by t-SNE, which keeps neighbours together and not distances."""

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets.arrays import thin
from centerloss_core.limits import TSNE_IMAGES
from centerloss_core.plotting.plane import Plane, Projector, middles_of, project
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.feature_dumps import FeatureDump

_PERPLEXITY = 30.0  # about how many neighbours each image has; fewer where there are few images
_SEED = 0
_STEPS = 1_000  # of the search for the plane


def tsne_projector(note: Callable[[str], None]) -> Projector:
    """Return what embeds a dump, and each dump once: a sweep draws it alone and beside others."""
    return cache(lambda dump: embed(dump, note))


def embed(dump: FeatureDump, note: Callable[[str], None]) -> Plane:
    """Embed features and the points of the classes together; up to two features are shown as they are.

    The search starts from the principal components, with one seed and in one thread: the same features give the same
    picture on the same machine. `note` is told where a part of the images stands for all.
    """
    images, dimensions = dump.features.shape
    if dimensions <= 2:
        note(f"t-SNE is for three features or more: {dimensions} of them are shown as they are")
        return project(dump)
    shown = thin(dump.labels, min(images, TSNE_IMAGES))
    how_many = f"{images:,}" if len(shown) == images else f"{len(shown):,} of {images:,}"
    if len(shown) < images:
        note(f"t-SNE shows {how_many} images, each class in proportion; all of them would take minutes")
    together = np.concatenate([dump.features[shown], dump.points]).astype(np.float64)
    plane = _search(together)
    points, centers, labels = plane[: len(shown)], plane[len(shown) :], dump.labels[shown]
    kind = dump.centers_kind or "center"
    also = f" and the {word_of(kind)}s" if len(centers) else ""
    return Plane(
        points,
        labels,
        centers,
        middles_of(points, centers, labels),
        ("t-SNE 1 (neighbours count, distances do not)", "t-SNE 2"),
        f"t-SNE of {how_many} images{also}, {dimensions} dimensions",
        kind=kind,
    )


def _search(features: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (n, 2) of (n, d)."""
    if np.ptp(features, axis=0).max() == 0:  # a collapsed network: nothing has a neighbour
        return np.zeros((len(features), 2))
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    tsne = TSNE(init="pca", perplexity=perplexity, random_state=_SEED, max_iter=_STEPS)
    with threadpool_limits(1):  # several add up in any order, and the last bits decide where a group goes
        return np.asarray(tsne.fit_transform(features), dtype=np.float64)
