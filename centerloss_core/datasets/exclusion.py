"""`data.exclude`: images that are left out, named by a file with a line for each.

    # what follows this sign is for people
    train/cat/17.png
    train 4711

The first is an image of a folder, the second row 4,711 of the images to train on, from 0; see `Split.name`. What
follows a tab is for people too. All other images stay in the split that they are in without the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.arrays import DataError, Loaded, Split
from centerloss_core.datasets.own import listed, reason_of
from centerloss_core.files.untrusted import read_text

_NUMBERED = re.compile(r"(\w+) (0|[1-9][0-9]{0,17})")


@dataclass(frozen=True)
class Exclusion:
    """Which images are left out.

    Attributes:
        path: the file that says so.
        lines: by what an image is called, the line that names it, from 1.
    """

    path: Path
    lines: dict[str, int]

    @classmethod
    def read(cls, path: Path) -> Exclusion:
        """Read such a file; DataError if that cannot be done."""
        try:
            text = read_text(path).removeprefix("\ufeff")  # some editors put it there
        except (OSError, ValueError) as error:
            raise DataError(
                f"{path}: cannot be read ({reason_of(error)}): data.exclude is a text file that names images"
            ) from error
        lines: dict[str, int] = {}
        for number, line in enumerate(text.splitlines(), 1):
            name = line.partition("\t")[0].strip()
            if name and not name.startswith("#"):
                lines.setdefault(name, number)
        return cls(path, lines)

    def applied(
        self, train: Split, validation: Split | None, test: Split, found: Loaded, whole: Loaded
    ) -> tuple[Split, Split | None, Split, dict[str, int]]:
        """The three splits without these images, and how many each has lost, by name.

        Args:
            train, validation, test: the splits.
            found: what they are of.
            whole: the same with the classes that are not known; the file may name images of those too.

        Raises:
            DataError: with file and line, for what names no image; or too few images are left.
        """
        splits = {"train": train, "validation": validation, "test": test}
        splits_there = {name: split for name, split in splits.items() if split is not None}
        chosen = {name: self._of(split) for name, split in splits_there.items()}
        parts = {"train": whole.train, "validation": whole.validation, "test": whole.test}
        there = [
            *splits_there.values(),
            *(numbered(each, name) for name, each in parts.items() if each is not None),
        ]
        known = {split.name(int(index)) for split in there for index in np.flatnonzero(self._of(split))}
        self._refuse([name for name in self.lines if name not in known], train, found)
        left = {name: split.take(np.flatnonzero(~chosen[name])) for name, split in splits_there.items()}
        counts = np.bincount(left["train"].labels, minlength=len(found.class_names))
        if not counts.all():
            lacking = [name for name, count in zip(found.class_names, counts, strict=True) if not count]
            raise DataError(
                f"{self.path}: leaves no image to train on of class {listed(lacking)}: name fewer"
            )
        for name, split in left.items():
            if not len(split):
                raise DataError(f"{self.path}: leaves no {name} image: name fewer")
        excluded = {name: int(each.sum()) for name, each in chosen.items()}
        return left["train"], left.get("validation"), left["test"], excluded

    def _of(self, split: Split) -> npt.NDArray[np.bool_]:
        """Which images of a split are named."""
        if split.names is not None:
            return np.isin(split.names, list(self.lines))
        found = filter(None, map(_NUMBERED.fullmatch, self.lines))
        numbers = [int(each[2]) for each in found if each[1] == split.part]
        return np.isin(np.arange(len(split)) if split.numbers is None else split.numbers, numbers)

    def _refuse(self, unknown: list[str], train: Split, found: Loaded) -> None:
        if not unknown:
            return
        first, *others = unknown
        more = f" (and {len(others):,} lines more)" if others else ""
        raise DataError(
            f"{self.path}:{self.lines[first]}: {shortened(first)!r} is no image of the data, {found.source}{more}; "
            f"one of them is called {train.name(0)!r}"
        )


def numbered(split: Split, part: str) -> Split:
    """A split whose images are numbered in `part`, unless they are in another one already."""
    return split if split.part else replace(split, part=part)
