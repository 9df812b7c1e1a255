"""Own images as CSV: a row for each image, its label and its pixels, as Kaggle hands MNIST out.

The label is the column `label`, or the first. `data.dir` is the file, of which `data.test_fraction` is tested on, or a
folder with `train.csv` and `test.csv` (or names that end so).
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets import own
from centerloss_core.datasets.arrays import DataError, Loaded, Size, UInt8Array
from centerloss_core.datasets.images import fractions_as_bytes
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import DATASET_BYTES, ROW_OF_PIXELS_BYTES

if TYPE_CHECKING:
    from centerloss_core.config.data import Csv

_LABEL = re.compile(rb"label|class|target", re.IGNORECASE)  # of the header
_NUMBER = re.compile(rb"[-+.0-9eE]+")
_COUNTED = 9  # columns
_SHOWN = 30  # characters of a field, in an error
_ROWS = 1000  # that are looked at together


class _Block(NamedTuple):
    """Some rows.

    Attributes:
        labels: of each row; "" in a table without labels.
        pixels: (m, p).
        is_scaled: whether they were numbers from 0 to 1, some of them neither 0 nor 1.
    """

    labels: list[str]
    pixels: UInt8Array
    is_scaled: bool


def load(data: Csv) -> Loaded:
    """Read all images; see `own.divide` for their order.

    Raises:
        DataError: with the file, the line, what is wrong, and the mend.
    """
    path, source, title = own.found_at(data.dir, data.name)
    files = _files(path)
    parts = {split: _part(file, data.size) for split, file in files.items()}
    return own.divide(
        parts["train"],
        parts.get("test"),
        parts.get("val"),
        test_fraction=data.test_fraction,
        source=source,
        title=title,
    )


def locate(data: Csv) -> str:
    """Say where the images are looked for."""
    return own.place_of(data.dir, data.name)


def size(data: Csv) -> Size | None:
    """Only the images tell."""
    return None


def _files(path: Path) -> dict[str, Path]:
    if not path.is_dir():
        return {"train": path}
    found = {split: sorted(path.glob(f"*{split}.csv")) for split in ("train", "test", "val")}
    for split, files in found.items():
        if len(files) > 1:
            raise DataError(
                f"{path}: {own.listed([each.name for each in files])} all end in {split}.csv: keep one"
            )
    if not found["train"]:
        raise DataError(
            f"{path}: has no train.csv: set data.dir to the file, and data.test_fraction, such as 0.2"
        )
    return {split: files[0] for split, files in found.items() if files}


def _part(path: Path, side: tuple[int, ...] | None) -> own.Part:
    with _naming(path):
        labels, pixels = _read(path)
        return own.Part(str(path), pixels.reshape(len(pixels), *_shape(pixels.shape[1], side)), labels)


def unlabelled(path: Path, shape: tuple[int, int, int]) -> Iterator[UInt8Array]:
    """The images of a table in blocks, uint8 (m, h, w, c): a row of pixels each, with or without a label.

    Raises:
        DataError: with the line, what is wrong, and the mend.
    """
    with _naming(path):
        for _, pixels in _blocks(path, math.prod(shape)):
            yield pixels.reshape(len(pixels), *shape)


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: cannot be read ({own.reason_of(error)})") from error
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def _read(path: Path) -> tuple[npt.NDArray[np.str_], UInt8Array]:
    """The labels (n,) and the pixels (n, p) of a file."""
    labels: list[str] = []
    blocks: list[UInt8Array] = []
    for some, pixels in _blocks(path):
        labels += some
        blocks.append(pixels)
        if len(labels) * pixels.shape[1] > DATASET_BYTES:
            raise DataError(f"its images take more than {DATASET_BYTES >> 30} GiB")
    return np.array(labels), np.concatenate(blocks)


def _blocks(path: Path, pixels: int | None = None) -> Iterator[tuple[list[str], UInt8Array]]:
    """The labels and the pixels (m, p) of some rows after the other, numbers from 0 to 1 as bytes.

    With `pixels` there must be so many in a row, and there may be none but these.
    """
    waiting: list[_Block] = []  # of 0 and 1 alone, until a block tells the scale
    are_fractions: bool | None = None
    for block in _packed(path, pixels):
        waiting.append(block)
        if block.is_scaled or block.pixels.max() > 1:
            if are_fractions not in (None, block.is_scaled):
                raise DataError(
                    "has pixels from 0 to 255, and others that are no whole numbers: give all one scale"
                )
            are_fractions = block.is_scaled
        if are_fractions is not None:
            yield from _of_one_scale(waiting, are_fractions)
            waiting = []
    yield from _of_one_scale(waiting, True)


def _of_one_scale(blocks: list[_Block], are_fractions: bool) -> Iterator[tuple[list[str], UInt8Array]]:
    for labels, pixels, is_scaled in blocks:
        yield labels, pixels * np.uint8(255) if are_fractions and not is_scaled else pixels


def _packed(path: Path, pixels: int | None) -> Iterator[_Block]:
    labels: list[str] = []
    rows: list[npt.NDArray[np.float32]] = []
    number = 0
    with open_to_read(path) as file:
        for number, line in enumerate(_lines(file), start=1):
            if number == 1:
                column, has_names = _head(line, pixels)
                width = line.count(b",") + (column is None)
                if has_names:
                    continue
            label, row = _parsed(line, column, width, number)
            labels.append(label)
            rows.append(row)
            if len(rows) == _ROWS:
                yield _pack(labels, rows)
                labels, rows = [], []
    if rows:
        yield _pack(labels, rows)
    elif number <= 1:
        raise DataError("holds no images")


def _parsed(line: bytes, column: int | None, width: int, number: int) -> tuple[str, npt.NDArray[np.float32]]:
    """The label and the pixels of a row; DataError that names the line."""
    label, pixels = _divided(line, column, number)
    try:
        row = np.fromstring(pixels, np.float32, sep=",")
        float(pixels.rpartition(b",")[2])  # NumPy before 2.3 only warns of what follows the last number
    except (DeprecationWarning, ValueError):
        row = np.empty(0, np.float32)
    if len(row) != width:
        raise DataError(
            f"line {number} is not {'' if column is None else 'a label and '}{width:,} numbers, as line 1 has them, "
            f"with commas between: {_wrong_in(line, column, width)}"
        )
    if column is not None and not label:
        raise DataError(f"line {number} has no label in column {column + 1}: add it, or remove the line")
    if not (row.min() >= 0 and row.max() <= 255):
        raise DataError(f"line {number} has a pixel outside 0 … 255")
    return label, row


def _pack(labels: list[str], rows: list[npt.NDArray[np.float32]]) -> _Block:
    numbers = np.stack(rows)
    has_fractions = bool((numbers != np.rint(numbers)).any())
    pixels = fractions_as_bytes(numbers) if has_fractions else numbers.astype(np.uint8)
    return _Block(labels, pixels, has_fractions)


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Lines that are not empty, each without its end, and without the mark that some programs begin a file with."""
    start = file.read(3)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("is text in UTF-16: save it as UTF-8")
    file.seek(3 if start == codecs.BOM_UTF8 else 0)
    while line := file.readline(ROW_OF_PIXELS_BYTES):
        if len(line) == ROW_OF_PIXELS_BYTES:
            raise DataError(f"has a line of more than {ROW_OF_PIXELS_BYTES >> 20} MiB")
        if line := line.strip():
            yield line


