"""The training of one run: step by step, with evaluation, checkpoints and observers. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

from centerloss_core.config import Config
from centerloss_core.datasets import BatchStream, Dataset, Split
from centerloss_core.errors import Warn
from centerloss_core.interrupts import StopRequest
from centerloss_core.limits import FILM_IMAGES
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.build import build
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.diagnosis import Diagnosis
from centerloss_core.training.evaluation import extract
from centerloss_core.training.interval_log import IntervalLog
from centerloss_core.training.observers import Observers, ProgressReport, Recorder, ShowProgress, StepRecorder
from centerloss_core.training.saving import CheckpointSchedule, SavedState, restore, save
from centerloss_core.training.schedules import scalars_of_step
from centerloss_core.training.tensorboard import Board


def fit(
    config: Config,
    dataset: Dataset,
    run: Run,
    saved: SavedState | None,
    show: ShowProgress | None,
    warn: Warn,
    stop: StopRequest,
) -> dict[str, Any]:
    """Build, train from the start or from `saved`, evaluate; return the `metrics` of `run.json`.

    Raises:
        CheckpointError: `saved` is of another network.
        DivergedError: the loss, the weights or the features became NaN or infinite.
        InterruptedRunError: `stop` was set; the state after the step that was under way is saved.
    """
    # ---- Build ----------------------------------------------------------------------------------------------
    train_step = build(config, dataset)
    train_size = len(dataset.train.labels)
    total_steps = config.train.total_steps(train_size)
    sampler = BatchStream(train_size, config.train.batch_size, config.train.seed)
    schedule = CheckpointSchedule(config.train)
    clock = Stopwatch()
    log = IntervalLog(config.train, train_size, total_steps, clock)
    begin = restore(saved, run, train_step, log, clock, total_steps, warn)
    diagnosis = Diagnosis(config, dataset.num_classes, warn, is_new=not begin)

    def epoch_ends(step: int) -> bool:
        return sampler.completed_epochs(step) > sampler.completed_epochs(step - 1)

    def dump(split: Split, step: int) -> FeatureDump:
        with clock:  # a GPU may still be busy with the last steps
            log.check(step)  # it can name the step; the features that follow cannot
        return extract(train_step.network, train_step.points, split, step)

    def dump_some(step: int) -> FeatureDump:
        return dump(dataset.test.thinned(FILM_IMAGES), step)

    observer = Observers(
        [
            Recorder(run, every_epoch=config.train.dump_every_epoch),  # disk first
            StepRecorder(run, config.train.dump_every, total_steps, dump_some),
            diagnosis,
            *([Board(run, config, dataset, begin)] if config.train.tensorboard else []),
            *([] if show is None else [ProgressReport(show, config.train, train_size, clock)]),
        ]
    )

    def evaluate(step: int) -> dict[str, FeatureDump]:
        """What belongs to the end of an epoch or of the run. It follows from the state, so a resume does it again."""
        if step == total_steps and log.steps:
            observer.on_row(log.closing_row(step, scalars_of_step(config, step - 1, total_steps)))
        dumps = {"test": dump(dataset.test, step)}
        if dataset.validation is not None:
            dumps["validation"] = dump(dataset.validation, step)
        if epoch_ends(step):
            epoch = sampler.completed_epochs(step)
            observer.on_epoch(epoch, step, dumps["test"])
            observer.on_row({"kind": "epoch", "epoch": epoch, "step": step, **_figures(dumps)})
        return dumps

    # ---- Train ----------------------------------------------------------------------------------------------
    # A checkpoint is saved before the evaluation that belongs to its step.
    stop.obey(f"stopped after step {begin} of {total_steps}, before the next")
    if begin and (epoch_ends(begin) or begin == total_steps):
        dumps = evaluate(begin)
    for step in range(begin + 1, total_steps + 1):
        with clock:
            scalars = scalars_of_step(config, step - 1, total_steps)
            figures = train_step(sampler.batch(step - 1), scalars)
            if (row := log.after_step(step, figures, scalars)) is not None:
                observer.on_row(row)
        observer.on_step(step)
        run_ends = step == total_steps
        stopping = stop.signal_number is not None
        if schedule.is_due(step, epoch_ends=epoch_ends(step), run_ends=run_ends) or stopping:
            save(run, train_step, step, dataset.fingerprint, log, clock)
        if stopping:  # a signal that came later is obeyed after a step that is saved
            stop.obey(f"stopped after step {step} of {total_steps}")
        if epoch_ends(step) or run_ends:
            dumps = evaluate(step)
    stop.obey(f"stopped after step {total_steps}, the last, and before the final evaluation")

    # ---- Sum up ---------------------------------------------------------------------------------------------
    dumps["train"] = dump(dataset.train.thinned(config.train.dump_train), total_steps)
    observer.on_end(dumps)
    final = _figures(dumps)
    diagnosis.at_end(
        total_steps,
        sampler.completed_epochs(total_steps),
        final["test"],
        within_epoch=not epoch_ends(total_steps),
    )
    return {
        **final,
        "images_per_second": clock.steps_per_second(total_steps) * config.train.batch_size,
        "training_seconds": clock.seconds,
        "lambda_eq": config.lambda_eq,
    }


def _figures(dumps: dict[str, FeatureDump]) -> dict[str, dict[str, float | None]]:
    return {name: separation(dump).as_dict() for name, dump in dumps.items()}
