"""Settings, and the names of axes in titles and directories."""

import pytest

from centerloss_core.config.axes import flatten, label, label_all, point_name, sign, value_of, varying

RUN = {"loss.lambda": 0.01, "loss.alpha": 0.5, "train.seed": 0}


def test_flat_settings_have_dotted_keys_and_keep_lists() -> None:
    config = {"loss": {"lambda": 0.1, "ramp": {"start": 0.2, "end": 0.8}}, "model": {"channels": [1, 2, 3]}}
    settings = flatten(config)
    assert settings == {
        "loss.lambda": 0.1,
        "loss.ramp.start": 0.2,
        "loss.ramp.end": 0.8,
        "model.channels": [1, 2, 3],
    }
    assert value_of(settings, "loss.ramp") == {"start": 0.2, "end": 0.8}
    assert value_of(settings, "loss.term", "center") == "center"


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("loss.lambda", 0.01, "λ = 0.01"),
        ("loss.alpha", 1.0, "α = 1"),
        ("train.seed", 0, "seed 0"),
        ("model.feature_dim", 8, "feature_dim = 8"),
        ("model.channels", [8, 16], "channels = [8, 16]"),
        ("model.batch_norm", True, "batch_norm = true"),
        ("loss.head", {"name": "arcface", "margin": 0.3}, "head = arcface (margin 0.3)"),
        ("loss.ramp", {"start": 0.2}, "ramp = start 0.2"),
        ("variant", "arcface", "arcface"),
    ],
)
def test_labels(key: str, value: object, text: str) -> None:
    assert label(key, value) == text


def test_keys_with_the_same_last_part_are_written_whole() -> None:
    keys = ["loss.head.margin", "loss.term.margin", "loss.head.scale"]
    assert [sign(key, keys) for key in keys] == ["loss.head.margin", "loss.term.margin", "scale"]


def test_a_title_leaves_out_what_a_run_does_not_have() -> None:
    assert (
        label_all({**RUN, "variant": "plain"}, ["variant", "loss.lambda", "loss.head.margin"])
        == "plain, λ = 0.01"
    )


def test_varying_keys_are_those_with_several_values() -> None:
    runs = [{**RUN, "loss.ramp": None}, {**RUN, "train.seed": 1, "loss.ramp.start": 0.1}]
    assert varying(runs, ["loss.lambda", "train.seed", "loss.ramp", "variant"]) == ["train.seed", "loss.ramp"]
    assert varying([{"a": 1}, {"a": 1.0}], ["a"]) == []


def test_point_names() -> None:
    assert point_name(RUN) == "lambda0.01-alpha0.5-seed0"
    run = {
        **RUN,
        "variant": "arc",
        "model.feature_dim": 8,
        "train.optimizer": "sgd",
        "model.channels": [8, 16, 16],
    }
    keys = ["variant", "loss.lambda", "model.feature_dim", "train.optimizer", "model.channels"]
    assert point_name(run, keys) == "arc-lambda0.01-alpha0.5-seed0-feature_dim8-optimizer-sgd-channels8-16-16"


def test_names_of_odd_values_are_plain_and_differ() -> None:
    values = [
        "a/b",
        "a:b",
        "a-b",
        "..",
        "",
        {"x": 1},
        {"x": 2},
        [[0, 1], [2]],
        [[0], [1, 2]],
        "x" * 300,
        "x" * 301,
    ]
    names = [point_name({"k": value}, ["k"]) for value in values]
    assert len(set(names)) == len(values)
    assert all(name.isascii() and "/" not in name and len(name) <= 50 for name in names)
