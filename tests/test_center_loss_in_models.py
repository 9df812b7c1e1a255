"""CenterLoss in models that are not ours: shapes of labels, `fit`, saving, several replicas."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from centerloss_core import CenterLoss

CLASSES = 10


def make_batch(size: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(size)
    return random.normal(size=(size, 2)).astype(np.float32), random.integers(0, CLASSES, size).astype(
        np.int32
    )


# ---- The shape of the labels --------------------------------------------------------------------------------


def eagerly(layer: CenterLoss, features: np.ndarray, labels: np.ndarray) -> Any:
    return layer(features, labels, training=True)


def symbolically(layer: CenterLoss, features: np.ndarray, labels: np.ndarray) -> Any:
    return layer(
        keras.Input(batch_shape=features.shape), keras.Input(batch_shape=labels.shape, dtype="int32")
    )


def compiled(layer: CenterLoss, features: np.ndarray, labels: np.ndarray) -> Any:
    return tf.function(lambda x, y: layer(x, y, training=True))(features, labels)


def compiled_for_any_batch(layer: CenterLoss, features: np.ndarray, labels: np.ndarray) -> Any:
    signature = [tf.TensorSpec((None, *each.shape[1:]), each.dtype) for each in (features, labels)]
    return tf.function(lambda x, y: layer(x, y, training=True), input_signature=signature)(features, labels)


Call = Callable[[CenterLoss, np.ndarray, np.ndarray], Any]


@pytest.mark.parametrize("call", [eagerly, symbolically, compiled, compiled_for_any_batch])
@pytest.mark.parametrize("size", [1, 10, 32])
def test_one_hot_labels_are_refused(call: Call, size: int) -> None:
    features, labels = make_batch(size)
    layer = CenterLoss(CLASSES)
    layer.build((None, 2))
    batch = None if call is compiled_for_any_batch else size
    with pytest.raises(ValueError, match="class numbers") as refused:
        call(layer, features, np.eye(CLASSES, dtype=np.int32)[labels])
    assert f"labels of shape {(batch, 10)} for features of shape {(batch, 2)}" in str(refused.value)
    assert "keras.ops.argmax(labels, axis=-1)" in str(refused.value)
    assert not layer.centers.numpy().any()


@pytest.mark.parametrize("call", [eagerly, symbolically, compiled])
@pytest.mark.parametrize("shape", [(1,), (1, 1), (7,), (8, 1, 1), ()])
def test_labels_that_are_not_one_for_each_sample_are_refused(call: Call, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"shape \(m,\) or \(m, 1\)"):
        call(CenterLoss(CLASSES), make_batch(8)[0], np.ones(shape, np.int32))


@pytest.mark.parametrize("call", [eagerly, compiled, compiled_for_any_batch])
def test_a_column_of_labels_means_the_same_as_a_row(call: Call) -> None:
    features, labels = make_batch(32)
    row, column = CenterLoss(CLASSES), CenterLoss(CLASSES)
    assert float(call(column, features, labels[:, None])) == float(call(row, features, labels))
    assert np.array_equal(column.centers.numpy(), row.centers.numpy())
    assert float(call(CenterLoss(1), np.ones((1, 2), np.float32), np.zeros((1, 1), np.int32))) == 1.0
    for shape in ((None,), (None, 1), (None, None)):
        symbol = CenterLoss(CLASSES)(keras.Input((2,)), keras.Input(batch_shape=shape, dtype="int32"))
        assert symbol.shape == ()


@pytest.mark.parametrize(
    ("labels", "found"), [([3, 10], "3 to 10"), ([[-1], [9]], "-1 to 9"), ([1.0, 12.0], "1.0 to")]
)
@pytest.mark.parametrize("training", [False, True])
def test_labels_out_of_range_are_refused_where_they_are_known(
    labels: list[Any], found: str, *, training: bool
) -> None:
    layer = CenterLoss(CLASSES)
    with pytest.raises(ValueError, match=f"num_classes is 10; received numbers from {found}"):
        layer(np.ones((2, 2), np.float32), np.array(labels), training=training)
    assert not layer.centers.numpy().any()
    assert float(layer(np.ones((0, 2), np.float32), np.zeros(0, np.int32))) == 0.0


def test_a_column_whose_width_is_known_only_when_the_step_runs() -> None:
    layer = CenterLoss(CLASSES)
    layer.build((None, 2))
    signature = [tf.TensorSpec((None, 2)), tf.TensorSpec((None, None), tf.int32)]
    step = tf.function(lambda x, y: layer(x, y, training=True), input_signature=signature)
    features, labels = make_batch(1)
    with pytest.raises(tf.errors.InvalidArgumentError):
        step(features, np.eye(CLASSES, dtype=np.int32)[labels])
    assert not layer.centers.numpy().any()
    assert float(step(features, labels[:, None])) == pytest.approx(0.5 * (features**2).sum())
    assert layer.centers.numpy().any()


# ---- A loss for each sample ---------------------------------------------------------------------------------


def test_without_a_reduction_each_sample_has_its_loss_and_its_gradient() -> None:
    features, labels = make_batch(32)
    each, summed = CenterLoss(CLASSES, reduction="none"), CenterLoss(CLASSES)
    for layer in (each, summed):
        layer(features, labels, training=True)
    x = tf.Variable(features)
    with tf.GradientTape() as tape:
        losses = each(x, labels, training=True)
    centers = summed.centers.numpy()
    np.testing.assert_allclose(losses, 0.5 * ((features - centers[labels]) ** 2).sum(axis=1), rtol=1e-5)
    np.testing.assert_allclose(tape.gradient(losses, x), features - centers[labels], rtol=1e-5)
    summed(features, labels, training=True)
    assert np.array_equal(each.centers.numpy(), summed.centers.numpy())
    assert each(keras.Input((2,)), keras.Input((), dtype="int32")).shape == (None,)


@keras.saving.register_keras_serializable("tests")
def as_it_is(target: Any, losses: Any) -> Any:
    return losses


def with_second_output() -> keras.Model:
    images, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    features = keras.layers.Dense(2, name="features")(images)
    logits = keras.layers.Dense(3, name="logits")(features)
    losses = CenterLoss(3, alpha=0.25, reduction="none", name="center_loss")(features, labels)
    model = keras.Model([images, labels], {"logits": logits, "center_loss": losses})
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(
        keras.optimizers.SGD(0.05, momentum=0.9),
        loss={"logits": cross_entropy, "center_loss": as_it_is},
        loss_weights={"logits": 1.0, "center_loss": 0.5},
    )
    return model


def test_a_second_output_is_fitted_saved_loaded_and_fitted_on(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    x, y = random.normal(size=(24, 3)).astype(np.float32), random.integers(0, 3, 24).astype(np.int32)
    targets = {"logits": y, "center_loss": y}
    model = with_second_output()
    history = model.fit([x, y], targets, epochs=2, batch_size=8, shuffle=False, verbose=0).history
    assert history["loss"] == pytest.approx(
        [a + 0.5 * b for a, b in zip(history["logits_loss"], history["center_loss_loss"], strict=True)],
        rel=1e-5,
    )
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.get_layer("center_loss").get_config() == model.get_layer("center_loss").get_config()
    for each in (model, loaded):
        each.fit([x, y], targets, epochs=1, batch_size=8, shuffle=False, verbose=0)
    for ours, theirs in zip(model.weights, loaded.weights, strict=True):
        assert np.array_equal(ours.numpy(), theirs.numpy())

    names = ("features", "logits")
    without_labels = keras.Model(loaded.inputs[0], [loaded.get_layer(name).output for name in names])
    features, logits = without_labels.predict(x, verbose=0)
    assert (features.shape, logits.shape) == ((24, 2), (24, 3))
    predicted = loaded.predict([x, y], verbose=0)
    np.testing.assert_allclose(predicted["logits"], logits, rtol=1e-5)
    centers = loaded.get_layer("center_loss").centers.numpy()
    expected = 0.5 * ((features - centers[y]) ** 2).sum(axis=1)
    np.testing.assert_allclose(predicted["center_loss"], expected, rtol=1e-4)


# ---- Added to the loss of a subclass ------------------------------------------------------------------------


class Classifier(keras.Model):
    """Anybody's model."""

    def __init__(self, lambda_: float) -> None:
        super().__init__()
        self.lambda_ = lambda_
        self.features = keras.Sequential([keras.layers.Dense(32, "relu"), keras.layers.Dense(2)])
        self.head = keras.layers.Dense(3)
        self.center_loss = CenterLoss(num_classes=3, alpha=0.5, reduction="mean")

    def call(self, inputs: Any, training: bool = False) -> Any:
        x, labels = inputs
        features = self.features(x)
        self.add_loss(self.lambda_ * self.center_loss(features, labels, training=training))
        return self.head(features)


