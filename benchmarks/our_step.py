"""Our training step as a contestant: that of configs/mnist.yaml, with real digits."""

from __future__ import annotations

import itertools
import os

from benchmarks.digits import digits
from benchmarks.sections import CONFIG
from benchmarks.workers import Run


def build(
    precision: str = "auto", device: str = "cpu", images: int = 60_000, backend: str = "tensorflow"
) -> Run:
    """Build network, losses, optimizers and data as `cl train` does, without a run directory."""
    os.environ["KERAS_BACKEND"] = backend
    from centerloss_core import devices
    from centerloss_core.config import load_config
    from centerloss_core.datasets import BatchStream
    from centerloss_core.training.schedules import lambda_in_force, learning_rate

    config = load_config(CONFIG, device=device, settings=[f"train.precision={precision}"])
    devices.prepare(devices.find_device(config.train), config.train)

    from centerloss_core.losses.center_loss import CenterLoss
    from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus
    from centerloss_core.training.step import TrainStep

    split = digits(images)
    network = lenets_plus_plus(config.model, num_classes=10)
    center_loss = CenterLoss(10, alpha=config.loss.alpha, reduction=config.loss.reduction)
    train_step = TrainStep(network, center_loss, config.train, split)
    stream = BatchStream(images, config.train.batch_size, config.train.seed)
    total = config.train.total_steps(60_000)
    done = itertools.count()

    def run(steps: int) -> None:
        for _ in range(steps):
            step = next(done)
            in_run = step % total  # a benchmark may be longer than a run
            figures = train_step(
                stream.batch(step),
                learning_rate(config.train, in_run, total),
                lambda_in_force(config.loss, in_run, total),
            )
        float(figures.softmax_loss)  # wait for the last step

    return run
