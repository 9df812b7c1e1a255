"""What a section of the benchmark is asked, and what it answers."""

from __future__ import annotations

import importlib.util
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "configs" / "mnist.yaml"


class MissingError(Exception):
    """A section cannot be measured here; the message says what is missing and how to have it."""


@dataclass(frozen=True)
class Options:
    """What the command line asks of every section.

    Attributes:
        quick: few rounds of little work, to see that everything runs; the figures mean little.
        device: "cpu" or "gpu", for the sections that train.
        seeds: of the runs in `figure` and `mislabels`.
        gib: the size of the images in `streaming`, decoded.
    """

    quick: bool = False
    device: str = "cpu"
    seeds: tuple[int, ...] = (0,)
    gib: float = 4.0


@dataclass(frozen=True)
class Row:
    """One thing that was measured, and the row with which it is compared.

    Attributes:
        what: its name in the table.
        unit: of the values.
        values: one per round, in the order in which they were taken.
        reference: `what` of another row; `ratio` is the quotient of the two medians.
        ratio: None without a reference.
    """

    what: str
    unit: str
    values: tuple[float, ...]
    reference: str | None = None
    ratio: float | None = None

    @property
    def median(self) -> float:
        """The middle value: one round that a neighbour spoiled does not move it."""
        return statistics.median(self.values)

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON."""
        summary = {
            "median": self.median,
            "low": min(self.values),
            "high": max(self.values),
            "n": len(self.values),
        }
        return {**asdict(self), **summary}


@dataclass
class Outcome:
    """The rows of a section, and what must be said beside them."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, what: str, unit: str, values: Sequence[float], *, reference: str | None = None) -> Row:
        """Add a row; its reference, if it has one, must be there already."""
        row = Row(what, unit, tuple(values), reference)
        if reference is not None:
            row = Row(what, unit, row.values, reference, row.median / self[reference].median)
        self.rows.append(row)
        return row

    def __getitem__(self, what: str) -> Row:
        return next(row for row in self.rows if row.what == what)


def in_turns(
    contestants: Mapping[str, Callable[[], float]], rounds: int, *, warm_up: int = 1
) -> dict[str, list[float]]:
    """Ask every contestant once per round, A B A B …: a busy minute of the machine then strikes all of them alike.

    Args:
        contestants: functions that do the work and return the figure.
        rounds: rounds that count.
        warm_up: rounds before them that do not: caches, compilation, thread pools.

    Returns:
        The figures of each contestant, in order.
    """
    taken: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(warm_up + rounds):
        for name, measure in contestants.items():
            figure = measure()
            if number >= warm_up:
                taken[name].append(figure)
    return taken


def is_installed(package: str) -> bool:
    """Whether a package could be imported, without importing it."""
    return importlib.util.find_spec(package) is not None


def require(package: str, mend: str) -> None:
    """Raise MissingError if a package is not installed; `mend` says how to have it."""
    if not is_installed(package):
        raise MissingError(f"{package} is not installed: {mend}")


def require_torch() -> None:
    """Raise MissingError without PyTorch, the one to compare with."""
    require("torch", "make bench, or pip install '.[bench]'")


def has_full_mnist() -> bool:
    """Whether full MNIST is at hand without a download."""
    from centerloss_core.datasets import locate

    place = locate("mnist")
    return not place.startswith("a download") and "cannot be used" not in place


def require_full_mnist() -> None:
    """Raise MissingError unless full MNIST is at hand: a benchmark downloads nothing."""
    if not has_full_mnist():
        raise MissingError("full MNIST is not here: set CENTERLOSS_DATA_DIR to a folder with its files")
