"""Adam, by the fastest means that the backend has. State and formula are those of `keras.optimizers.Adam`."""

from __future__ import annotations

import keras

if keras.backend.backend() == "tensorflow":
    from centerloss_core.networks.kernels import OnePassAdam as Adam
else:
    from keras.optimizers import Adam  # type: ignore[no-redef]

__all__ = ["Adam"]
