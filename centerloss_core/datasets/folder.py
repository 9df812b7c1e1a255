"""Finding MNIST in a folder that was filled by hand or by another library."""

from pathlib import Path

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.idx import read_idx
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.datasets.npz import read_npz

NPZ_NAME = "mnist.npz"


def read_folder(folder: Path, files: tuple[KnownFile, ...]) -> list[UInt8Array]:
    """Read `files`, in that order, from what `find_in_folder` finds; DataError if one is missing or not genuine."""
    paths = find_in_folder(folder, files)
    if paths[0].name == NPZ_NAME:
        return read_npz(paths[0], files)
    return [read_idx(path, known) for path, known in zip(paths, files, strict=True)]


def find_in_folder(folder: Path, files: tuple[KnownFile, ...]) -> list[Path]:
    """Find, without reading, the IDX files in `folder`, gzipped or not, or else one `mnist.npz`.

    torchvision's layout, `MNIST/raw` below the folder, is accepted too.

    Returns:
        One path for each of `files`, or a single path to `mnist.npz`.

    Raises:
        DataError: there is no such folder or it lacks a file.
    """
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
        found = {known.name: _find_idx(folder, known) for known in files}
        paths = [path for path in found.values() if path is not None]
        if len(paths) == len(files):
            return paths
        if (folder / NPZ_NAME).is_file():
            return [folder / NPZ_NAME]
    # A name longer than a name may be, a folder that may not be entered.
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    missing = ", ".join(name for name, path in found.items() if path is None)
    raise DataError(f"{folder}: lacks {missing} (with or without .gz) and has no {NPZ_NAME}")


def _find_idx(folder: Path, known: KnownFile) -> Path | None:
    # "train-images.idx3-ubyte" is how some archives spell "train-images-idx3-ubyte".
    dotted = known.name.replace("-idx", ".idx")
    names = (known.name, f"{known.name}.gz", dotted, f"{dotted}.gz")
    candidates = (place / name for place in (folder, folder / "MNIST" / "raw") for name in names)
    return next((path for path in candidates if path.is_file()), None)
