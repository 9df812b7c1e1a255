"""Our training step as a contestant: that of a shipped config, with real digits."""

from __future__ import annotations

import os
from collections.abc import Sequence

from benchmarks.digits import digits
from benchmarks.sections import CONFIG
from benchmarks.workers import Run


def build(
    precision: str = "auto",
    device: str = "cpu",
    images: int = 60_000,
    backend: str = "tensorflow",
    config: str = str(CONFIG),
    settings: Sequence[str] = (),
) -> Run:
    """Build network, losses, optimizers and data as `cl train` does, without a run directory.

    Args:
        precision, device: as in a config.
        images: to draw batches from.
        backend: of Keras.
        config: the file.
        settings: dotted keys to set in it, as on the command line.
    """
    os.environ["KERAS_BACKEND"] = backend
    from centerloss_core import devices
    from centerloss_core.config import load_config
    from centerloss_core.datasets import BatchStream
    from centerloss_core.isolation import isolate_process
    from centerloss_core.training.schedules import scalars_of_step

    isolate_process()
    values = {"train.device": device, "train.precision": precision}
    asked = load_config(config, values, settings=list(settings))
    devices.prepare(devices.find_device(asked.train), asked.train)

    from centerloss_core.losses import build_head, build_term
    from centerloss_core.networks import build_body
    from centerloss_core.networks.initializers import kernel_initializer
    from centerloss_core.training.step import TrainStep

    network = build_body(asked.model, (28, 28, 1))
    head = build_head(asked, 10, kernel_initializer(asked.model))
    train_step = TrainStep(network, head, build_term(asked, 10), asked.train, digits(images))
    stream = BatchStream(images, asked.train.batch_size, asked.train.seed)
    total = asked.train.total_steps(60_000)
    taken = 0

    def run(steps: int) -> None:
        nonlocal taken
        end = taken + steps
        while taken < end:
            numbers = range(taken, min(end, taken + train_step.most))
            scalars = [
                scalars_of_step(asked, number % total, total) for number in numbers
            ]  # may be longer than a run
            figures = train_step.take([stream.batch(number) for number in numbers], scalars)
            taken = numbers.stop
        float(figures["softmax_loss"][-1])  # wait for the last step

    return run
