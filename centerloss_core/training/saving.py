"""When a run's state is saved, and from which saved state a run resumes."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

from centerloss_core.config import Train, load_config
from centerloss_core.errors import Warn
from centerloss_core.run_directory.checkpoints import (
    CheckpointError,
    DamagedCheckpointError,
    Position,
    read_config_text,
    read_position,
    verify_checkpoint,
)
from centerloss_core.run_directory.names import CONFIG, checkpoints
from centerloss_core.run_directory.resume_check import (
    refuse_another_config,
    refuse_other_data,
    with_length_of,
)
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.initial import recorded_initial
from centerloss_core.training.interval_log import IntervalLog
from centerloss_core.training.state import begin_with, restore_state, state_of
from centerloss_core.training.step import TrainStep


class CheckpointSchedule:
    """Says after which steps a checkpoint is due: by count or by epoch, and by the clock."""

    def __init__(self, train: Train) -> None:
        self._train = train
        self._last = time.monotonic()

    def is_due(self, step: int, *, epoch_ends: bool, run_ends: bool) -> bool:
        """Whether to save after step number `step`."""
        every, seconds = self._train.checkpoint_every, self._train.checkpoint_seconds
        by_count = epoch_ends if every is None else step % every == 0
        by_count |= epoch_ends and self._train.keep_best is not None  # it may be the best
        by_clock = seconds is not None and time.monotonic() - self._last >= seconds
        due = by_count or by_clock or run_ends
        if due:
            self._last = time.monotonic()
        return due


def save(run: Run, train_step: TrainStep, step: int, data: str, log: IntervalLog, clock: Stopwatch) -> None:
    """Write a checkpoint of the state after `step` steps.

    Raises:
        DivergedError: there is a NaN or infinity in it; earlier checkpoints stay.
        ReplacedError: the run's directory is another one now.
        OSError: it could not be written, or there is one already; earlier checkpoints stay.
    """
    log.check(step)
    position = Position(
        step=step,
        data=data,
        metrics_bytes=run.metrics_bytes(),
        interval_steps=log.steps,
        interval_sums=log.sums,
        seconds=clock.seconds,
        warm_up_seconds=clock.warm_up_seconds,
        sessions=clock.sessions,
        interval_began=log.began,
    )
    run.write_checkpoint(state_of(train_step, step), position)


@dataclass(frozen=True)
class SavedState:
    """A checkpoint that is whole and belongs to its run."""

    path: Path
    position: Position


def find_saved_state(run: Run, data: str, warn: Warn) -> SavedState | None:
    """The newest whole checkpoint, or None where there is none. A damaged one is put aside, with a warning.

    Args:
        run: the run to resume.
        data: fingerprint of the data as it is now.
        warn: called with each warning.

    Raises:
        CheckpointError: it is whole, but no checkpoint of this program.
        ChangedError: the config or the data is not the one that the checkpoint was saved with.
    """
    path = _newest_whole(run, warn)
    if path is None:
        return None
    position = read_position(path)
    if read_config_text(path) != run.config_text():
        begun, now = load_config(path / CONFIG), load_config(run.path / CONFIG)
        if now.spans_the_run is None:
            now = with_length_of(now, begun)
        what = f"{run.path / CONFIG} was changed after {path.name} was saved; a run resumes as it was begun"
        refuse_another_config(begun, now, what)
    refuse_other_data(run.path, position.data, data)
    return SavedState(path, position)


def _newest_whole(run: Run, warn: Warn) -> Path | None:
    damaged = False
    for path in reversed(checkpoints(run.path)):
        try:
            verify_checkpoint(path)
        except DamagedCheckpointError as error:
            aside = run.put_aside(path)
            warn(f"{error}; it is called {aside.name} now and left alone")
            damaged = True
            continue
        if damaged:
            warn(f"resuming from the checkpoint before, {path.name}")
        return path
    if damaged:
        warn("no whole checkpoint is left: the run begins anew")
    return None


def restore(
    saved: SavedState | None,
    run: Run,
    train_step: TrainStep,
    log: IntervalLog,
    clock: Stopwatch,
    total_steps: int,
    warn: Warn,
) -> int:
    """Put the training step, its log, the clock and `metrics.jsonl` to where training starts or resumes.

    Returns:
        The steps taken by then.

    Raises:
        CheckpointError: its arrays are not those of this network, or the checkpoint of another run that this one
            begins with cannot be used; nothing is changed then.
    """
    if saved is None:
        run.forget_rows_after(0)  # of a run that was killed before its first checkpoint
        if initial := run.manifest.get("init"):
            checkpoint = recorded_initial(initial)
            if not begin_with(checkpoint, train_step):
                warn(f"{checkpoint} has no variables of the loss term: they begin as in a new run")
        return 0
    position = saved.position
    if position.step > total_steps:
        raise CheckpointError(f"{saved.path}: is of step {position.step}, but the run has {total_steps}")
    restore_state(saved.path, train_step)
    clock.resume(position.seconds, position.warm_up_seconds, position.sessions)
    log.steps, log.sums, log.began = position.interval_steps, position.interval_sums, position.interval_began
    if not run.forget_rows_after(position.metrics_bytes):
        warn(
            "metrics.jsonl lacks rows from before the checkpoint; the weights are whole, and the run resumes"
        )
    return position.step
