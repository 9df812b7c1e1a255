"""Device and precision of a run, on whichever backend Keras computes with."""

from __future__ import annotations

import importlib.util
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from centerloss_core.config import Train
from centerloss_core.devices import on_jax, on_tensorflow
from centerloss_core.devices.choice import Device, DeviceError
from centerloss_core.isolation import importing_keras

_BACKENDS = {"tensorflow": on_tensorflow, "jax": on_jax}
_ONEDNN = "TF_ENABLE_ONEDNN_OPTS"
_POLICIES = {"float32": "float32", "bfloat16": "mixed_bfloat16"}


def find_device(train: Train) -> Device:
    """Decide device and precision from `train.device` and `train.precision`. Imports Keras and its backend.

    Raises:
        DeviceError: a GPU was asked for and the backend sees none, or not that one; or Keras runs on a backend that
            cannot train here, or that is not installed.
    """
    backend = backend_name()
    if backend == "jax" and "keras" not in sys.modules:
        on_jax.look_ahead(train)
    _import_keras(backend)
    device: Device = _BACKENDS[backend].find(train)
    return device


def onednn_is_on() -> bool | None:
    """Whether TensorFlow computes by oneDNN, whose sums differ from those of its own kernels in the last bits.

    Returns:
        None where TensorFlow was imported earlier and has decided by itself.
    """
    value = os.environ.get(_ONEDNN)
    return value.lower() not in ("0", "false") if value else None


def prepare(device: Device, train: Train) -> None:
    """As `use`, and with the seed of the run."""
    use(device, train)
    # Keras draws the seeds of its initializers from Python's generator. Its own `set_random_seed` also seeds that of
    # TensorFlow, which nothing here draws from, and with that empties TensorFlow's caches of what is compiled.
    random.seed(train.seed)
    np.random.seed(train.seed)


def use(device: Device, train: Train) -> None:
    """Point Keras and its backend at the device, with the run's precision and determinism.

    Must come before the first tensor is made: TensorFlow fixes its devices then.

    Raises:
        DeviceError: the device cannot be chosen any more in this process.
    """
    _BACKENDS[device.backend].prepare(device, train)
    # Whatever keras.json or an earlier line of the caller's program says.
    _set_keras("float32", 1e-7, "channels_last", _POLICIES[device.precision])


@contextmanager
def keras_settings_kept() -> Iterator[None]:
    """Restore at the end what `prepare` changes in Keras: the process may be somebody else's program."""
    from keras import config

    earlier = config.floatx(), config.epsilon(), config.image_data_format(), config.dtype_policy()
    try:
        yield
    finally:
        _set_keras(*earlier)


def backend_name() -> str:
    """The backend that Keras has in this process, or gets: `KERAS_BACKEND`, else TensorFlow. Imports nothing.

    Raises:
        DeviceError: it cannot train here, or is not installed.
    """
    keras = sys.modules.get("keras")
    name = str(keras.backend.backend() if keras else os.environ.get("KERAS_BACKEND") or "tensorflow")
    if name not in _BACKENDS:
        raise DeviceError(
            f"Keras is set to the backend {name!r}, but training needs TensorFlow or JAX: "
            "call with KERAS_BACKEND=tensorflow or KERAS_BACKEND=jax"
        )
    if importlib.util.find_spec(name) is None:
        raise DeviceError(_not_installed(name, f"{name} is not installed"))
    return name


def _import_keras(backend: str) -> None:
    if "keras" not in sys.modules:
        os.environ["KERAS_BACKEND"] = backend  # it goes before the one in keras.json
    # Read by TensorFlow when it is imported. It leaves oneDNN off on processors without AVX-512, twice as slow then.
    if "tensorflow" not in sys.modules and not os.environ.get(_ONEDNN):
        os.environ[_ONEDNN] = "1"
    try:
        with importing_keras():
            import keras  # noqa: F401
    except ModuleNotFoundError as error:
        raise DeviceError(_not_installed(backend, str(error))) from error
    except ImportError as error:  # such as "failed to map segment from shared object"
        raise DeviceError(
            f"{backend} is installed and cannot be loaded ({error}): free some memory, or install it anew"
        ) from error


def _not_installed(backend: str, what: str) -> str:
    extra = "" if backend == "tensorflow" else f"[{backend}]"
    return f"{what}: install it with `pip install 'centerloss{extra}'`, or choose another with KERAS_BACKEND"


def _set_keras(floatx: str, epsilon: float, image_data_format: str, dtype_policy: Any) -> None:
    from keras import config

    config.set_floatx(floatx)
    config.set_epsilon(epsilon)
    config.set_image_data_format(image_data_format)
    config.set_dtype_policy(dtype_policy)
