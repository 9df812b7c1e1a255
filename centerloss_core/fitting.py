"""From arrays to a trained network: build, train step by step, evaluate. Whoever imports this imports Keras."""

from __future__ import annotations

from typing import Any

from centerloss_core.callbacks import IntervalLog, ShowProgress, Stopwatch
from centerloss_core.center_loss import CenterLoss
from centerloss_core.checkpoints import save_checkpoint
from centerloss_core.class_order import order_by_likeness
from centerloss_core.config import Config, Model, Train
from centerloss_core.datasets import BatchStream, Dataset, Split
from centerloss_core.evaluation import extract
from centerloss_core.features import FeatureDump, write_features
from centerloss_core.interrupts import StopRequest
from centerloss_core.metrics import separation
from centerloss_core.networks import lenets_plus_plus
from centerloss_core.runs import Run
from centerloss_core.schedules import lambda_in_force, learning_rate
from centerloss_core.train_step import TrainStep

NUM_CLASSES = 10
_CHECKPOINTS_KEPT = 2  # the newest, and one more in case that one turns out damaged
_CENTERS_START = {"zeros": "zeros", "xavier": "glorot_uniform"}


def fit(config: Config, dataset: Dataset, run: Run, show: ShowProgress, stop: StopRequest) -> dict[str, Any]:
    """Build, train, evaluate; return the `metrics` of `run.json`.

    Raises:
        DivergedError: the loss became NaN or infinite.
        InterruptedRunError: `stop` was set; the state after the step that was under way is saved.
    """
    # ---- Build ----------------------------------------------------------------------------------------------
    network = lenets_plus_plus(
        config.model, num_classes=NUM_CLASSES, class_order=_class_order(config.model, dataset.train)
    )
    center_loss = CenterLoss(
        NUM_CLASSES,
        alpha=config.loss.alpha,
        reduction=config.loss.reduction,
        centers_initializer=_CENTERS_START[config.loss.centers_start],
    )
    train_step = TrainStep(network, center_loss, config.train, dataset.train)
    train_size = len(dataset.train.labels)
    total_steps = config.train.total_steps(train_size)
    stream = BatchStream(train_size, config.train.batch_size, config.train.seed)
    log = IntervalLog(run, config.train, train_size, total_steps, show)
    clock = Stopwatch()

    def dump(split: Split, step: int) -> FeatureDump:
        with clock:  # a GPU may still be busy with the last steps
            log.check(step)  # it can name the step; the features that follow cannot
        return extract(train_step.network, train_step.center_loss.centers, split)

    def save(step: int) -> None:
        save_checkpoint(run.checkpoint_path(step), train_step, step)
        for outdated in run.checkpoints()[:-_CHECKPOINTS_KEPT]:
            outdated.unlink()

    # ---- Train ----------------------------------------------------------------------------------------------
    for step in range(1, total_steps + 1):
        with clock:
            rate = learning_rate(config.train, step - 1, total_steps)
            lambda_ = lambda_in_force(config.loss, step - 1, total_steps)
            figures = train_step(stream.batch(step - 1), rate, lambda_)
            log.after_step(step, figures, lambda_, rate, clock.seconds)
        if stop.signal_number is not None:
            save(step)
            stop.obey(f"stopped after step {step} of {total_steps}")
        epoch = stream.completed_epochs(step)
        epoch_ends, run_ends = epoch > stream.completed_epochs(step - 1), step == total_steps
        if epoch_ends or run_ends:
            test = dump(dataset.test, step)
            validation = None if dataset.validation is None else dump(dataset.validation, step)
        if epoch_ends:
            _record_epoch(run, epoch, step, test, validation, keep_dump=config.train.dump_every_epoch)
        if run_ends or _checkpoint_is_due(config.train, step, epoch_ends):
            save(step)

    stop.obey(f"stopped after step {total_steps}, the last, and before the final evaluation")

    # ---- Sum up ---------------------------------------------------------------------------------------------
    shown = dataset.train.thinned(config.train.dump_train)
    final = {"test": test, "train": dump(shown, total_steps)}
    for name, features in final.items():
        write_features(run.features_path(f"{name}-final"), features)
    if validation is not None:
        final["validation"] = validation
    return {
        **{name: separation(features).as_dict() for name, features in final.items()},
        "images_per_second": (total_steps - 1)
        * config.train.batch_size
        / max(clock.seconds_after_first, 1e-9),
        "training_seconds": clock.seconds,
        "lambda_eq": config.lambda_eq,
    }


def _class_order(model: Model, split: Split) -> list[int] | None:
    if model.head_start == "random" or model.feature_dim != 2:
        return None  # only the plane has so little room that the order matters
    return order_by_likeness(split.images, split.labels, NUM_CLASSES)


def _record_epoch(
    run: Run, epoch: int, step: int, test: FeatureDump, validation: FeatureDump | None, *, keep_dump: bool
) -> None:
    if keep_dump:
        write_features(run.features_path(f"test-epoch-{epoch:04d}"), test)
    row = {"kind": "epoch", "epoch": epoch, "step": step, "test": separation(test).as_dict()}
    if validation is not None:
        row["validation"] = separation(validation).as_dict()
    run.log_row(row)


def _checkpoint_is_due(train: Train, step: int, epoch_ends: bool) -> bool:
    if train.checkpoint_every is None:
        return epoch_ends
    return step % train.checkpoint_every == 0
