"""Images side by side, each with words below it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text
from matplotlib.transforms import IdentityTransform
from numpy.typing import NDArray
from PIL import Image

from centerloss_core.datasets.contact_sheet import tile_size
from centerloss_core.plotting.sheet import SMALLEST_LETTERS
from centerloss_core.plotting.style import DPI, INK, house_style
from centerloss_core.plotting.text_fit import fit, text_width, title_height

TILE = 84  # pixels of the longer side of an image: three times the digits of MNIST
_GAP, _MARGIN = 12, 14  # pixels
_LINE = round(SMALLEST_LETTERS * 1.3 * DPI / 72)  # pixels from one line of words to the next
_WRONG, _QUIET = "#b3001b", "#8a8a8a"


@dataclass(frozen=True)
class Tile:
    """An image with its words.

    Attributes:
        image: uint8 (h, w, 1 or 3).
        lines: below it.
        corner: at the right end of the first line, in grey.
        stands_out: whether the first line is red.
    """

    image: NDArray[np.uint8]
    lines: tuple[str, ...]
    corner: str = ""
    stands_out: bool = False


@house_style()
def image_sheet(
    rows: Sequence[Sequence[Tile]],
    title: str,
    about: str,
    *,
    heads: Sequence[str] = (),
    inverted: bool = False,
) -> Figure:
    """Lay rows of images out, all of one size. Small ones are enlarged by a whole number, large ones made smaller.

    Args:
        rows: with as many images each as are to stand side by side, at least one of them.
        title, about: above all images; what the words below them are.
        heads: a word to the left of each row.
        inverted: whether black and white are exchanged, as of ink that is bright on a dark ground.

    Returns:
        A figure of `DPI` dots per inch, which is to be saved with as many: its images are pixels.
    """
    figure = Figure(dpi=DPI)
    tiles = [tile for row in rows for tile in row]
    height, width = _size(tiles[0].image)
    across = max(width, *(_width(figure, tile) for tile in tiles)) + _GAP
    down = height + _LINE * max(len(tile.lines) for tile in tiles) + _GAP
    left = _MARGIN + (max(_pixels(figure, head) for head in heads) + _GAP if heads else 0)
    sheet_width = max(left + across * max(map(len, rows)) - _GAP + _MARGIN, 6 * TILE)
    words = [_write(figure, 0, 0, title, va="top", fontsize=10.0), _write(figure, 0, 0, about, va="top")]
    above = _MARGIN // 2
    starts = []
    for text in words:
        fit(text, (sheet_width - 2 * _MARGIN) / DPI)
        starts.append(above)
        above += round(title_height(text, 1.2) * DPI)
    sheet_height = above + down * len(rows) + _MARGIN
    for text, start in zip(words, starts, strict=True):
        text.set_position((_MARGIN, sheet_height - start))
    figure.set_size_inches(sheet_width / DPI, sheet_height / DPI)
    sheet = np.full((sheet_height, sheet_width, 3), 255, np.uint8)
    for number, row in enumerate(rows):
        top = above + number * down
        if heads:
            _write(figure, _MARGIN, sheet_height - top - height / 2, heads[number], va="center")
        for column, tile in enumerate(row):
            start = left + column * across
            image = _resized(tile.image, height, width)
            sheet[top : top + height, start : start + width] = 255 - image if inverted else image
            for line, written in enumerate(tile.lines):
                base = sheet_height - top - height - line * _LINE - 3
                color = _WRONG if tile.stands_out and line == 0 else INK
                _write(figure, start, base, written, va="top", color=color)
                if line == 0:
                    end = start + across - _GAP
                    _write(figure, end, base, tile.corner, va="top", ha="right", color=_QUIET)
    figure.figimage(sheet)
    return figure


def _size(image: NDArray[np.uint8]) -> tuple[int, int]:
    """The (height, width) in which an image is shown."""
    shape = image.shape[0], image.shape[1]
    times = max(1, TILE // max(shape))
    height, width = tile_size(shape, TILE)
    return (shape[0] * times, shape[1] * times) if times > 1 else (height, width)


def _resized(image: NDArray[np.uint8], height: int, width: int) -> NDArray[np.uint8]:
    """(height, width, 3): each pixel a square, or of a large image the mean of some."""
    rgb = np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image
    is_enlarged = height > image.shape[0]
    how = Image.Resampling.NEAREST if is_enlarged else Image.Resampling.BOX
    return np.asarray(Image.fromarray(rgb).resize((width, height), how))


def _width(figure: Figure, tile: Tile) -> int:
    first, *others = (_pixels(figure, line) for line in (*tile.lines, ""))
    return max(first + (_pixels(figure, tile.corner) + 4 if tile.corner else 0), *others)


def _pixels(figure: Figure, words: str) -> int:
    font = FontProperties(size=SMALLEST_LETTERS)
    return int(np.ceil(text_width(figure, words, font) * DPI / 72)) if words else 0


def _write(figure: Figure, x: float, y: float, words: str, **look: Any) -> Text:
    """Words in pixels from the lower left corner; a $ in them begins no formula."""
    settings: dict[str, Any] = {"fontsize": SMALLEST_LETTERS, "parse_math": False, **look}
    return figure.text(x, y, words, transform=IdentityTransform(), **settings)
