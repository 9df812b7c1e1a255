"""Learning rate and λ from step to step."""

import itertools
import math
from typing import Any

import pytest

from centerloss_core.config import Config, Loss, Train
from centerloss_core.training.schedules import lambda_in_force, learning_rate, scalars_of_step


def make_train(**settings: Any) -> Train:
    return Train.model_validate({"epochs": 1, "learning_rate": 0.01, **settings})


def make_loss(lambda_: float, ramp: dict[str, float] | None) -> Loss:
    return Loss.model_validate({"lambda": lambda_, "ramp": ramp})


def test_a_constant_rate_is_constant() -> None:
    assert {learning_rate(make_train(schedule="constant"), step, 100) for step in range(100)} == {0.01}


def test_milestones_are_the_authors_steps() -> None:
    train = make_train(schedule={"milestones": [5000, 8000], "factor": 0.8})
    rates = [learning_rate(train, step, 10_000) for step in (0, 4999, 5000, 7999, 8000, 9999)]
    assert rates == pytest.approx([0.01, 0.01, 0.008, 0.008, 0.0064, 0.0064])


def test_one_cycle_rises_to_its_peak_at_10_percent_and_falls_to_almost_nothing() -> None:
    train = make_train(schedule="one_cycle")
    rates = [learning_rate(train, step, 1000) for step in range(1000)]
    top = rates.index(max(rates))
    assert rates[0] == pytest.approx(0.01 / 25, rel=0.02)
    assert max(rates) == pytest.approx(0.01, rel=1e-3)
    assert top == pytest.approx(100, abs=1)
    assert rates[:top] == sorted(rates[:top])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[-1] == pytest.approx(0.01 / 1000, rel=0.01)
    # Half-way up and half-way down a half cosine stands half-way between its ends.
    assert rates[50] == pytest.approx(0.01 * (1 + 1 / 25) / 2, rel=0.02)
    assert rates[550] == pytest.approx(0.01 * (1 + 1 / 1000) / 2, rel=0.01)


def test_one_cycle_in_ten_steps_by_hand() -> None:
    train = make_train(schedule="one_cycle")
    # The middle of step 0 is at 5 % of the run, half of the way up.
    assert learning_rate(train, 0, 10) == pytest.approx(0.01 * (0.04 + 0.96 * 0.5), rel=1e-6)
    # The middle of step 6 is at 65 %, 35/90 of the way from the end: half a cosine is (1 − cos 70°)/2 = 0.3289899.
    assert learning_rate(train, 6, 10) == pytest.approx(0.01 * (0.001 + 0.999 * 0.3289899), rel=1e-6)


def test_without_a_ramp_lambda_is_whole_from_the_first_step() -> None:
    assert {lambda_in_force(make_loss(0.1, None), step, 50) for step in range(50)} == {0.1}


def test_a_ramp_waits_then_grows_by_a_constant_factor_then_holds() -> None:
    loss = make_loss(1.0, {"start": 0.1, "end": 0.7, "from": 1e-3})
    values = [lambda_in_force(loss, step, 1000) for step in range(1000)]
    assert values[:100] == [0.0] * 100
    assert values[100] == pytest.approx(1e-3)
    assert values[400] == pytest.approx(10**-1.5)
    assert values[700:] == [1.0] * 300
    factors = {round(later / earlier, 9) for earlier, later in itertools.pairwise(values[100:701])}
    assert factors == {round(10 ** (3 / 600), 9)}


def test_every_lambda_rises_from_the_same_value_and_a_smaller_one_not_at_all() -> None:
    ramp = {"start": 0.1, "end": 0.7, "from": 1e-4}
    assert [lambda_in_force(make_loss(value, ramp), 100, 1000) for value in (0.01, 10.0)] == pytest.approx(
        [1e-4] * 2
    )
    small = [lambda_in_force(make_loss(1e-5, ramp), step, 1000) for step in range(1000)]
    assert small == [0.0] * 100 + [1e-5] * 900


def test_lambda_zero_stays_zero() -> None:
    loss = make_loss(0.0, {"start": 0.1, "end": 0.7, "from": 1e-5})
    assert {lambda_in_force(loss, step, 100) for step in range(100)} == {0.0}


@pytest.mark.parametrize("total", [1, 2, 7])
def test_the_shortest_runs_have_finite_schedules(total: int) -> None:
    train, loss = make_train(schedule="one_cycle"), make_loss(1.0, {"start": 0.0, "end": 1.0, "from": 1e-5})
    for step in range(total):
        assert math.isfinite(learning_rate(train, step, total))
        assert 0 < lambda_in_force(loss, step, total) <= 1


def test_the_scalars_of_a_step_are_all_that_its_loss_needs() -> None:
    def scalars(**loss: Any) -> dict[str, float]:
        train = {"epochs": 1, "learning_rate": 0.1, "head_rate": 2.0, "weight_decay": 0.5, "momentum": 0.8}
        config = Config.model_validate({"data": {"name": "digits8"}, "loss": loss, "train": train})
        return scalars_of_step(config, 7, 10)

    given = {"step": 7.0, "learning_rate": 0.1, "head_rate": 2.0, "term_rate": 1.0, "weight_decay": 0.5}
    given |= {"momentum": 0.8}
    assert scalars(term="none") == given
    assert scalars(**{"lambda": 0.3, "alpha": 0.2}) == given | {"lambda": 0.3, "alpha": 0.2}
    ramp = {"start": 0.8, "end": 0.9}
    assert scalars(**{"lambda": 0.3, "ramp": ramp})["lambda"] == 0.0
