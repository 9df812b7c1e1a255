"""Adam, by the fastest means that the backend has. State and formula are those of `keras.optimizers.Adam`."""

from __future__ import annotations

import keras

from centerloss_core.optimizers.slots import SlotsByNumPy

if keras.backend.backend() == "tensorflow":
    from centerloss_core.networks.kernels import OnePassAdam as Adam
else:

    class Adam(SlotsByNumPy, keras.optimizers.Adam):  # type: ignore[no-redef]
        """Keras' own."""


__all__ = ["Adam"]
