"""One image file as an array, read by Pillow as untrusted."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from centerloss_core.datasets.arrays import DataError, UInt8Array
from centerloss_core.limits import IMAGE_PIXELS

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".pgm", ".ppm", ".pbm")
# Others that Pillow knows start programs (EPS), or come from no camera.
_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "WEBP", "PPM")
_WIDE_MODES = ("I;16", "I;16L", "I;16B", "I;16N", "I", "F")
Color = Literal["grey", "rgb"] | None


def decode(content: bytes, color: Color, size: tuple[int, ...] | None) -> UInt8Array:
    """Read an image as it is meant to be looked at.

    Turned as its EXIF data says; what is transparent lies on white; 16 bits become 8, rounded; of several frames the
    first.

    Args:
        content: of the file.
        color: grey by the weights of ITU-R 601; None for grey only where red, green and blue are equal everywhere.
        size: height and width to stretch it to, by Pillow's bilinear filter, which averages where it makes smaller.

    Returns:
        (h, w) in grey, else (h, w, 3).

    Raises:
        DataError: it cannot be read, or is too large; naming the file is left to the caller.
    """
    from PIL import Image, ImageOps

    try:
        image: Image.Image = Image.open(io.BytesIO(content), formats=_FORMATS)
    except Image.DecompressionBombError as error:  # of Pillow's own limit, which is the higher one
        raise DataError(
            f"has more pixels than the {IMAGE_PIXELS:,} that are read: make it smaller"
        ) from error
    except Exception as error:
        raise DataError("is no image that Pillow can read") from error
    if image.width * image.height > IMAGE_PIXELS:
        raise DataError(
            f"has {image.width:,} × {image.height:,} pixels; at most {IMAGE_PIXELS:,} are read: make it smaller"
        )
    try:
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        image = _of_eight_bits(image)
    except DataError:
        raise
    # A damaged file fails in whatever way its decoder fails.
    except Exception as error:
        raise DataError(f"is damaged ({error})") from error
    if color == "grey":
        image = image.convert("L")
    if size is not None:
        image = image.resize((size[1], size[0]), Image.Resampling.BILINEAR)
    array = np.asarray(image)
    if array.ndim == 3 and color is None and (array == array[..., :1]).all():
        array = array[..., 0]
    return np.repeat(array[..., np.newaxis], 3, axis=2) if color == "rgb" and array.ndim == 2 else array


def _of_eight_bits(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB."""
    from PIL import Image

    if image.mode in _WIDE_MODES:
        return Image.fromarray(_rounded(np.asarray(image)))
    is_grey = image.mode in ("1", "L", "LA", "La")
    if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    return image.convert("L" if is_grey else "RGB")


def _rounded(values: npt.NDArray[Any]) -> UInt8Array:
    """16-bit greys, or numbers from 0 to 1, in 8 bits."""
    if values.dtype.kind == "f":
        return fractions_as_bytes(values)
    if values.min() < 0 or values.max() > 65535:
        raise DataError("has greys outside 0 … 65,535")
    return ((values.astype(np.uint32) + 128) // 257).astype(np.uint8)


def fractions_as_bytes(values: npt.NDArray[Any]) -> UInt8Array:
    """round(255·x) of numbers from 0 to 1; DataError where there are others."""
    if values.size and not (values.min() >= 0 and values.max() <= 1):  # also where one is not a number
        raise DataError("has numbers outside 0 … 1: scale them, or save 0 … 255 as uint8")
    rounded = np.empty(values.shape, np.uint8)
    for place, part in zip(rounded, values, strict=True):  # one at a time: float64 takes eight times as much
        np.copyto(place, np.rint(part * 255.0), casting="unsafe")
    return rounded
