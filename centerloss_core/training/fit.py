"""The training of one run: step by step, with evaluation, checkpoints and observers. Importing this imports Keras."""

from __future__ import annotations

from typing import Any

from centerloss_core.config import Config
from centerloss_core.datasets import Dataset, sampler_of
from centerloss_core.errors import Warn
from centerloss_core.interrupts import StopRequest
from centerloss_core.metrics.thresholds import thresholds_of
from centerloss_core.networks import BuildNetwork
from centerloss_core.run_directory.history import has_rows, read_history
from centerloss_core.run_directory.progress import Progress
from centerloss_core.run_directory.reader import RunRecord
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.best import Best
from centerloss_core.training.clock import Stopwatch
from centerloss_core.training.diagnosis import Diagnosis
from centerloss_core.training.evaluator import Evaluator, figures_of
from centerloss_core.training.feed import Feed
from centerloss_core.training.interval_log import IntervalLog
from centerloss_core.training.observers import Observers, ProgressReport, Recorder, ShowProgress, StepRecorder
from centerloss_core.training.pace import Pace
from centerloss_core.training.reuse import train_step_for
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
    network: BuildNetwork | None = None,
) -> dict[str, Any]:
    """Build, train from the start or from `saved`, evaluate; return the `metrics` of `run.json`.

    Raises:
        CheckpointError: `saved` is of another network.
        NetworkError: `network`, which takes the place of the config's, makes none that can be trained.
        DivergedError: the loss, the weights or the features became NaN or infinite.
        InterruptedRunError: `stop` was set; the state after the step that was under way is saved.
    """
    # ---- Build ----------------------------------------------------------------------------------------------
    train_step = train_step_for(config, dataset, network)
    train_size = len(dataset.train.labels)
    total_steps = config.train.total_steps(train_size)
    sampler = sampler_of(config.train, dataset)
    schedule = CheckpointSchedule(config.train)
    clock = Stopwatch()
    log = IntervalLog(config.train, train_size, total_steps, clock)
    begin = restore(saved, run, train_step, log, clock, total_steps, warn)
    best = Best(run, config.train)
    diagnosis = Diagnosis(
        config,
        dataset.num_classes,
        warn,
        is_new=not begin,
        earlier=read_history(run.path, {}).steps if has_rows(run.path) else (),
    )
    observer = Observers()

    evaluator = Evaluator(config, dataset, train_step, sampler, total_steps, log, clock, observer)
    pace = Pace(
        train_step.most,
        lambda step: (
            step == total_steps
            or step % config.train.log_every == 0
            or evaluator.epoch_ends(step)
            or any(
                every and step % every == 0
                for every in (config.train.checkpoint_every, config.train.dump_every)
            )
        ),
    )
    observer += [
        Recorder(run, every_epoch=config.train.dump_every_epoch),  # disk first
        StepRecorder(run, config.train.dump_every, total_steps, evaluator.dump_some),
        best,
        diagnosis,
        *([Board(run, config, dataset, begin)] if config.train.tensorboard else []),
        ProgressReport(_telling(run, show), config.train, train_size, clock),
    ]

    # ---- Train ----------------------------------------------------------------------------------------------
    # A checkpoint is saved before the evaluation that belongs to its step.
    stop.obey(f"stopped after step {begin} of {total_steps}, before the next")
    step = begin
    if evaluator.is_due(step):
        dumps = evaluator.evaluate(step)
    streamed = dataset.train if train_step.is_streamed else None  # else the step has them
    with Feed(sampler, streamed, range(step, total_steps), train_step.most) as feed:
        while step < total_steps and not best.is_over:
            numbers = range(step, step + pace.steps_after(step))
            with clock:
                scalars = [scalars_of_step(config, number, total_steps) for number in numbers]
                figures = train_step.take(feed.take(numbers), scalars)
                step = numbers.stop
                row = log.after_steps(step, len(numbers), figures, scalars[-1])
            pace.note(len(numbers), clock.last_seconds)
            if step == begin + 1:
                _note_program(run, train_step.fingerprint, warn)
            if row is not None:
                observer.on_row(row)
            observer.on_step(step)
            stopping = stop.signal_number is not None
            if (
                schedule.is_due(step, epoch_ends=evaluator.epoch_ends(step), run_ends=step == total_steps)
                or stopping
            ):
                save(run, train_step, step, dataset.fingerprint, log, clock)
            if stopping:  # a signal that came later is obeyed after a step that is saved
                stop.obey(f"stopped after step {step} of {total_steps}")
            if evaluator.is_due(step):
                dumps = evaluator.evaluate(step)
    stop.obey(f"stopped after step {step}, the last, and before the final evaluation")

    # ---- Sum up ---------------------------------------------------------------------------------------------
    evaluator.close_interval(step)  # of a run that was stopped early
    dumps["train"] = evaluator.dump(dataset.train.thinned(config.train.dump_train), step)
    observer.on_end(dumps)
    record = RunRecord(run.path, "running", run.manifest)
    run.update(thresholds=thresholds_of(record, dumps).as_dict())
    final = figures_of(dumps)
    diagnosis.at_end(
        step,
        sampler.completed_epochs(step),
        final["test"],
        within_epoch=not evaluator.epoch_ends(step),
    )
    return {
        **final,
        "images_per_second": clock.steps_per_second(step) * config.train.batch_size,
        "training_seconds": clock.seconds,
        "lambda_eq": config.lambda_eq,
    }


def _note_program(run: Run, fingerprint: str | None, warn: Warn) -> None:
    """Record which kernels the compiler chose; a resume with others ends in other last bits."""
    if fingerprint is None:
        return
    earlier = run.manifest.get("program")
    if earlier is not None and earlier != fingerprint:
        warn(
            f"resumed with a program compiled anew, of other kernels ({fingerprint}, begun with {earlier}): "
            "the last bits of the result may differ for that"
        )
    run.update(program=fingerprint)


def _telling(run: Run, show: ShowProgress | None) -> ShowProgress:
    def tell(progress: Progress) -> None:
        if not progress.figures:  # there is no row yet, and a sweep waits for one
            run.note_pace(progress)
        if show is not None:
            show(progress)

    return tell
