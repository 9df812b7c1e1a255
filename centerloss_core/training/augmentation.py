"""Training images changed at random within the compiled step, the same ones whenever the step is taken again."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from keras import ops

from centerloss_core.config.train import Augment


class _Draws(NamedTuple):
    """Numbers in [0, 1) for each image, (m,) float32. One that is not used is drawn all the same."""

    mirror: Any
    down: Any
    right: Any
    turn: Any
    row: Any
    column: Any


def augmented(images: Any, augment: Augment, words: tuple[Any, Any]) -> Any:
    """Mirror, turn, shift and cut out of each image, each as much as chance wants. What comes from outside is 0.

    A turn is about the middle, and reads between four pixels (bilinear); the rest moves whole pixels.

    Args:
        images: uint8 (m, h, w, c), of known shape.
        augment: the section `train.augment` of a config.
        words: two whole numbers in [0, 2²⁴) that all chance comes from, float32 scalars.

    Returns:
        The same shape and dtype.
    """
    count, height, width, channels = images.shape
    draws = _Draws(*_uniform(words, count, len(_Draws._fields)))
    rows, columns = np.arange(height, dtype=np.int32), np.arange(width, dtype=np.int32)
    kept = None
    if augment.cutout:
        in_rows = _within(rows, draws.row, height, augment.cutout)
        in_columns = _within(columns, draws.column, width, augment.cutout)
        kept = ops.logical_not(ops.logical_and(in_rows[:, :, None], in_columns[:, None, :]))
    # Where the pixels of the result come from: shifted last, so undone first.
    y = rows - _whole(draws.down, augment.shift)[:, None]
    x = columns - _whole(draws.right, augment.shift)[:, None]
    if augment.rotate:
        y, x = _turned(y, x, draws.turn, augment.rotate, (height, width))
    else:
        y, x = y[:, :, None], x[:, None, :]
    if augment.mirror:
        is_mirrored = (draws.mirror < 0.5)[:, None, None]
        x = ops.where(is_mirrored, width - 1 - x, x)
    pixels = ops.reshape(images, (count * height * width, channels))
    first = np.arange(count, dtype=np.int32)[:, None, None] * (height * width)

    def at(y: Any, x: Any) -> tuple[Any, Any]:
        """The pixels there, and whether there are any."""
        inside = ops.logical_and(ops.logical_and(y >= 0, y < height), ops.logical_and(x >= 0, x < width))
        places = first + ops.clip(y, 0, height - 1) * width + ops.clip(x, 0, width - 1)
        return ops.take(pixels, places, axis=0), inside

    if augment.rotate:
        found = _between(at, y, x)
    else:
        found, inside = at(y, x)
        kept = inside if kept is None else ops.logical_and(kept, inside)
    return found if kept is None else ops.where(kept[..., None], found, ops.zeros_like(found))


def _whole(draw: Any, most: int) -> Any:
    """A whole number from −most to most, int32."""
    return ops.cast(ops.floor(draw * (2 * most + 1)), "int32") - most


def _within(places: Any, draw: Any, size: int, side: int) -> Any:
    """Which places lie in a stretch of length `side` around any of `size` places, (m, size)."""
    begin = ops.cast(ops.floor(draw * size), "int32")[:, None] - side // 2
    return ops.logical_and(places >= begin, places < begin + side)


def _turned(y: Any, x: Any, draw: Any, most: float, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Rows (m, h) and columns (m, w), turned by up to `most` degrees about the middle: (m, h, w) float32 each."""
    angle = ((2 * draw - 1) * float(np.deg2rad(most)))[:, None, None]
    middle_y, middle_x = (shape[0] - 1) / 2, (shape[1] - 1) / 2
    away_y = (ops.cast(y, "float32") - middle_y)[:, :, None]
    away_x = (ops.cast(x, "float32") - middle_x)[:, None, :]
    sine, cosine = ops.sin(angle), ops.cos(angle)
    return middle_y + cosine * away_y - sine * away_x, middle_x + sine * away_y + cosine * away_x


def _between(at: Any, y: Any, x: Any) -> Any:
    """The images at places between pixels, rounded to uint8."""
    top, left = ops.floor(y), ops.floor(x)
    total = 0.0
    for down in (0, 1):
        for right in (0, 1):
            near_y, near_x = top + down, left + right
            found, inside = at(ops.cast(near_y, "int32"), ops.cast(near_x, "int32"))
            weight = (1 - ops.abs(y - near_y)) * (1 - ops.abs(x - near_x)) * ops.cast(inside, "float32")
            total = total + weight[..., None] * ops.cast(found, "float32")
    return ops.cast(ops.round(total), "uint8")


# ---- Chance -------------------------------------------------------------------------------------------------


def _uniform(words: tuple[Any, Any], count: int, each: int) -> list[Any]:
    """`each` times (count,) float32 in [0, 1), a function of the words alone and the same on every backend."""
    high, low = (ops.cast(word, "uint32") for word in words)
    key = _mixed(ops.bitwise_xor(_mixed(high), low))
    numbers = np.arange(each * count, dtype=np.uint32) * np.uint32(0x9E3779B9)
    bits = ops.right_shift(_mixed(ops.add(numbers, key)), np.uint32(9))
    # 23 bits, so that n times a number does not round up to n.
    return list(ops.unstack(ops.reshape(ops.cast(bits, "float32") * 2.0**-23, (each, count)), each))


def _mixed(x: Any) -> Any:
    """A bijection of uint32 in which each bit of the result hangs on all bits (lowbias32, C. Wellons 2018)."""
    x = ops.bitwise_xor(x, ops.right_shift(x, np.uint32(16))) * np.uint32(0x7FEB352D)
    x = ops.bitwise_xor(x, ops.right_shift(x, np.uint32(15))) * np.uint32(0x846CA68B)
    return ops.bitwise_xor(x, ops.right_shift(x, np.uint32(16)))
