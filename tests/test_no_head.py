"""`loss.head: none`: a term that is the whole loss. What needs logits is a dash or a config error, never made up."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from comparing import config
from made_runs import make_dump, make_record
from pydantic import ValidationError

from centerloss_core.config import Config, ConfigError, Loss, load_config
from centerloss_core.config.heads import Head
from centerloss_core.config.terms import Pairs, Term
from centerloss_core.losses import build_head, build_term
from centerloss_core.metrics.evaluate import evaluate_split
from centerloss_core.plotting.head import HeadError, read_head
from centerloss_core.run_directory.feature_dumps import FeatureDump, read_features, write_features
from centerloss_core.run_directory.reader import read_run
from centerloss_core.training import train

ALONE = ("loss.head=none", "loss.ramp=null")
TRIPLET = (*ALONE, "loss.term=triplet", "train.keep_best=nearest_mean", "train.tensorboard=true")
Here = Callable[..., tuple[int, str, str]]


def without_logits() -> FeatureDump:
    dump = make_dump()
    return FeatureDump(dump.features, dump.labels)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("triplet") / "run"
    train(config(*TRIPLET), path)
    return path


def test_a_run_shows_what_there_is_and_no_accuracy(run: Path) -> None:
    record = read_run(run)
    history = record.history()
    assert all({"accuracy", "softmax_loss"}.isdisjoint(row) for row in history.steps)
    assert all(np.isfinite(row["triplet_loss"]) for row in history.steps)
    metrics = record.manifest["metrics"]["test"]
    assert metrics["accuracy"] is None
    assert metrics["nearest_mean_accuracy"] > 0.2  # twice as much as guessing
    assert record.dump("test-final").predictions is None
    assert 0 < record.manifest["best"]["nearest_mean_accuracy"] <= 1
    assert (run / "tensorboard" / "labels.tsv").read_text().startswith("class\timage\n")
    with np.load(run / "checkpoints" / "step-00000020" / "state.npz") as state:
        assert not any("head" in name for name in state.files)


def test_every_command_says_a_dash_and_regions_why_they_cannot(run: Path, here: Here) -> None:
    code, out, _ = here("evaluate", run)
    assert code == 0
    assert "softmax" in out
    code, out, err = here("plot", run)
    assert code == 0
    assert "no regions: its loss has no logits (loss.head: none)" in out + err
    assert {"scatter-test.png", "curves.png"} <= {path.name for path in (run / "plots").iterdir()}
    assert here("report", run)[0] == 0
    code, out, _ = here("runs", run.parent, "--sort", "accuracy")
    assert code == 0
    assert "completed" in out


def test_an_evaluation_has_no_accuracy() -> None:
    dump = without_logits()
    found = evaluate_split(dump, None, ["zero"]).as_dict()
    assert found["accuracy"] is None
    assert "softmax" not in found["confusion"]
    assert len(found["per_class"]) == 10
    assert {row["accuracy"] for row in found["per_class"]} == {None}
    json.dumps(found, allow_nan=False)


def test_a_dump_without_predictions_is_written_and_read(tmp_path: Path) -> None:
    write_features(tmp_path / "x.npz", without_logits())
    assert read_features(tmp_path / "x.npz").predictions is None
    with pytest.raises(HeadError, match="no logits"):
        read_head(make_record(), without_logits(), 10)


@pytest.mark.parametrize(
    ("settings", "why"),
    [
        (("loss.term=center",), "all features in one point"),
        (("loss.term=contrastive_center",), "all features in one point"),
        (("loss.term=island",), "all features in one point"),
        (("loss.term=ring",), "knows nothing of classes"),
        (("loss.term=none",), "nothing to learn from"),
        (("loss.term=triplet", "loss.ramp={start: 0.1}"), "set loss.ramp to null"),
        (("loss.term=triplet", "train.keep_best=accuracy"), "no logits; nearest_mean"),
        (("loss.term=triplet", "train.keep_best=nearest_center"), "no centers; nearest_mean"),
    ],
)
def test_what_cannot_work_is_a_config_error_with_the_reason(settings: tuple[str, ...], why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        config(*ALONE, *settings)
    alone = {"head": "none", "term": "triplet", "lambda": 0.0}
    with pytest.raises(ValidationError, match="λ = 0 leaves nothing to learn from"):
        Loss.model_validate(alone)
    assert config(*ALONE, "loss.term=git", "train.keep_best=nearest_center").loss.head.module is None


def test_alone_these_terms_cost_least_in_one_point_and_those_that_may_do_not() -> None:
    """Of two classes: clusters that are far apart, against all that is shrunk to a point, or is one."""
    labels = np.repeat(np.arange(2, dtype=np.int32), 4)
    clusters = np.where(labels[:, None] == 0, [0.0, 30.0], [0.0, -30.0]).astype(np.float32)
    clusters += np.random.default_rng(0).normal(scale=0.1, size=clusters.shape)
    for kind in get_args(get_args(Term)[0]):
        term = build_term(
            Config.model_construct(loss=config("loss.ramp=null").loss.model_copy(update={"term": kind()})), 2
        )
        if term is None:
            continue
        losses = []
        for features in (clusters * np.float32(0 if isinstance(kind(), Pairs) else 1e-6), clusters):
            term = term.from_config(term.get_config())
            term.build((None, 2))
            if points := term.points():
                points.values.assign(np.stack([features[labels == label].mean(axis=0) for label in (0, 1)]))
            losses.append(float(term(features, labels)))
        in_one_point, apart = losses
        assert (in_one_point <= apart) == (kind().needs_a_head is not None), kind


def test_parts_say_whether_they_have_points_for_the_classes() -> None:
    settings = load_config("mnist", settings=["loss.head=none", "loss.term=triplet", "loss.ramp=null"])
    for union, field in ((Head, "head"), (Term, "term")):
        for kind in get_args(get_args(union)[0]):
            loss = settings.loss.model_copy(update={field: kind()})
            own = settings.model_copy(update={"loss": loss})
            part: Any = build_head(own, 10, "glorot_uniform") if field == "head" else build_term(own, 10)
            if part is not None:
                part.build((None, 2))
            points = None if part is None else part.points()
            assert (points and points.kind) == kind.points, kind
