"""Our losses against those of pytorch-metric-learning 2.9, values and gradients (`make slow`).

Where the two define a loss otherwise, theirs is put together from its own parts, and a test says what differs.
"""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
from loss_checks import loss_and_gradients, make_batch

from centerloss_core import losses

pytestmark = pytest.mark.slow
REASON = "needs the extra `slow`, which `make slow` installs"
torch = pytest.importorskip("torch", reason=REASON)
pytest.importorskip("pytorch_metric_learning", reason=REASON)
from pytorch_metric_learning import distances, miners, reducers  # noqa: E402
from pytorch_metric_learning import losses as theirs  # noqa: E402

LABELS = [0, 3, 1, 4, 2, 0, 3, 1, 1, 4, 2, 0]
CLASSES = 5
PLAIN = {"distance": distances.LpDistance(normalize_embeddings=False), "reducer": reducers.MeanReducer()}
SQUARED = {"distance": distances.LpDistance(power=2), "reducer": reducers.MeanReducer()}  # of length 1
each_size = pytest.mark.parametrize("dimensions", [2, 64])


def agree(
    ours: tuple[float, dict[str, np.ndarray]],
    loss_of: Callable[[Any], Any],
    features: np.ndarray,
    weights: Any = None,
) -> None:
    """Hold the loss and its gradients against those of `loss_of`, and of its `weights` where it has them."""
    inputs = torch.tensor(features, dtype=torch.float64, requires_grad=True)
    loss = loss_of(inputs)
    loss.backward()
    loss_found, gradients = ours
    assert loss_found == pytest.approx(loss.item(), rel=1e-5)
    expected = {"features": inputs.grad, **({} if weights is None else {"kernel": weights.grad})}
    assert gradients.keys() == expected.keys()
    for name, found in gradients.items():
        size = float(expected[name].abs().max())
        np.testing.assert_allclose(found, expected[name].numpy(), rtol=1e-3, atol=1e-5 * size, err_msg=name)


# ---- Heads --------------------------------------------------------------------------------------------------

HEADS: dict[str, tuple[dict[str, float], str, dict[str, float]]] = {
    "NormFace": ({"scale": 16}, "NormalizedSoftmaxLoss", {"temperature": 1 / 16}),
    "CosFace": ({"scale": 16, "margin": 0.1}, "CosFaceLoss", {"scale": 16, "margin": 0.1}),
    # Theirs is in degrees.
    "ArcFace": ({"scale": 16, "margin": 0.3}, "ArcFaceLoss", {"scale": 16, "margin": float(np.degrees(0.3))}),
    # Theirs have no annealing, which is a = 0 of ours.
    "SphereFace": ({"margin": 4, "annealing": 0}, "SphereFaceLoss", {"margin": 4}),
    "LSoftmax": ({"margin": 3, "annealing": 0}, "LargeMarginSoftmaxLoss", {"margin": 3}),
}


@each_size
@pytest.mark.parametrize("name", HEADS)
def test_a_head_agrees(name: str, dimensions: int) -> None:
    settings, their_name, their_settings = HEADS[name]
    features, labels = make_batch(dimensions, LABELS)
    keras.utils.set_random_seed(1)
    head = getattr(losses, name)(CLASSES, **settings)
    head.build((None, dimensions))
    scalars = {f"head_{key}": np.float32(value) for key, value in settings.items()}
    loss = getattr(theirs, their_name)(
        num_classes=CLASSES,
        embedding_size=dimensions,
        reducer=reducers.MeanReducer(),
        **their_settings,
    )
    loss.W.data = torch.tensor(np.array(head.kernel), dtype=torch.float64)
    numbers = torch.tensor(labels, dtype=torch.int64)
    agree(loss_and_gradients(head, features, labels, scalars), lambda x: loss(x, numbers), features, loss.W)


# ---- Terms --------------------------------------------------------------------------------------------------


def of_term(
    name: str, features: np.ndarray, labels: np.ndarray, scalars: dict[str, float], **settings: Any
) -> Any:
    term = getattr(losses, name)(**settings)
    return loss_and_gradients(
        term, features, labels, {key: np.float32(value) for key, value in scalars.items()}
    )


