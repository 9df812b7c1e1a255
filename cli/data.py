"""`cl data`: the images that a config would train on."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import ConfigFile, Open, Settings, UsageError, Words

if TYPE_CHECKING:
    from centerloss_core.datasets import Dataset, Split

_EXAMPLES = 3  # of images that come twice


def data(
    words: Words = None,
    config: ConfigFile = None,
    settings: Settings = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="The picture to write, replacing it. Default: data-NAME.png in this folder."
        ),
    ] = None,
    open_: Open = False,
) -> None:
    """Show the images that a config would train on: shape, classes, counts, images that come twice, and a picture.

    The picture has the mean of all training images, then a row for each class: its name, its mean, some of its images;
    last such a row of the test images of unknown classes, if there are any.
    """
    from centerloss_core.config import load_config
    from centerloss_core.datasets import load_dataset
    from centerloss_core.datasets.overview import brightness, counts, sheet
    from centerloss_core.files.atomic import atomic_write
    from centerloss_core.limits import SHEET_CLASSES
    from centerloss_core.training.suited import refuse_unsuited, unexpected

    from . import places
    from .browser import open_in_browser
    from .streams import say, warn
    from .tables import print_table

    if out is not None and out.suffix.lower() != ".png":
        raise UsageError(f"--out {out}: the name must end in .png")
    config, settings = places.asked(words, config, settings)
    resolved = load_config(places.required(config), settings=settings, may_be_a_pipe=True)
    section = resolved.data
    dataset = load_dataset(section)
    height, width, channels = dataset.image_shape
    kind = {1: "grey", 3: "colour"}.get(channels, f"{channels} channels")
    say(f"data:        {section.name}: {dataset.title}, {dataset.source}")
    mean, deviation = brightness(dataset.train)
    say(
        f"images:      {height}×{width} pixels, {kind}; mean {mean:.1f}, standard deviation {deviation:.1f} of 255"
    )
    say(f"classes:     {dataset.num_classes:,}")
    if dataset.excluded is not None:
        counted = ", ".join(f"{count:,} {name}" for name, count in dataset.excluded.items())
        say(f"left out:    {counted} (data.exclude: {section.exclude})")
    unknown = dataset.open_set
    if unknown is not None:
        say(f"unknown:     {unknown.images:,} test images, {unknown.source}")
    say(f"fingerprint: {dataset.fingerprint}\n")
    table = counts(dataset)
    rows = [
        [name, *(f"{each[label]:,}" for each in table.values())]
        for label, name in enumerate(dataset.class_names)
    ]
    others = {"test": 0 if unknown is None else unknown.images}
    if unknown is not None:
        rows.append(["unknown", *(f"{others.get(name, 0):,}" for name in table)])
    rows.append(["all", *(f"{each.sum() + others.get(name, 0):,}" for name, each in table.items())])
    print_table(["class", *table], rows, names=("class",))
    say("")
    _say_twins(dataset)
    for warning in unexpected(resolved, dataset):
        warn(warning)
    path = out or Path(f"data-{section.name}.png")
    with atomic_write(path) as file:
        sheet(dataset.train, dataset.class_names, dataset.test).save(file, format="PNG")
    shown = f", of the first {SHEET_CLASSES} classes" if dataset.num_classes > SHEET_CLASSES else ""
    say(f"picture:     {path}{shown}")
    refuse_unsuited(resolved, dataset)  # after all that shows why
    if open_:
        open_in_browser(path)


def _say_twins(dataset: Dataset) -> None:
    """Say which images come twice, because those that are trained on tell nothing where they are tested on."""
    from centerloss_core.datasets.overview import splits_of
    from centerloss_core.datasets.twins import twins

    from .streams import say

    train, *others = splits_of(dataset).items()
    name, split = train
    found = twins(split)
    say(f"repeated:    {_in_words(found.pairs, found.disagreeing, split, (name, split))}")
    for other in others:
        found = twins(split, other[1])
        say(f"in {other[0]} too: {_in_words(found.pairs, found.disagreeing, split, other)}")


def _in_words(pairs: list[tuple[int, int]], disagreeing: int, first: Split, other: tuple[str, Split]) -> str:
    if not pairs:
        return "none"
    examples = [f"{first.name(here)} = {other[1].name(there)}" for here, there in pairs[:_EXAMPLES]]
    shown = "; ".join([*examples, "…"] if len(pairs) > _EXAMPLES else examples)
    wrong = f", {disagreeing:,} with another label" if disagreeing else ""
    return f"{len(pairs):,} of {len(other[1]):,} {other[0]} images{wrong} ({shown})"
