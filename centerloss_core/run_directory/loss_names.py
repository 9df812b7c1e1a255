"""Runs that differ in their loss are told apart by its name, one axis in place of all settings of the loss."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from centerloss_core.config.axes import LOSS, VARIANT, Settings, canonical, value_of
from centerloss_core.config.problems import shortened
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.reader import RunRecord, SweepRecord

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
        run.point = {
            **run.point,
            "settings": _named(mapping(run.point.get("settings")), title or run.name, axes),
        }
        run.__dict__.pop("settings", None)  # it is kept once it was asked for
    return replace(sweep, axes=axes)


def settings_by_loss(rows: Sequence[Mapping[str, Any]], settings: Sequence[Settings]) -> list[Settings]:
    """The settings of the rows of a `summary.json`, with the titles of their losses in a sweep over losses."""
    titles = [title_of(row) for row in rows]
    axes = axes_by_loss(settings, titles, list(dict.fromkeys(key for own in settings for key in own)))
    if LOSS not in axes:
        return list(settings)
    return [_named(own, title or "–", axes) for own, title in zip(settings, titles, strict=True)]


def names_by_loss(runs: Sequence[RunRecord]) -> list[str] | None:
    """Names for runs that differ in their loss: its title, and the seed where runs of one title differ in it.

    Returns:
        None where they are not runs of several losses, or where that does not tell all of them apart.
    """
    titles = [run.loss or "" for run in runs]
    if not (all(titles) and is_over_losses(titles)):
        return None
    names = [
        f"{title}, seed {run.seed}" if titles.count(title) > 1 else title
        for run, title in zip(runs, titles, strict=True)
    ]
    return names if len(set(names)) == len(names) else None


def title_of(row: Mapping[str, Any]) -> str | None:
    """What the loss of a run is called, of its row in a `summary.json`."""
    title = row.get("loss")
    return shortened(title) if isinstance(title, str) else None


def _named(settings: Mapping[str, Any], title: str, axes: Sequence[str]) -> dict[str, Any]:
    return {LOSS: title, **{key: value for key, value in settings.items() if key in axes}}


def _is_of_the_loss(key: str) -> bool:
    return key == VARIANT or key.startswith("loss.")


def _is_told(key: str, runs: Sequence[Settings], titles: Sequence[str | None]) -> bool:
    """Whether runs of one title have one value."""
    pairs = {(title, canonical(value_of(run, key))) for run, title in zip(runs, titles, strict=True) if title}
    return len(pairs) == len({title for title, _ in pairs})
