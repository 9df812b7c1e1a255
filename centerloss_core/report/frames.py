"""Which runs have a panel, and which times are shown: the ends of epochs, and steps of `train.dump_every`.

All runs of a sweep have seen the same test images, so labels are kept once, and the same image has the same index in
every panel: that is what links them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.datasets.arrays import thin
from centerloss_core.formatting import finite
from centerloss_core.limits import FRAME_BYTES, PANELS
from centerloss_core.metrics.recognition import decisions, judges
from centerloss_core.plotting.class_names import merged, places_among
from centerloss_core.plotting.logged import evenly
from centerloss_core.plotting.plane import Plane, project
from centerloss_core.report.reading import Record
from centerloss_core.run_directory.class_points import renamed
from centerloss_core.run_directory.feature_dumps import FeatureDump, FeatureFileError, read_features

_END = float("inf")  # where the final features stand if they are not those of a whole epoch
_LABELS = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Frame:
    """The features of one run at one time.

    Attributes:
        at: its epoch, with a fraction between two, or infinity for the end.
        label: the same in words.
        dump: the features.
        images: which of the images of the newest features they are of; None for all.
    """

    at: float
    label: str
    dump: FeatureDump
    images: NDArray[np.intp] | None = None

    @cached_property
    def predicted(self) -> dict[str, _LABELS]:
        """The class of each image by "softmax" and "nearest_center", where the run has them; else by "nearest_mean".

        The page cannot find the nearest center itself: its coordinates are rounded, and it has two of them at most.
        """
        return judges(decisions(self.dump))


@dataclass
class Panel:
    """One run's scatter, earliest frame first; `group` is the index of its labels in `Shown`."""

    record: Record
    frames: list[Frame]
    group: int = 0

    @property
    def last(self) -> Frame:
        return self.frames[-1]

    @cached_property
    def plane(self) -> Plane:
        """Of the newest features."""
        return project(self.last.dump)

    @property
    def is_space(self) -> bool:
        """Whether there are three features, which the page turns."""
        return bool(self.last.dump.features.shape[1] == 3)

    @property
    def classes(self) -> int:
        """How many classes the run knows."""
        return max(self.last.dump.classes_seen(), len(self.record.run.class_names))

    @property
    def class_names(self) -> list[str]:
        names = self.record.run.class_names
        return [*names, *map(str, range(len(names), self.classes))]


@dataclass
class Shown:
    """What the panels show."""

    panels: list[Panel] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)  # of the slider
    times: list[str] = field(default_factory=list)  # the same in words
    groups: list[_LABELS] = field(default_factory=list)  # the labels of each set of test images, mostly one
    notes: list[str] = field(default_factory=list)  # what was left out

    @property
    def kinds(self) -> list[str]:
        """What the points of the classes are, in any panel."""
        kinds = (panel.last.dump.centers_kind for panel in self.panels)
        return list(dict.fromkeys(kind for kind in kinds if kind))

    @property
    def judges(self) -> dict[str, str]:
        """What decides on the class of an image in any panel, and its name: `nearest prototype`."""
        found = dict.fromkeys(judge for panel in self.panels for judge in panel.last.predicted)
        return {judge: renamed(judge.replace("_", " "), self.kinds) for judge in found}

    @property
    def names(self) -> tuple[str, ...]:
        """Of all classes that some panel knows, each of which has one colour."""
        return (
            merged([panel.class_names for panel in self.panels], self._original_names) if self.panels else ()
        )

    @property
    def colors(self) -> list[str]:
        """Of each of `names`, as figures have them."""
        from centerloss_core.plotting.style import CLASS_COLORS, class_colors  # loads matplotlib

        names = self.names
        return class_colors(len(names), places_among(names, self._original_names, len(CLASS_COLORS)))

    @property
    def _original_names(self) -> list[str]:
        return list(
            dict.fromkeys(name for panel in self.panels for name in panel.record.run.original_class_names)
        )

    @property
    def originals(self) -> list[_LABELS | None]:
        """The original labels of each set of test images; None where all classes are known."""
        first = {panel.group: panel.last.dump.original_labels for panel in reversed(self.panels)}
        return [first[group] for group in range(len(self.groups))]

    @property
    def has_unknown(self) -> bool:
        """Whether some images are of unknown classes."""
        return any((labels < 0).any() for labels in self.groups)

    def class_names(self, group: int) -> list[str]:
        """The names of the classes of a group: those of the panel that knows most."""
        members = [panel for panel in self.panels if panel.group == group]
        return max(members, key=lambda each: (each.classes, len(each.record.run.class_names))).class_names


