"""Which setting to take, once there are seeds: means over the seeds of each setting, and how far the seeds scatter."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Self

from centerloss_core.config.axes import LAMBDA, SEED, label_all
from centerloss_core.formatting import exact, finite, percent
from centerloss_core.metrics.names import CENTER, MEAN, RATIO, SOFTMAX, Name, with_points
from centerloss_core.metrics.uncertainty import mean_and_deviation
from centerloss_core.report.reading import Contents, Record, written
from centerloss_core.report.tables import Cell, Mark, Row, Table, figure, setting_cells, setting_titles

_EER = Name("euclidean_eer", "Euclidean EER", percent, "least", by_angle="cosine_eer")
_FIGURES = (SOFTMAX, CENTER, MEAN, RATIO, _EER)
_FEW = 5


@dataclass(frozen=True)
class _Spread:
    """One figure over the seeds."""

    mean: float
    deviation: float  # of a single seed 0
    low: float
    high: float

    def overlaps(self, other: Self) -> bool:
        return self.low <= other.high and other.low <= self.high


@dataclass(frozen=True, eq=False)
class _Setting:
    """Runs that differ in their seeds alone. A figure that a seed lacks has no spread."""

    runs: Sequence[Record]
    spreads: dict[str, _Spread]

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
    settings = [_Setting(runs, _spreads(runs)) for runs in _by_setting(contents)]
    needs_mean = any(CENTER.key not in each.spreads for each in settings)
    shown = with_points((SOFTMAX, CENTER, *([MEAN] if needs_mean else []), RATIO), contents.kinds)
    names = [name for name in shown if any(name.key in each.spreads for each in settings)]
    if all(_EER.key in each.spreads for each in settings):
        is_angular = any(record.run.is_angular for record in contents.records)
        names.append(replace(_EER, title="EER") if is_angular else _EER)
    if not names:
        return None
    best = {name.key: spread for name in names if (spread := _best(settings, name))}
    caption = (
        "Mean ± standard deviation over the seeds on the test images; in brackets the lowest and the highest"
    )
    if best:
        caption += "; ★ marks the best mean, ≈ what cannot be told apart from it, because the seeds overlap"
    if not all(setting.competes for setting in settings):
        caption += ". A single seed has no spread and does not compete"
    head = [*(setting_titles(keys) if keys else [""]), "seeds", *(name.title for name in names)]
    rows = []
    for setting in settings:
        point = setting_cells(setting.runs[0], keys) if keys else [Cell("all runs")]
        figures = [_cell(setting, name, best.get(name.key)) for name in names]
        rows.append(Row([*point, figure(len(setting.runs), exact), *figures]))
    title = "Over the seeds" if len(settings) == 1 else "Which λ?" if keys == [LAMBDA] else "Which setting?"
    return title, Table(caption, head, rows, "seeds-table"), _favoured(settings, best, names, keys)


def _keys(contents: Contents) -> list[str]:
    return [key for key in contents.keys if key != SEED]


def _by_setting(contents: Contents) -> list[list[Record]]:
    found: dict[tuple[str, ...], list[Record]] = {}
    for record in contents.records:
        if record.is_completed:
            point = tuple(written(record.value(key)) for key in _keys(contents))
            found.setdefault(point, []).append(record)
    return list(found.values())


def _spreads(runs: Sequence[Record]) -> dict[str, _Spread]:
    spreads = {}
    for name in _FIGURES:
        figures = [finite(name.of(run.evaluation("test") | run.final() | _fit(run))) for run in runs]
        values = [value for value in figures if value is not None]
        if len(values) == len(runs):  # a mean of some seeds would not be of this setting
            mean, deviation = mean_and_deviation(values) or (*values, 0.0)
            spreads[name.key] = _Spread(mean, deviation, min(values), max(values))
    return spreads


def _fit(run: Record) -> dict[str, bool]:
    return {"is_angular": run.run.is_angular}


def _best(settings: Sequence[_Setting], name: Name) -> _Spread | None:
    """The spread with the best mean; None where nothing competes."""
    spreads = [each.spreads[name.key] for each in settings if each.competes and name.key in each.spreads]
    if len(spreads) < 2:
        return None
    return (max if name.best == "most" else min)(spreads, key=lambda spread: spread.mean)


def _cell(setting: _Setting, name: Name, best: _Spread | None) -> Cell:
    spread = setting.spreads.get(name.key)
    if spread is None or not setting.competes:
        return figure(spread and spread.mean, name.write)
    mark: Mark = ""
    if best is not None:
        alike = name.write(spread.mean) == name.write(best.mean)
        mark = "best" if alike else "tied" if spread.overlaps(best) else ""
    ends = f" ({name.write(spread.low)} – {name.write(spread.high)})"
    sign = name.sign(_fit(setting.runs[0]))
    return Cell(name.over_seeds(spread.mean, spread.deviation) + sign, spread.mean, mark, ends)


def _favoured(
    settings: Sequence[_Setting], best: dict[str, _Spread], names: Sequence[Name], keys: Sequence[str]
) -> str:
    """What the figures say, and no more: the most compact of those whose accuracies are as good as the best."""
    if len(settings) == 1:
        return ""
    what, plural = ("λ", "λ") if keys == [LAMBDA] else ("setting", "settings")
    competing = [setting for setting in settings if setting.competes]
    heads = [name for name in names if name.key in (SOFTMAX.key, CENTER.key)] or [MEAN]
    accuracies = {name.key: f"{name.title.replace(' ', '-')} accuracy" for name in heads}
    if any(key not in best for key in (*accuracies, RATIO.key)):
        return f"Not enough was measured with several seeds to favour a {what}."

    def as_good(those: Sequence[_Setting], key: str, top: _Spread) -> list[_Setting]:
        return [each for each in those if key in each.spreads and each.spreads[key].overlaps(top)]

    def named(those: Sequence[_Setting]) -> str:
        labels = [label_all(each.runs[0].run.settings, keys) for each in those]
        return " and ".join(filter(None, ["; ".join(labels[:-1]), labels[-1]]))

    tops = {key: as_good(competing, key, best[key]) for key in accuracies}
    accurate = [each for each in competing if all(each in those for those in tops.values())]
    ratios = [each.spreads[RATIO.key] for each in accurate if RATIO.key in each.spreads]
    few = min(len(setting.runs) for setting in competing)
    caution = f" {few} seeds are few: more may change this." if few < _FEW else ""
    if not ratios:
        found = "; ".join(f"{accuracies[key]} for {named(those)}" for key, those in tops.items())
        return f"The figures favour no {what}. Best, within the range of the seeds, is {found}.{caution}"
    compact = as_good(accurate, RATIO.key, max(ratios, key=lambda spread: spread.mean))
    if len(compact) == len(competing):
        return f"The seeds scatter more than the {plural} differ: these figures favour none.{caution}"
    accuracy = "both accuracies are" if len(accuracies) > 1 else "the accuracy is"
    reason = f"within the range of the seeds {accuracy} the best"
    if len(compact) < len(accurate):
        reason += (
            f", and of the {len(accurate)} settings of which that is true inter/intra is the highest there"
        )
    return f"The figures favour {named(compact)}: {reason}.{caution}"
