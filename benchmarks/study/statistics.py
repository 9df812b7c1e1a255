"""Means, bootstrap intervals and paired comparisons over the splits and seeds of runs.

The unit that is drawn anew is the split where runs have several, and its seeds within it; else the seed. All chance is
seeded, so that equal values give equal figures.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Unit = tuple[str, int]  # the split, "" without one, and the seed
Values = Mapping[Unit, float]

RESAMPLES = 10_000
LEVEL = 0.95  # of intervals; 1 − LEVEL is the error that Holm's procedure keeps to


@dataclass(frozen=True)
class Interval:
    """A mean with its bootstrap interval; both ends are None where there are fewer than two units to draw from."""

    mean: float
    low: float | None
    high: float | None

    @property
    def excludes_zero(self) -> bool:
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True)
class Comparison:
    """One arm against the reference, over the splits and seeds that both have.

    Attributes:
        arm: its name.
        pairs: runs that are compared with one of the reference.
        units: splits, or seeds where there is one split: the n of the t-test.
        difference: of the means, arm − reference.
        p: of a paired t-test over the units; None where they cannot tell.
        adjusted: p by Holm's procedure over all comparisons of the family.
    """

    arm: str
    pairs: int
    units: int
    difference: Interval
    p: float | None
    adjusted: float | None

    @property
    def is_told(self) -> bool:
        """Whether there is a difference: by the adjusted t-test, and by the interval, which few units make narrow."""
        told = self.adjusted is not None and self.adjusted < 1 - LEVEL
        return told and self.difference.excludes_zero


def grouped(values: Values) -> list[NDArray[np.float64]]:
    """The values of each split; of one split those of each seed by itself."""
    splits = sorted({split for split, _ in values})
    if len(splits) == 1:
        return [np.array([values[unit]]) for unit in sorted(values)]
    return [np.array([values[unit] for unit in sorted(values) if unit[0] == split]) for split in splits]


def interval(values: Values) -> Interval:
    """The mean over units of their means, and the percentile interval of the two-level bootstrap.

    Each of RESAMPLES times as many units are drawn as there are, with replacement, and in each as many of its values.
    """
    groups = grouped(values)
    means = np.array([group.mean() for group in groups])
    if len(groups) < 2:
        return Interval(float(means.mean()), None, None)
    sizes = np.array([len(group) for group in groups])
    table = np.zeros((len(groups), sizes.max()))
    for row, group in zip(table, groups, strict=True):
        row[: len(group)] = group
    random = np.random.default_rng(0)
    drawn = random.integers(len(groups), size=(RESAMPLES, len(groups)))
    within = (random.random((*drawn.shape, table.shape[1])) * sizes[drawn][..., None]).astype(np.intp)
    counts = np.arange(table.shape[1]) < sizes[drawn][..., None]
    sums = (table[drawn[..., None], within] * counts).sum(axis=2)
    resampled = (sums / sizes[drawn]).mean(axis=1)
    low, high = np.quantile(resampled, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(means.mean()), float(low), float(high))


def compare(arms: Mapping[str, Values], reference: str) -> list[Comparison]:
    """Every arm against the reference, pair by pair, with Holm's correction over all of them: one family."""
    found = []
    for name, values in arms.items():
        common = sorted(values.keys() & arms[reference].keys())
        if name == reference or not common:
            continue
        differences = {unit: values[unit] - arms[reference][unit] for unit in common}
        units = len(grouped(differences))
        found.append((name, len(common), units, interval(differences), p_value(differences)))
    adjusted = holm([p for *_, p in found if p is not None])
    return [
        Comparison(
            *each, None if each[-1] is None else adjusted.pop(0)
        )  # in the order in which they were given
        for each in found
    ]


def p_value(differences: Values) -> float | None:
    """Two-sided p of a t-test that the mean over units is 0; None for fewer than two units."""
    from scipy.stats import ttest_1samp

    means = np.array([group.mean() for group in grouped(differences)])
    if len(means) < 2:
        return None
    if np.ptp(means) == 0:  # without spread there is no t
        return 1.0 if means[0] == 0 else 0.0
    p = float(ttest_1samp(means, 0).pvalue)
    return p if math.isfinite(p) else None


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p by Holm (Scandinavian Journal of Statistics 6, 1979), in the order given.

    The i-th smallest of n, from 0, is multiplied by n − i, and none gets less than a smaller one before it.
    """
    order = np.argsort(p_values, kind="stable")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
