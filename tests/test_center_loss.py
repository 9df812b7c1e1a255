"""The loss and the center update, against the dumbest independent references that can be written."""

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from centerloss_core.losses.center_loss import CenterLoss

CLASSES, DIMENSIONS = 10, 2


def make_batch(
    size: int = 100, *, classes: int = CLASSES, dimensions: int = DIMENSIONS, seed: int = 0
) -> Any:
    random = np.random.default_rng(seed)
    features = random.normal(scale=5.0, size=(size, dimensions)).astype(np.float32)
    return features, random.integers(0, classes, size).astype(np.int32)


def make_layer(centers: np.ndarray, **settings: Any) -> CenterLoss:
    layer = CenterLoss(len(centers), **settings)
    layer.build((None, centers.shape[1]))
    layer.centers.assign(centers)
    return layer


def random_centers(classes: int = CLASSES, dimensions: int = DIMENSIONS) -> np.ndarray:
    return np.random.default_rng(99).normal(scale=3.0, size=(classes, dimensions)).astype(np.float32)


# ---- References: float64, one sample at a time --------------------------------------------------------------


def loss_by_class_masks(features: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> float:
    """The post's first form: for every class, mask its samples out and add up their squared distances."""
    total = 0.0
    for label in range(len(centers)):
        for feature in features[labels == label].astype(np.float64):
            total += 0.5 * float(((feature - centers[label].astype(np.float64)) ** 2).sum())
    return total


def loss_by_gather(features: np.ndarray, labels: np.ndarray, centers: np.ndarray) -> float:
    """The post's second form: gather each sample's center, then half the squared norm of the difference."""
    difference = features.astype(np.float64) - centers.astype(np.float64)[labels]
    return float(np.linalg.norm(difference) ** 2 / 2)


def centers_by_equation_4(
    features: np.ndarray, labels: np.ndarray, centers: np.ndarray, alpha: float
) -> np.ndarray:
    moved = centers.astype(np.float64).copy()
    for j in range(len(centers)):
        numerator, count = np.zeros(centers.shape[1]), 0
        for feature, label in zip(features.astype(np.float64), labels, strict=True):
            if label == j:
                numerator += centers[j].astype(np.float64) - feature
                count += 1
        moved[j] = centers[j] - alpha * numerator / (1 + count)
    return moved


def centers_by_collecting_samples(
    features: np.ndarray, labels: np.ndarray, centers: np.ndarray, alpha: float
) -> np.ndarray:
    """Eq. 4 once more, for classes so many that a loop over all of them would take minutes."""
    samples = defaultdict(list)
    for feature, label in zip(features.astype(np.float64), labels, strict=True):
        samples[int(label)].append(feature)
    moved = centers.astype(np.float64)
    for label, members in samples.items():
        pull = sum(member - centers[label].astype(np.float64) for member in members)
        moved[label] = centers[label] + alpha * pull / (1 + len(members))
    return moved


# ---- The loss -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("reference", [loss_by_class_masks, loss_by_gather])
@pytest.mark.parametrize("size", [1, 7, 100, 10_000])
def test_the_summed_loss_is_both_of_the_posts_forms(reference: Any, size: int) -> None:
    features, labels = make_batch(size)
    centers = random_centers()
    loss = make_layer(centers)(features, labels)
    assert float(loss) == pytest.approx(reference(features, labels, centers), rel=1e-5)


def test_the_mean_is_the_sum_over_the_batch_size() -> None:
    features, labels = make_batch(128)
    centers = random_centers()
    loss = make_layer(centers, reduction="mean")(features, labels)
    assert float(loss) == pytest.approx(loss_by_gather(features, labels, centers) / 128, rel=1e-5)


@pytest.mark.parametrize(("reduction", "divisor"), [("sum", 1), ("mean", 50)])
@pytest.mark.parametrize("training", [True, False])
def test_the_gradient_in_x_is_x_minus_its_center(reduction: Any, divisor: int, training: bool) -> None:
    features, labels = make_batch(50)
    centers = random_centers()
    layer = make_layer(centers, reduction=reduction)
    x = tf.Variable(features)
    with tf.GradientTape() as tape:
        loss = layer(x, labels, training=training)
    expected = (features.astype(np.float64) - centers[labels]) / divisor
    np.testing.assert_allclose(tape.gradient(loss, x), expected, rtol=1e-5, atol=1e-6)


def test_the_gradient_agrees_with_finite_differences_of_the_reference() -> None:
    features, labels = make_batch(5)
    centers = random_centers()
    layer = make_layer(centers)
    x = tf.Variable(features)
    with tf.GradientTape() as tape:
        loss = layer(x, labels, training=True)
    gradient = tape.gradient(loss, x).numpy()
    wide = features.astype(np.float64)
    for i in range(5):
        for d in range(DIMENSIONS):
            above, below = wide.copy(), wide.copy()
            above[i, d] += 1e-4
            below[i, d] -= 1e-4
            slope = (loss_by_gather(above, labels, centers) - loss_by_gather(below, labels, centers)) / 2e-4
            assert gradient[i, d] == pytest.approx(slope, rel=1e-4, abs=1e-4)


# ---- The centers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 0.01, 0.5, 1.0])
@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_a_training_step_moves_the_centers_by_equation_4(alpha: float, reduction: Any) -> None:
    features, labels = make_batch(100)
    centers = random_centers()
    layer = make_layer(centers, alpha=alpha, reduction=reduction)
    layer(features, labels, training=True)
    expected = centers_by_equation_4(features, labels, centers, alpha)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_many_steps_follow_the_reference() -> None:
    centers = np.zeros((CLASSES, DIMENSIONS), np.float32)
    layer = make_layer(centers)
    expected = centers.astype(np.float64)
    for step in range(50):
        features, labels = make_batch(32, seed=step)
        layer(features, labels, training=True)
        expected = centers_by_equation_4(features, labels, expected, 0.5)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_the_loss_of_a_training_step_uses_the_centers_before_it() -> None:
    features, labels = make_batch(100)
    centers = random_centers()
    layer = make_layer(centers)
    loss = float(layer(features, labels, training=True))
    assert loss == pytest.approx(loss_by_gather(features, labels, centers), rel=1e-5)
    assert float(layer(features, labels)) < loss  # and after it they are nearer


def test_an_absent_class_keeps_its_center_to_the_bit() -> None:
    features, labels = make_batch(100, classes=4)
    centers = random_centers()
    layer = make_layer(centers)
    layer(features, labels, training=True)
    moved = layer.centers.numpy()
    assert np.array_equal(moved[4:], centers[4:])
    assert not np.isclose(moved[:4], centers[:4]).any()


@pytest.mark.parametrize("count", [1, 2, 100, 10_000])
def test_a_batch_of_one_class_moves_its_center_n_over_one_plus_n_of_alpha(count: int) -> None:
    point = np.array([3.0, -4.0], np.float32)
    layer = make_layer(np.zeros((CLASSES, DIMENSIONS), np.float32), alpha=0.5)
    layer(np.tile(point, (count, 1)), np.full(count, 7, np.int32), training=True)
    np.testing.assert_allclose(layer.centers.numpy()[7], 0.5 * count / (1 + count) * point, rtol=1e-5)
    assert not layer.centers.numpy()[:7].any()


def test_with_alpha_one_the_largest_batch_of_one_class_stays_stable() -> None:
    layer = make_layer(np.zeros((CLASSES, DIMENSIONS), np.float32), alpha=1.0)
    features = np.random.default_rng(0).normal(1e3, 1.0, (10_000, DIMENSIONS)).astype(np.float32)
    labels = np.zeros(10_000, np.int32)
    losses = [float(layer(features, labels, training=True)) for _ in range(20)]
    assert np.isfinite(losses).all()
    np.testing.assert_allclose(layer.centers.numpy()[0], features.mean(axis=0), rtol=1e-3)


@pytest.mark.parametrize("settings", [{}, {"training": False}])
def test_evaluation_leaves_the_centers_alone(settings: dict[str, bool]) -> None:
    features, labels = make_batch(100)
    centers = random_centers()
    layer = make_layer(centers)
    layer(features, labels, **settings)
    assert np.array_equal(layer.centers.numpy(), centers)


def test_no_gradient_and_no_optimizer_reaches_the_centers() -> None:
    features, labels = make_batch(10)
    layer = make_layer(random_centers())
    with tf.GradientTape() as tape:
        tape.watch(layer.centers.value)
        loss = layer(features, labels, training=True)
    assert tape.gradient(loss, layer.centers.value) is None
    assert (len(layer.trainable_weights), len(layer.non_trainable_weights)) == (0, 1)


def test_labels_may_be_a_column_or_of_any_integer_type() -> None:
    features, labels = make_batch(20)
    centers = random_centers()
    expected = float(make_layer(centers)(features, labels))
    for other in (labels[:, None], labels.astype(np.int64), labels.astype(np.uint8)):
        layer = make_layer(centers)
        assert float(layer(features, other, training=True)) == expected
        np.testing.assert_allclose(
            layer.centers.numpy(), centers_by_equation_4(features, labels, centers, 0.5), rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("kind", ["eager", "graph", "xla"])
def test_one_traced_step_serves_every_batch_size(kind: str) -> None:
    centers = random_centers(37, 16)
    layer = make_layer(centers)

    def step(x: Any, y: Any) -> Any:
        return layer(x, y, training=True)

    if kind != "eager":
        step = tf.function(
            step,
            input_signature=[tf.TensorSpec((None, 16)), tf.TensorSpec((None,), tf.int32)],
            jit_compile=kind == "xla",
        )
    expected = centers.astype(np.float64)
    for size in (64, 1, 0, 7, 500):
        features, labels = make_batch(size, classes=37, dimensions=16, seed=size)
        loss = float(step(tf.constant(features), tf.constant(labels)))
        assert loss == pytest.approx(loss_by_class_masks(features, labels, expected), rel=1e-4)
        expected = centers_by_equation_4(features, labels, expected, 0.5)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-4, atol=1e-5)


def test_alpha_may_be_given_for_a_call() -> None:
    features, labels = make_batch(50)
    centers = random_centers()
    layer = make_layer(centers, alpha=0.5)
    layer(features, labels, training=True, alpha=0.2)
    expected = centers_by_equation_4(features, labels, centers, 0.2)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("reduction", ["sum", "mean"])
def test_its_figures_are_the_loss_per_image_and_how_far_the_centers_moved(reduction: str) -> None:
    features, labels = make_batch(50, classes=7)
    centers = random_centers()
    layer = make_layer(centers, reduction=reduction)
    loss, figures = layer.measure(features, labels, {"alpha": np.float32(0.5)})
    assert float(loss) == pytest.approx(float(make_layer(centers, reduction=reduction)(features, labels)))
    assert float(figures["center_loss"]) == pytest.approx(loss_by_gather(features, labels, centers) / 50)
    moved = layer.centers.numpy() - centers
    assert float(figures["center_shift"]) == pytest.approx(np.linalg.norm(moved), rel=1e-6)
    assert layer.points() == (layer.centers, "center")


# ---- The order of addition ----------------------------------------------------------------------------------

SIZES = [(10, 2, 100), (10, 2, 10_000), (1, 3, 4096), (5000, 64, 4096)]  # classes, dimensions, batch


@pytest.mark.parametrize(("classes", "dimensions", "size"), SIZES)
def test_the_same_batches_give_the_same_bits(classes: int, dimensions: int, size: int) -> None:
    def run() -> bytes:
        layer = make_layer(random_centers(classes, dimensions))
        compiled = tf.function(lambda x, y: layer(x, y, training=True))
        batches = (make_batch(size, classes=classes, dimensions=dimensions, seed=seed) for seed in range(5))
        losses = [compiled(*batch).numpy().tobytes() for batch in batches]
        return b"".join(losses) + layer.centers.numpy().tobytes()

    first = run()
    assert all(run() == first for _ in range(3))


@pytest.mark.parametrize(("classes", "dimensions", "size"), SIZES)
def test_the_order_of_the_samples_matters_to_rounding_only(classes: int, dimensions: int, size: int) -> None:
    features, labels = make_batch(size, classes=classes, dimensions=dimensions)
    centers = random_centers(classes, dimensions)

    def moved(order: np.ndarray) -> np.ndarray:
        layer = make_layer(centers)
        layer(features[order], labels[order], training=True)
        return layer.centers.numpy()

    kept = moved(np.arange(size))
    expected = centers_by_collecting_samples(features, labels, centers, 0.5)
    np.testing.assert_allclose(kept, expected, rtol=1e-5, atol=1e-5)
    shuffled = moved(np.random.default_rng(1).permutation(size))
    np.testing.assert_allclose(shuffled, expected, rtol=1e-5, atol=1e-5)
    # Within a class the order is that of the batch, whatever stands between its samples.
    assert np.array_equal(moved(np.argsort(labels, kind="stable")), kept)


def test_the_numbers_that_classes_bear_do_not_matter_to_the_bit() -> None:
    features, labels = make_batch(1000, classes=37, dimensions=16)
    centers = random_centers(37, 16)
    names = np.random.default_rng(1).permutation(37).astype(np.int32)
    layer, renamed = make_layer(centers), make_layer(centers[np.argsort(names)])
    layer(features, labels, training=True)
    renamed(features, names[labels], training=True)
    assert np.array_equal(renamed.centers.numpy()[names], layer.centers.numpy())


# ---- Many classes -------------------------------------------------------------------------------------------

MANY, WIDE, BATCH = 100_000, 8, 1024  # one-hot labels would take 410 MB


def many_classes() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    features, labels = make_batch(BATCH, classes=MANY, dimensions=WIDE)
    labels[::3] = labels[0]  # one class with a third of the batch, most with one sample
    return features, labels, random_centers(MANY, WIDE)


def check_many_classes(moved: np.ndarray) -> None:
    features, labels, centers = many_classes()
    expected = centers_by_collecting_samples(features, labels, centers, 0.5)
    np.testing.assert_allclose(moved, expected, rtol=1e-5, atol=1e-5)
    absent = np.setdiff1d(np.arange(MANY), labels)
    assert np.array_equal(moved[absent], centers[absent])


def graphs_within(function: Any) -> Iterator[Any]:
    """The graph of a concrete function and those of the functions that it calls."""
    yield function.graph
    for inner in function.graph._functions.values():
        yield from graphs_within(inner) if hasattr(inner, "graph") else ()


def test_with_many_classes_no_tensor_is_as_large_as_the_centers() -> None:
    features, labels, centers = many_classes()
    layer = make_layer(centers)

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = layer(x, y, training=True)
        return loss, tape.gradient(loss, x)

    traced = step.get_concrete_function(tf.constant(features), tf.constant(labels))
    outputs = [
        output
        for graph in graphs_within(traced)
        for each in graph.get_operations()
        for output in each.outputs
    ]
    assert len(outputs) > 10
    assert all(output.shape.is_fully_defined() for output in outputs if output.dtype != tf.resource)
    # In TensorFlow the centers are written in place: the largest is one integer per class.
    assert max(output.shape.num_elements() for output in outputs if output.dtype != tf.resource) <= MANY
    loss, gradient = step(tf.constant(features), tf.constant(labels))
    assert float(loss) == pytest.approx(loss_by_gather(features, labels, centers), rel=1e-5)
    np.testing.assert_allclose(gradient, features - centers[labels], rtol=1e-5)
    check_many_classes(layer.centers.numpy())


# ---- As a function: Keras' stateless calls, and JAX, which knows no others ----------------------------------


def test_a_stateless_call_returns_the_centers_and_leaves_the_layers_own_alone() -> None:
    features, labels = make_batch(100)
    centers = random_centers()
    layer, twin = make_layer(centers), make_layer(centers)
    loss, (moved,) = layer.stateless_call([], [centers], features, labels, training=True)
    assert float(loss) == float(twin(features, labels, training=True))
    assert np.array_equal(moved, twin.centers.numpy())
    assert np.array_equal(layer.centers.numpy(), centers)


# ---- As a Keras layer ---------------------------------------------------------------------------------------


def test_under_mixed_precision_loss_and_centers_stay_float32() -> None:
    features, labels = make_batch(100)
    centers = random_centers()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        layer = make_layer(centers)
        loss = layer(tf.cast(features, tf.bfloat16), labels, training=True)
    finally:
        keras.config.set_dtype_policy("float32")
    rounded = tf.cast(tf.cast(features, tf.bfloat16), tf.float32).numpy()
    assert loss.dtype == tf.float32
    assert layer.centers.dtype == "float32"
    assert float(loss) == pytest.approx(loss_by_gather(rounded, labels, centers), rel=1e-5)
    expected = centers_by_equation_4(rounded, labels, centers, 0.5)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-5, atol=1e-6)


