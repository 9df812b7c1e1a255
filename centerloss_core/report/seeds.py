"""Which λ to take, once there are seeds: means over the seeds of each (λ, α), and how far the seeds scatter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from centerloss_core.formatting import exact, finite, number, percent
from centerloss_core.metrics.names import Name
from centerloss_core.report.markup import cell, escape, mapping, sortable, spread_cell
from centerloss_core.report.reading import Record

_SOFTMAX = Name("accuracy", "softmax", percent, "most")
_CENTER = Name("nearest_center_accuracy", "nearest center", percent, "most")
_RATIO = Name("separation_ratio", "inter/intra", partial(number, digits=".1f"), "most")
_EER = Name("euclidean_eer", "Euclidean EER", percent, "least")
_write_number = partial(number, digits="g")
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
    """A λ and an α. A figure is None where a seed lacks it: a mean of others would not be of these seeds."""

    weight: float
    alpha: float
    weight_eq: float | None
    seeds: int
    spreads: dict[str, _Spread | None]


def has_seeds(records: Sequence[Record]) -> bool:
    """Whether some λ and α were trained to the end with more than one seed."""
    return any(len(runs) > 1 for runs in _by_setting(records).values())


def seeds_table(records: Sequence[Record]) -> str:
    """A row per λ and α, and what can be said of them; nothing where there is one seed each."""
    if not has_seeds(records):
        return ""
    names = [_SOFTMAX, _CENTER, _RATIO]
    done = [record for record in records if record.status == "completed"]
    if all(_figure(record, _EER) is not None for record in done):
        names.append(_EER)
    settings = [_setting(point, runs, names) for point, runs in _by_setting(records).items()]
    best = {name.key: _best(settings, name) for name in names}
    caption = "Means over the seeds on the test images, with the lowest and the highest in brackets"
    if any(best.values()):
        caption += "; ★ marks the best mean, ≈ what cannot be told apart from it, because the seeds overlap"
    if any(setting.seeds == 1 for setting in settings):
        caption += ". A single seed has no spread and does not compete"
    head = ["λ", "λ_eq", "α", "seeds", *(name.title for name in names)]
    rows = [_row(setting, names, best) for setting in settings]
    title = "Which λ?" if len(settings) > 1 else "Over the seeds"
    favoured = f"<p>{escape(_favoured(settings, best))}</p>" if len(settings) > 1 else ""
    return f"<h3>{title}</h3>{sortable(head, rows, name='seeds-table', caption=caption)}{favoured}"


def _by_setting(records: Sequence[Record]) -> dict[tuple[float, float], list[Record]]:
    found: dict[tuple[float, float], list[Record]] = {}
    for record in records:
        if record.status == "completed" and record.weight is not None and record.alpha is not None:
            found.setdefault((record.weight, record.alpha), []).append(record)
    return found


def _figure(record: Record, name: Name) -> float | None:
    test = mapping(mapping(record.manifest.get("metrics")).get("test"))
    evaluated = mapping(mapping(record.manifest.get("evaluation")).get("test"))
    return finite((evaluated | test).get(name.key))


def _setting(point: tuple[float, float], runs: Sequence[Record], names: Sequence[Name]) -> _Setting:
    spreads: dict[str, _Spread | None] = {}
    for name in names:
        values = [value for run in runs if (value := _figure(run, name)) is not None]
        whole = len(values) == len(runs)
        spreads[name.key] = _Spread(sum(values) / len(values), min(values), max(values)) if whole else None
    return _Setting(*point, runs[0].weight_eq, len(runs), spreads)


def _best(settings: Sequence[_Setting], name: Name) -> _Spread | None:
    """The spread with the best mean; None where nothing competes."""
    competing = [
        spread for setting in settings if setting.seeds > 1 and (spread := setting.spreads[name.key])
    ]
    if len(competing) < 2:
        return None
    return (max if name.best == "most" else min)(competing, key=lambda spread: spread.mean)


def _row(setting: _Setting, names: Sequence[Name], best: dict[str, _Spread | None]) -> str:
    cells = [
        f'<th scope="row" data-value="{setting.weight!r}">{exact(setting.weight)}</th>',
        cell(setting.weight_eq, _write_number),
        cell(setting.alpha, exact),
        cell(setting.seeds, _write_number),
    ]
    for name in names:
        spread, top = setting.spreads[name.key], best[name.key]
        if spread is None:
            cells.append(cell(None, name.write))
            continue
        written = name.write(spread.mean)
        ends = f" ({name.write(spread.low)} – {name.write(spread.high)})" if setting.seeds > 1 else ""
        mark = ""
        if top is not None and setting.seeds > 1:
            is_best = written == name.write(top.mean)
            mark = "best" if is_best else "tied" if spread.overlaps(top) else ""
        cells.append(spread_cell(spread.mean, written, ends, mark))
    return f"<tr>{''.join(cells)}</tr>"


def _favoured(settings: Sequence[_Setting], best: dict[str, _Spread | None]) -> str:
    """What the figures say, and no more: the most compact of those whose accuracies are as good as the best."""
    competing = [setting for setting in settings if setting.seeds > 1]
    tops = [best[name.key] for name in (_SOFTMAX, _CENTER, _RATIO)]
    if any(top is None for top in tops):
        return "Not enough was measured with several seeds to favour a λ."
    vary_alpha = len({setting.alpha for setting in settings}) > 1

    def named(those: Sequence[_Setting]) -> str:
        words = [
            f"λ = {exact(each.weight)}" + (f" with α = {exact(each.alpha)}" if vary_alpha else "")
            for each in those
        ]
        return " and ".join(filter(None, [", ".join(words[:-1]), words[-1]]))

    def as_good(those: Sequence[_Setting], name: Name) -> list[_Setting]:
        top = best[name.key]
        return [each for each in those if (spread := each.spreads[name.key]) and top and spread.overlaps(top)]

    accurate = as_good(as_good(competing, _SOFTMAX), _CENTER)
    measured = [spread for each in accurate if (spread := each.spreads[_RATIO.key])]
    few = min(setting.seeds for setting in competing)
    caution = f" {few} seeds are few: more may change this." if few < _FEW else ""
    if not accurate or not measured:
        return (
            "The figures favour no λ: softmax accuracy is best, within the range of the seeds, for "
            f"{named(as_good(competing, _SOFTMAX))}; nearest-center accuracy for "
            f"{named(as_good(competing, _CENTER))}.{caution}"
        )
    most = max(measured, key=lambda spread: spread.mean)
    compact = [each for each in accurate if (spread := each.spreads[_RATIO.key]) and spread.overlaps(most)]
    if len(compact) == len(competing):
        return f"The seeds scatter more than the λ differ: these figures favour none.{caution}"
    reason = "within the range of the seeds both accuracies are the best"
    if len(compact) < len(accurate):
        reason += (
            f", and of the {len(accurate)} settings of which that is true inter/intra is the highest there"
        )
    return f"The figures favour {named(compact)}: {reason}.{caution}"
