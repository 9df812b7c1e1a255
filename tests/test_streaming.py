"""Images that memory does not hold: the same data set and the same run from a cache on disk, to the byte."""

import errno
import tracemalloc
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_image_folder import FLAT, SPLIT, fill, grey, load, png, refusal, zipped

from centerloss_core.datasets import Dataset, Split, image_cache, image_files, memory, stored
from centerloss_core.datasets.contact_sheet import contact_sheet
from centerloss_core.datasets.overview import brightness, mean_image, sheet
from centerloss_core.datasets.stored import StoredImages

TINY = 1e-7  # GiB: 107 bytes


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of decoded images, of which each test has its own."""
    monkeypatch.setattr(image_cache, "user_cache", lambda _: tmp_path / "cache")
    return tmp_path / "cache" / "images"


def stream(path: Path, told: list[str] | None = None, **settings: Any) -> Dataset:
    """Load a folder whose images memory is not to hold; `told` gets what is said before the cache is made."""
    return load(path, memory=TINY, tell=[].append if told is None else told.append, **settings)


def folders(cache: Path) -> set[str]:
    return {each.name for each in cache.iterdir()} - {"lock"}


def same(one: Split | None, other: Split | None) -> bool:
    if one is None or other is None:
        return one is other
    named = one.names is None or (one.names == other.names).all()
    return bool((one.images[:] == other.images[:]).all() and (one.labels == other.labels).all() and named)


@pytest.mark.parametrize(
    ("files", "settings"),
    [
        (SPLIT, {"validation": 4}),
        (FLAT, {"test_fraction": 0.25}),
        (FLAT | {"cat/9.png": png(np.arange(192).reshape(8, 8, 3))}, {"test_fraction": 0.25}),
        (FLAT | {"cat/0.png": b"broken", "zebra/9.png": b""}, {"test_fraction": 0.25, "skip_broken": True}),
        (SPLIT, {"size": [5, 6], "color": "rgb"}),
    ],
    ids=["splits", "flat", "grey, then colour", "broken", "resized"],
)
@pytest.mark.parametrize("is_zip", [False, True])
def test_from_the_cache_it_is_the_same_data_set(
    files: dict[str, bytes], settings: dict[str, Any], is_zip: bool, tmp_path: Path
) -> None:
    path = zipped(tmp_path / "a.zip", files) if is_zip else fill(tmp_path / "a", files)
    held = load(path, **settings)
    for streamed in (stream(path, **settings), stream(path, **settings)):  # made, and found there
        assert isinstance(streamed.train.images, StoredImages)
        assert streamed.fingerprint == held.fingerprint
        assert streamed.warnings == held.warnings
        assert same(streamed.train, held.train)
        assert same(streamed.test, held.test)
        assert same(streamed.validation, held.validation)


THREE_TIMES = ", 2.68e-06 GiB if one of them is in colour"  # which only reading them tells


def test_place_and_size_are_told_before_it_is_made_and_it_is_made_once(tmp_path: Path, cache: Path) -> None:
    told: list[str] = []
    path = fill(tmp_path / "animals", SPLIT)
    stream(path, told)
    (name,) = folders(cache)
    assert told == [f"decoding 15 images, once, into {cache / name} (8.94e-07 GiB{THREE_TIMES})"]
    stream(path, told)
    stream(path, told, validation=3)  # how they are divided is not in the cache
    assert len(told) == 1
    stream(path, told, color="grey")
    stream(path, told, color="rgb")
    assert told[1].endswith("(8.94e-07 GiB)")
    assert told[2].endswith("(2.68e-06 GiB)")


@pytest.mark.parametrize("change", ["an image", "one more", "one less", "damage"])
def test_it_is_made_anew_where_the_folder_was_changed(change: str, tmp_path: Path, cache: Path) -> None:
    told: list[str] = []
    path = fill(tmp_path / "a", SPLIT)
    stream(path, told)
    images = next(cache.glob("a-*/images.npy"))
    if change == "an image":
        fill(path, {"train/cat/0.png": grey(200)})
    elif change == "one more":
        fill(path, {"train/cat/new.png": grey(200)})
    elif change == "one less":
        (path / "train/cat/0.png").unlink()
    else:
        images.write_bytes(images.read_bytes()[:-1])
    assert stream(path, told).fingerprint == load(path).fingerprint
    assert len(told) == 2
    assert folders(cache) == {images.parent.name}  # that of before is gone


def test_what_a_killed_process_left_is_neither_used_nor_kept(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path / "a", SPLIT)
    stream(path)
    (name,) = folders(cache)
    (cache / name).rename(cache / f".{name}.12345678.tmp")
    (cache / f".{name}.12345678.tmp" / "key.txt").unlink()
    assert stream(path).fingerprint == load(path).fingerprint
    assert folders(cache) == {name}


def test_a_full_disk_is_an_error_that_names_the_ways_out(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = fill(tmp_path / "a", SPLIT)
    monkeypatch.setattr(image_cache.shutil, "disk_usage", lambda _: SimpleNamespace(free=5))
    assert (
        "the decoded images take 8.94e-07 GiB, and 4.66e-09 GiB are free: make room, set data.size"
        in refusal(path, memory=TINY)
    )
    monkeypatch.undo()
    monkeypatch.setattr(image_cache, "user_cache", lambda _: tmp_path / "cache")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(image_cache.np.lib.format, "write_array_header_1_0", full)
    assert "cannot keep the decoded images there (the disk is full): make room" in refusal(path, memory=TINY)
    assert not folders(cache)


def test_errors_of_images_are_those_of_memory(tmp_path: Path, cache: Path) -> None:
    path = fill(tmp_path / "broken", SPLIT | {"train/cat/5.png": b"broken"})
    assert refusal(path, memory=TINY) == refusal(path)
    path = fill(tmp_path / "sizes", SPLIT | {"test/zebra/z.png": grey(0, side=9)})
    assert refusal(path, memory=TINY) == refusal(path)
    assert not cache.exists() or not folders(cache)


def test_nothing_reads_them_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored, "_BLOCK_BYTES", 1 << 18)
    monkeypatch.setattr(image_files, "IMAGE_FILE_BYTES", 1 << 16)  # a buffer of that size is made for each
    files = {
        f"{number % 2}/{number}.png": png(np.full((200, 200, 3), (number, 0, 9))) for number in range(250)
    }
    path = fill(tmp_path / "large", files)
    for _ in range(2):  # made, and found there
        tracemalloc.start()
        data = stream(path, test_fraction=0.5, validation=20)
        brightness(data.train)
        mean_image(data.train.images)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < 250 * 200 * 200 * 3 / 2


def test_what_is_computed_from_stored_images_is_what_is_computed_from_an_array() -> None:
    from centerloss_core.networks.class_order import order_by_likeness

    random = np.random.default_rng(0)
    array, labels = random.integers(0, 256, (60, 8, 7, 1)).astype(np.uint8), np.arange(60) % 5
    stored = StoredImages(array[::-1].copy(), np.arange(60)[::-1])
    assert (stored[7] == array[7]).all()
    assert (stored.at(labels == 2)[1:3] == array[labels == 2][1:3]).all()
    assert (mean_image(stored) == mean_image(array)).all()
    assert order_by_likeness(stored, labels, 5) == order_by_likeness(array, labels, 5)
    assert contact_sheet(stored, 9).tobytes() == contact_sheet(array, 9).tobytes()
    names = tuple("abcde")
    assert sheet(Split(stored, labels), names).tobytes() == sheet(Split(array, labels), names).tobytes()
    with pytest.raises(TypeError, match="some at a time"):
        np.asarray(stored)


def test_the_room_is_what_is_asked_for_or_a_quarter_of_what_is_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert memory.room_for_images(0.5) == 1 << 29
    monkeypatch.setattr(memory, "_free_on_the_machine", lambda: 400)
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", ())
    assert memory.room_for_images("auto") == 100
    for name, text in {"max": "300\n", "current": "200\n", "stat": "anon 150\ninactive_file 20\n"}.items():
        (tmp_path / name).write_text(text)
    group = tuple(str(tmp_path / name) for name in ("max", "current", "stat"))
    monkeypatch.setattr(memory, "_CONTROL_GROUPS", (group, ("/no", "/such", "/group")))
    assert memory.room_for_images("auto") == 30  # of a container: its limit counts
    (tmp_path / "max").write_text("max\n")
    assert memory.room_for_images("auto") == 100
