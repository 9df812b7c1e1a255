"""What fits on the device that was prepared."""

import math

_SHARE = 0.5  # of a GPU's memory: the rest is for the network and what it computes


def room_on_the_device() -> float:
    """How many bytes training images may take there; no bound where it shares the memory of the processor."""
    import keras

    if keras.backend.backend() != "jax":
        return math.inf
    import jax

    statistics = jax.devices()[0].memory_stats()  # None on a processor
    return _SHARE * statistics["bytes_limit"] if statistics else math.inf
