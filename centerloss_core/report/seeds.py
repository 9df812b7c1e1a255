"""Which setting to take, once there are seeds: means over the seeds of each setting, and how far the seeds scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from centerloss_core.config.axes import LAMBDA, SEED, label_all
from centerloss_core.formatting import exact, finite, number, percent
from centerloss_core.metrics.names import Name
from centerloss_core.report.reading import Contents, Record, written
from centerloss_core.report.tables import Cell, Mark, Row, Table, figure, setting_cells, setting_titles

_SOFTMAX = Name("accuracy", "softmax", percent, "most")
_CENTER = Name("nearest_center_accuracy", "nearest center", percent, "most")
_RATIO = Name("separation_ratio", "inter/intra", partial(number, digits=".1f"), "most")
_EER = Name("euclidean_eer", "Euclidean EER", percent, "least")
_IN_WORDS = {"accuracy": "softmax accuracy", "nearest_center_accuracy": "nearest-center accuracy"}
_FEW = 5


@dataclass(frozen=True)
class _Spread:
    """One figure over the seeds."""

    mean: float
    low: float
    high: float

    def overlaps(self, other: _Spread) -> bool:
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True)
class _Setting:
    """Runs that differ in their seeds alone. A figure is None where a seed lacks it."""

    runs: Sequence[Record]
    spreads: dict[str, _Spread | None]

    @property
    def competes(self) -> bool:
        return len(self.runs) > 1  # a single seed has no spread


def has_seeds(contents: Contents) -> bool:
    """Whether some setting was trained to the end with more than one seed."""
    return any(len(runs) > 1 for runs in _by_setting(contents))


def seeds_table(contents: Contents) -> tuple[str, Table, str] | None:
    """A title, a row per setting, and what can be said of them; None where there is one seed each."""
    if not has_seeds(contents):
        return None
    keys = _keys(contents)
    grouped = _by_setting(contents)
    done = [record for runs in grouped for record in runs]
    names = [_SOFTMAX, _RATIO]
    if any(_figure(record, _CENTER) is not None for record in done):
        names.insert(1, _CENTER)
    if all(_figure(record, _EER) is not None for record in done):
        names.append(_EER)
    settings = [_setting(runs, names) for runs in grouped]
    best = {name.key: _best(settings, name) for name in names}
    caption = "Means over the seeds on the test images, with the lowest and the highest in brackets"
    if any(best.values()):
        caption += "; ★ marks the best mean, ≈ what cannot be told apart from it, because the seeds overlap"
    if not all(setting.competes for setting in settings):
        caption += ". A single seed has no spread and does not compete"
    head = [*setting_titles(keys), "seeds", *(name.title for name in names)]
    rows = [Row([*_cells(setting, keys), *_figures(setting, names, best)]) for setting in settings]
    if not keys:
        head, rows = ["", *head], [Row([Cell("all runs"), *row.cells]) for row in rows]
    title = "Over the seeds" if len(settings) == 1 else "Which λ?" if keys == [LAMBDA] else "Which setting?"
    return title, Table(caption, head, rows, "seeds-table"), _favoured(settings, best, keys)


def _keys(contents: Contents) -> list[str]:
    return [key for key in contents.keys if key != SEED]


def _by_setting(contents: Contents) -> list[list[Record]]:
    found: dict[tuple[str, ...], list[Record]] = {}
    for record in contents.records:
        if record.is_completed:
            point = tuple(written(record.value(key)) for key in _keys(contents))
            found.setdefault(point, []).append(record)
    return list(found.values())


def _figure(record: Record, name: Name) -> float | None:
    return finite((record.evaluation("test") | record.final()).get(name.key))


def _setting(runs: Sequence[Record], names: Sequence[Name]) -> _Setting:
    spreads: dict[str, _Spread | None] = {}
    for name in names:
        values = [value for run in runs if (value := _figure(run, name)) is not None]
        whole = len(values) == len(runs)  # a mean of some seeds would not be of this setting
        spreads[name.key] = _Spread(sum(values) / len(values), min(values), max(values)) if whole else None
    return _Setting(runs, spreads)


def _best(settings: Sequence[_Setting], name: Name) -> _Spread | None:
    """The spread with the best mean; None where nothing competes."""
    competing = [spread for each in settings if each.competes and (spread := each.spreads[name.key])]
    if len(competing) < 2:
        return None
    return (max if name.best == "most" else min)(competing, key=lambda spread: spread.mean)


def _cells(setting: _Setting, keys: Sequence[str]) -> list[Cell]:
    return [*setting_cells(setting.runs[0], keys), figure(len(setting.runs), exact)]


def _figures(setting: _Setting, names: Sequence[Name], best: dict[str, _Spread | None]) -> list[Cell]:
    cells = []
    for name in names:
        spread, top = setting.spreads[name.key], best[name.key]
        if spread is None:
            cells.append(Cell("–"))
            continue
        mark: Mark = ""
        text, ends = name.write(spread.mean), ""
        if setting.competes:
            ends = f" ({name.write(spread.low)} – {name.write(spread.high)})"
            if top is not None:
                mark = "best" if text == name.write(top.mean) else "tied" if spread.overlaps(top) else ""
        cells.append(Cell(text, spread.mean, mark, ends))
    return cells


def _favoured(settings: Sequence[_Setting], best: dict[str, _Spread | None], keys: Sequence[str]) -> str:
    """What the figures say, and no more: the most compact of those whose accuracies are as good as the best."""
    if len(settings) == 1:
        return ""
    what = "λ" if keys == [LAMBDA] else "setting"
    competing = [setting for setting in settings if setting.competes]
    accuracies = [name for name in (_SOFTMAX, _CENTER) if name.key in best]
    if any(best[name.key] is None for name in (*accuracies, _RATIO)):
        return f"Not enough was measured with several seeds to favour a {what}."

    def named(those: Sequence[_Setting]) -> str:
        labels = [label_all(each.runs[0].run.settings, keys) for each in those]
        return " and ".join(filter(None, ["; ".join(labels[:-1]), labels[-1]]))

    def as_good(those: Sequence[_Setting], name: Name) -> list[_Setting]:
        top = best[name.key]
        return [each for each in those if (spread := each.spreads[name.key]) and top and spread.overlaps(top)]

    accurate = competing
    for name in accuracies:
        accurate = as_good(accurate, name)
    measured = [spread for each in accurate if (spread := each.spreads[_RATIO.key])]
    few = min(len(setting.runs) for setting in competing)
    caution = f" {few} seeds are few: more may change this." if few < _FEW else ""
    if not accurate or not measured:
        tops = "; ".join(
            f"{_IN_WORDS[name.key]} for {named(as_good(competing, name))}" for name in accuracies
        )
        return f"The figures favour no {what}. Best, within the range of the seeds, is {tops}.{caution}"
    most = max(measured, key=lambda spread: spread.mean)
    compact = [each for each in accurate if (spread := each.spreads[_RATIO.key]) and spread.overlaps(most)]
    if len(compact) == len(competing):
        plural = "λ" if what == "λ" else "settings"
        return f"The seeds scatter more than the {plural} differ: these figures favour none.{caution}"
    reason = "within the range of the seeds "
    reason += "both accuracies are the best" if len(accuracies) > 1 else "the accuracy is the best"
    if len(compact) < len(accurate):
        reason += (
            f", and of the {len(accurate)} settings of which that is true inter/intra is the highest there"
        )
    return f"The figures favour {named(compact)}: {reason}.{caution}"
