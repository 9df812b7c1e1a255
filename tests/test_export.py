"""`cl export`: the network of a run, used by programs that do not have this package."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import LAST_STEP, config
from PIL import Image
from plain_numpy import forward

from centerloss_core import read_run
from centerloss_core.datasets import load_dataset
from centerloss_core.inference import export, formats
from centerloss_core.inference.export import TargetError, export_run
from centerloss_core.inference.formats import FORMATS, FormatError

needs_onnx = pytest.mark.skipif(find_spec("tf2onnx") is None, reason="needs the extra `onnx`")

# What somebody else writes. To import our package is an error there.
ELSEWHERE = """
import shutil
import sys
sys.modules["centerloss_core"] = None

import keras, numpy as np, onnxruntime, tensorflow as tf

images = np.load("images.npy")
pixels = images.astype(np.float32)
found = {}

session = onnxruntime.InferenceSession("model.onnx")
found["onnx"] = session.run(["features", "logits"], {"images": pixels})

model = keras.models.load_model("model.keras")
loaded = tf.saved_model.load("savedmodel")
for shape, each in {"": slice(None), "-without-channel": np.s_[..., 0]}.items():
    for kind in (images, pixels):
        found[f"keras{shape}-{kind.dtype}"] = list(model(kind[each]).values())
        made = loaded.serve(kind[each])
        found[f"savedmodel{shape}-{kind.dtype}"] = made["features"], made["logits"]
found["predict"] = list(model.predict(images[..., 0], verbose=0).values())

signature = loaded.signatures["serving_default"](images=tf.constant(pixels))
found["signature"] = signature["features"], signature["logits"]
for name, outputs in found.items():
    for output, each in zip(("features", "logits"), outputs, strict=True):
        found_file = f"{name}.{output}.npy"
        np.save(found_file, np.asarray(each))
