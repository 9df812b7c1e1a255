"""How long the rest of a sweep will take, from the points that run or have ended."""

from __future__ import annotations

import heapq
import time
from collections.abc import Sequence
from statistics import fmean, median_low

from centerloss_core.formatting import finite
from centerloss_core.limits import ESTIMATE_SECONDS
from centerloss_core.sweeps.states import PointState


def seconds_left(states: Sequence[PointState]) -> float | None:
    """Seconds until the last point ends; None before any point has told its pace.

    The points that wait begin in their order, each as soon as one that runs has ended. Each takes its images at the
    mean pace, and as long to begin and to end as most of those that were seen doing so.
    """
    running = [state for state in states if state.status == "running"]
    now = {state.point.name: state.progress for state in running}
    paces = [
        progress.images_per_second for progress in now.values() if progress and progress.images_per_second
    ]
    paces = paces or [
        pace
        for state in states
        if state.status == "completed" and (pace := finite(state.summary()["images_per_second"]))
    ]
    if not paces or not running:
        return None
    pace, beside = fmean(paces), _beside_steps(states)
    ends = []
    for state in running:
        progress = now[state.point.name]
        left = None if progress is None else progress.seconds_left
        ends.append(state.images / pace + beside if left is None else left)
    heapq.heapify(ends)
    for state in states:
        if state.status == "waiting":
            heapq.heapreplace(ends, ends[0] + state.images / pace + beside)
    return longest if (longest := max(ends)) < ESTIMATE_SECONDS else None


def _beside_steps(states: Sequence[PointState]) -> float:
    """Seconds that a point takes beside its steps: evaluating and saving; the first of a process also compiles.

    Most are not the first of a process, so half of those known take so long or less.
    """
    known = []
    for state in states:
        if state.status == "completed":
            row = state.summary()
            seconds, pace = finite(row["seconds"]), finite(row["images_per_second"])
            if seconds and pace:
                known.append(seconds - state.images / pace)
    for state in states:
        progress = state.progress if state.status == "running" and not known else None
        if progress and progress.images_per_second and state.running_since is not None:
            steps = progress.step * state.point.config.train.batch_size / progress.images_per_second
            known.append(time.monotonic() - state.running_since - steps)
    return max(0.0, median_low(known)) if known else 0.0
