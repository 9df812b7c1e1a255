"""TensorFlow's devices. TensorFlow is imported when something is called, not before."""

from __future__ import annotations

import contextlib
from functools import cache

from centerloss_core.config import Train
from centerloss_core.devices.choice import Backend, Device, DeviceError, Gpu, choose

_BACKEND = Backend("tensorflow", "TensorFlow", "cuda", cpu_bfloat16=True)
_AMPERE = (8, 0)  # the first compute capability with bfloat16


def find(train: Train) -> Device:
    """See `centerloss_core.devices.find_device`."""
    import tensorflow as tf

    described = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
    gpus = [
        Gpu(details.get("device_name", "unknown model"), details.get("compute_capability", (0, 0)) >= _AMPERE)
        for details in described
    ]
    return choose(train, _BACKEND, gpus)


def prepare(device: Device, train: Train) -> None:
    """See `centerloss_core.devices.prepare`."""
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    visible = [] if device.gpu is None else [gpus[device.gpu]]
    try:
        tf.config.set_visible_devices(visible, "GPU")
        for gpu in visible:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise DeviceError(f"{device.label} cannot be chosen any more in this process: {error}") from error
    # float32 means float32: TF32 would round the products of the center update to ten bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    if train.deterministic:
        tf.config.experimental.enable_op_determinism()
        _seed_once()
        # TensorFlow adds the gradients that meet at one tensor in an order that depends on which operation ends first.
        # One operation at a time, each on all cores, costs nothing here: no two are worth running side by side.
        # A process that has used TensorFlow before keeps its threads, hence the suppression.
        with contextlib.suppress(RuntimeError):
            tf.config.threading.set_inter_op_parallelism_threads(1)


@cache
def _seed_once() -> None:
    """Give TensorFlow a seed, without which a random operation is an error from now on.

    Nothing here draws from it, but the process may be somebody else's, whose `fit` shuffles. Once: it empties
    TensorFlow's caches of what is compiled.
    """
    import tensorflow as tf

    tf.random.set_seed(0)
