"""What `report.js` unpacks: points and predictions in few bytes.

A coordinate is kept as a step out of 65,535 between the smallest and the largest of its axis, which no screen can
tell from the number itself.
"""

import base64
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from centerloss_core.plotting.plane import project, turn_to_axes
from centerloss_core.report.frames import Frame, Panel, Shown, needs_distances
from centerloss_core.report.thumbnails import Thumbnails
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.feature_dumps import FeatureDump

_STEPS = 65_535  # also in report.js


def payload(shown: Shown, images: Thumbnails | None) -> dict[str, Any]:
    """The times, the labels of the images, the points of each panel, and how the picture of images is laid out."""
    groups = []
    for index, labels in enumerate(shown.groups):
        names = shown.class_names(index)
        groups.append({"labels": _packed(as_classes(labels, len(names))), "names": names})
    tiles = {key: value for key, value in asdict(images).items() if key != "url"} if images else None
    panels = [_panel(panel, shown.stops) for panel in shown.panels]
    return {
        "times": shown.times,
        "groups": groups,
        "panels": panels,
        "images": tiles,
        "judges": shown.judges,
        "point": word_of(*shown.kinds),
    }


def _panel(panel: Panel, stops: Sequence[float]) -> dict[str, Any]:
    last = panel.last.dump
    return {
        "label": panel.record.label,
        "group": panel.group,
        "isometric": panel.plane.isometric,
        "judges": list(panel.last.predicted),
        "point": word_of(last.centers_kind),
        "frames": [_frame(frame, panel, stops) for frame in panel.frames],
    }


def _packed(values: NDArray[Any]) -> dict[str, str]:
    raw = np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<")).tobytes()  # as in every browser
    return {"type": values.dtype.name, "data": base64.b64encode(raw).decode("ascii")}


def as_classes(values: NDArray[Any], classes: int) -> NDArray[Any]:
    """Classes in the smallest type that holds them, and −1."""
    return values.astype(np.min_scalar_type(-classes))


def own_center_distances(dump: FeatureDump) -> NDArray[np.float64]:
    """The distance of each feature to the center of its label, in all dimensions; 0 for an unknown class."""
    difference = dump.features.astype(np.float64) - dump.points.astype(np.float64)[dump.labels]
    distances: NDArray[np.float64] = np.linalg.norm(difference, axis=1)
    return np.where(dump.labels < 0, 0.0, distances)


def _frame(frame: Frame, panel: Panel, stops: Sequence[float]) -> dict[str, Any]:
    dump, last = frame.dump, panel.last.dump
    # Principal components of each epoch's own would turn the picture from stop to stop.
    if panel.is_space:
        points, centers = turn_to_axes(dump, reference=last)
    else:
        plane = project(dump, reference=last)
        points, centers = plane.points, plane.centers
    content: dict[str, Any] = {
        # The first stop of the slider that shows it.
        "at": next((index for index, stop in enumerate(stops) if stop >= frame.at), len(stops) - 1),
        "label": frame.label,
        "centers": centers.tolist(),
        "predicted": {
            judge: _packed(as_classes(each, panel.classes)) for judge, each in frame.predicted.items()
        },
    }
    if frame.images is not None:
        content["images"] = _packed(frame.images.astype(np.int32))
    for axis, values in zip("xyz", points.T, strict=False):  # z of three features alone
        content[axis] = _steps(values)
    if needs_distances(dump):
        content["distances"] = _steps(own_center_distances(dump))
    return content


def _steps(values: NDArray[np.float64]) -> dict[str, Any]:
    low, high = float(values.min()), float(values.max())
    scale = (high - low) / _STEPS
    steps = np.rint((values - low) / scale) if scale > 0 else np.zeros(len(values))
    return {"low": low, "scale": scale, **_packed(np.minimum(steps, _STEPS).astype(np.uint16))}
