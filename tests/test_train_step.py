"""The training step and the checkpoint of its state, on random images: exactness, not accuracy.

True on every backend: `test_jax_backend.py` runs this file once more, under JAX.
"""

import io
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from comparing import one_layer

from centerloss_core.config import Config
from centerloss_core.datasets import Split
from centerloss_core.errors import DivergedError
from centerloss_core.files.arrays import write_arrays
from centerloss_core.losses import build_head, build_term
from centerloss_core.losses.base import Term
from centerloss_core.losses.center_loss import CenterLoss
from centerloss_core.networks import BuildNetwork, build_body
from centerloss_core.networks.initializers import kernel_initializer
from centerloss_core.run_directory.checkpoints import CheckpointError
from centerloss_core.training import evaluation
from centerloss_core.training.evaluation import extract
from centerloss_core.training.schedules import scalars_of_step
from centerloss_core.training.state import restore_state
from centerloss_core.training.state import state_of as arrays_of
from centerloss_core.training.step import TrainStep

IMAGES = 40
ON_JAX = keras.backend.backend() == "jax"


@pytest.fixture(scope="module")
def split() -> Split:
    return random_split()


def random_split() -> Split:
    random = np.random.default_rng(0)
    return Split(random.integers(0, 256, (IMAGES, 9, 8, 1)).astype(np.uint8), random.integers(0, 10, IMAGES))


def a_config(model: dict[str, Any] | None = None, loss: dict[str, Any] | None = None, **train: Any) -> Config:
    """A narrow network: what is asked here does not depend on its width."""
    return Config.model_validate(
        {
            "data": {"name": "mnist5k"},
            "model": {"channels": (4, 6, 8), **(model or {})},
            "loss": loss or {},
            "train": {"epochs": 1, "learning_rate": 1e-3, **train},
        }
    )


def make_step(
    split: Split | None,
    *,
    model: dict[str, Any] | None = None,
    loss: dict[str, Any] | None = None,
    term: Term | None = None,
    body: BuildNetwork | None = None,
    **train: Any,
) -> TrainStep:
    keras.utils.set_random_seed(3)
    config = a_config(model, loss, **train)
    network = build_body(config.model, (9, 8, 1), body)
    head = build_head(config, 10, kernel_initializer(config.model))
    return TrainStep(network, head, term or build_term(config, 10), config.train, split)


def scalars(rate: float = 1e-3, lambda_: float = 0.01, **changed: float) -> dict[str, float]:
    return {**scalars_of_step(a_config(), 0, 1), "learning_rate": rate, "lambda": lambda_, **changed}


def centers_of(step: TrainStep) -> Any:
    assert isinstance(step.term, CenterLoss)
    return step.term.centers


def batch(step: int, size: int = 8) -> np.ndarray:
    return np.random.default_rng(step).integers(0, IMAGES, size).astype(np.int32)


def state_of(step: TrainStep) -> list[bytes]:
    variables = [*step.network.variables, *(step.term.variables if step.term else [])]
    variables += [each for optimizer in step.optimizers for each in optimizer.variables]
    return [np.asarray(variable).tobytes() for variable in variables]


def test_the_figures_are_those_of_the_batch_before_the_step(split: Split) -> None:
    step = make_step(split, model={"batch_norm": False})
    centers_of(step).assign(np.random.default_rng(1).normal(size=(10, 2)))
    centers, indices = np.array(centers_of(step)), batch(0)
    features, logits = (np.asarray(each, np.float64) for each in step.network(split.images[indices]))
    labels = split.labels[indices].astype(int)
    figures = step(indices, scalars(1e-3, 0.5))

    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
    softmax_loss = -np.log(probabilities[np.arange(8), labels]).mean()
    center_loss = 0.5 * ((features - centers[labels]) ** 2).sum(axis=1).mean()
    assert float(figures["softmax_loss"]) == pytest.approx(softmax_loss, rel=1e-4)
    assert float(figures["center_loss"]) == pytest.approx(center_loss, rel=1e-4)
    assert float(figures["accuracy"]) == pytest.approx((logits.argmax(axis=1) == labels).mean())
    moved = np.linalg.norm(np.array(centers_of(step)) - centers)
    assert float(figures["center_shift"]) == pytest.approx(moved, rel=1e-4)
    assert moved > 0


