"""Runs that differ in their loss are told apart by its name, one axis in place of all settings of the loss."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace

from centerloss_core.config.axes import LOSS, VARIANT, Settings, canonical, value_of
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.reader import SweepRecord

_NUMBER = re.compile(r"\d[\d.e+-]*")


def is_over_losses(titles: Iterable[str | None]) -> bool:
    """Whether losses of several kinds are among them, `ArcFace s 16, m 0.3`, and not one with several settings."""
    return len({_NUMBER.sub("", title) for title in titles if title}) > 1


def axes_by_loss(
    runs: Sequence[Settings], titles: Sequence[str | None], axes: Sequence[str]
) -> tuple[str, ...]:
    """The axes of a sweep over losses: the loss first, without variants and settings of it that its title tells.

    Other axes are returned as they are.

    Args:
        runs: the settings of each.
        titles: of the loss of each, where that is known.
        axes: the keys of what varies.
    """
    if LOSS in axes or not is_over_losses(titles):
        return tuple(axes)
    return (LOSS, *(key for key in axes if not (_is_of_the_loss(key) and _is_told(key, runs, titles))))


def name_losses(sweep: SweepRecord) -> SweepRecord:
    """A sweep over losses with their titles among the settings of its runs, and in its axes; others as they are."""
    titles = [run.loss for run in sweep.runs]
    axes = axes_by_loss([run.settings for run in sweep.runs], titles, sweep.axes)
    if axes == sweep.axes:
        return sweep
    for run, title in zip(sweep.runs, titles, strict=True):
        own = {key: value for key, value in mapping(run.point.get("settings")).items() if key in axes}
        run.point = {**run.point, "settings": {LOSS: title or run.name, **own}}
        run.__dict__.pop("settings", None)  # it is kept once it was asked for
    return replace(sweep, axes=axes)


def _is_of_the_loss(key: str) -> bool:
    return key == VARIANT or key.startswith("loss.")


def _is_told(key: str, runs: Sequence[Settings], titles: Sequence[str | None]) -> bool:
    """Whether runs of one title have one value."""
    pairs = {(title, canonical(value_of(run, key))) for run, title in zip(runs, titles, strict=True) if title}
    return len(pairs) == len({title for title, _ in pairs})
