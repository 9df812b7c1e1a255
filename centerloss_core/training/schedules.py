"""The numbers that a training step is given: learning rate, λ, α and the like. Plain numbers, no framework."""

from __future__ import annotations

import math

import numpy as np

from centerloss_core.config import Config, Loss, Milestones, Train
from centerloss_core.config.heads import Annealing, Margin, MultiplicativeMargin

# One-cycle (Smith and Topin, 2017): up for this share of the run from peak/25, then down to peak/1000.
_WARM_UP = 0.1
_START_DIVISOR = 25.0
_END_DIVISOR = 1000.0


def scalars_of_step(config: Config, step: int, total_steps: int) -> dict[str, float]:
    """All scalars of training step `step` (counted from 0) in a run of `total_steps`, by name; see `TrainStep`."""
    train, loss = config.train, config.loss
    scalars = {
        "step": float(step),
        "learning_rate": learning_rate(train, step, total_steps),
        "head_rate": train.head_rate,
        "term_rate": 1.0,
        "weight_decay": train.weight_decay,
        "momentum": train.momentum,
        **{f"head_{name}": value for name, value in loss.head.scalars(loss).items()},
    }
    if train.augment is not None and train.augment.changes:
        scalars |= augment_words(train.seed, step)
    if isinstance(loss.head, Margin):
        scalars["head_margin"] = margin_in_force(loss.head, step, total_steps)
    if isinstance(loss.head, MultiplicativeMargin):
        scalars["head_annealing"] = annealing_in_force(loss.head.annealing, step, total_steps)
    if loss.term.module is None:
        return scalars
    return scalars | {"lambda": lambda_in_force(loss, step, total_steps), **loss.term.scalars(loss)}


def augment_words(seed: int, step: int) -> dict[str, float]:
    """Two whole numbers below 2²⁴, which float32 holds exactly, that the changes of a step's images follow from."""
    high, low = np.random.SeedSequence((seed, step)).generate_state(2)
    return {"augment_high": float(high >> 8), "augment_low": float(low >> 8)}


def learning_rate(train: Train, step: int, total_steps: int) -> float:
    """The learning rate of training step `step` (counted from 0) in a run of `total_steps`."""
    if isinstance(train.schedule, Milestones):
        passed = sum(step >= milestone for milestone in train.schedule.milestones)
        return train.learning_rate * train.schedule.factor**passed
    if train.schedule == "one_cycle":
        return train.learning_rate * _one_cycle((step + 0.5) / total_steps)
    return train.learning_rate


def _one_cycle(position: float) -> float:
    """Fraction of the peak rate at `position` (0…1) of the run: half a cosine up, half a cosine down."""
    if position < _WARM_UP:
        low, share = 1 / _START_DIVISOR, position / _WARM_UP
    else:
        low, share = 1 / _END_DIVISOR, (1 - position) / (1 - _WARM_UP)
    return low + (1 - low) * (1 - math.cos(math.pi * share)) / 2


def lambda_in_force(loss: Loss, step: int, total_steps: int) -> float:
    """The λ that weighs the term at training step `step` (counted from 0) in a run of `total_steps`.

    Without a ramp it is λ from the first step. A large λ before softmax has spread the features flattens them for
    good, so a ramp holds it at 0 until `start` and lets it grow from `from` to λ at `end`, linearly in log λ: features
    shrink as λ grows, and a constant factor per step lets the softmax head follow at a constant relative pace.
    """
    if loss.ramp is None:
        return loss.lambda_
    position = step / total_steps
    if position < loss.ramp.start:
        return 0.0
    remaining = max(0.0, (loss.ramp.end - position) / (loss.ramp.end - loss.ramp.start))
    return min(loss.lambda_, float(loss.lambda_ ** (1 - remaining) * loss.ramp.from_**remaining))


def margin_in_force(head: Margin, step: int, total_steps: int) -> float:
    """The margin at training step `step` (counted from 0): from 0 up, linearly, while `margin_ramp` lasts."""
    ramp = head.margin_ramp * total_steps
    return head.margin * min(1.0, step / ramp) if ramp else head.margin


def annealing_in_force(annealing: Annealing, step: int, total_steps: int) -> float:
    """The weight a of the logit without margin, beside 1 for that with it, at training step `step` (from 0).

    log(1 + a) falls linearly, so that the share of the margin, 1/(1 + a), grows by a constant factor per step.
    """
    over = annealing.over * total_steps
    done = min(1.0, step / over) if over else 1.0
    return float((1 + annealing.start) ** (1 - done) * (1 + annealing.end) ** done - 1)
