"""A rebuilt network as a file or folder of another program, by the means of Keras, tf2onnx and NumPy."""

from __future__ import annotations

import importlib.util
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from centerloss_core.devices import backend_name
from centerloss_core.errors import ExpectedError
from centerloss_core.files.arrays import write_arrays

if TYPE_CHECKING:
    import keras
    from numpy.typing import NDArray

Format = Literal["keras", "savedmodel", "onnx", "npz"]
FORMATS: tuple[Format, ...] = get_args(Format)
# The end of a name; `keras.models.load_model` asks for it. A SavedModel is a folder.
ENDINGS: Mapping[Format, str] = {"keras": ".keras", "savedmodel": "", "onnx": ".onnx", "npz": ".npz"}
_LARGEST_DIFFERENCE = 1e-4  # of what was written, as a share of the largest number: float32 has 1e-6

Outputs = Mapping[str, "NDArray[np.float32]"]


class FormatError(ExpectedError):
    """A format that cannot be written here; the message names the mend."""


def format_by_ending(ending: str) -> Format:
    """The format whose names end so; "keras" where none does."""
    return next((name for name in FORMATS if ENDINGS[name] == ending and ending), "keras")


def refuse_format(format_: Format) -> None:
    """Raise FormatError unless it can be written by the libraries that are here. No framework is imported."""
    if format_ not in FORMATS:
        raise FormatError(f"there is no format {format_!r}: there are {', '.join(FORMATS)}")
    if format_ in ("savedmodel", "onnx") and backend_name() != "tensorflow":
        raise FormatError(
            f"{format_} is written by TensorFlow: call with KERAS_BACKEND=tensorflow, whatever the run was trained on; "
            "keras and npz work on every backend"
        )
    missing = [name for name in ("tf2onnx", "onnxruntime") if importlib.util.find_spec(name) is None]
    if format_ == "onnx" and missing:
        raise FormatError(
            f"onnx needs {' and '.join(missing)}: install it with `pip install 'centerloss[onnx]'`"
        )


def write_model(model: keras.Model, format_: Format, path: Path) -> None:
    """Write a model of `rebuild` to the new path `path`, whose name has the ending of the format.

    Raises:
        OSError: it could not be written.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of libraries about one another
        _WRITERS[format_](model, path)


def compare_onnx(path: Path, images: NDArray[np.float32], expected: Outputs) -> None:
    """Raise FormatError unless ONNX Runtime computes what Keras does: a conversion may end well and be invalid."""
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    names = list(expected)
    for name, found in zip(names, session.run(names, {"images": images}), strict=True):
        share = np.abs(found - expected[name]).max() / (np.abs(expected[name]).max() or 1)
        if not share <= _LARGEST_DIFFERENCE:
            raise FormatError(
                f"the ONNX model computes other {name} than Keras (by {share:.1g} of the largest): use another format"
            )


def _write_keras(model: keras.Model, path: Path) -> None:
    model.save(path)


def _write_savedmodel(model: keras.Model, path: Path) -> None:
    """One function `serve` for float32 and uint8 images, of one channel also without an axis for it."""
    import tensorflow as tf
    from keras.export import ExportArchive

    def serve(images: Any) -> Any:
        return model(images, training=False)

    function = tf.function(serve)
    shape = tuple(model.inputs[0].shape)
    for each in [shape, shape[:-1]] if shape[-1] == 1 else [shape]:
        for dtype in ("float32", "uint8"):  # the first of all is the signature `serving_default`
            function.get_concrete_function(tf.TensorSpec(each, dtype, name="images"))
    archive = ExportArchive()
    archive.track(model)
    archive.add_endpoint("serve", function)
    archive.write_out(path, verbose=False)


def _write_onnx(model: keras.Model, path: Path) -> None:
    model.export(path, format="onnx", verbose=False)


def _write_npz(model: keras.Model, path: Path) -> None:
    with path.open("xb") as file:
        write_arrays(file, {each.path: np.asarray(each.value) for each in model.weights})


_WRITERS = {"keras": _write_keras, "savedmodel": _write_savedmodel, "onnx": _write_onnx, "npz": _write_npz}