def test_a_layer_of_mixed_precision_itself_leaves_absent_centers_alone() -> None:
    features, labels = make_batch(100, classes=4)
    centers = random_centers()
    layer = make_layer(centers, dtype="mixed_bfloat16")
    assert layer(features, labels, training=True).dtype == tf.bfloat16
    rounded = tf.cast(tf.cast(features, tf.bfloat16), tf.float32).numpy()
    expected = centers_by_equation_4(rounded, labels, centers, 0.5)
    np.testing.assert_allclose(layer.centers.numpy(), expected, rtol=1e-5, atol=1e-6)
    assert np.array_equal(layer.centers.numpy()[4:], centers[4:])


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"num_classes": 0}, "num_classes must be a positive integer, received 0"),
        ({"num_classes": 2.0}, "num_classes must be a positive integer, received 2.0"),
        ({"num_classes": 2, "alpha": 1.5}, "alpha must lie between 0 and 1, received 1.5"),
        ({"num_classes": 2, "alpha": float("nan")}, "alpha must lie between 0 and 1, received nan"),
        ({"num_classes": 2, "reduction": "max"}, "reduction must be one of .*received 'max'"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        CenterLoss(**settings)


def test_features_that_are_no_vectors_are_refused() -> None:
    with pytest.raises(ValueError, match="Flatten them first"):
        CenterLoss(10)(np.zeros((4, 3, 3), np.float32), np.zeros(4, np.int32))
