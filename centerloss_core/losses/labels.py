"""Labels as every loss takes them: a class number for each sample."""

from __future__ import annotations

from typing import Any

from keras import ops


def class_numbers(features: Any, labels: Any, num_classes: int | None) -> Any:
    """Labels (m,) or (m, 1) of features (m, d) as int32 (m,), any integers where `num_classes` is None.

    Raises:
        ValueError: labels of another shape, such as one-hot labels (m, k); and, in a call that is not compiled, labels
            out of range.
    """
    check_shapes(features.shape, labels.shape)
    if num_classes is not None:
        _check_range(labels, num_classes)
    # Not to (-1,): where a shape is unknown until the step runs, labels of another size fail there.
    return ops.cast(ops.reshape(labels, ops.shape(features)[:1]), "int32")


def check_shapes(features_shape: Any, labels_shape: Any) -> None:
    """Refuse labels that are not one number a sample. Most would broadcast to some loss, a wrong one."""
    features, labels = tuple(features_shape), tuple(labels_shape)
    is_column = len(labels) == 2 and labels[1] in (1, None)
    other_size = len(labels) > 0 and None not in (features[0], labels[0]) and features[0] != labels[0]
    if other_size or not (len(labels) == 1 or is_column):
        raise ValueError(
            "labels must be class numbers of shape (m,) or (m, 1) for features of shape (m, d), "
            f"received labels of shape {labels} for features of shape {features}. "
            "Of one-hot labels pass keras.ops.argmax(labels, axis=-1)."
        )


def _check_range(labels: Any, num_classes: int) -> None:
    """Refuse numbers that are no class, where the labels are known before the step runs."""
    try:
        numbers = ops.convert_to_numpy(labels)
    except (TypeError, NotImplementedError):  # what TensorFlow and JAX say while they compile
        return
    if numbers.size and not (numbers.min() >= 0 and numbers.max() < num_classes):
        raise ValueError(
            f"labels must be class numbers from 0 to {num_classes - 1}, because num_classes is {num_classes}; "
            f"received numbers from {numbers.min()} to {numbers.max()}."
        )
