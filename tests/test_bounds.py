"""Margins that a config may ask for, and how they grow through a run."""

import math
from typing import Any

import numpy as np
import pytest

from centerloss_core.config import Config, ConfigError, Loss, load_config
from centerloss_core.config.bounds import widest_angle
from centerloss_core.training.schedules import scalars_of_step


def config(*settings: str, **values: Any) -> Config:
    return load_config("mnist", values, settings=settings)


def complaint(*settings: str) -> str:
    with pytest.raises(ConfigError) as caught:
        config(*settings)
    (problem,) = caught.value.problems
    return str(problem)


def test_the_widest_angle_is_that_of_a_polygon_or_a_simplex() -> None:
    assert widest_angle(2, 10) == (pytest.approx(math.radians(36)), True)
    assert widest_angle(2, 3) == (pytest.approx(math.radians(120)), True)
    assert widest_angle(64, 10) == (pytest.approx(math.acos(-1 / 9)), True)
    assert widest_angle(5, 10) == (pytest.approx(math.acos(-1 / 9)), False)
    assert widest_angle(1, 2) == (pytest.approx(math.pi), True)
    assert widest_angle(1, 3)[0] == 0
    simplex = np.linalg.qr(np.eye(4) - 1 / 4)[0]  # four points in three dimensions, centred
    points = (np.eye(4) - 1 / 4) @ simplex[:, :3]
    points /= np.linalg.norm(points, axis=1, keepdims=True)
    np.testing.assert_allclose(np.arccos(points[0] @ points[1:].T), widest_angle(3, 4)[0])


@pytest.mark.parametrize(
    ("settings", "bound"),
    [
        (("loss.head=cosface", "loss.head.margin=0.2"), "must be below 0.191 ("),
        (("loss.head=arcface", "loss.head.margin=0.7"), "must be below 0.628 ("),
        (("loss.head={name: cosface, margin: 1.2}", "model.feature_dim=64"), "must be below 1.11 ("),
        (("loss.head={name: arcface, margin: 1.7}", "model.feature_dim=5"), "classes, at most)"),
    ],
)
def test_a_margin_that_no_features_can_keep_is_refused(settings: tuple[str, ...], bound: str) -> None:
    message = complaint(*settings)
    assert bound in message
    assert "beyond_bound: true" in message
    assert any(message.startswith(f"--set {setting}") for setting in settings)
    assert config(*settings, "loss.head.beyond_bound=true").loss.head.margin > 0


def test_margins_within_the_bound_are_taken() -> None:
    assert config("loss.head=cosface", "loss.head.margin=0.19").loss.head.scale == 16
    assert config("loss.head=arcface", "loss.head.margin=0.62").loss.head.margin == 0.62
    assert config("loss.head={name: arcface, margin: 0}", "model.feature_dim=1").loss.head.name == "arcface"
    assert "a number from 0 to 3.14" in complaint("loss.head={name: arcface, margin: 28.6}")


def test_scale_and_margin_are_numbers_of_a_step_and_share_a_program() -> None:
    one = config("loss.head={name: arcface, scale: 8, margin: 0.2}")
    other = config("loss.head={name: arcface, scale: 30, margin: 0.4, margin_ramp: 0.5}")
    assert one.program == other.program != config("loss.head=cosface").program
    assert one.program != config("loss.head={name: arcface, easy_margin: true}").program
    found = [scalars_of_step(other, step, 100) for step in (0, 25, 50, 99)]
    assert [each["head_margin"] for each in found] == pytest.approx([0, 0.2, 0.4, 0.4])
    assert {each["head_scale"] for each in found} == {30}
    assert scalars_of_step(one, 0, 100)["head_margin"] == 0.2
    assert "head_margin" not in scalars_of_step(config("loss.head=normface"), 0, 100)


def test_annealing_falls_evenly_in_log_1_plus_a_and_is_a_number_of_a_step() -> None:
    own = config("loss.head={name: sphereface, margin: 3, annealing: {start: 99, end: 3, over: 0.5}}")
    found = [scalars_of_step(own, step, 100) for step in (0, 25, 50, 99)]
    assert [each["head_annealing"] for each in found] == pytest.approx([99, 19, 3, 3])
    assert {each["head_margin"] for each in found} == {3}
    assert own.program == config("loss.head=sphereface").program != config("loss.head=l_softmax").program
    ends = {
        name: scalars_of_step(config(f"loss.head={name}"), 99, 100) for name in ("sphereface", "l_softmax")
    }
    assert [each["head_annealing"] for each in ends.values()] == [5, 0]
    at_once = config("loss.head={name: l_softmax, annealing: {over: 0}}")
    assert scalars_of_step(at_once, 0, 100)["head_annealing"] == 0
    assert "an integer from 1 to 4" in complaint("loss.head={name: sphereface, margin: 5}")


def test_a_ramp_of_the_margin_spans_the_run() -> None:
    settings = ("train.schedule=constant", "loss.ramp=null", "loss.head={name: arcface, margin_ramp: 0.5}")
    assert "margin grows" in str(config(*settings).spans_the_run)
    assert config(*settings[:2], "loss.head=arcface").spans_the_run is None
    assert "margin comes in" in str(config(*settings[:2], "loss.head=sphereface").spans_the_run)


@pytest.mark.parametrize(
    ("section", "angular"),
    [
        ({}, False),
        ({"head": "arcface", "term": "none", "lambda": 0}, True),
        ({"head": "sphereface", "term": "none"}, True),
        ({"term": "supcon"}, True),
        ({"term": "supcon", "lambda": 0}, False),
        ({"term": "triplet"}, True),
        ({"term": {"name": "triplet", "normalised": False}}, False),
    ],
)
def test_which_losses_look_at_directions(section: dict[str, object], angular: bool) -> None:
    assert Loss.model_validate(section).is_angular is angular
