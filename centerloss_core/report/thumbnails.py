"""The test images, once, as one picture: a PNG of 100 digits a row in sixteen greys, which needs half the bytes."""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets import DataError, load_dataset, locate
from centerloss_core.report.markup import mapping
from centerloss_core.report.reading import Record

COLUMNS = 100
TILE = 28


@dataclass(frozen=True)
class Digits:
    """The picture, of how many images, and whose: the index among the sets of labels that the panels show."""

    png: bytes
    count: int
    group: int

    @property
    def url(self) -> str:
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def find_digits(
    records: Sequence[Record], groups: Sequence[NDArray[np.integer[Any]]]
) -> tuple[Digits | None, str | None]:
    """Return the digits, or why there are none. Nothing is ever downloaded for a report."""
    record = next((each for each in records if each.config is not None), None)
    if record is None or record.config is None:
        return None, "No run has a config that says where its images are, so the digits are not shown."
    data = record.config.data
    try:
        # The words of `locate` are the only way to learn beforehand that loading would fetch 11 MB.
        if locate(data.name, dir=data.dir).startswith("a download"):
            return None, (
                "The digits are not shown, because MNIST is not on this machine: "
                "set CENTERLOSS_DATA_DIR to its folder and make the report again."
            )
        dataset = load_dataset(data.name, dir=data.dir, validation=data.validation)
    except DataError as error:
        return None, f"The digits are not shown, because the images cannot be had: {error}"
    trained_on = mapping(record.manifest.get("data")).get("fingerprint")
    if trained_on is not None and trained_on != dataset.fingerprint:
        return None, (
            "The digits are not shown, because the images found here are not those of the run: "
            f"their fingerprint is {dataset.fingerprint}, the run's is {trained_on}."
        )
    for index, labels in enumerate(groups):
        if np.array_equal(labels, dataset.test.labels) and dataset.image_shape == (TILE, TILE, 1):
            return Digits(sprite(dataset.test.images[..., 0]), len(labels), index), None
    return None, "The digits are not shown, because the features are not of the test images found here."


def sprite(images: NDArray[np.uint8]) -> bytes:
    """Lay (n, 28, 28) images out in rows of 100, dark on white, and return them as a PNG of 4 bits a pixel."""
    rows = -(-len(images) // COLUMNS)
    sheet = np.zeros((rows * COLUMNS, TILE, TILE), np.uint16)
    sheet[: len(images)] = images
    # Sixteen greys from white (15, no ink) to black.
    greys = ((255 - sheet) * 15 + 127) // 255
    picture = greys.reshape(rows, COLUMNS, TILE, TILE).swapaxes(1, 2).reshape(rows * TILE, COLUMNS * TILE)
    packed = (picture[:, 0::2] << 4 | picture[:, 1::2]).astype(np.uint8)
    lines = np.concatenate([np.zeros((len(packed), 1), np.uint8), packed], axis=1)  # 0: no filter
    header = struct.pack(">IIBBBBB", COLUMNS * TILE, rows * TILE, 4, 0, 0, 0, 0)  # 4 bits, greyscale
    body = zlib.compress(lines.tobytes(), 9)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", header) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
