"""Which epochs are shown, and their points in few bytes.

A coordinate is kept as a step out of 65,535 between the smallest and the largest of its axis, which no screen can
tell from the number itself. All runs of a sweep have seen the same test images, so labels are kept once, and the
same image has the same index in every panel: that is what links them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.limits import FRAME_BYTES, PANELS
from centerloss_core.metrics.distances import nearest
from centerloss_core.plotting.plane import project
from centerloss_core.report.reading import Record
from centerloss_core.run_directory.feature_dumps import FeatureDump, FeatureFileError, read_features

_STEPS = 65_535
_END = float("inf")  # where the final features stand if they are not those of a whole epoch
_LABELS = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Frame:
    """The features of one run at one time; `at` is its epoch, or infinity for the end."""

    at: float
    label: str
    dump: FeatureDump

    @cached_property
    def predicted(self) -> dict[str, _LABELS]:
        """The class of each image by "softmax", and by the "nearest_center" where there are centers.

        The page cannot find the nearest center itself: its coordinates are rounded, and it has two of them at most.
        """
        dump = self.dump
        if dump.centers is None:
            return {"softmax": dump.predictions}
        by_center = nearest(dump.features.astype(np.float64), dump.centers)
        return {"softmax": dump.predictions, "nearest_center": by_center}


@dataclass
class Panel:
    """One run's scatter, earliest frame first; `group` is the index of its labels in `Shown`."""

    record: Record
    frames: list[Frame]
    group: int = 0

    @property
    def last(self) -> Frame:
        return self.frames[-1]

    @property
    def classes(self) -> int:
        """How many classes the run knows."""
        return max(_classes(self.last.dump), len(self.record.run.class_names))

    @property
    def class_names(self) -> list[str]:
        names = self.record.run.class_names
        return [*names, *map(str, range(len(names), self.classes))]


@dataclass
class Shown:
    """What the panels show.

    Attributes:
        times: the stops of the slider, in words.
        groups: the labels of each set of test images; there is one, unless runs were mixed by hand.
        notes: what was left out.
    """

    panels: list[Panel] = field(default_factory=list)
    stops: list[float] = field(default_factory=list)
    times: list[str] = field(default_factory=list)
    groups: list[_LABELS] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def class_names(self, group: int) -> list[str]:
        """The names of the classes of a group: those of the panel that knows most."""
        members = [panel for panel in self.panels if panel.group == group]
        return max(members, key=lambda each: (each.classes, len(each.record.run.class_names))).class_names


