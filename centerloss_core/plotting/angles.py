"""Angles between features and what stands for their classes, which losses of directions act on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.formatting import percent
from centerloss_core.metrics.distances import directions, mean_directions
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.head import Head
from centerloss_core.run_directory.class_points import trained
from centerloss_core.run_directory.feature_dumps import FeatureDump

_NAMED = 4  # classes in a title


@dataclass(frozen=True, eq=False)
class Angles:
    """The images of known classes that have a direction, and the directions of the classes.

    Attributes:
        units: (n, d), a feature divided by its length each.
        labels: (n,).
        marks: what stands for the classes, (k, d) each of length 1 or 0, by its kind; empty where there is nothing.
        middles: (k, d), the first of these, or else the mean direction of the images of a class.
        kind: of the middles; "mean direction" where nothing is marked.
        without: how many images of each class have length 0 and no direction, (k,).
        unknown: the directions of images of unknown classes, (u, d).
    """

    units: NDArray[np.float64]
    labels: NDArray[np.integer[Any]]
    marks: dict[str, NDArray[np.float64]]
    middles: NDArray[np.float64]
    kind: str
    without: NDArray[np.intp]
    unknown: NDArray[np.float64]

    def to_middles(self) -> NDArray[np.float64]:
        """The angle of each image to each middle in degrees, (n, k); NaN where that has no direction."""
        # From the length of the difference: the cosine does not tell small angles apart.
        apart = np.stack([np.linalg.norm(self.units - middle, axis=1) for middle in self.middles], axis=1)
        angles: NDArray[np.float64] = np.degrees(2 * np.arcsin(np.clip(apart / 2, 0, 1)))
        angles[:, ~np.linalg.norm(self.middles, axis=1).astype(bool)] = np.nan
        return angles

    def to_own(self) -> NDArray[np.float64]:
        """The angle of each image to the middle of its class in degrees, (n,); NaN where that has no direction."""
        own: NDArray[np.float64] = self.to_middles()[np.arange(len(self.labels)), self.labels]
        return own


def angles_of(dump: FeatureDump, head: Head | None, classes: int) -> Angles:
    """Take the directions of a dump, of its points and of the weights of its head, where these could be read."""
    unknown, unknown_told = directions(dump.features[dump.labels < 0])
    dump = dump.known()
    units, told = directions(dump.features)
    marks = {} if head is None else {head.kind: directions(head.weights.astype(np.float64))[0]}
    if dump.centers is not None and dump.centers_kind:
        marks.setdefault(dump.centers_kind, directions(dump.centers)[0])
    kind, middles = next(iter(marks.items()), ("mean direction", None))
    if middles is None:
        means = mean_directions(dump.features.astype(np.float64), dump.labels, np.arange(classes))
        middles = directions(means)[0]
    without = np.bincount(dump.labels[~told], minlength=classes)
    return Angles(units[told], dump.labels[told], marks, middles, kind, without, unknown[unknown_told])


def angles_title(dump: FeatureDump, angles: Angles) -> str:
    """Return accuracies, and how far the images are from the direction of their class."""
    measured = separation(dump)
    shares = {"softmax": measured.accuracy, "nearest mean by angle": measured.nearest_mean_accuracy_cosine}
    parts = [f"{name} {percent(share)}" for name, share in shares.items() if share is not None]
    own = angles.to_own()
    if np.isfinite(own).any():
        middle, most = np.nanpercentile(own, [50, 95])
        word = trained(angles.kind) if angles.marks else f"{angles.kind} of the class"
        parts.append(f"angle to the own {word}: median {middle:.1f}°, 95 % within {most:.1f}°")
    return ", ".join(parts)


def lost_title(angles: Angles, names: Sequence[str]) -> str:
    """Return how many images have no direction, and of which classes; nothing where all have one."""
    lost = int(angles.without.sum())
    if not lost:
        return ""
    classes = [f"{names[label]}: {angles.without[label]:,}" for label in np.argsort(-angles.without)[:_NAMED]]
    shown = ", ".join(each for each in classes if not each.endswith(": 0"))
    more = " …" if (angles.without > 0).sum() > _NAMED else ""
    have = "image has length 0 and no direction" if lost == 1 else "images have length 0 and no direction"
    return f"{lost:,} {have} ({shown}{more})"
