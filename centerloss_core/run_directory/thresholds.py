"""The thresholds of a run, as `run.json` keeps them: from which score on an image counts as one of a known class.

Importing this loads nothing that takes time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from centerloss_core.config.problems import shortened
from centerloss_core.formatting import finite
from centerloss_core.limits import WARNINGS
from centerloss_core.run_directory.manifest import items, mapping

SHARES = (0.95, 0.99)  # of the known images that thresholds are taken for


@dataclass(frozen=True)
class Threshold:
    """One threshold; docs/metrics.md says what it promises.

    Attributes:
        score: the name of the score, larger for what is more known.
        accept: the share of new images of the known classes that it accepts at least, in the mean.
        value: an image is known where its score is at least this.
        accepted: the share that it accepts of the images it was taken from.
        between: where the share of new images lies that it accepts, in 95 of 100 cases; None where it was taken from
            training images, which promise nothing.
    """

    score: str
    accept: float
    value: float
    accepted: float
    between: tuple[float, float] | None


@dataclass(frozen=True)
class Thresholds:
    """All thresholds of a run.

    Attributes:
        split: the images they were taken from: "validation", or "train" where the run has no validation images.
        images: how many these are.
        default: the score that fits the loss.
        warnings: what keeps them from their promise.
        values: a threshold for each score and each of SHARES.
    """

    split: str
    images: int
    default: str
    warnings: tuple[str, ...]
    values: tuple[Threshold, ...]

    def of(self, score: str, accept: float) -> Threshold | None:
        """The threshold of a score that accepts such a share of known images; None where the run has none."""
        return next((each for each in self.values if (each.score, each.accept) == (score, accept)), None)

    def as_dict(self) -> dict[str, Any]:
        """Ready for JSON."""
        return asdict(self)


def parse_thresholds(content: object) -> Thresholds | None:
    """Read what `as_dict` gave to `run.json`; None where that has no thresholds. What is damaged is left out."""
    found = mapping(content)
    images = finite(found.get("images"))
    if not images:
        return None
    values = (_threshold(mapping(each)) for each in items(found.get("values")))
    return Thresholds(
        split=shortened(str(found.get("split"))),
        images=int(images),
        default=shortened(str(found.get("default"))),
        warnings=tuple(map(str, items(found.get("warnings"))[:WARNINGS])),
        values=tuple(each for each in values if each is not None),
    )


def _threshold(row: Mapping[str, Any]) -> Threshold | None:
    accept, value, accepted = (finite(row.get(key)) for key in ("accept", "value", "accepted"))
    ends = [finite(each) for each in items(row.get("between"))]
    if accept is None or value is None or accepted is None:
        return None
    low, high = ends if len(ends) == 2 else (None, None)
    between = None if low is None or high is None else (low, high)
    return Threshold(shortened(str(row.get("score"))), accept, value, accepted, between)
