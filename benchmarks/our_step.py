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
    from centerloss_core.training.schedules import scalars_of_step

    config = load_config(CONFIG, {"train.device": device}, settings=[f"train.precision={precision}"])
    devices.prepare(devices.find_device(config.train), config.train)

    from centerloss_core.losses import build_head, build_term
    from centerloss_core.networks.initializers import kernel_initializer
    from centerloss_core.networks.lenets_plus_plus import lenets_plus_plus
    from centerloss_core.training.step import TrainStep

    network = lenets_plus_plus(config.model)
    head = build_head(config, 10, kernel_initializer(config.model))
    train_step = TrainStep(network, head, build_term(config, 10), config.train, digits(images))
    stream = BatchStream(images, config.train.batch_size, config.train.seed)
    total = config.train.total_steps(60_000)
    done = itertools.count()

    def run(steps: int) -> None:
        for _ in range(steps):
            step = next(done)
            in_run = step % total  # a benchmark may be longer than a run
            figures = train_step(stream.batch(step), scalars_of_step(config, in_run, total))
        float(figures["softmax_loss"])  # wait for the last step

    return run