def test_it_serves_a_model_of_ones_own_through_fit() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 300).astype(np.int32)
    x = (np.eye(3)[labels] * 4 + random.normal(size=(300, 3))).astype(np.float32)

    def intra_over_inter(lambda_: float) -> float:
        keras.utils.set_random_seed(1)
        model = Classifier(lambda_)
        model.compile(
            optimizer=keras.optimizers.Adam(0.02),
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            metrics=["accuracy"],
        )
        model.fit([x, labels], labels, epochs=10, batch_size=30, verbose=0)
        before = model.center_loss.centers.numpy()
        _, accuracy = model.evaluate([x, labels], labels, verbose=0)
        assert np.array_equal(model.center_loss.centers.numpy(), before)
        assert accuracy > 0.9
        features = model.features(x).numpy()
        means = np.stack([features[labels == j].mean(axis=0) for j in range(3)])
        inter = np.mean([np.linalg.norm(means[i] - means[j]) for i, j in ((0, 1), (0, 2), (1, 2))])
        return float(np.linalg.norm(features - means[labels], axis=1).mean() / inter)

    assert intra_over_inter(1.0) < 0.8 * intra_over_inter(0.0)


# ---- On several replicas -------------------------------------------------------------------------------------

ON_TWO_REPLICAS = """
import sys

import numpy as np

from centerloss_core.isolation import importing_keras, isolate_process

isolate_process()
with importing_keras():  # without what it imports for others, which takes seconds
    import keras
    import tensorflow as tf

from centerloss_core import CenterLoss

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
ALL = "all" in sys.argv
SIZES = {"gradient": 3, "ema": 3, "eq4": 3} if ALL else {"gradient": 1, "ema": 1, "eq4": 2}
WAYS = [False, True] if ALL else [True]
random = np.random.default_rng(0)


def copies(layer):
    return [each.numpy() for each in strategy.experimental_local_results(layer.centers.value)]


def check_equal(layer, alone):
    first, second = copies(layer)
    np.testing.assert_array_equal(first, second)
    # A compiled step may round a quotient of numbers that it knows in another way.
    rounding = 0 if alone.center_update == "eq4" else 1e-6
    np.testing.assert_allclose(first, alone.centers.numpy(), rtol=rounding, atol=0)


def split(array, at):
    parts = [tf.constant(array[:at]), tf.constant(array[at:])]
    return strategy.experimental_distribute_values_from_function(lambda c: parts[c.replica_id_in_sync_group])


# Steps of a loop: the value of each replica is that of its samples, the centers are those of one device.
for rule, sizes in SIZES.items():
    alone = CenterLoss(4, alpha=0.3, center_update=rule)
    with strategy.scope():
        layer = CenterLoss(4, alpha=0.3, center_update=rule)
        layer.build((None, 2))
    step = lambda x, y: layer(x, y, training=True)
    run = tf.function(lambda x, y: strategy.run(step, args=(x, y)))
    for size, at in [(7, 5), (1, 0), (64, 32)][:sizes]:
        x, y = random.normal(size=(size, 2)).astype("float32"), random.integers(0, 3, size).astype("int32")
        expected = alone(x[:at], y[:at]), alone(x[at:], y[at:])
        values = strategy.experimental_local_results(run(split(x, at), split(y, at)))
        alone(x, y, training=True)
        for value, own in zip(values, expected, strict=True):
            np.testing.assert_allclose(value, own, rtol=1e-5)
        check_equal(layer, alone)
measure = lambda x, y: layer.measure(x, y, {"alpha": 0.3})[1]["center_shift"]
shifts = strategy.run(measure, args=(split(x, 9), split(y, 9)))  # not compiled
shift = alone.measure(x, y, {"alpha": 0.3})[1]["center_shift"]
for value in strategy.experimental_local_results(shifts):
    np.testing.assert_array_equal(value, shift)
check_equal(layer, alone)
for each in (layer, alone):  # not in a replica: every copy moves
    each(x, y, training=True)
check_equal(layer, alone)
with strategy.scope():
    layer(x, y, training=True)
alone(x, y, training=True)
check_equal(layer, alone)


@keras.saving.register_keras_serializable("tests")
def as_it_is(target, losses):
    return losses


class AddCenterLoss(keras.layers.Layer):
    def __init__(self):
        super().__init__()
        self.center_loss = CenterLoss(3, reduction="mean", name="center_loss")

    def call(self, features, labels, training=False):
        self.add_loss(0.5 * self.center_loss(features, labels, training=training))
        return features


def make(second_output):
    keras.utils.set_random_seed(1)
    images, labels = keras.Input((3,)), keras.Input((), dtype="int32")
    features = keras.layers.Dense(2)(images)
    cross_entropy = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    if second_output:
        losses = CenterLoss(3, reduction="none", name="center_loss")(features, labels)
        model = keras.Model([images, labels], [keras.layers.Dense(3)(features), losses])
        model.compile("sgd", [cross_entropy, as_it_is], loss_weights=[1.0, 0.5])
        return model, model.get_layer("center_loss")
    wrapper = AddCenterLoss()
    model = keras.Model([images, labels], keras.layers.Dense(3)(wrapper(features, labels)))
    model.compile("sgd", cross_entropy)
    return model, wrapper.center_loss


def fit(model, size, second_output):
    y = labels[:size]
    targets = [y, y] if second_output else y
    return model.fit([images[:size], y], targets, epochs=2, batch_size=8, shuffle=False, verbose=0).history["loss"]


images, labels = random.normal(size=(24, 3)).astype("float32"), random.integers(0, 3, 24).astype("int32")
for second_output in WAYS:
    alone, one = make(second_output)
    with strategy.scope():
        model, layer = make(second_output)
    together, expected = fit(model, 24, second_output), fit(alone, 24, second_output)
    if second_output:  # Keras tells one replica's added losses to the next
        np.testing.assert_allclose(together, expected, rtol=1e-5)
    first, second = copies(layer)
    assert first.any() and np.array_equal(first, second)
    np.testing.assert_allclose(first, one.centers.numpy(), rtol=1e-4, atol=1e-6)
    for ours, theirs in zip(model.weights, alone.weights, strict=True):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-4, atol=1e-6)
    assert np.isfinite(fit(model, 17, second_output)).all()  # the last batch leaves a replica without a sample
    first, second = copies(layer)
    assert np.array_equal(first, second)

model.save("model.keras")
loaded = keras.saving.load_model("model.keras")
assert np.array_equal(loaded.get_layer("center_loss").centers.numpy(), copies(layer)[1])
"""


@pytest.mark.parametrize("much", ["most", pytest.param("all", marks=pytest.mark.slow)])
def test_two_replicas_move_the_centers_as_one_device_does(much: str, tmp_path: Path) -> None:
    """In a process of its own, because TensorFlow divides the CPU before it first computes."""
    done = subprocess.run(
        [sys.executable, "-c", ON_TWO_REPLICAS, much],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
