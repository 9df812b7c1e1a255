"""Lists of pairs of images: `pairs.txt` as LFW has it, and any pairs as CSV. What is wrong is named with its line."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import NamedTuple

import numpy as np

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.images import SUFFIXES
from centerloss_core.datasets.own import listed, reason_of
from centerloss_core.errors import ExpectedError
from centerloss_core.files.untrusted import read_text
from centerloss_core.metrics.pairs import Pairs

FOLDS = 10  # of pairs that come without folds
_KINDS = {"1": True, "true": True, "0": False, "false": False}
_LFW_SUFFIXES = (".jpg", *(suffix for suffix in SUFFIXES if suffix != ".jpg"))


class PairsError(ExpectedError):
    """A list of pairs that cannot be used; the message names the file, the line and the mend."""


@dataclass(frozen=True, eq=False)
class PairList:
    """Pairs, and the images that they are of.

    Attributes:
        path: the list.
        folder: where its images lie.
        images: the file of each image, once.
        pairs: rows of `images`.
    """

    path: Path
    folder: Path
    images: tuple[Path, ...]
    pairs: Pairs


class _Pair(NamedTuple):
    """One line: the number of it, two names below the folder (LFW's without their ends), and what is said of them."""

    line: int
    left: str
    right: str
    same: bool
    fold: int


def read_pairs(path: Path, folder: Path) -> PairList:
    """Read a list of pairs, and find their images below a folder.

    Args:
        path: one whose name ends in `.csv` has rows of path, path, and 1 (or true) or 0 (false), which are divided into
            10 folds, each kind evenly; any other has the format of LFW's `pairs.txt`, with its folds.
        folder: where the images lie; of LFW `NAME/NAME_0001.jpg`, or another end.

    Raises:
        PairsError: the list cannot be read, a line is wrong, folds are uneven, or an image is not there.
    """
    if not folder.is_dir():
        raise PairsError(f"{folder}: no such folder; --images names the folder with the images of {path}")
    try:
        lines = read_text(path).removeprefix("\ufeff").splitlines()
    except (OSError, ValueError) as error:
        raise PairsError(f"{path}: cannot be read ({reason_of(error)})") from error
    is_table = path.suffix.lower() == ".csv"
    found = list(_rows_of_table(path, lines) if is_table else _rows_of_lfw(path, lines))
    files = _find(path, folder, found, ("",) if is_table else _LFW_SUFFIXES)
    place = {name: index for index, name in enumerate(files)}
    pairs = Pairs(
        left=np.array([place[pair.left] for pair in found]),
        right=np.array([place[pair.right] for pair in found]),
        same=np.array([pair.same for pair in found]),
        fold=np.array([pair.fold for pair in found]),
    )
    return PairList(path, folder, tuple(files.values()), pairs)


# ---- LFW ----------------------------------------------------------------------------------------------------


def _rows_of_lfw(path: Path, lines: Sequence[str]) -> Iterator[_Pair]:
    """Per fold so many lines `name number number`, and as many `name number name number`."""
    while lines and not lines[-1].strip():
        lines = lines[:-1]
    head = lines[0].split() if lines else []
    if len(head) != 2 or not all(map(_is_count, head)) or int(head[0]) < 2:
        raise PairsError(
            f"{path}:1: is not `folds pairs`, such as `10 300`: 10 folds of 300 pairs of one person and 300 of two; "
            "a list of another kind must be a .csv file of path, path, 1 or 0"
        )
    folds, each = map(int, head)
    expected = folds * 2 * each
    if len(lines) - 1 != expected:
        raise PairsError(
            f"{path}: has {len(lines) - 1:,} pairs, and line 1 says {folds} × ({each:,} + {each:,}) = {expected:,}"
        )
    for index, line in enumerate(lines[1:]):
        fold, row = divmod(index, 2 * each)
        yield _lfw_pair(f"{path}:{index + 2}", line, index + 2, fold, each, same=row < each)


def _lfw_pair(where: str, line: str, number: int, fold: int, each: int, *, same: bool) -> _Pair:
    fields = line.split("\t") if "\t" in line else line.split()
    if len(fields) not in (3, 4):
        raise PairsError(f"{where}: is neither `name number number` nor `name number name number`")
    if (len(fields) == 3) != same:
        more = "fewer" if same else "more"
        raise PairsError(
            f"{where}: fold {fold + 1} has {more} than {each:,} pairs of one person before those of two; "
            "line 1 says how many each fold has of each"
        )
    left, first, *rest = fields
    right, second = (left, *rest) if same else rest
    for count in (first, second):
        if not _is_count(count):
            raise PairsError(f"{where}: {shortened(repr(count))} is not the number of an image, 1 or more")
    for name in (left, right):
        if not name.strip() or name in (".", "..") or "/" in name or "\\" in name:
            raise PairsError(f"{where}: {shortened(repr(name))} is not the name of a folder of images")
    if not same and left == right:
        raise PairsError(f"{where}: is among the pairs of two people, and names {shortened(left)} twice")
    if same and int(first) == int(second):
        raise PairsError(f"{where}: names one image twice")
    return _Pair(number, _lfw_name(left, first), _lfw_name(right, second), same, fold)


def _lfw_name(person: str, number: str) -> str:
    return f"{person}/{person}_{int(number):04d}"


def _is_count(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 10 and int(text) > 0


# ---- CSV ----------------------------------------------------------------------------------------------------


def _rows_of_table(path: Path, lines: Sequence[str]) -> Iterator[_Pair]:
    """Rows of path, path, same; the first may name the columns."""
    reader = csv.reader(lines)
    try:
        rows = [(reader.line_num, [field.strip() for field in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise PairsError(f"{path}:{reader.line_num}: cannot be read ({error})") from error
    if rows and len(rows[0][1]) == 3 and rows[0][1][2].lower() not in _KINDS:
        rows = rows[1:]
    seen: Counter[bool] = Counter()
    for line, row in rows:
        where = f"{path}:{line}"
        if len(row) != 3 or row[2].lower() not in _KINDS:
            raise PairsError(f"{where}: is not path, path, and 1 or 0 (true or false), with commas between")
        for name in row[:2]:
            parts = PurePosixPath(name).parts
            if not name or name.startswith("/") or ".." in parts:
                raise PairsError(
                    f"{where}: {shortened(repr(name))} is not the path of an image below the folder of images"
                )
        if row[0] == row[1]:
            raise PairsError(f"{where}: names one image twice")
        same = _KINDS[row[2].lower()]
        yield _Pair(line, row[0], row[1], same, seen[same] % FOLDS)
        seen[same] += 1
    if min(seen[True], seen[False]) < FOLDS:
        raise PairsError(
            f"{path}: has {seen[True]:,} pairs of one class and {seen[False]:,} of two; {FOLDS} folds need at least "
            f"{FOLDS} of each"
        )


# ---- Images -------------------------------------------------------------------------------------------------


def _find(path: Path, folder: Path, pairs: Sequence[_Pair], suffixes: Sequence[str]) -> dict[str, Path]:
    """The file of each image by its name, in the order of the list; PairsError if any is missing."""
    files: dict[str, Path] = {}
    missing: dict[str, int] = {}
    for pair in pairs:
        for name in (pair.left, pair.right):
            if name in files or name in missing:
                continue
            candidates = (folder / f"{name}{suffix}" for suffix in suffixes)
            if (file := next((each for each in candidates if os.path.isfile(each)), None)) is None:
                missing[name] = pair.line
            else:
                files[name] = file
    if missing:
        names = [shortened(f"{name}{suffixes[0]}") for name in missing]
        raise PairsError(
            f"{path}:{next(iter(missing.values()))}: {len(missing):,} of {len(files) + len(missing):,} images are not "
            f"in {folder}: {listed(names)}"
        )
    return files