@each_size
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_supcon_agrees(dimensions: int, temperature: float) -> None:
    features, labels = make_batch(dimensions, LABELS)
    numbers = torch.tensor(labels, dtype=torch.int64)
    loss = theirs.SupConLoss(temperature=temperature)
    ours = of_term("SupConLoss", features, labels, {"pair_temperature": temperature})
    agree(ours, lambda x: loss(x, numbers), features)


@each_size
def test_contrastive_agrees_pair_by_pair(dimensions: int) -> None:
    """Theirs is D and max(0, M − D), of length 1, two means of what costs something; Hadsell's halves the squares."""
    features, labels = make_batch(dimensions, LABELS)
    numbers = torch.tensor(labels, dtype=torch.int64)
    loss = theirs.ContrastiveLoss(
        neg_margin=3.0, distance=PLAIN["distance"], reducer=reducers.DoNothingReducer()
    )

    def hadsell(x: Any) -> Any:
        costs = [loss(x, numbers)[part]["losses"] for part in ("pos_loss", "neg_loss")]
        return torch.cat(costs).square().mean() / 2

    agree(of_term("ContrastiveLoss", features, labels, {"distance_margin": 3.0}), hadsell, features)


@each_size
def test_triplets_of_batch_hard_agree(dimensions: int) -> None:
    features, labels = make_batch(dimensions, LABELS)
    numbers = torch.tensor(labels, dtype=torch.int64)
    miner = miners.BatchHardMiner(distance=PLAIN["distance"])
    for margin in ("softplus", 0.5):
        is_soft = margin == "softplus"
        number = 0.0 if is_soft else float(margin)
        loss = theirs.TripletMarginLoss(margin=number, smooth_loss=is_soft, **PLAIN)
        ours = of_term(
            "TripletLoss",
            features,
            labels,
            {"distance_margin": number},
            mining="batch_hard",
            normalised=False,
            margin=margin,
        )
        agree(ours, lambda x, loss=loss: loss(x, numbers, miner(x, numbers)), features)


@each_size
def test_all_triplets_agree(dimensions: int) -> None:
    """Theirs takes the mean of the triplets that cost something by itself."""
    features, labels = make_batch(dimensions, LABELS)
    numbers = torch.tensor(labels, dtype=torch.int64)
    loss = theirs.TripletMarginLoss(margin=0.2, distance=SQUARED["distance"])
    ours = of_term("TripletLoss", features, labels, {"distance_margin": 0.2}, mining="all")
    agree(ours, lambda x: loss(x, numbers), features)


@each_size
def test_semi_hard_triplets_cost_the_same_and_are_fewer(dimensions: int) -> None:
    """Their miner keeps all semi-hard negatives of a pair within the margin, ours the nearest, or else the farthest."""
    features, labels = make_batch(dimensions, LABELS)
    numbers = torch.tensor(labels, dtype=torch.int64)
    apart = SQUARED["distance"](torch.tensor(features, dtype=torch.float64)).numpy()
    triplets = []
    for a, p in np.argwhere((labels[:, None] == labels) & ~np.eye(len(labels), dtype=bool)):
        others = np.flatnonzero(labels != labels[a])
        beyond = others[apart[a, others] > apart[a, p]]
        negative = beyond[apart[a, beyond].argmin()] if len(beyond) else others[apart[a, others].argmax()]
        triplets.append((a, p, negative))
    chosen = tuple(torch.tensor(each) for each in np.transpose(triplets))
    loss = theirs.TripletMarginLoss(margin=0.2, **SQUARED)
    ours = of_term("TripletLoss", features, labels, {"distance_margin": 0.2}, mining="semi_hard")
    agree(ours, lambda x: loss(x, numbers, chosen), features)

    miner = miners.TripletMarginMiner(margin=0.2, type_of_triplets="semihard", distance=SQUARED["distance"])
    mined = set(zip(*(each.tolist() for each in miner(torch.tensor(features), numbers)), strict=True))
    within = {each for each in triplets if 0 < apart[each[0], each[2]] - apart[each[0], each[1]] <= 0.2}
    assert within <= mined
