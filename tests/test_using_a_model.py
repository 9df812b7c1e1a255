"""Every command and example of docs/using-a-model.md, one after the other on a small set of images."""

import re
import shlex
import webbrowser
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from centerloss_core.datasets import load_dataset

PAGE = (Path(__file__).parent.parent / "docs" / "using-a-model.md").read_text(encoding="utf-8")
SMALL = ["model.channels=[4, 8, 8]", "train.epochs=1", "train.batch_size=20", "data.validation=20"]


def make_images(folder: Path) -> None:
    """Three classes of forty digits each, and three digits without a label."""
    digits = load_dataset("digits8").train
    for label, name in enumerate(("zero", "one", "two")):
        (folder / "photos" / name).mkdir(parents=True)
        for index in np.flatnonzero(digits.labels == label)[:40]:
            Image.fromarray(digits.images[index][..., 0]).save(folder / "photos" / name / f"{index}.png")
    (folder / "new").mkdir()
    for index in range(3):
        Image.fromarray(digits.images[index][..., 0]).resize((20, 24)).save(folder / "new" / f"{index}.png")


@pytest.mark.usefixtures("kept_programs")
def test_the_page_can_be_followed(
    tmp_path: Path, here: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda *_: True)
    make_images(tmp_path)
    page = PAGE.replace("runs/softer", "runs/photos")
    commands = [shlex.split(line) for line in re.findall(r"^    cl ([^#\n]*)", page, flags=re.MULTILINE)]
    assert {command[0] for command in commands} == {"train", "embed", "evaluate", "rank", "export"}
    for arguments in commands:
        if "--name" in arguments:
            kept = [each for each in arguments if each.partition("=")[0] != "data.validation"]
            assert here(*kept, *SMALL)[0] == 0
            continue
        if arguments[0] == "train":  # "take the lines of images that are right out"
            suspects = tmp_path / "runs" / "photos" / "rank-train" / "suspects.txt"
            suspects.write_text("".join(suspects.read_text().splitlines(keepends=True)[:3]))
        code, _, errors = here(*arguments)
        if find_spec("tf2onnx") is None and "digits.onnx" in arguments:
            assert "centerloss[onnx]" in errors
        else:
            assert code == 0, (arguments, errors)
    with np.load(tmp_path / "new.npz") as found:
        assert found["names"].tolist() == [f"new/{index}.png" for index in range(3)]
    examples = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)
    for example in examples:
        if (
            "import onnxruntime" not in example
        ):  # which runs in a process without this package, in test_export.py
            exec(compile(example, "using-a-model.md", "exec"), {})
    assert (tmp_path / "photos.keras").is_file()
