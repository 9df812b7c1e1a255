"""Many small images laid out in one picture, for the report and for TensorBoard's projector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.datasets.stored import Images, blocks_of

if TYPE_CHECKING:
    from PIL.Image import Image

_PAPER = 255
DARK = 64  # a grey data set with a median below this has bright ink on a dark background


def contact_sheet(
    images: Images, columns: int, *, rows: int | None = None, longest_side: int | None = None
) -> Image:
    """Lay images out row by row. Grey images with a dark background are inverted, as ink on paper.

    Args:
        images: uint8 (n, h, w) or (n, h, w, c), with 1 (grey) or 3 (RGB) channels.
        columns: tiles in a row.
        rows: None for as many as the images need.
        longest_side: in pixels; larger images are scaled down. None keeps their size.

    Returns:
        A Pillow image of mode "L" or "RGB" whose tiles have the size that `tile_size` gives; unused tiles are white.
    """
    from PIL import Image

    count, height, width = images.shape[:3]
    tile_height, tile_width = tile_size((height, width), longest_side)
    needed = -(-count // columns)
    colored = images.ndim == 4 and images.shape[3] == 3
    shape = (columns, height, width, 3) if colored else (columns, height, width)
    inverted = not colored and median(images) < DARK
    sheet = Image.new(
        "RGB" if colored else "L",
        (columns * tile_width, (needed if rows is None else rows) * tile_height),
        (_PAPER,) * 3 if colored else _PAPER,
    )
    for row in range(needed):
        members = images[row * columns : (row + 1) * columns]
        tiles = np.full(shape, _PAPER, np.uint8)
        tiles[: len(members)] = members.reshape(len(members), *shape[1:])
        if inverted:
            tiles[: len(members)] = _PAPER - tiles[: len(members)]
        strip = Image.fromarray(np.concatenate(tiles, axis=1))
        # A box filter takes each pixel from its own tile alone, because the scale is the same for all tiles.
        strip = strip.resize((columns * tile_width, tile_height), Image.Resampling.BOX)
        sheet.paste(strip, (0, row * tile_height))
    return sheet


def tile_size(shape: tuple[int, int], longest_side: int | None = None) -> tuple[int, int]:
    """The (height, width) of a tile for images of this (height, width), in pixels."""
    scale = 1.0 if longest_side is None else min(1.0, longest_side / max(shape))
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def median(images: Images) -> float:
    """That of all values, found a block at a time."""
    counts = sum(
        (np.bincount(block.ravel(), minlength=256) for block in blocks_of(images)), np.zeros(256, np.int64)
    )
    middle = (counts.sum() - 1) // 2, counts.sum() // 2
    return float(np.searchsorted(np.cumsum(counts), middle, side="right").mean())
