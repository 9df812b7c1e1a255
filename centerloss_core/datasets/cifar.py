"""CIFAR-10 and CIFAR-100 (Krizhevsky, 2009): colour images of 32×32 pixels, in their binary version.

The python version consists of pickles, which can run any program when they are read. So it is refused by name.
"""

from __future__ import annotations

import gzip
import tarfile
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np

from centerloss_core.datasets.archive import Archive
from centerloss_core.datasets.arrays import DataError, Loaded, Size, Split
from centerloss_core.datasets.cache import FROM_MIRRORS
from centerloss_core.files.untrusted import open_to_read
from centerloss_core.limits import CIFAR_BYTES, CLASS_NAME

if TYPE_CHECKING:
    from centerloss_core.config.data import Cifar10, Cifar100

_SHAPE = (32, 32, 3)
_PIXELS = 32 * 32 * 3


class Column(NamedTuple):
    """A label of each record: as `data.labels` names it, the file that names its classes, and how many there are."""

    name: str
    file: str
    classes: int


@dataclass(frozen=True)
class Cifar:
    """One of the two.

    Attributes:
        archive: as its authors offer it.
        folder: in that archive.
        train, test: the files of records: labels of a byte each, then 1,024 red, green and blue values.
        columns: the labels of a record, in their order.
        python: files and archives of the version that is refused.
    """

    archive: Archive
    folder: str
    train: tuple[str, ...]
    test: str
    columns: tuple[Column, ...]
    python: tuple[str, ...]

    def load(self, data: Cifar10 | Cifar100) -> Loaded:
        """Read the images; DataError if they cannot be had."""
        place, source = self.archive.find(data.dir, self._in_folder)
        wanted = (*self.train, self.test, *(column.file for column in self.columns))
        files = _from_folder(place, wanted) if place.is_dir() else _from_tar(place, (*wanted, *self.python))
        if lacking := [name for name in (*self.train, self.test) if name not in files]:
            if not files.keys().isdisjoint(self.python):
                raise self._is_python(place)
            raise DataError(f"{place}: lacks {', '.join(lacking)}")
        labels = getattr(data, "labels", "")
        number, column = next(
            (number, each) for number, each in enumerate(self.columns) if each.name == labels
        )
        splits = [
            self._split(place, {name: files[name] for name in names}, number)
            for names in (self.train, (self.test,))
        ]
        names = _class_names(place, column, files.get(column.file))
        title = self.archive.title + f" ({labels})" * bool(labels)
        train, test = splits
        return Loaded(train, test, names, source, title)

    def locate(self, data: Cifar10 | Cifar100) -> str:
        """Say where it is looked for."""
        return self.archive.place(data.dir)

    def size(self, data: Cifar10 | Cifar100) -> Size | None:
        """What its authors say, before it is downloaded; else the files tell."""
        return Size(50_000, _SHAPE) if self.locate(data).startswith(FROM_MIRRORS) else None

    def _in_folder(self, folder: Path) -> Path | None:
        for place in (folder, folder / self.folder):
            if (place / self.test).is_file():
                return place
        if not (folder / self.archive.name).is_file() and any(
            (folder / name).exists() for name in self.python
        ):
            raise self._is_python(folder)
        return None

    def _is_python(self, place: Path) -> DataError:
        return DataError(
            f"{place}: this is the python version of {self.archive.title}, whose pickles can run any program when they "
            f"are read: take the binary version, {self.archive.url}"
        )

    def _split(self, place: Path, files: dict[str, bytes], column: int) -> Split:
        size = len(self.columns) + _PIXELS
        for name, content in files.items():
            if not content or len(content) % size:
                raise DataError(
                    f"{place}, {name}: has {len(content):,} bytes, which are no records of {size:,}"
                )
        records = np.frombuffer(b"".join(files.values()), np.uint8).reshape(-1, size)
        labels, classes = records[:, column], self.columns[column].classes
        if labels.max() >= classes:
            raise DataError(
                f"{place}: has a label {labels.max()}; those of {self.archive.title} are 0 … {classes - 1}"
            )
        channels = records[:, len(self.columns) :].reshape(-1, 3, 32, 32)
        return Split(channels.transpose(0, 2, 3, 1), labels.astype(np.int64))


class _Bounded:
    """A stream that ends with an error where it becomes longer than expected."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file, self._left = file, CIFAR_BYTES

    def read(self, size: int) -> bytes:
        content = self._file.read(min(size, self._left + 1))
        self._left -= len(content)
        if self._left < 0:
            raise ValueError(f"unpacks to more than {CIFAR_BYTES >> 20} MiB")
        return content


def _from_folder(folder: Path, names: Iterable[str]) -> dict[str, bytes]:
    files = {}
    for name in names:
        try:
            with open_to_read(folder / name) as file:
                files[name] = file.read(CIFAR_BYTES + 1)
        except FileNotFoundError:
            continue
        except (OSError, ValueError) as error:
            raise DataError(f"{folder / name}: cannot be read ({error})") from error
        if len(files[name]) > CIFAR_BYTES:
            raise DataError(f"{folder / name}: has more than {CIFAR_BYTES >> 20} MiB")
    return files


def _from_tar(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The files in an archive, in whatever folder; nothing is unpacked to the disk."""
    files = {}
    try:
        with open_to_read(path) as file:
            stream: Any = _Bounded(cast(IO[bytes], gzip.GzipFile(fileobj=file)))
            with tarfile.open(fileobj=stream, mode="r|") as archive:
                for member in archive:
                    name = member.name.rpartition("/")[2]
                    content = archive.extractfile(member) if name in names and member.isreg() else None
                    if content is not None:
                        files[name] = content.read()
    except (OSError, tarfile.TarError, zlib.error, EOFError, ValueError) as error:
        raise DataError(f"{path}: not a readable .tar.gz file ({error})") from error
    return files


def _class_names(place: Path, column: Column, content: bytes | None) -> tuple[str, ...]:
    """By label; their numbers where the file that names them is not there."""
    if content is None:
        return tuple(map(str, range(column.classes)))
    names = tuple(content.decode(errors="replace").split())
    if len(names) != column.classes or any(
        len(name) > CLASS_NAME or not name.isprintable() for name in names
    ):
        raise DataError(f"{place}, {column.file}: does not name {column.classes} classes, one a line")
    return names


CIFAR10 = Cifar(
    Archive(
        title="CIFAR-10",
        name="cifar-10-binary.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",
        md5="c32a1d4ab5d03f1284b67883e8d87530",
        most=200_000_000,
    ),
    folder="cifar-10-batches-bin",
    train=tuple(f"data_batch_{number}.bin" for number in range(1, 6)),
    test="test_batch.bin",
    columns=(Column("", "batches.meta.txt", 10),),
    python=("data_batch_1", "test_batch", "cifar-10-batches-py", "cifar-10-python.tar.gz"),
)
CIFAR100 = Cifar(
    Archive(
        title="CIFAR-100",
        name="cifar-100-binary.tar.gz",
        url="https://www.cs.toronto.edu/~kriz/cifar-100-binary.tar.gz",
        md5="03b5dce01913d631647c71ecec9e9cb8",
        most=200_000_000,
    ),
    folder="cifar-100-binary",
    train=("train.bin",),
    test="test.bin",
    columns=(Column("coarse", "coarse_label_names.txt", 20), Column("fine", "fine_label_names.txt", 100)),
    python=("train", "test", "meta", "cifar-100-python", "cifar-100-python.tar.gz"),
)
