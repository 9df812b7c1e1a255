"""A file appears whole or not at all."""

import os
from pathlib import Path

import pytest

from centerloss_core.files.atomic import atomic_write


def test_a_name_is_taken_or_replaced_only_at_the_end(tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    for earlier, content in ((None, b"first"), (b"first", b"second")):
        with atomic_write(path) as file:
            file.write(content)
            assert (path.read_bytes() if path.exists() else None) == earlier
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["run.json"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_failure_leaves_the_earlier_file_and_nothing_else(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "run.json"
    path.write_bytes(b"earlier")

    def break_off() -> None:
        with atomic_write(path) as file:
            file.write(b"half of it")
            raise error

    with pytest.raises(error):
        break_off()
    assert path.read_bytes() == b"earlier"
    assert os.listdir(tmp_path) == ["run.json"]


def test_failed_replacement_removes_the_temporary(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()  # a folder cannot be replaced by a file
    # Which OSError is the system's choice.
    with pytest.raises((IsADirectoryError, PermissionError)), atomic_write(tmp_path / "taken"):
        pass
    assert os.listdir(tmp_path) == ["taken"]


def test_missing_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "missing" / "x"):
        pass


def test_permissions_follow_the_umask(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    with atomic_write(tmp_path / "atomic"):
        pass
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode
