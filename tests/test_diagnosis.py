"""Warnings name the figure and a remedy, and reach the terminal, `run.json` and the table of a sweep."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_cli import QUICKSTART

from centerloss_core.config import Config, load_config
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.training import build as building
from centerloss_core.training.diagnosis import (
    Course,
    Diagnosis,
    look_at_config,
    look_at_end,
    look_at_interval,
    look_at_test,
)
from centerloss_core.training.run import train

CONFIG = load_config(QUICKSTART, {"loss.lambda": 0.1})
NO_PULL = load_config(QUICKSTART, {"loss.lambda": 0.0})
SMALL = ("data.name=digits8", "model.channels=[4, 8, 8]")


def figures(features: np.ndarray, predictions: np.ndarray | None = None) -> dict[str, float | None]:
    labels = np.arange(len(features)) % 10
    centers = np.stack([features[labels == label].mean(axis=0) for label in range(10)])
    dump = FeatureDump(
        features=features.astype(np.float32),
        labels=labels,
        predictions=labels if predictions is None else predictions.astype(np.int64),
        centers=centers.astype(np.float32),
    )
    return separation(dump).as_dict()


def clusters(spread: float = 0.1) -> np.ndarray:
    angles = 2 * np.pi * (np.arange(1000) % 10) / 10
    noise = np.random.default_rng(0).normal(0, spread, (1000, 2))
    return 10 * np.stack([np.cos(angles), np.sin(angles)], axis=1) + noise


def course(config: Config, *losses: float, every: int = 50) -> Course:
    """The course of a run that logged these losses, every so many steps."""
    name = Course(config, 10).name
    return Course(
        config, 10, [{"step": every * (place + 1), name: loss} for place, loss in enumerate(losses)]
    )


def told(
    test: dict[str, float | None], config: Config, *losses: float, every: int = 50, short: float = 0.0
) -> list[str]:
    return list(look_at_test("epoch 1", test, config, 10, course(config, *losses, every=every), short))


def alone(*settings: str) -> Config:
    own = ["loss.head=none", "loss.ramp=null", "train.batch_size=60", *settings]
    return load_config(QUICKSTART, settings=own)


def test_a_healthy_run_gives_none() -> None:
    healthy = figures(clusters())
    assert told(healthy, CONFIG, 0.1, 0.1) == []
    assert list(look_at_end(CONFIG, healthy)) == []
    assert list(look_at_end(CONFIG, {**healthy, "accuracy": None, "nearest_center_accuracy": None})) == []
    assert list(look_at_interval(0.5, {"step": 50, "accuracy": 0.0})) == []  # of a loss without centers
    assert list(look_at_interval(0.5, {"step": 50, "center_shift": 1e-9})) == []
    assert list(look_at_interval(0.0, {"step": 50, "center_shift": 0.0})) == []


def test_a_circle_that_is_none() -> None:
    def warnings(*settings: str) -> list[str]:
        return list(look_at_config(load_config(QUICKSTART, settings=settings)))

    assert warnings("model.head_start=circle") == []
    assert warnings("model.head_start=random", "model.feature_dim=8") == []
    (warning,) = warnings("model.head_start=circle", "model.feature_dim=8")
    assert warning.startswith("the head starts with random weights: model.head_start: circle is for")
    assert warning.endswith("and this is 8")


def test_softmax_that_is_stuck() -> None:
    stuck = figures(clusters(), np.zeros(1000))
    (warning,) = told(stuck, CONFIG, 2.6, 2.6)
    assert warning == (
        "epoch 1: softmax accuracy is 10.0%, hardly better than guessing: lower train.learning_rate, "
        "or let λ grow slowly with loss.ramp"
    )
    (warning,) = told(stuck, NO_PULL, 2.8, 2.6, 2.303, 2.303)
    assert "guessing (softmax loss 2.3: that of features which are all in one point): lower" in warning
    assert warning.endswith(": lower train.learning_rate")


def test_a_run_whose_loss_still_falls_or_that_has_hardly_begun_is_not_stuck() -> None:
    """As after the first epoch of a small one."""
    stuck = figures(clusters(), np.zeros(1000))
    assert told(stuck, CONFIG, 2.5, 2.4, 2.2, 2.0) == []
    assert told(stuck, CONFIG, 2.4, 2.4, every=5) == []
    assert told(stuck, CONFIG, 2.4) == []
    in_one_place = figures(np.random.default_rng(0).normal(size=(1000, 2)))
    assert told(in_one_place, alone("loss.term=triplet"), 0.19, 0.17) == []


def test_few_classes_are_guessed_more_often() -> None:
    """Twice the share of one of two classes is all images."""
    healthy = figures(clusters())

    def is_stuck(accuracy: float, classes: int) -> bool:
        stands = course(CONFIG, 0.7, 0.7)
        return bool(list(look_at_test("epoch 1", {**healthy, "accuracy": accuracy}, CONFIG, classes, stands)))

    assert [is_stuck(accuracy, 2) for accuracy in (0.5, 0.55, 0.6, 0.9)] == [True, True, False, False]
    assert [is_stuck(accuracy, 3) for accuracy in (0.34, 0.5)] == [True, False]
    assert [is_stuck(accuracy, 100) for accuracy in (0.015, 0.03)] == [True, False]


@pytest.mark.parametrize("spread", [0.0, 1.0])
def test_features_in_one_place(spread: float) -> None:
    noise = np.random.default_rng(0).normal(0, spread, (1000, 2))
    (warning,) = told(figures(3 + noise), NO_PULL, 1.0, 1.0)
    assert warning.endswith(": lower train.learning_rate")
    (warning,) = told(figures(3 + noise), CONFIG, 1.0, 1.0)
    assert "the features of all classes lie in one place (inter/intra is 0" in warning
    assert "lower λ, or let it grow slowly with loss.ramp" in warning


def test_one_image_of_each_class_has_no_spread_and_is_no_fault() -> None:
    features = np.stack([np.arange(1000.0) % 10] * 2, axis=1)
    assert told(figures(features), CONFIG, 1.0, 1.0) == []


@pytest.mark.parametrize(
    ("settings", "loss", "words", "remedy"),
    [
        (("loss.term=triplet",), 0.2, "(triplet loss 0.2: that of", "or take loss.term.mining: all"),
        (
            ("loss.term={name: triplet, mining: batch_hard, normalised: false, margin: softplus}",),
            0.6931,
            "(triplet loss 0.693: that of",
            "or take loss.term.mining: all",
        ),
        (("loss.term={name: triplet, mining: all, margin: 0.3}",), 0.3, "(triplet loss 0.3", "(--init)"),
        (("loss.term=supcon",), 4.0775, "(supcon loss 4.08: that of", "(--init)"),  # log 59
        (
            ("loss.term={name: contrastive, margin: 2}", "train.sampler={classes: 6, images: 10}"),
            2 * (1 - 9 / 59),
            "(contrastive loss 1.69: that of",
            "(--init)",
        ),
    ],
)
def test_a_term_that_stands_where_all_features_are_in_one_point(
    settings: tuple[str, ...], loss: float, words: str, remedy: str
) -> None:
    config = alone(*settings)
    test = figures(np.random.default_rng(0).normal(size=(1000, 2)))
    test["accuracy"] = None
    (warning,) = told(test, config, 2 * loss, 1.5 * loss, loss, loss)
    assert warning.startswith(f"epoch 1: the loss stands still {words}")
    assert ": lower train.learning_rate, or begin with the weights of a softmax run (--init)" in warning
    assert warning.endswith(remedy)
    assert told(figures(clusters()), config, loss / 3, loss / 3) == []


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("triplet", {}),
        ("triplet", {"mining": "all"}),
        ("triplet", {"mining": "batch_hard", "normalised": False, "margin": "softplus"}),
        ("supcon", {}),
        ("contrastive", {"margin": 2.0}),
    ],
)
def test_the_value_in_one_point_is_that_of_the_layer(name: str, settings: dict[str, Any]) -> None:
    from centerloss_core.losses import build_term
    from centerloss_core.training.schedules import scalars_of_step

    config = alone(
        f"loss.term={json.dumps({'name': name, **settings})}", "train.sampler={classes: 6, images: 10}"
    )
    term = build_term(config, 10)
    assert term is not None
    labels = np.repeat(np.arange(6, dtype=np.int32), 10)
    for point in ([0.0, 0.0], [3.0, 4.0]):
        features = np.tile(np.float32(point), (60, 1))
        loss = term.measure(features, labels, scalars_of_step(config, 0, 1))[0]
        assert float(loss) == pytest.approx(config.in_one_point(10), rel=1e-5)


def test_features_without_length() -> None:
    (warning,) = told(figures(np.zeros((1000, 2))), NO_PULL, 2.0, 1.0, short=1.0)
    assert warning.startswith("epoch 1: 100% of the features have length 0, so that they have no direction: ")


@pytest.mark.parametrize(
    ("head", "remedy"),
    [
        ("arcface", "or let the margin grow with loss.head.margin_ramp"),
        ("sphereface", "or let the margin come in later or less (loss.head.annealing: over, end)"),
        ("normface", "lower train.learning_rate"),
    ],
)
def test_the_remedy_is_that_of_the_head(head: str, remedy: str) -> None:
    config = load_config(QUICKSTART, settings=[f"loss.head={head}", "loss.term=none"])
    (warning,) = told(figures(clusters(), np.zeros(1000)), config, 9.0, 9.0)
    assert warning.endswith(remedy)


def test_a_head_that_was_left_behind() -> None:
    predictions = np.arange(1000) % 10
    predictions[:100] = (predictions[:100] + 1) % 10
    (warning,) = look_at_end(CONFIG, figures(clusters(), predictions))
    assert "the softmax head was left behind (accuracy 90.0%, nearest center 100.0%)" in warning
    assert "features shrink as λ grows" in warning
    assert warning.endswith("begin λ lower (loss.ramp) or raise train.head_rate")
    # Without center loss nothing shrinks, and there is no λ to lower.
    (warning,) = look_at_end(NO_PULL, figures(clusters(), predictions))
    assert warning.endswith("nearest center 100.0%): raise train.head_rate, or train longer")


def test_two_classes_in_one_cluster() -> None:
    features = clusters()
    labels = np.arange(1000) % 10
    features[labels == 4] = features[labels == 9]
    merged = figures(features)
    (warning,) = [each for each in look_at_end(CONFIG, merged) if "cluster" in each]
    assert "two classes share one cluster (their means are 0 apart" in warning
    assert warning.endswith(": lower λ, or let it grow slowly with loss.ramp")
    (warning,) = look_at_end(alone("loss.term=triplet"), {**merged, "accuracy": None})
    assert warning.endswith(", or raise model.feature_dim")
    # Rays touch without center loss.
    for other in (
        NO_PULL,
        load_config(QUICKSTART, settings=["loss.term=none"]),
    ):
        assert not any("cluster" in each for each in look_at_end(other, merged))


@pytest.mark.parametrize(("step", "warned"), [(15, False), (200, True)])
def test_the_end_of_a_run_of_few_steps_is_not_judged(step: int, warned: bool) -> None:
    features = clusters()
    labels = np.arange(1000) % 10
    features[labels == 4] = features[labels == 9]
    told: list[str] = []
    Diagnosis(CONFIG, 10, told.append).at_end(step, 1, figures(features), within_epoch=False)
    assert any("cluster" in each for each in told) == warned


def test_centers_that_do_not_move() -> None:
    (warning,) = look_at_interval(0.5, {"step": 50, "center_shift": 0.0})
    assert warning.startswith("the centers did not move in the steps up to 50 (‖Δc‖ = 0) although α = 0.5")


def test_a_collapse_is_told_of_also_where_no_epoch_ends(tmp_path: Path) -> None:
    """λ = 10,000 from the first step: softmax never gets a word in."""
    warnings: list[str] = []
    settings = [
        *SMALL,
        "train.iterations=60",
        "train.batch_size=20",
        "loss.ramp=null",
        "model.batch_norm=false",
    ]
    result = train(
        load_config(QUICKSTART, {"loss.lambda": 1e4}, settings=settings),
        tmp_path / "run",
        warn=warnings.append,
    )
    assert result.metrics["test"]["accuracy"] < 0.2
    assert any(each.startswith("step 60: softmax accuracy is ") for each in warnings)
    assert json.loads((tmp_path / "run" / "run.json").read_text())["warnings"] == warnings


def test_centers_that_stand_still_are_told_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A network whose features are 0 from the start, where the centers are too."""
    build = building.build_body

    def dead(*arguments: Any, **options: Any) -> Any:
        network = build(*arguments, **options)
        layer = network.get_layer("feature_layer")
        layer.trainable = False
        for variable in layer.weights:
            variable.assign(variable * 0)
        return network

    monkeypatch.setattr(building, "build_body", dead)
    warnings: list[str] = []
    settings = [*SMALL, "train.iterations=4", "train.log_every=2", "train.batch_size=20"]
    train(
        load_config(QUICKSTART, {"loss.lambda": 0.1}, settings=settings),
        tmp_path / "run",
        warn=warnings.append,
    )
    assert "the centers did not move in the steps up to 2 (‖Δc‖ = 0) although α = 0.5" in warnings[0]
    assert not any("up to 4" in warning for warning in warnings)  # once: it is so in all intervals
    assert json.loads((tmp_path / "run" / "run.json").read_text())["warnings"] == warnings


def test_a_softmax_that_is_stuck_is_told_of_everywhere(here_in_training: Any, tmp_path: Path) -> None:
    """In the terminal, in `run.json`, in the table of a sweep: at such a rate nothing is ever learned."""
    settings = [
        *SMALL,
        "data.validation=1237",  # an epoch of ten steps, six of them: the last two are judged
        "train.batch_size=20",
        "train.epochs=6",
        "loss.ramp=null",
        "train.learning_rate=1e-9",
        "train.log_every=5",
    ]
    flags = [word for setting in settings for word in ("--set", setting)]
    code, told, errors = here_in_training(
        "sweep", "--config", QUICKSTART, "--lambda", "10000", *flags, "--run-dir", "sweep"
    )
    assert code == 0, errors
    (row,) = json.loads((tmp_path / "sweep" / "summary.json").read_text())["runs"]
    manifest = json.loads((tmp_path / "sweep" / row["directory"] / "run.json").read_text())
    assert any("hardly better than guessing" in warning for warning in manifest["warnings"])
    assert row["warnings"] == "; ".join(manifest["warnings"])
    assert f"warning: {row['directory']}: {row['warnings']}" in told
    assert "hardly better than guessing" in (tmp_path / "sweep" / "summary.csv").read_text()
    _, _, errors = here_in_training(
        "train", "--config", QUICKSTART, "--lambda", "10000", *flags, "--run-dir", "run"
    )
    assert any(line.startswith("warning: epoch 6: softmax accuracy is") for line in errors.splitlines())