def choose_frames(records: Sequence[Record], budget: int = FRAME_BYTES) -> Shown:
    """Read the test features of all runs that have some, as many epochs of them as the budget allows.

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
    if len(found) > PANELS:
        shown.notes.append(
            f"The first {PANELS} of {len(found)} runs have a panel; all are in the tables. "
            "A report of a single run shows its own."
        )
    found = _within_budget(found[:PANELS], budget, shown.notes)
    if not found:
        return shown
    cost = sum(_cost(last.dump) for _, last in found)
    earlier = [_earlier_paths(record, last) for record, last in found]
    stops = sorted({last.at for _, last in found} | {at for paths in earlier for at in paths})
    shown.stops = _thinned(stops, max(1, budget // cost))
    if len(shown.stops) < len(stops):
        shown.notes.append(
            f"The slider stops at {len(shown.stops)} of {len(stops)} epochs, evenly spread, to keep the file small."
        )
    for (record, last), paths in zip(found, earlier, strict=True):
        frames = [*_earlier_frames(record, last, paths, shown.stops), last]
        shown.panels.append(Panel(record, frames, _group(shown.groups, last.dump.labels)))
    shown.times = ["the end" if at == _END else f"epoch {at:g}" for at in shown.stops]
    return shown


# ---- As JSON ------------------------------------------------------------------------------------------------


def as_payload(panel: Panel, stops: Sequence[float]) -> dict[str, Any]:
    """A panel as JSON; `at` of a frame is the first stop of the slider that shows it."""
    last = panel.last.dump
    return {
        "label": panel.record.label,
        "group": panel.group,
        "isometric": project(last).isometric,
        "judges": list(panel.last.predicted),
        "frames": [_frame_payload(frame, last, stops, panel.classes) for frame in panel.frames],
    }


def packed(values: NDArray[Any]) -> dict[str, str]:
    """An array that `report.js` unpacks; numbers are little-endian, as in every browser."""
    raw = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()
    return {"type": values.dtype.name, "data": base64.b64encode(raw).decode("ascii")}


def as_classes(values: _LABELS, classes: int) -> NDArray[Any]:
    """Classes in the smallest type that holds them, and −1."""
    return values.astype(np.min_scalar_type(-classes))


def own_center_distances(dump: FeatureDump) -> NDArray[np.float64]:
    """The distance of each feature to the center of its label, in all dimensions; 0 for an unknown class."""
    if dump.centers is None:
        return np.zeros(len(dump.labels))
    difference = dump.features.astype(np.float64) - dump.centers.astype(np.float64)[dump.labels]
    distances: NDArray[np.float64] = np.linalg.norm(difference, axis=1)
    return np.where(dump.labels < 0, 0.0, distances)


def _frame_payload(frame: Frame, last: FeatureDump, stops: Sequence[float], classes: int) -> dict[str, Any]:
    dump = frame.dump
    # Principal components of each epoch's own would turn the picture from stop to stop.
    plane = project(dump, reference=last)
    content: dict[str, Any] = {
        "at": next((index for index, stop in enumerate(stops) if stop >= frame.at), len(stops) - 1),
        "label": frame.label,
        "centers": [] if dump.centers is None else [[float(x), float(y)] for x, y in plane.centers],
        "predicted": {judge: packed(as_classes(each, classes)) for judge, each in frame.predicted.items()},
    }
    for axis, values in zip("xy", plane.points.T, strict=True):
        content[axis] = _steps(values)
    if _needs_distances(dump):
        content["distances"] = _steps(own_center_distances(dump))
    return content


def _needs_distances(dump: FeatureDump) -> bool:
    """In the plane itself, the page works them out from the points."""
    return dump.centers is not None and bool(dump.features.shape[1] != 2)


def _steps(values: NDArray[np.float64]) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / _STEPS
    steps = np.rint((values - low) / scale) if scale > 0 else np.zeros(len(values))
    return {"low": low, "scale": scale, **packed(np.minimum(steps, _STEPS).astype(np.uint16))}


# ---- From the directory -------------------------------------------------------------------------------------


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


def _earlier_paths(record: Record, last: Frame) -> dict[float, Path]:
    found = record.run.epoch_dumps("test").items()
    return {float(epoch): path for epoch, path in found if epoch < last.at}


def _earlier_frames(
    record: Record, last: Frame, paths: dict[float, Path], stops: Sequence[float]
) -> Iterator[Frame]:
    """The epochs at the stops of the slider; one that is damaged or of other images is left out, with a note."""
    for at, path in paths.items():
        if at not in stops:
            continue
        try:
            dump = read_features(path)
        except FeatureFileError as error:
            record.problems.append(str(error))
            continue
        if np.array_equal(dump.labels, last.dump.labels):
            yield Frame(at, f"epoch {at:g}", dump)
        else:
            record.problems.append(f"{path}: its labels are not those of the newest features; it is left out")


def _same(first: FeatureDump, second: FeatureDump) -> bool:
    names = ("features", "labels", "predictions", "centers")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def _cost(dump: FeatureDump) -> int:
    """About how many bytes a frame takes."""
    classes = _classes(dump)
    judges = (1 if dump.centers is None else 2) * np.min_scalar_type(-classes).itemsize
    steps = 2 * (3 if _needs_distances(dump) else 2)
    return len(dump.labels) * (steps + judges) * 4 // 3 + 40 * classes + 600


def _classes(dump: FeatureDump) -> int:
    points = 0 if dump.centers is None else len(dump.centers)
    return max(points, 1 + int(dump.labels.max()), 1 + int(dump.predictions.max()))


def _within_budget(
    found: list[tuple[Record, Frame]], budget: int, notes: list[str]
) -> list[tuple[Record, Frame]]:
    """As many runs as fit with one frame each; the first always does."""
    kept: list[tuple[Record, Frame]] = []
    spent = 0
    for record, last in found:
        spent += _cost(last.dump)
        if kept and spent > budget:
            break
        kept.append((record, last))
    if len(kept) < len(found):
        which = f"first {len(kept)} of {len(found)} runs have"
        if len(kept) == 1:
            which = f"first of {len(found)} runs alone has"
        notes.append(f"The {which} a panel, to keep the file small.")
    return kept


def _thinned(stops: Sequence[float], most: int) -> list[float]:
    """At most `most` of the stops, evenly spread; the last is always one, the first wherever there are two."""
    if len(stops) <= most:
        return list(stops)
    if most == 1:
        return [stops[-1]]
    chosen = {round(index * (len(stops) - 1) / (most - 1)) for index in range(most)}
    return [stops[index] for index in sorted(chosen)]


def _group(groups: list[_LABELS], labels: _LABELS) -> int:
    for index, known in enumerate(groups):
        if np.array_equal(known, labels):
            return index
    groups.append(labels)
    return len(groups) - 1