"""


DOCS = Path(__file__).parent.parent / "docs" / "using-a-model.md"


@needs_onnx
def test_each_format_gives_the_features_of_the_run_without_this_package(
    straight_run: Path, here: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    targets = {
        name: "savedmodel" if name == "savedmodel" else f"model{formats.ENDINGS[name]}" for name in FORMATS
    }
    for name, target in targets.items():
        code, said, errors = here("export", straight_run, "--format", name, "--out", target)
        assert (code, errors) == (0, "")
        assert f"exported: {target} (" in said
        assert "takes:    images, float32 (m, 8, 8, 1), pixels from 0 to 255\n" in said
        assert "gives:    features (m, 2), logits (m, 10), float32\n" in said
        precision = read_run(straight_run).manifest["precision"]
        assert re.search(
            rf"differs: .*, in {precision}, by at most \S+ in features of .*, \S+ in logits of", said
        )
    names = [*targets.values(), *(f"{target}.json" for target in targets.values())]
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(names)

    images = load_dataset(config().data).test.images[:7]
    Image.fromarray(images[0, ..., 0]).resize((30, 40)).save(tmp_path / "digit.png")
    [example] = re.findall(r"```python\n(import json\n.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    np.save(tmp_path / "images.npy", images)
    program = ELSEWHERE + example.replace("digits.onnx", "model.onnx")
    done = subprocess.run(
        [sys.executable, "-P", "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"[0-9] [0-9] -?[0-9.]+ (True|False)\n", done.stdout)

    description = json.loads((tmp_path / "model.npz.json").read_text())
    with np.load(tmp_path / "model.npz", allow_pickle=False) as arrays:
        expected = forward(description, dict(arrays), images)
    found = sorted(tmp_path.glob("*.features.npy"))
    assert len(found) == 1 + 4 + 4 + 2
    for file in [*found, *tmp_path.glob("*.logits.npy")]:
        each = expected[file.name.split(".")[-2]]
        np.testing.assert_allclose(
            np.load(file), each, rtol=0, atol=1e-5 * np.abs(each).max(), err_msg=file.name
        )
    dump = read_run(straight_run).dump("test-final")
    largest = np.abs(dump.features).max()  # the run may have computed in bfloat16
    np.testing.assert_allclose(expected["features"] / largest, dump.features[:7] / largest, atol=0.05)


def test_beside_it_is_what_a_program_needs(straight_run: Path, tmp_path: Path) -> None:
    done = export_run(read_run(straight_run), tmp_path / "model.npz", "npz")
    found = json.loads(done.description.read_text())
    dump = read_run(straight_run).dump("test-final")
    assert found["class_names"] == [str(digit) for digit in range(10)]
    assert found["class_points"]["kind"] == "center"
    np.testing.assert_array_equal(np.float32(found["class_points"]["values"]), dump.centers)
    assert found["input"]["shape"] == [None, 8, 8, 1]
    assert found["outputs"] == {"features": [None, 2], "logits": [None, 10]}
    assert (found["step"], found["data"], found["run"]) == (LAST_STEP, "Digits 8×8 (scikit-learn)", "run")
    assert found["thresholds"] == json.loads((straight_run / "run.json").read_text())["thresholds"]
    with np.load(done.path, allow_pickle=False) as arrays:
        assert arrays["conv1_1/kernel"].shape == (5, 5, 1, 4)
        assert arrays["logits/kernel"].shape == (2, 10)


def test_an_earlier_checkpoint_goes_to_a_place_of_its_own_in_the_run(
    straight_run: Path, tmp_path: Path
) -> None:
    run = shutil.copytree(straight_run, tmp_path / "run")
    done = export_run(read_run(run), format="npz", checkpoint="10")
    assert done.path == run / "export" / "model-10.npz"
    found = json.loads(done.description.read_text())
    assert (found["step"], found["thresholds"]) == (10, None)


@pytest.mark.parametrize("error", [OSError("no room"), KeyboardInterrupt()])
def test_an_export_that_breaks_off_leaves_nothing(
    error: BaseException, straight_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_half(model: Any, format_: str, path: Path) -> None:
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"half of it")
        raise error

    monkeypatch.setattr(export, "write_model", write_half)
    with pytest.raises(type(error)):
        export_run(read_run(straight_run), tmp_path / "model", "savedmodel")
    assert list(tmp_path.iterdir()) == []


@needs_onnx
def test_an_onnx_model_that_computes_something_else_is_not_kept(
    straight_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    class Session:
        def __init__(self, *_: Any, **__: Any) -> None: ...

        def run(self, names: list[str], given: dict[str, Any]) -> list[Any]:
            return [np.full((len(given["images"]), 1), np.nan) for _ in names]

    monkeypatch.setattr(onnxruntime, "InferenceSession", Session)
    monkeypatch.setattr(export, "write_model", lambda model, format_, path: path.write_bytes(b""))
    with pytest.raises(FormatError, match="computes other features than Keras"):
        export_run(read_run(straight_run), tmp_path / "model.onnx", "onnx")
    assert list(tmp_path.iterdir()) == []


# ---- What is refused before a framework is imported ----------------------------------------------------------


@pytest.mark.parametrize(
    ("out", "format_", "words"),
    [
        (
            "there.keras",
            "keras",
            "there.keras is there already: remove it, or choose another place with --out",
        ),
        ("described.keras", "keras", r"described\.keras\.json is there already"),
        ("model.h5", None, r"must end in \.keras"),
        ("model.keras", "onnx", r"must end in \.onnx"),
        ("model.npz", "savedmodel", "is that of a folder"),
        ("nowhere/model.keras", None, "nowhere: no such folder: make it"),
    ],
)
def test_a_target_that_is_taken_or_misnamed_is_refused(
    out: str, format_: Any, words: str, straight_run: Path, tmp_path: Path
) -> None:
    (tmp_path / "there.keras").write_bytes(b"mine")
    (tmp_path / "described.keras.json").write_bytes(b"mine")
    with pytest.raises(TargetError, match=words):
        export_run(read_run(straight_run), tmp_path / out, format_)
    assert (tmp_path / "there.keras").read_bytes() == b"mine"


def test_a_format_that_cannot_be_written_here_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name: None if name == "tf2onnx" else True)
    with pytest.raises(
        FormatError, match=r"onnx needs tf2onnx: install it with `pip install 'centerloss\[onnx\]'`"
    ):
        formats.refuse_format("onnx")
    monkeypatch.setattr(formats, "backend_name", lambda: "jax")
    with pytest.raises(FormatError, match="no format 'h5': there are keras, savedmodel, onnx, npz"):
        formats.refuse_format("h5")  # type: ignore[arg-type]
    for name in ("savedmodel", "onnx"):
        with pytest.raises(
            FormatError, match=f"{name} is written by TensorFlow: call with KERAS_BACKEND=tensorflow"
        ):
            formats.refuse_format(name)  # type: ignore[arg-type]
    formats.refuse_format("keras")
    formats.refuse_format("npz")
