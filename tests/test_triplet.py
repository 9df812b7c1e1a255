"""Triplet losses against their formula in NumPy, triplet by triplet."""

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from formulas import check, check_finite, check_half_precision, make_batch

from centerloss_core.losses import TripletLoss

MINING = ("semi_hard", "batch_hard", "all")
each_mining = pytest.mark.parametrize("mining", MINING)


def formula(features: np.ndarray, labels: np.ndarray, mining: str, normalised: bool, margin: Any) -> float:
    if normalised:
        features = features / np.linalg.norm(features, axis=1, keepdims=True)
    distances = np.linalg.norm(features[:, None] - features[None], axis=2)
    if normalised:
        distances = distances**2

    def cost(difference: float) -> float:
        return float(np.log1p(np.exp(difference))) if margin == "softplus" else max(0.0, difference + margin)

    costs = []
    for a, own in enumerate(distances):
        positives = [own[j] for j in range(len(labels)) if j != a and labels[j] == labels[a]]
        negatives = [own[j] for j in range(len(labels)) if labels[j] != labels[a]]
        if not positives or not negatives:
            continue
        if mining == "batch_hard":
            costs.append(cost(max(positives) - min(negatives)))
        elif mining == "all":
            costs += [cost(p - n) for p in positives for n in negatives if cost(p - n) > 0]
        else:
            for p in positives:
                farther = [n for n in negatives if n > p]
                costs.append(cost(p - (min(farther) if farther else max(negatives))))
    return float(np.mean(costs)) if costs else 0.0


@each_mining
@pytest.mark.parametrize("dimensions", [2, 64])
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("margin", [0.2, 2.0, "softplus"])
def test_value_and_gradient_are_those_of_the_formula(
    mining: str, dimensions: int, normalised: bool, margin: Any
) -> None:
    features, labels = make_batch(12, 4, dimensions)
    layer = TripletLoss(mining, normalised, margin)
    check(layer, lambda x: formula(x, labels, mining, normalised, margin), features, labels)


@each_mining
@pytest.mark.parametrize("normalised", [True, False])
def test_one_class_no_two_of_a_class_and_one_image_cost_nothing(mining: str, normalised: bool) -> None:
    features = make_batch(5)[0]
    for labels in (np.full(5, 3, np.int32), np.arange(5, dtype=np.int32)):
        assert check_finite(TripletLoss(mining, normalised), features, labels) == 0
    assert check_finite(TripletLoss(mining, normalised), features[:1], np.zeros(1, np.int32)) == 0


@each_mining
@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize(("margin", "stuck"), [(0.3, 0.3), ("softplus", np.log(2))])
def test_collapsed_features_cost_the_margin(mining: str, normalised: bool, margin: Any, stuck: float) -> None:
    labels = np.arange(6, dtype=np.int32) // 2
    for point in ([[3.1, -400.7]], [[0.0, 0.0]]):
        features = np.tile(point, (6, 1)).astype(np.float32)
        assert check_finite(TripletLoss(mining, normalised, margin), features, labels) == pytest.approx(stuck)


@each_mining
@pytest.mark.parametrize("margin", [0.2, "softplus"])
def test_memory_is_of_order_m_squared(mining: str, margin: Any) -> None:
    size = 96
    layer = TripletLoss(mining, margin=margin)
    layer.build((size, 2))

    @tf.function
    def step(x: Any, y: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = layer(x, y, training=True)
        return loss, tape.gradient(loss, x)

    features, labels = make_batch(size, 10)
    traced = step.get_concrete_function(tf.constant(features), tf.constant(labels))
    graphs = [
        traced.graph,
        *(each.graph for each in traced.graph._functions.values() if hasattr(each, "graph")),
    ]
    sizes = [
        output.shape.num_elements() or 0
        for graph in graphs
        for operation in graph.get_operations()
        for output in operation.outputs
        if output.shape.rank is not None
    ]
    assert size**2 <= max(sizes) < 2 * size**2
    loss, _ = step(tf.constant(features), tf.constant(labels))
    assert float(loss) == pytest.approx(formula(features, labels, mining, True, margin), rel=1e-4)


def test_the_margin_of_a_call_saving_and_half_precision() -> None:
    features, labels = make_batch(8)
    loss, figures = TripletLoss(name="triplet_loss").measure(features, labels, {"distance_margin": 0.7})
    assert float(loss) == float(figures["triplet_loss"])
    assert float(loss) == pytest.approx(formula(features, labels, "semi_hard", True, 0.7), rel=1e-5)
    copy = keras.layers.deserialize(keras.layers.serialize(TripletLoss("all", False, "softplus")))
    assert (copy.mining, copy.normalised, copy.margin) == ("all", False, "softplus")
    for settings in ({"margin": 0.0}, {"margin": "soft"}, {"mining": "hard"}):
        with pytest.raises(ValueError, match="must be"):
            TripletLoss(**settings)
    for mining in MINING:
        check_half_precision(lambda mining=mining: TripletLoss(mining), features, labels)
