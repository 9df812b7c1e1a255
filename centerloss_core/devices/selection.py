"""Device and precision of a run, on whichever backend Keras computes with."""

from __future__ import annotations

import os

from centerloss_core.config import Train
from centerloss_core.devices import on_jax, on_tensorflow
from centerloss_core.devices.choice import Device, DeviceError

_BACKENDS = {"tensorflow": on_tensorflow, "jax": on_jax}
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"


def find_device(train: Train) -> Device:
    """Decide device and precision from `train.device` and `train.precision`. Imports Keras and its backend.

    Raises:
        DeviceError: a GPU was asked for and the backend sees none, or not that one; or Keras runs on a backend that
            cannot train here, or that is not installed.
    """
    # TensorFlow reads it when it is imported, and leaves oneDNN off on processors without AVX-512, twice as slow then.
    os.environ.setdefault(_ONEDNN, "1")
    device: Device = _BACKENDS[_backend()].find(train)
    return device


def onednn_is_on() -> bool:
    """Whether TensorFlow computes by oneDNN, whose sums differ from those of its own kernels in the last bits."""
    return os.environ.get(_ONEDNN, "1") not in ("0", "false")


def prepare(device: Device, train: Train) -> None:
    """Point Keras and its backend at the device, with the run's precision, determinism and seed.

    Must come before the first tensor is made: TensorFlow fixes its devices then.

    Raises:
        DeviceError: the device cannot be chosen any more in this process.
    """
    import keras

    _BACKENDS[device.backend].prepare(device, train)
    keras.config.set_dtype_policy("mixed_bfloat16" if device.precision == "bfloat16" else "float32")


def _backend() -> str:
    """The name of Keras' backend, which is one of ours and installed."""
    name = os.environ.get("KERAS_BACKEND") or "tensorflow"
    if name in _BACKENDS:
        try:
            import keras
        except ModuleNotFoundError as error:
            extra = "" if name == "tensorflow" else f"[{name}]"
            raise DeviceError(
                f"{error}: install it with `pip install 'centerloss{extra}'`, or choose another with KERAS_BACKEND"
            ) from error
        except ImportError as error:  # such as "failed to map segment from shared object"
            raise DeviceError(
                f"{name} is installed and cannot be loaded ({error}): free some memory, or install it anew"
            ) from error
        name = keras.backend.backend()  # ~/.keras/keras.json may name one too
    if name not in _BACKENDS:
        raise DeviceError(
            f"Keras is set to the backend {name!r}, but training needs TensorFlow or JAX: "
            "call with KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax"
        )
    return str(name)