def test_sgd_descends_softmax_plus_lambda_center_loss(split: Split) -> None:
    """One step of plain SGD moves the head by −rate·∂L_s and the feature bias by −rate·∂(L_s + λ·L_c)."""
    step = make_step(split, model={"batch_norm": False}, optimizer="sgd")
    indices, rate, lambda_ = batch(1), 0.01, 0.3
    layer, head = step.network.get_layer("feature_layer"), step.network.get_layer("head")
    features, logits = (np.asarray(each, np.float64) for each in step.network(split.images[indices]))
    labels = split.labels[indices].astype(int)
    kernel, bias = (np.asarray(each, np.float64) for each in head.get_weights())
    feature_bias = layer.get_weights()[1].astype(np.float64)

    exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
    error = (exponentials / exponentials.sum(axis=1, keepdims=True) - np.eye(10)[labels]) / len(labels)
    by_feature = error @ kernel.T + lambda_ * features  # centers are at zero, and L_c is a sum
    by_feature *= np.where(features > 0, 1.0, 0.25)  # through the PReLU
    step(indices, scalars(rate, lambda_, momentum=0.0))

    new_kernel, new_bias = step.network.get_layer("head").get_weights()
    np.testing.assert_allclose(new_kernel, kernel - rate * features.T @ error, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(new_bias, bias - rate * error.sum(axis=0), rtol=1e-4, atol=1e-6)
    expected = feature_bias - rate * by_feature.sum(axis=0)
    new_feature_bias = step.network.get_layer("feature_layer").get_weights()[1]
    np.testing.assert_allclose(new_feature_bias, expected, rtol=1e-4, atol=1e-5)


def test_the_center_step_is_equation_4_whatever_lambda_rate_and_optimizer(split: Split) -> None:
    plain = make_step(split, body=one_layer)
    indices = batch(0)
    features, labels = np.asarray(plain.network(split.images[indices])[0]), split.labels[indices].astype(int)
    expected = np.zeros((10, 2))  # centers are at zero before
    for j in set(labels):
        expected[j] = 0.5 * features[labels == j].sum(axis=0) / (1 + (labels == j).sum())
    for optimizer, given in (
        ("adam", scalars(1e-3, 0.0)),
        ("sgd", scalars(0.5, 1.0)),
        ("adam", scalars(0.1, 0.1, head_rate=50.0)),
    ):
        step = make_step(split, body=one_layer, optimizer=optimizer)
        step(indices, given)
        np.testing.assert_allclose(np.asarray(centers_of(step)), expected, rtol=1e-4, atol=1e-6)


def test_the_head_has_a_rate_of_its_own(split: Split) -> None:
    def head_change(head_rate: float) -> np.ndarray:
        step = make_step(split, body=one_layer, optimizer="sgd")
        before = step.network.get_layer("head").get_weights()[0]
        step(batch(0), scalars(1e-3, 0.0, momentum=0.0, head_rate=head_rate))
        change: np.ndarray = step.network.get_layer("head").get_weights()[0] - before
        return change

    np.testing.assert_allclose(head_change(50.0), 50 * head_change(1.0), rtol=1e-2, atol=5e-6)


def test_weight_decay_is_l2_on_kernels_alone(split: Split) -> None:
    def change(decay: float) -> dict[str, np.ndarray]:
        step = make_step(split, optimizer="sgd")
        before = {variable.path: np.array(variable) for variable in step.network.trainable_variables}
        step(batch(0), scalars(0.1, 0.0, momentum=0.0, weight_decay=decay))
        return {v.path: (before[v.path], np.array(v)) for v in step.network.trainable_variables}

    plain, decayed = change(0.0), change(0.5)
    assert any(path.endswith("kernel") for path in plain)
    assert any(
        path.endswith("alpha") for path in plain
    )  # PReLU starts at 0.25, batch norm at 1: decay would show
    for path, (start, after) in plain.items():
        expected = after - 0.1 * 0.5 * start if path.endswith("kernel") else after
        np.testing.assert_allclose(decayed[path][1], expected, rtol=1e-4, atol=1e-5, err_msg=path)


def test_momentum_is_caffes(split: Split) -> None:
    """V ← μV − rate·g, w ← w + V: after two steps of the same gradient the head has moved 1 + (1 + μ) rates."""
    step = make_step(split, body=one_layer, optimizer="sgd")

    def head_bias() -> np.ndarray:
        bias: np.ndarray = np.array(step.network.get_layer("head").bias)
        return bias

    start = head_bias()
    step(batch(0), scalars(1e-6, 0.0))  # so small that the gradient stays the same
    first = head_bias() - start
    step(batch(0), scalars(1e-6, 0.0))
    np.testing.assert_allclose(head_bias() - start, 2.9 * first, rtol=2e-2, atol=1e-10)


def test_equal_seeds_give_equal_bits_also_where_two_runs_take_turns(split: Split) -> None:
    alone = make_step(split)
    for number in range(2):
        alone(batch(number), scalars())
    first, second = make_step(split), make_step(split)
    for number in range(2):
        first(batch(number), scalars())
        second(batch(number), scalars())
    assert state_of(alone) == state_of(first) == state_of(second)


def test_a_batch_may_bring_its_own_images(split: Split) -> None:
    resident, own = make_step(split), make_step(None)
    figures = resident(batch(0), scalars())
    same = own((split.images[batch(0)], split.labels[batch(0)].astype(np.int32)), scalars())
    assert {name: float(value) for name, value in figures.items()} == {
        name: float(value) for name, value in same.items()
    }
    assert state_of(resident) == state_of(own)


def test_without_a_term_there_is_the_heads_loss_alone(split: Split) -> None:
    step = make_step(split, loss={"term": "none"}, body=one_layer)
    other = make_step(split, body=one_layer)
    given = scalars_of_step(a_config(loss={"term": "none"}), 0, 1)
    assert not {"lambda", "alpha"} & given.keys()
    figures = step(batch(0), given)
    assert list(figures) == ["softmax_loss", "accuracy"]
    assert (step.term, step.points) == (None, None)
    dump = extract(step.network, step.points, split, 1)
    assert (dump.centers, dump.centers_kind) == (None, None)
    other(batch(0), scalars(lambda_=0.0))  # λ = 0 trains the same network
    assert [np.asarray(each).tobytes() for each in step.network.variables] == [
        np.asarray(each).tobytes() for each in other.network.variables
    ]


class Prototypes(Term):
    """A term that learns a point for each class by its gradient."""

    scalars = ("scale",)

    def build(self, features_shape: Any, labels_shape: Any = None) -> None:
        self.prototypes = self.add_weight(shape=(10, features_shape[1]), initializer="zeros")

    def call(self, features: Any, labels: Any, training: bool = False, scale: Any = 1.0) -> Any:
        return scale * keras.ops.sum(
            keras.ops.square(features - keras.ops.take(self.prototypes, labels, axis=0))
        )


def test_a_term_may_learn_at_a_rate_of_its_own_and_ask_for_scalars(split: Split) -> None:
    def moved(**changed: float) -> np.ndarray:
        step = make_step(split, term=Prototypes(name="pull_loss"), body=one_layer, optimizer="sgd")
        figures = step(batch(0), scalars(momentum=0.0, **changed))
        assert list(figures) == ["softmax_loss", "accuracy", "pull_loss"]
        assert "pull_loss/variable" in "".join(arrays_of(step, 1))
        assert isinstance(step.term, Prototypes)
        change: np.ndarray = np.array(step.term.prototypes)
        return change

    plain = moved(scale=1.0, term_rate=1.0)
    assert np.abs(plain).max() > 0
    np.testing.assert_allclose(moved(scale=1.0, term_rate=5.0), 5 * plain, rtol=1e-4)
    np.testing.assert_allclose(moved(scale=3.0, term_rate=1.0), 3 * plain, rtol=1e-4)


def save_arrays(folder: Path, step: TrainStep) -> None:
    """The part of a checkpoint that the training step is restored from."""
    folder.mkdir()
    with (folder / "state.npz").open("wb") as file:
        write_arrays(file, arrays_of(step, 1))


@pytest.mark.parametrize("optimizer", ["adam", "muon", "sgd"])
def test_a_restored_state_goes_on_to_the_same_bits(split: Split, tmp_path: Path, optimizer: str) -> None:
    straight = make_step(split, optimizer=optimizer)
    for number in range(6):
        straight(batch(number), scalars())
        if number == 2:
            save_arrays(tmp_path / "three", straight)

    keras.utils.set_random_seed(77)
    resumed = make_step(split, optimizer=optimizer)
    resumed(batch(50), scalars(1e-2, 1.0))  # whatever it was before must not matter
    restore_state(tmp_path / "three", resumed)
    for number in range(3, 6):
        resumed(batch(number), scalars())
    assert state_of(resumed) == state_of(straight)


def test_a_checkpoint_holds_centers_and_both_optimizers_and_no_pickle(split: Split, tmp_path: Path) -> None:
    step = make_step(split)
    step(batch(0), scalars())
    save_arrays(tmp_path / "saved", step)
    with np.load(tmp_path / "saved" / "state.npz", allow_pickle=False) as archive:
        names = archive.files
        assert np.array_equal(archive["center_loss/centers"], centers_of(step))
    for group in ("network/", "body_optimizer/", "head_optimizer/"):
        assert any(name.startswith(group) for name in names)


def test_states_of_other_networks_are_refused_and_change_nothing(split: Split, tmp_path: Path) -> None:
    save_arrays(tmp_path / "three", make_step(split, model={"feature_dim": 3}))
    save_arrays(tmp_path / "plain", make_step(split, model={"batch_norm": False}))
    save_arrays(tmp_path / "whole", make_step(split))
    contents = {
        "cut": (tmp_path / "three" / "state.npz").read_bytes()[:5000],
        "text": b"hello",
        "pickle": npz(step=np.array([{}], dtype=object)),
        "other": npz(weights=np.zeros(3)),
    }
    for name, content in contents.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "state.npz").write_bytes(content)
    step = make_step(split)
    before = state_of(step)
    for name, words in (
        ("three", "is float32"),
        ("plain", "another network or optimizer"),
        ("cut", "damaged or not an .npz file"),
        ("text", "damaged or not an .npz file"),
        ("pickle", "holds Python objects, which are never loaded"),
        ("other", "another network or optimizer"),
        ("absent", "No such file"),
    ):
        with pytest.raises(CheckpointError, match=words) as caught:
            restore_state(tmp_path / name, step)
        assert f"{name}/state.npz" in str(caught.value)
    assert state_of(step) == before


