"""What holds for every term: it does not leak at λ = 0, its variables are saved and stand still in evaluation."""

import json
from functools import cache
from pathlib import Path
from typing import Any, get_args

import keras
import numpy as np
import pytest
from comparing import one_layer
from formulas import make_batch
from test_train_step import a_config, batch, make_step, random_split, save_arrays, state_of

from centerloss_core.config import Loss, load_config
from centerloss_core.config.heads import Head
from centerloss_core.config.terms import Term
from centerloss_core.datasets import DataError
from centerloss_core.losses import base, build_term
from centerloss_core.training import train
from centerloss_core.training.build import draw_anew
from centerloss_core.training.schedules import scalars_of_step
from centerloss_core.training.state import restore_state

# Of each term, the section `loss` that has it.
TERMS: dict[str, dict[str, Any]] = {
    "center": {},
    "center by gradient": {"center_update": "gradient"},
    "center by ema": {"center_update": "ema"},
    "contrastive_center": {"term": "contrastive_center"},
    "git": {"term": "git"},
    "island": {"term": "island"},
    "ring": {"term": "ring"},
    "contrastive": {"term": "contrastive"},
    "supcon": {"term": "supcon"},
    "triplet semi-hard": {"term": "triplet"},
    "triplet batch-hard": {
        "term": {"name": "triplet", "mining": "batch_hard", "normalised": False, "margin": "softplus"}
    },
    "triplet all": {"term": {"name": "triplet", "mining": "all"}},
}
each_term = pytest.mark.parametrize("name", TERMS)


def term_of(name: str) -> base.Term:
    keras.utils.set_random_seed(1)
    term = build_term(a_config(loss={**TERMS[name], "centers_start": "xavier"}), 4)
    assert term is not None
    return term


def given(name: str, lambda_: float) -> dict[str, float]:
    return scalars_of_step(a_config(loss={**TERMS[name], "lambda": lambda_}), 0, 1)


@each_term
def test_its_points_are_called_what_its_config_calls_them(name: str) -> None:
    term = term_of(name)
    term.build((None, 2))
    points = term.points()
    assert (points and points.kind) == Loss.model_validate(TERMS[name]).term.points


@each_term
def test_at_lambda_0_the_network_has_the_bits_of_no_term(name: str) -> None:
    step = make_step(random_split(), loss=TERMS[name], body=one_layer)
    for number in range(3):
        step(batch(number), given(name, 0.0))
    assert [np.asarray(each).tobytes() for each in step.network.variables] == network_without_a_term()


@cache
def network_without_a_term() -> list[bytes]:
    step = make_step(random_split(), loss={"term": "none"}, body=one_layer)
    for number in range(3):
        step(batch(number), scalars_of_step(a_config(loss={"term": "none"}), 0, 1))
    return [np.asarray(each).tobytes() for each in step.network.variables]


@pytest.mark.parametrize("name", ["contrastive_center", "git", "island", "ring"])
def test_a_restored_state_goes_on_to_the_same_bits_and_a_kept_step_begins_anew(
    name: str, tmp_path: Path
) -> None:
    split = random_split()
    step = make_step(split, loss=TERMS[name])
    for number in range(4):
        step(batch(number), given(name, 0.1))
        if number == 1:
            save_arrays(tmp_path / "two", step)
    straight = state_of(step)
    restore_state(tmp_path / "two", step)
    for number in range(2, 4):
        step(batch(number), given(name, 0.1))
    assert state_of(step) == straight

    fresh = make_step(split, loss=TERMS[name])
    keras.utils.set_random_seed(3)  # as `make_step` does
    draw_anew(step)
    assert step.term is not None
    assert fresh.term is not None
    for ours, theirs in zip(step.term.variables, fresh.term.variables, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@each_term
def test_its_variables_stand_still_in_evaluation(name: str) -> None:
    term, (features, labels) = term_of(name), make_batch()
    term.build(features.shape)
    for _ in range(2):  # before and after a batch in training
        before = [np.array(variable) for variable in term.variables]
        assert np.isfinite(float(term(features, labels)))
        for variable, value in zip(term.variables, before, strict=True):
            np.testing.assert_array_equal(variable, value)
        term(features, labels, training=True)


@pytest.mark.parametrize(  # the slow ones differ from another in what a step does, which other tests look at
    "name",
    [
        pytest.param(name, marks=pytest.mark.slow)
        if name in ("center by gradient", "center by ema", "triplet batch-hard")
        else name
        for name in TERMS
    ],
)
def test_a_run_with_it(name: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "data: {name: digits8}\nmodel: {channels: [4, 4, 8]}\n"
        f"loss: {json.dumps({**TERMS[name], 'lambda': 0.01})}\n"
        "train: {iterations: 3, batch_size: 40, log_every: 1, dump_train: 50}\n"
    )
    config = load_config(path)
    result = train(config, tmp_path / "run", network=one_layer)
    assert np.isfinite(result.metrics["test"]["accuracy"])
    manifest = json.loads((tmp_path / "run" / "run.json").read_text())
    assert manifest["status"] == "completed"
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    logged = [row[f"{config.loss.term.name}_loss"] for row in rows if row["kind"] != "epoch"]
    assert len(logged) == 3
    assert np.isfinite(logged).all()
    assert load_config(tmp_path / "run" / "config.yaml").loss == config.loss


def test_a_run_with_batches_of_classes_and_one_that_has_too_few_images(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text(
        "data: {name: digits8}\nmodel: {channels: [4, 4, 8]}\n"
        "train: {iterations: 37, batch_size: 40, sampler: {classes: 5, images: 8}}\n"
    )
    train(load_config(path), tmp_path / "run", network=one_layer)
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "epoch"] == [36]  # 36 × 40 of 1,437 images
    few = ["train.sampler.images=200", "train.batch_size=1000"]
    with pytest.raises(DataError, match="asks for 200 images of a class"):
        train(load_config(path, settings=few), tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_head_and_term_ask_for_scalars_of_different_names() -> None:
    """Both take theirs from the scalars of one step."""
    heads, terms = (
        {name for part in get_args(get_args(union)[0]) for name in part().scalars(Loss())}
        for union in (Head, Term)
    )
    assert heads.isdisjoint(terms)
