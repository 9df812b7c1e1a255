"""What every term asks of its arguments: features (m, d), a class number for each, a number of classes."""

from __future__ import annotations

import operator
from typing import Any

from keras import ops

from centerloss_core.losses.labels import class_numbers


def checked(features: Any, labels: Any, num_classes: int | None, dtype: str) -> tuple[Any, Any]:
    """Features (m, d) in a dtype, and labels (m,) int32; raises as `class_numbers` does."""
    return ops.cast(features, dtype), class_numbers(features, labels, num_classes)


def checked_count(num_classes: Any) -> int:
    """The number of classes, of NumPy's integers too; ValueError where it is none."""
    if isinstance(num_classes, bool) or not hasattr(num_classes, "__index__") or num_classes < 1:
        raise ValueError(f"num_classes must be a positive integer, received {num_classes!r}.")
    return operator.index(num_classes)


def check_features(features_shape: Any) -> None:
    """Refuse features that no points in (k, d) can be made for."""
    if len(features_shape) != 2 or features_shape[1] is None:
        raise ValueError(
            f"features must have shape (batch, dimension) with a known dimension, received {features_shape}. "
            "Flatten them first."
        )