def npz(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez(file, **arrays)
    return file.getvalue()


def test_a_state_that_is_not_finite_is_not_saved(split: Split) -> None:
    step = make_step(split)
    centers_of(step).assign(np.full((10, 2), np.inf))
    with pytest.raises(DivergedError, match="after step 7 center_loss/centers became NaN or infinite"):
        arrays_of(step, 7)


def test_looking_at_images_between_steps_changes_nothing(
    split: Split, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The post moved the centers with a validation batch every thousand steps."""
    step = make_step(split)
    step(batch(0), scalars())
    before = state_of(step)
    dump = extract(step.network, step.points, split, 0)
    assert state_of(step) == before
    # 40 images, and batches of whatever size: each image once, in its own order.
    features, logits = step.network(split.images, training=False)
    np.testing.assert_allclose(dump.features, features, rtol=1e-4, atol=1e-5)
    assert np.array_equal(dump.predictions, np.argmax(logits, axis=1))
    np.testing.assert_allclose(dump.logits, logits, rtol=1e-4, atol=1e-5)
    assert np.array_equal(dump.labels, split.labels)
    # What was seen stays what it was when training goes on in the same memory.
    centers = dump.centers.copy()
    step(batch(1), scalars())
    assert np.array_equal(dump.centers, centers)
    assert not np.array_equal(dump.centers, centers_of(step))
    # Of more classes than there is room for there are no logits.
    monkeypatch.setattr(evaluation, "LOGIT_BYTES", 40 * 10 * 4 - 1)
    again = extract(step.network, step.points, split, 0)
    assert (again.logits, again.predictions is None) == (None, False)


@pytest.mark.parametrize("optimizer", ["muon", "sgd"])
def test_the_step_is_compiled_once_whatever_numbers_it_is_given(
    optimizer: str, split: Split, tmp_path: Path
) -> None:
    step = make_step(split, optimizer=optimizer)
    step(batch(0), scalars())
    step(batch(1), scalars(1e-2, 0.0, alpha=0.1, head_rate=5.0))
    extract(step.network, step.points, split, 0)
    save_arrays(tmp_path / "two", step)
    step(batch(2), scalars(1e-2, 1.0, momentum=0.5, weight_decay=0.1))
    restore_state(tmp_path / "two", step)
    step(batch(3), scalars(1e-2, 1.0, step=7.0))
    compiled = step._engine._compiled
    count = len(compiled) if ON_JAX else compiled.experimental_get_tracing_count()
    assert count == 1


def test_alpha_is_that_of_the_step(split: Split) -> None:
    def centers(alpha: float) -> np.ndarray:
        step = make_step(split, body=one_layer)
        step(batch(0), scalars(alpha=alpha))
        return np.array(centers_of(step))

    np.testing.assert_allclose(centers(0.5), 5 * centers(0.1), rtol=1e-5)
    assert not centers(0.0).any()


@pytest.mark.skipif(not ON_JAX, reason="TensorFlow changes variables in place")
def test_a_variable_kept_over_a_step_is_an_error_and_no_old_value(split: Split) -> None:
    step = make_step(split)
    kept = centers_of(step)
    step(batch(0), scalars())
    with pytest.raises(RuntimeError, match="deleted"):
        np.array(kept)
    assert np.array(centers_of(step)).any()
    assert np.array(kept).any()


def test_no_python_runs_inside_the_step(split: Split) -> None:
    """The post's `py_func` made every step wait for NumPy; ours must be one compiled whole."""
    step = make_step(split)
    step(batch(0), scalars())
    engine, given = step._engine, scalars()
    if ON_JAX:
        (compiled,) = engine._compiled.values()
        assert "callback" not in compiled.as_text()
    else:
        names, values = tuple(given), np.array(list(given.values()), np.float32)
        arguments = (keras.ops.convert_to_tensor(batch(0)), names, keras.ops.convert_to_tensor(values))
        graph = engine._compiled.get_concrete_function(*arguments).graph
        assert not [node.type for node in graph.get_operations() if "PyFunc" in node.type]
