"""Lists of pairs: LFW's format and CSV, and every way in which one can be wrong, with file and line."""

from pathlib import Path

import numpy as np
import pytest

from centerloss_core.inference.pair_lists import PairsError, read_pairs

PEOPLE = {"Ada_Ek": 3, "Bo Lund": 2, "Cy": 2}


@pytest.fixture
def images(tmp_path: Path) -> Path:
    for name, count in PEOPLE.items():
        (tmp_path / "lfw" / name).mkdir(parents=True)
        for number in range(1, count + 1):
            (tmp_path / "lfw" / name / f"{name}_{number:04d}.jpg").touch()
    (tmp_path / "lfw" / "Cy" / "Cy_0002.jpg").rename(tmp_path / "lfw" / "Cy" / "Cy_0002.png")
    return tmp_path / "lfw"


LFW = (
    "2\t1",
    "Ada_Ek\t1\t3",
    "Ada_Ek\t2\tBo Lund\t1",
    "Bo Lund\t1\t2",
    "Cy\t2\tAda_Ek\t1",
)


def written(folder: Path, name: str, *lines: str) -> Path:
    path = folder.parent / name
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_lfws_format(images: Path) -> None:
    found = read_pairs(written(images, "pairs.txt", *LFW, ""), images)
    names = [str(path.relative_to(images)) for path in found.images]
    pairs = [
        (names[left], names[right], same, fold)
        for left, right, same, fold in zip(
            *(
                each.tolist()
                for each in (found.pairs.left, found.pairs.right, found.pairs.same, found.pairs.fold)
            ),
            strict=True,
        )
    ]
    assert pairs == [
        ("Ada_Ek/Ada_Ek_0001.jpg", "Ada_Ek/Ada_Ek_0003.jpg", True, 0),
        ("Ada_Ek/Ada_Ek_0002.jpg", "Bo Lund/Bo Lund_0001.jpg", False, 0),
        ("Bo Lund/Bo Lund_0001.jpg", "Bo Lund/Bo Lund_0002.jpg", True, 1),
        ("Cy/Cy_0002.png", "Ada_Ek/Ada_Ek_0001.jpg", False, 1),
    ]
    assert len(names) == len(set(names)) == 6
    assert found.pairs.folds == 2


def table(same: int, others: int) -> list[str]:
    rows = [f"Ada_Ek/Ada_Ek_000{1 + i % 2}.jpg,Ada_Ek/Ada_Ek_0003.jpg,1" for i in range(same)]
    return rows + [f"Cy/Cy_0001.jpg,Ada_Ek/Ada_Ek_000{1 + i % 3}.jpg,0" for i in range(others)]


@pytest.mark.parametrize("head", [[], ["left,right,same"]])
def test_a_table_is_divided_evenly(images: Path, head: list[str]) -> None:
    found = read_pairs(written(images, "pairs.csv", *head, *table(23, 41)), images)
    pairs = found.pairs
    assert (pairs.folds, len(pairs.same), len(found.images)) == (10, 64, 4)
    for kind, least in ((True, 2), (False, 4)):
        counts = np.bincount(pairs.fold[pairs.same == kind], minlength=10)
        assert set(counts.tolist()) <= {least, least + 1}


def changed(line: int, text: str) -> list[str]:
    return [text if number == line else own for number, own in enumerate(LFW, start=1)]


@pytest.mark.parametrize(
    ("name", "lines", "message"),
    [
        ("pairs.txt", [], "pairs.txt:1: is not `folds pairs`"),
        ("pairs.txt", changed(1, "1100"), "pairs.txt:1: is not `folds pairs`"),
        ("pairs.txt", changed(1, "1\t2"), "pairs.txt:1: is not `folds pairs`"),
        ("pairs.txt", changed(1, "10\t300"), r"has 4 pairs, and line 1 says 10 × \(300 \+ 300\) = 6,000"),
        ("pairs.txt", [*LFW, LFW[-1]], r"has 5 pairs, and line 1 says 2 × \(1 \+ 1\) = 4"),
        ("pairs.txt", changed(2, LFW[2]), "pairs.txt:2: fold 1 has fewer than 1 pairs of one person"),
        ("pairs.txt", changed(5, LFW[3]), "pairs.txt:5: fold 2 has more than 1 pairs of one person"),
        ("pairs.txt", changed(3, "Ada_Ek"), "pairs.txt:3: is neither"),
        ("pairs.txt", changed(2, "Ada_Ek\t1\tx"), "pairs.txt:2: 'x' is not the number of an image"),
        ("pairs.txt", changed(2, "Ada_Ek\t1\t0"), "pairs.txt:2: '0' is not the number of an image"),
        ("pairs.txt", changed(2, "..\t1\t2"), r"pairs.txt:2: '\.\.' is not the name of a folder"),
        ("pairs.txt", changed(2, "/etc\t1\t2"), "pairs.txt:2: '/etc' is not the name of a folder"),
        ("pairs.txt", changed(2, "Ada_Ek\t1\t01"), "pairs.txt:2: names one image twice"),
        ("pairs.txt", changed(3, "Cy\t1\tCy\t2"), "pairs.txt:3: is among the pairs of two people, and names Cy twice"),
        ("pairs.txt", changed(4, "Bo Lund\t7\t2"), "pairs.txt:4: 1 of 7 images are not in .*: Bo Lund/Bo Lund_0007"),
        ("pairs.csv", table(10, 9), "has 10 pairs of one class and 9 of two; 10 folds need at least 10 of each"),
        ("pairs.csv", ["a.jpg,b.jpg"], "pairs.csv:1: is not path, path, and 1 or 0"),
        ("pairs.csv", ["a,b,1", "a.jpg,b.jpg,2"], "pairs.csv:2: is not path, path, and 1 or 0"),
        ("pairs.csv", ["../a.jpg,b.jpg,1"], "pairs.csv:1: '../a.jpg' is not the path of an image below"),
        ("pairs.csv", ["b.jpg,/etc/passwd,1"], "pairs.csv:1: '/etc/passwd' is not the path of an image below"),
        ("pairs.csv", ["b.jpg," + "b" * 200_000 + ",1"], "pairs.csv:1: cannot be read \\(field larger than"),
        ("pairs.csv", [*table(10, 10), f"{'a' * 5000},b.jpg,1"], "pairs.csv:21: 2 of 6 images are not in"),
        ("pairs.csv", ["b.jpg,b.jpg,1"], "pairs.csv:1: names one image twice"),
        ("pairs.csv", [*table(10, 10), "no.jpg,nor.jpg,1"], "pairs.csv:21: 2 of 6 images are not in .*: no.jpg"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_its_line(
    images: Path, name: str, lines: list[str], message: str
) -> None:
    with pytest.raises(PairsError, match=message):
        read_pairs(written(images, name, *lines), images)


def test_a_list_or_a_folder_that_is_not_there(images: Path) -> None:
    with pytest.raises(PairsError, match=r"pairs.txt: cannot be read \(No such file"):
        read_pairs(images / "pairs.txt", images)
    with pytest.raises(PairsError, match="no such folder; --images names"):
        read_pairs(written(images, "pairs.txt", *LFW), images / "none")
    binary = images.parent / "pairs.csv"
    binary.write_bytes(b"\xff\xd8\xff")
    with pytest.raises(PairsError, match="cannot be read"):
        read_pairs(binary, images)
