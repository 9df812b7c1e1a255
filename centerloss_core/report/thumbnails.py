"""The test images, once, in one small picture: 100 in a row, in sixteen greys or in colour."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from centerloss_core.datasets import FROM_MIRRORS, DataError, load_dataset, locate
from centerloss_core.datasets.contact_sheet import contact_sheet, tile_size
from centerloss_core.datasets.stored import Images
from centerloss_core.limits import THUMBNAIL_BYTES
from centerloss_core.report.reading import Record

_Labels = NDArray[np.integer[Any]]

COLUMNS = 100
_SIDES = (32, 24, 16)  # pixels of the longest side: the first with which the picture is small enough
_GREYS = 16  # half the bytes of 256, and no eye misses them


@dataclass(frozen=True)
class Thumbnails:
    """The picture of `count` images; `groups` are the sets of labels, among those of the panels, that they have."""

    url: str
    count: int
    groups: Sequence[int]
    height: int
    width: int
    columns: int = COLUMNS

    @property
    def rows(self) -> int:
        return -(-self.count // COLUMNS)


def find_thumbnails(
    records: Sequence[Record], groups: Sequence[_Labels], originals: Sequence[_Labels | None]
) -> tuple[Thumbnails | None, str | None]:
    """The thumbnails, or why there are none. Nothing is ever downloaded for a report.

    Args:
        records: of the runs.
        groups: the labels of each set of test images.
        originals: their original labels, None where all classes are known. Runs that know different classes of one
            data set have the same test images, by other labels.
    """
    record = next((each for each in records if each.config is not None), None)
    if record is None or record.config is None:
        return None, "no run has a config that says where they are."
    data = record.config.data
    try:
        # The words of `locate` are the only way to learn beforehand that loading would fetch 11 MB or more.
        if locate(data).startswith(FROM_MIRRORS):
            return None, (
                f"{record.run.data_title or data.name} is not on this machine: "
                "put it into the folder that data.dir names and make the report again."
            )
        dataset = load_dataset(data)
    except DataError as error:
        return None, f"they cannot be loaded: {error}"
    trained_on = record.run.data.get("fingerprint")
    if trained_on is not None and trained_on != dataset.fingerprint:
        return None, (
            "those found here are not those of the run: "
            f"their fingerprint is {dataset.fingerprint}, the run's is {trained_on}."
        )
    test, rest = dataset.test, data.unknown_elsewhere is None

    def is_same(labels: _Labels, original: _Labels | None) -> bool:
        if np.array_equal(labels, test.labels):
            return True
        ours = test.original_labels
        return rest and ours is not None and original is not None and np.array_equal(original, ours)

    same = [index for index, pair in enumerate(zip(groups, originals, strict=True)) if is_same(*pair)]
    if same:
        return make_thumbnails(test.images, same), None
    return None, "the features are not those of the test images found here."


def make_thumbnails(images: Images, groups: Sequence[int]) -> Thumbnails:
    """Lay (n, h, w, c) images out in a picture of at most `THUMBNAIL_BYTES`, as far as smaller thumbnails allow."""
    for side in _SIDES:
        picture, kind = _encoded(contact_sheet(images, COLUMNS, longest_side=side))
        if len(picture) <= THUMBNAIL_BYTES:
            break
    url = f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"
    return Thumbnails(url, len(images), groups, *tile_size((images.shape[1], images.shape[2]), side))


def _encoded(sheet: Image.Image) -> tuple[bytes, str]:
    file = io.BytesIO()
    if sheet.mode != "L":
        sheet.save(file, format="JPEG", quality=60)
        return file.getvalue(), "jpeg"
    levels = (np.asarray(sheet, np.uint16) * (_GREYS - 1) + 127) // 255
    picture = Image.fromarray(levels.astype(np.uint8)).convert("P")
    picture.putpalette([level * 255 // (_GREYS - 1) for level in range(_GREYS) for _ in "rgb"])
    picture.save(file, format="PNG", bits=4, optimize=True)
    return file.getvalue(), "png"
