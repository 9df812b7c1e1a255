"""From arrays to a trained network: build, train step by step, evaluate. Whoever imports this imports Keras."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from centerloss_core.config import Config, Model
from centerloss_core.datasets import BatchStream, Dataset, Split
from centerloss_core.interrupts import StopRequest
from centerloss_core.losses.center_loss import CenterLoss
from centerloss_core.metrics.separation import SeparationMetrics, separation
from centerloss_core.networks.class_order import order_by_likeness
from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.diagnosis import Warn, look_at_end, look_at_epoch, look_at_unfinished_epoch
from centerloss_core.training.evaluation import extract
from centerloss_core.training.interval_log import IntervalLog, ShowProgress, Stopwatch
from centerloss_core.training.saving import CheckpointSchedule, SavedState, restore, save
from centerloss_core.training.schedules import lambda_in_force, learning_rate
from centerloss_core.training.step import TrainStep
from centerloss_core.training.tensorboard import Board

_CENTERS_START = {"zeros": "zeros", "xavier": "glorot_uniform"}


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
    train_step = _build(config, dataset)
    train_size = len(dataset.train.labels)
    total_steps = config.train.total_steps(train_size)
    stream = BatchStream(train_size, config.train.batch_size, config.train.seed)
    schedule = CheckpointSchedule(config.train)
    clock = Stopwatch() if saved is None else saved.position.stopwatch()
    log = IntervalLog(run, config, train_size, total_steps, show, warn)
    begin = _go_to_start(saved, run, train_step, log, total_steps, warn)
    board = _board(config, run, dataset, begin) if config.train.tensorboard else None

    def epoch_ends(step: int) -> bool:
        return stream.completed_epochs(step) > stream.completed_epochs(step - 1)

    def dump(split: Split, step: int) -> FeatureDump:
        with clock:  # a GPU may still be busy with the last steps
            log.check(step)  # it can name the step; the features that follow cannot
        return extract(train_step.network, train_step.center_loss.centers, split, step)

    def evaluate(step: int) -> dict[str, FeatureDump]:
        """What belongs to the end of an epoch. It follows from the state, so it is done again after a resume."""
        dumps = {"test": dump(dataset.test, step)}
        if dataset.validation is not None:
            dumps["validation"] = dump(dataset.validation, step)
        figures = {name: separation(features) for name, features in dumps.items()}
        if epoch_ends(step):
            epoch = stream.completed_epochs(step)
            if config.train.dump_every_epoch:
                _write_features(run, f"test-epoch-{epoch:04d}", dumps["test"])
            _record_epoch(run, epoch, step, figures, warn, board, dumps["test"], dataset.num_classes)
        return dumps

    # ---- Train ----------------------------------------------------------------------------------------------
    # A checkpoint is saved before the evaluation that belongs to its step.
    stop.obey(f"stopped after step {begin} of {total_steps}, before the next")
    if begin and (epoch_ends(begin) or begin == total_steps):
        dumps = evaluate(begin)
    for step in range(begin + 1, total_steps + 1):
        with clock:
            rate = learning_rate(config.train, step - 1, total_steps)
            lambda_ = lambda_in_force(config.loss, step - 1, total_steps)
            figures = train_step(stream.batch(step - 1), rate, lambda_)
            log.after_step(step, figures, lambda_, rate, clock.seconds)
        run_ends = step == total_steps
        stopping = stop.signal_number is not None
        if schedule.is_due(step, epoch_ends=epoch_ends(step), run_ends=run_ends) or stopping:
            save(run, train_step, step, dataset.fingerprint, log, clock)
        if stopping:  # one that came later is obeyed after a step that is saved
            stop.obey(f"stopped after step {step} of {total_steps}")
        if epoch_ends(step) or run_ends:
            dumps = evaluate(step)
    stop.obey(f"stopped after step {total_steps}, the last, and before the final evaluation")

    # ---- Sum up ---------------------------------------------------------------------------------------------
    dumps["train"] = dump(dataset.train.thinned(config.train.dump_train), total_steps)
    _write_final_features(run, dumps, board, dataset.test)
    final = {name: separation(features) for name, features in dumps.items()}
    if not epoch_ends(total_steps):
        _pass_on(look_at_unfinished_epoch(total_steps, final["test"], dataset.num_classes), warn)
    _pass_on(look_at_end(config, final["test"], stream.completed_epochs(total_steps)), warn)
    return {
        **{name: figures.as_dict() for name, figures in final.items()},
        "images_per_second": clock.steps_per_second(total_steps) * config.train.batch_size,
        "training_seconds": clock.seconds,
        "lambda_eq": config.lambda_eq,
    }


def _go_to_start(
    saved: SavedState | None, run: Run, train_step: TrainStep, log: IntervalLog, total_steps: int, warn: Warn
) -> int:
    """Put everything to where training begins or goes on; returns the steps taken by then."""
    if saved is None:
        run.forget_rows_after(0)  # of a run that was killed before its first checkpoint
        return 0
    restore(saved, run, train_step, log, total_steps, warn)
    return saved.position.step


def _build(config: Config, dataset: Dataset) -> TrainStep:
    network = lenets_plus_plus(
        config.model,
        num_classes=dataset.num_classes,
        image_shape=dataset.image_shape,
        class_order=_class_order(config.model, dataset),
    )
    center_loss = CenterLoss(
        dataset.num_classes,
        alpha=config.loss.alpha,
        reduction=config.loss.reduction,
        centers_initializer=_CENTERS_START[config.loss.centers_start],
    )
    return TrainStep(network, center_loss, config.train, dataset.train)


def _class_order(model: Model, dataset: Dataset) -> list[int] | None:
    if model.head_start == "random" or model.feature_dim != 2:
        return None  # only the plane has so little room that the order matters
    return order_by_likeness(dataset.train.images, dataset.train.labels, dataset.num_classes)


def _record_epoch(
    run: Run,
    epoch: int,
    step: int,
    figures: dict[str, SeparationMetrics],
    warn: Warn,
    board: Board | None,
    test: FeatureDump,
    num_classes: int,
) -> None:
    rows = {name: each.as_dict() for name, each in figures.items()}
    run.log_row({"kind": "epoch", "epoch": epoch, "step": step, **rows})
    _pass_on(look_at_epoch(epoch, figures["test"], num_classes), warn)
    if board is not None:
        run.refuse_if_replaced()
        board.add_scatter(epoch, step, test)


def _pass_on(messages: Iterable[str], warn: Warn) -> None:
    for message in messages:
        warn(message)


def _write_features(run: Run, name: str, dump: FeatureDump) -> None:
    run.refuse_if_replaced()
    write_features(run.features_path(name), dump)


def _write_final_features(run: Run, dumps: dict[str, FeatureDump], board: Board | None, test: Split) -> None:
    for name in ("test", "train"):
        _write_features(run, f"{name}-final", dumps[name])
    if board is not None:
        run.refuse_if_replaced()
        board.write_projector(dumps["test"], test.images)


def _board(config: Config, run: Run, dataset: Dataset, begin: int) -> Board:
    """A new session for TensorBoard, told each row of the log. It forgets step `begin` too, whose rows may be kept."""
    run.refuse_if_replaced()
    board = Board(run.path, config, dataset.title, begin)
    for kind in ("steps", "epoch"):
        row = last_row(run.path, kind=kind)
        if row is not None and row["step"] == begin:
            board.add_row(row)
    run.watch_rows(board.add_row)
    return board
