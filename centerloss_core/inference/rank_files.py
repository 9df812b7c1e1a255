"""What `cl rank` leaves: a table, a list of suspects, and pictures."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from centerloss_core.config.problems import shortened
from centerloss_core.datasets.contact_sheet import DARK, median
from centerloss_core.datasets.exclusion import Exclusion
from centerloss_core.datasets.stored import images_at
from centerloss_core.files.atomic import atomic_write
from centerloss_core.inference.rank import Ranking
from centerloss_core.limits import RANKED_TILES, SHEET_CLASSES

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from centerloss_core.plotting.image_sheet import Tile

TABLE, SUSPECTS = "rank.csv", "suspects.txt"
PICTURES = ("farthest.png", "typical.png", "suspects.png")
COLUMNS = ("rank", "image", "label", "predicted", "nearest_other", "distance", "margin", "loss")
_ACROSS, _TYPICAL = 12, 10  # images side by side: of a list, of a class
_FARTHEST = 120  # images
_LONGEST_NAME, _LONGEST_LINE = (
    14,
    12,
)  # characters of a class in a picture, and of a line that has several things


def write_ranking(
    ranking: Ranking, folder: Path, *, note: Callable[[str], None] = lambda _: None
) -> list[Path]:
    """Write rank.csv, suspects.txt, farthest.png, suspects.png and typical.png, replacing earlier ones.

    Args:
        ranking: of a run.
        folder: made where it is missing.
        note: called with what the pictures lack: letters of class names that no font has.

    Returns:
        The files, that of the suspects last; without suspects there is no picture of them.

    Raises:
        OSError: a file cannot be written.
    """
    from centerloss_core.plotting.letters import lacking_letters_told

    folder.mkdir(parents=True, exist_ok=True)
    content = {TABLE: _table(ranking), SUSPECTS: _list(ranking)}
    with lacking_letters_told(note):
        content |= {name: _png(figure) for name, figure in _pictures(ranking).items()}
    for name in PICTURES:
        if name not in content:
            (folder / name).unlink(missing_ok=True)  # of another order
    for name, written in content.items():
        with atomic_write(folder / name) as file:
            file.write(written)
    return [folder / name for name in content]


def row_of(ranking: Ranking, place: int, digits: str = ".9g") -> dict[str, str]:
    """The row of the image in this place of the order, from 0, by `COLUMNS`; the loss is empty without logits."""
    index, fit, names = int(ranking.order[place]), ranking.fit, ranking.class_names
    values = (
        str(place + 1),
        ranking.images.name(index),
        names[ranking.images.labels[index]],
        names[fit.predicted[index]],
        names[fit.other[index]],
        format(fit.distance[index], digits),
        format(fit.margin[index], digits),
        "" if fit.loss is None else format(fit.loss[index], digits),
    )
    return dict(zip(COLUMNS, values, strict=True))


def _table(ranking: Ranking) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(row_of(ranking, place) for place in range(len(ranking.order)))
    return text.getvalue().encode(errors="surrogateescape")


def _list(ranking: Ranking) -> bytes:
    by_loss, names = ranking.by == "loss", ranking.class_names
    why = (
        "that the head gives another class" if by_loss else f"nearer to the {ranking.points} of another class"
    )
    lines = [
        f"# {len(ranking.suspects)} of {len(ranking.order)} {ranking.split} images {why}, by {ranking.by}, as in "
        "suspects.png.",
        "# Take out the lines of images that are right; data.exclude leaves the others out.",
    ]
    others = ranking.fit.predicted if by_loss else ranking.fit.other
    word = "looks like" if by_loss else "nearer to"
    for index in ranking.suspects:
        label, other = names[ranking.images.labels[index]], names[others[index]]
        lines.append(f"{ranking.images.name(index)}\tlabelled {label}, {word} {other}")
    earlier = ranking.run.config().data.exclude
    if earlier is not None:  # this list takes the place of that one
        lines += [f"# Left out of this run already, by {earlier}:", *Exclusion.read(Path(earlier)).lines]
    return ("\n".join(lines) + "\n").encode(errors="surrogateescape")


# ---- Pictures -----------------------------------------------------------------------------------------------


def _pictures(ranking: Ranking) -> dict[str, Figure]:
    from centerloss_core.plotting.image_sheet import image_sheet

    what, fit = f"{ranking.run.name}, {ranking.split}", ranking.fit
    unit = "1 − cosine" if ranking.run.is_angular else "distance"
    first = "Below each: label → predicted class, where that is another"
    about = f"{unit} to the {ranking.points} of the label · to that of the nearest other class."
    images = ranking.images.images
    inverted = images.shape[3] == 1 and median(images_at(images, slice(1000))) < DARK
    farthest = np.argsort(-fit.distance, kind="stable")[:_FARTHEST]
    labels = range(min(len(ranking.class_names), SHEET_CLASSES))
    by_class = {label: ranking.typical(label, _TYPICAL) for label in labels}
    there = {label: members for label, members in by_class.items() if len(members)}
    pictures = {
        "farthest.png": image_sheet(
            _rows([_tile(ranking, *each) for each in enumerate(farthest, 1)]),
            f"{what}: the {len(farthest):,} images that are farthest from the {ranking.points} of their class",
            f"{first}; {about}",
            inverted=inverted,
        ),
        "typical.png": image_sheet(
            [[_tile(ranking, 0, index) for index in members] for members in there.values()],
            f"{what}: the images that are nearest to the {ranking.points} of their class",
            f"{first}; {about}",
            heads=[_short(ranking.class_names[label]) for label in there],
            inverted=inverted,
        ),
    }
    if count := len(ranking.suspects):
        shown = ranking.suspects[:RANKED_TILES]
        why = "given another class by the head" if ranking.by == "loss" else "nearer to another class"
        part = f"the first {len(shown):,} of " if count > len(shown) else ""
        pictures["suspects.png"] = image_sheet(
            _rows([_tile(ranking, *each, says_other=True) for each in enumerate(shown, 1)]),
            f"{what}: {part}{count:,} images {why}, which may have a wrong label, by {ranking.by}",
            f"{first}; near: the nearest other class, where that is not the predicted one; {about}",
            inverted=inverted,
        )
    return pictures


def _rows(tiles: list[Tile]) -> list[list[Tile]]:
    return [tiles[start : start + _ACROSS] for start in range(0, len(tiles), _ACROSS)]


def _tile(ranking: Ranking, number: int, index: int, *, says_other: bool = False) -> Tile:
    """An image with its number in a list, if it has one; `says_other`: of which class it is nearer, in any case."""
    from centerloss_core.plotting.image_sheet import Tile

    fit, label = ranking.fit, int(ranking.images.labels[index])
    predicted, other = int(fit.predicted[index]), int(fit.other[index])
    own, *others = (_short(ranking.class_names[each]) for each in (label, predicted, other))
    words = [f"→ {others[0]}"] if predicted != label else []
    if says_other and predicted != other:
        words.append(f"near {others[1]}")
    lines = [own, *words]
    if len(" ".join(lines)) <= _LONGEST_LINE:
        lines = [" ".join(lines)]
    distances = f"{fit.distance[index]:.3g} · {fit.other_distance[index]:.3g}"
    corner = str(number) if number else ""
    return Tile(ranking.images.images[index], (*lines, distances), corner, predicted != label)


def _short(name: str) -> str:
    return shortened(name, _LONGEST_NAME)


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi, metadata={"Software": None})
    return file.getvalue()