def choose_frames(records: Sequence[Record], budget: int = FRAME_BYTES) -> Shown:
    """Read the test features of all runs that have some, at as many times as the budget allows.

    Raises:
        FeatureFileError: the newest dump of the only run is damaged. Of several runs, that one is left out.
    """
    shown = Shown()
    found = []
    for record in records:
        try:
            last = _last_frame(record)
        except FeatureFileError as error:
            if len(records) == 1:
                raise
            record.problems.append(str(error))
            continue
        if last is not None:
            found.append((record, last))
    if not found:
        return shown
    costs = list(accumulate(_cost(last.dump) for _, last in found))
    most = max(1, sum(cost <= budget for cost in costs[:PANELS]))
    if most < len(found):
        shown.notes.append(
            f"{most} of {len(found)} runs {'has' if most == 1 else 'have'} a panel, to keep the file small; "
            "all are in the tables. A report of a single run shows its own."
        )
    found = found[:most]
    earlier = [_earlier_dumps(record, last) for record, last in found]
    stops = sorted({last.at for _, last in found} | {at for dumps in earlier for at in dumps})
    shown.stops = evenly(stops, max(1, budget // costs[most - 1]))
    if len(shown.stops) < len(stops):
        shown.notes.append(
            f"The slider stops at {len(shown.stops)} of {len(stops)} times, evenly spread, to keep the file small."
        )
    for (record, last), dumps in zip(found, earlier, strict=True):
        frames = [*_earlier_frames(record, last, dumps, shown.stops), last]
        shown.panels.append(Panel(record, frames, _group(shown.groups, last.dump.labels)))
    shown.times = ["the end" if at == _END else f"epoch {round(at, 2):g}" for at in shown.stops]
    return shown


def _last_frame(record: Record) -> Frame | None:
    """The final features, or those of the newest epoch of a run that is not completed."""
    snapshot = record.run.snapshot("test") if record.run.manifest else None
    if snapshot is None:
        return None
    if snapshot.epoch is not None:
        return Frame(snapshot.epoch, f"epoch {snapshot.epoch}", snapshot.dump)
    epochs = record.run.epoch_dumps("test")
    newest = max(epochs, default=None)
    if newest is not None and _same(snapshot.dump, read_features(epochs[newest])):
        return Frame(newest, f"epoch {newest}, final", snapshot.dump)
    return Frame(_END, "final", snapshot.dump)


def _earlier_dumps(record: Record, last: Frame) -> dict[float, tuple[str, Path]]:
    """The label and the path of each, by epoch, ascending; at the end of an epoch the dump of all images."""
    run, epochs = record.run, record.run.epoch_dumps("test")
    steps = {step: path for step, path in run.step_dumps("test").items() if step != run.steps}
    batch, images = finite(run.settings.get("train.batch_size")), finite(run.data.get("train"))
    found = {
        step * batch / images: (f"step {step:,}", path) for step, path in steps.items() if batch and images
    }
    found |= {float(epoch): (f"epoch {epoch}", path) for epoch, path in epochs.items()}
    return {at: found[at] for at in sorted(found) if at < last.at}


def _earlier_frames(
    record: Record, last: Frame, dumps: dict[float, tuple[str, Path]], stops: Sequence[float]
) -> Iterator[Frame]:
    """Those at the stops of the slider; one that is damaged or of other images is left out, with a note."""
    for at, (label, path) in dumps.items():
        if at not in stops:
            continue
        try:
            dump = read_features(path)
        except FeatureFileError as error:
            record.problems.append(str(error))
            continue
        labels = last.dump.labels
        some = thin(labels, len(dump.labels)) if 0 < len(dump.labels) < len(labels) else None
        if np.array_equal(dump.labels, labels if some is None else labels[some]):
            yield Frame(at, label, dump, some)
        else:
            record.problems.append(f"{path}: its labels are not those of the newest features; it is left out")


def _same(first: FeatureDump, second: FeatureDump) -> bool:
    names = ("features", "labels", "predictions", "centers")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def _cost(dump: FeatureDump) -> int:
    """About how many bytes a frame takes."""
    classes = dump.classes_seen()
    judges = (1 if dump.centers is None else 2) * np.min_scalar_type(-classes).itemsize
    coordinates = 3 if dump.features.shape[1] == 3 else 2
    steps = 2 * (coordinates + needs_distances(dump))
    return len(dump.labels) * (steps + judges) * 4 // 3 + 40 * classes + 600


def needs_distances(dump: FeatureDump) -> bool:
    """In the plane itself, the page works them out from the points."""
    return dump.centers is not None and bool(dump.features.shape[1] != 2)


def _group(groups: list[_LABELS], labels: _LABELS) -> int:
    for index, known in enumerate(groups):
        if np.array_equal(known, labels):
            return index
    groups.append(labels)
    return len(groups) - 1
