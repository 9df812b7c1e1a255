"""Embeddings as a file, written as they come: .npz, .csv or .parquet, by the end of its name."""

from __future__ import annotations

import csv
import io
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from centerloss_core.config.problems import printable
from centerloss_core.files.arrays import ZIP_DATE
from centerloss_core.files.atomic import atomic_write
from centerloss_core.inference.embedding import Embeddings
from centerloss_core.inference.model import InferenceError

Write = Callable[[Embeddings], None]
SUFFIXES = (".npz", ".csv", ".parquet")


def check_table(path: Path) -> None:
    """Raise InferenceError where no file of this name can be written, before anything is computed for it."""
    kind = path.suffix.lower()
    if kind not in SUFFIXES:
        raise InferenceError(f"{path}: the name must end in {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}")
    if not path.parent.is_dir():
        raise InferenceError(f"{path}: there is no folder {path.parent}")
    if kind == ".parquet":
        try:
            import pyarrow  # noqa: F401
        except ImportError as error:
            raise InferenceError(
                f"{path}: .parquet needs pyarrow: pip install 'centerloss[parquet]', or write .npz or .csv"
            ) from error


@contextmanager
def writing_table(path: Path, class_names: tuple[str, ...], about: Mapping[str, Any]) -> Iterator[Write]:
    """Write embeddings to `path`, replacing it when all are written; memory does not grow with them.

    .npz: the arrays of `Embeddings` by their names, `class_names`, and `about`, each as an array.
    .csv, .parquet: a row for each image, classes by their names, features as columns feature_0, … or as one list.

    Raises:
        OSError: it cannot be written; what was there before is untouched then.
    """
    with atomic_write(path) as file, ExitStack() as stack:
        match path.suffix.lower():
            case ".npz":
                constants = {"class_names": np.array(class_names)}
                constants |= {name: np.array(value) for name, value in about.items() if value is not None}
                yield stack.enter_context(_npz(file, constants))
            case ".csv":
                yield stack.enter_context(_csv(file, class_names))
            case _:
                yield stack.enter_context(_parquet(file, class_names))


def _arrays(found: Embeddings) -> dict[str, NDArray[Any]]:
    """What there is for each image, beside the names."""
    arrays = {
        "features": found.features,
        "head_classes": found.head_classes,
        "classes": found.classes,
        "distances": found.distances,
        "next_classes": found.next_classes,
        "next_distances": found.next_distances,
        "scores": found.scores,
        "known": found.known,
    }
    return {name: array for name, array in arrays.items() if array is not None}


def _columns(found: Embeddings, class_names: tuple[str, ...]) -> dict[str, list[Any]]:
    """The same as columns of a table, with the names, and without the features."""
    columns: dict[str, list[Any]] = {"name": [printable(name) for name in found.names]}
    titles = {
        "head_classes": "head",
        "classes": "nearest",
        "distances": "distance",
        "next_classes": "next",
        "next_distances": "next_distance",
        "scores": "score",
        "known": "known",
    }
    arrays = _arrays(found)
    for key, title in titles.items():
        if key in arrays:
            column = arrays[key].tolist()
            is_class = key.endswith("classes")
            columns[title] = (
                [class_names[each] if each >= 0 else None for each in column] if is_class else column
            )
    return columns


@contextmanager
def _csv(file: IO[bytes], class_names: tuple[str, ...]) -> Iterator[Write]:
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    rows = csv.writer(text, lineterminator="\n")
    is_begun = False

    def write(found: Embeddings) -> None:
        nonlocal is_begun
        columns = _columns(found, class_names)
        if not is_begun:
            rows.writerow([*columns, *(f"feature_{index}" for index in range(found.features.shape[1]))])
            is_begun = True
        for features, *cells in zip(found.features.tolist(), *columns.values(), strict=True):
            rows.writerow([*cells, *features])

    yield write
    text.detach()


@contextmanager
def _parquet(file: IO[bytes], class_names: tuple[str, ...]) -> Iterator[Write]:
    import pyarrow as pa
    from pyarrow import parquet

    with ExitStack() as stack:
        writer: Any = None

        def write(found: Embeddings) -> None:
            nonlocal writer
            columns: dict[str, Any] = dict(_columns(found, class_names))
            for title in ("head", "nearest", "next"):  # of which a batch may have none
                if title in columns:
                    columns[title] = pa.array(columns[title], pa.string())
            width = found.features.shape[1]
            columns["features"] = pa.FixedSizeListArray.from_arrays(pa.array(found.features.ravel()), width)
            table = pa.table(columns)
            if writer is None:
                writer = stack.enter_context(parquet.ParquetWriter(file, table.schema))
            writer.write_table(table)

        yield write


class _Spool:
    """An array that grows by rows in a temporary file, until its length is known."""

    def __init__(self, file: IO[bytes], like: NDArray[Any]) -> None:
        self._file, self._shape, self._dtype, self._rows = file, like.shape[1:], like.dtype, 0

    def add(self, rows: NDArray[Any]) -> None:
        self._file.write(np.ascontiguousarray(rows).data)
        self._rows += len(rows)

    def copy_to(self, member: IO[bytes]) -> None:
        _write_header(member, (self._rows, *self._shape), self._dtype)
        self._file.seek(0)
        shutil.copyfileobj(self._file, member)


@contextmanager
def _npz(file: IO[bytes], constants: Mapping[str, NDArray[Any]]) -> Iterator[Write]:
    with ExitStack() as stack:
        spools: dict[str, _Spool] = {}
        names = stack.enter_context(tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogateescape"))
        longest = count = 0

        def write(found: Embeddings) -> None:
            nonlocal longest, count
            for name, array in _arrays(found).items():
                if name not in spools:
                    spools[name] = _Spool(stack.enter_context(tempfile.TemporaryFile()), array)
                spools[name].add(array)
            for name in map(printable, found.names):
                longest, count = max(longest, len(name)), count + 1
                names.write(f"{name}\n")

        yield write
        with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
            for name, spool in spools.items():
                with _member(archive, name) as member:
                    spool.copy_to(member)
            with _member(archive, "names") as member:
                text = np.dtype(f"<U{max(1, longest)}")
                _write_header(member, (count,), text)
                names.seek(0)
                for line in names:
                    member.write(np.array(line[:-1], text).tobytes())
            for name, array in constants.items():
                with _member(archive, name) as member:
                    npy.write_array(member, array, allow_pickle=False)


def _member(archive: zipfile.ZipFile, name: str) -> Any:
    return archive.open(zipfile.ZipInfo(f"{name}.npy", ZIP_DATE), "w", force_zip64=True)


def _write_header(member: IO[bytes], shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
    npy.write_array_header_1_0(
        member, {"descr": npy.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
