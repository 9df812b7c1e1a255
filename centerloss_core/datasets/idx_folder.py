"""Finding a data set of four IDX files in a folder that was filled by hand or by another library."""

from pathlib import Path

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.datasets.idx import read_idx
from centerloss_core.datasets.known_files import KnownFile
from centerloss_core.datasets.npz import read_npz


def read_folder(
    folder: Path, files: tuple[KnownFile, ...], torchvision: str, npz: str | None
) -> list[UInt8Array]:
    """Read `files`, in that order, from what `find_in_folder` finds; DataError if one is missing or not genuine."""
    paths = find_in_folder(folder, files, torchvision, npz)
    if paths[0].name == npz:
        return read_npz(paths[0], files)
    return [read_idx(path, known) for path, known in zip(paths, files, strict=True)]


def find_in_folder(
    folder: Path, files: tuple[KnownFile, ...], torchvision: str, npz: str | None
) -> list[Path]:
    """Find, without reading, the IDX files in `folder`, gzipped or not, or else the one archive of Keras.

    Args:
        folder: where to look; the layout of torchvision below it, `MNIST/raw`, is accepted too.
        files: what to look for.
        torchvision: the folder that torchvision keeps them in.
        npz: the name of the archive; None where there is none.

    Returns:
        One path for each of `files`, or a single path to the archive.

    Raises:
        DataError: there is no such folder or it lacks a file.
    """
    try:
        if not folder.is_dir():
            raise DataError(f"{folder}: {'not a folder' if folder.exists() else 'no such folder'}")
        found = {known.name: _find_idx(folder, known, torchvision) for known in files}
        paths = [path for path in found.values() if path is not None]
        if len(paths) == len(files):
            return paths
        if npz is not None and (folder / npz).is_file():
            return [folder / npz]
    # A name longer than a name may be, a folder that may not be entered.
    except OSError as error:
        raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error
    missing = ", ".join(name for name, path in found.items() if path is None)
    archive = f" and has no {npz}" if npz else ""
    raise DataError(f"{folder}: lacks {missing} (with or without .gz){archive}")


def _find_idx(folder: Path, known: KnownFile, torchvision: str) -> Path | None:
    # "train-images.idx3-ubyte" is how some archives spell "train-images-idx3-ubyte".
    dotted = known.name.replace("-idx", ".idx")
    names = (known.name, f"{known.name}.gz", dotted, f"{dotted}.gz")
    places = (folder, folder / "raw", folder / torchvision / "raw")
    return next((path for place in places for name in names if (path := place / name).is_file()), None)