def _head(line: bytes, pixels: int | None = None) -> tuple[int | None, bool]:
    """Which column of the first line is the label, and whether the line names the columns.

    Where so many pixels are expected, there may be no label.
    """
    fields = [field.strip(b' "') for field in line.split(b",")]
    if pixels is not None and len(fields) not in (pixels, pixels + 1):
        raise DataError(f"line 1 has {len(fields):,} columns, and an image has {pixels:,} pixels")
    if len(fields) == pixels:
        is_counted = fields == [b"%d" % each for each in range(pixels)]  # as pandas names them
        return None, is_counted or not all(map(_NUMBER.fullmatch, fields))
    if len(fields) < 2:
        raise DataError("line 1 is not a label and pixels, with commas between")
    names = [index for index, field in enumerate(fields) if _LABEL.fullmatch(field)]
    # As pandas names columns that have no names: such pixels are no image.
    is_counted = len(fields) > _COUNTED and fields[1:] == [b"%d" % each for each in range(1, len(fields))]
    has_names = is_counted or not all(map(_NUMBER.fullmatch, fields[1:]))
    if has_names and not names and not is_counted and _stem(fields[0]) == _stem(fields[1]):
        raise DataError(
            f"line 1 names no column of labels, and its first column, {fields[0].decode(errors='replace')[:_SHOWN]}, "
            "is a pixel as the next: name the column of labels `label`; images without labels cannot be used"
        )
    return next(iter(names), 0), has_names


def _stem(name: bytes) -> bytes:
    """What the names of all pixels have in common: pixel1 and pixel2, 1x1 and 1x2."""
    return re.sub(rb"\d+", b"0", name)


def _wrong_in(line: bytes, column: int | None, width: int) -> str:
    """The first thing that makes a row another one than expected."""
    fields = line.split(b",")
    columns = width + (column is not None)
    if len(fields) != columns:
        return f"it has {len(fields):,} columns, not {columns:,}"
    for number, field in enumerate(fields):
        try:
            float(field if number != column else b"0")
        except ValueError:
            return f"column {number + 1:,} is {field.decode(errors='replace')[:_SHOWN]!r}; all but the label are pixels"
    return "its numbers cannot be read"


def _divided(line: bytes, column: int | None, number: int) -> tuple[str, bytes]:
    """The label of a row, and its other columns."""
    if column is None:
        return "", line
    if column:
        fields = line.split(b",")
        label, pixels = fields.pop(column) if column < len(fields) else b"", b",".join(fields)
    else:
        label, _, pixels = line.partition(b",")
    try:
        name = label.strip(b' "').decode()
    except UnicodeDecodeError as error:
        raise DataError(f"line {number} has a label that is not UTF-8: save the file as UTF-8") from error
    return name, pixels


def _shape(pixels: int, side: tuple[int, ...] | None) -> tuple[int, ...]:
    """Height and width, and 3 for colour, of images with so many numbers."""
    if side is None:
        edge = math.isqrt(pixels)
        if edge * edge == pixels:
            return edge, edge
        raise DataError(
            f"has {pixels:,} pixels a row, which is no square: set data.size, such as data.size=[28,28], or leave out "
            "all columns but the label and the pixels"
        )
    for shape in (tuple(side), (*side, 3)):
        if math.prod(shape) == pixels:
            return shape
    raise DataError(f"has {pixels:,} pixels a row, and data.size is {side[0]}×{side[1]}")
