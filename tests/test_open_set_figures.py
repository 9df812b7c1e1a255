"""Figures of known and unknown images, each against its definition written out."""

import csv
import json
import shutil
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from centerloss_core.metrics.neighborhood import map_at_r
from centerloss_core.metrics.open_set import ccr_at, curve_of, figures_of, open_set, right_of, threshold_at
from centerloss_core.metrics.scores import SCORES, means_of
from centerloss_core.run_directory.feature_dumps import FeatureDump

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


def some(seed: int = 0, known: int = 60, unknown: int = 40) -> tuple[Floats, Mask, Mask]:
    """Scores with ties, which of the images are right, and which are unknown, in a mixed order."""
    rng = np.random.default_rng(seed)
    is_unknown = rng.permutation(np.arange(known + unknown) < unknown)
    score = np.round(rng.normal(np.where(is_unknown, 0.0, 1.2)), 1)
    return score, (rng.random(known + unknown) < 0.9) & ~is_unknown, is_unknown


def points_by_hand(score: Floats, right: Mask, unknown: Mask) -> list[tuple[float, float, float]]:
    """(FPR, TPR, CCR) at each threshold, counted image by image, from the highest threshold down."""
    found = [(0.0, 0.0, 0.0)]
    known = ~unknown
    for threshold in sorted(set(score.tolist()), reverse=True):
        fp = sum(s >= threshold for s, u in zip(score, unknown, strict=True) if u)
        tp = sum(s >= threshold for s, u in zip(score, unknown, strict=True) if not u)
        cc = sum(s >= threshold and r for s, r, u in zip(score, right, unknown, strict=True) if not u)
        found.append((fp / unknown.sum(), tp / known.sum(), cc / known.sum()))
    return found


@pytest.mark.parametrize("seed", range(4))
def test_curves_and_figures_are_their_definitions(seed: int) -> None:
    score, right, unknown = some(seed)
    curve = curve_of(score, right, unknown)
    by_hand = points_by_hand(score, right, unknown)
    np.testing.assert_allclose(np.column_stack(curve), by_hand, atol=1e-15)
    figures = figures_of(curve, score, unknown)
    # The chance that a known image has the larger score; ties count half.
    against = score[~unknown][:, np.newaxis] - score[unknown]
    assert figures["auroc"] == pytest.approx((against > 0).mean() + (against == 0).mean() / 2)
    # OSCR: that it is right, too. By pairs, and by the trapezoids of the definition.
    pairs = (right[~unknown][:, np.newaxis] * ((against > 0) + (against == 0) / 2)).mean()
    area = sum((b[0] - a[0]) * (a[2] + b[2]) / 2 for a, b in pairwise(by_hand))
    assert figures["oscr"] == pytest.approx(pairs) == pytest.approx(area)
    for name, fpr in (("ccr_at_fpr_1e1", 0.1), ("ccr_at_fpr_1e2", 0.01)):
        best = max(cc for fp, _, cc in by_hand if fp <= fpr)
        assert ccr_at(curve, fpr) == best
        assert figures[name] == (best if unknown.sum() >= 1 / fpr else None)
    thresholds = [t for t in set(score.tolist()) if (score[~unknown] >= t).mean() >= 0.95]
    assert threshold_at(score, unknown) == max(thresholds)
    assert figures["tnr_at_tpr_95"] == (score[unknown] < max(thresholds)).mean()
    for name, positive, sign in (("aupr_known", ~unknown, 1), ("aupr_unknown", unknown, -1)):
        precision = [
            positive[sign * score >= t].mean() for t in sorted(set((sign * score).tolist()), reverse=True)
        ]
        recall = [0.0, *(positive[sign * score >= t].sum() / positive.sum()
                         for t in sorted(set((sign * score).tolist()), reverse=True))]  # fmt: skip
        assert figures[name] == pytest.approx(sum(np.diff(recall) * precision))


def test_oscr_ends_at_the_closed_set_accuracy() -> None:
    score, right, unknown = some()
    curve = curve_of(score, right, unknown)
    accuracy = right[~unknown].mean()
    assert (curve.fpr[-1], curve.tpr[-1], curve.ccr[-1]) == (1, 1, accuracy)
    assert (curve.fpr[0], curve.ccr[0]) == (0, 0)
    # Where all is told apart, the area is the closed-set accuracy; where nothing is, half of it.
    perfect = figures_of(curve_of(-1.0 * unknown, right, unknown), -1.0 * unknown, unknown)
    assert perfect["oscr"] == pytest.approx(accuracy)
    assert perfect["auroc"] == perfect["tnr_at_tpr_95"] == 1
    nothing = figures_of(curve_of(0.0 * score, right, unknown), 0.0 * score, unknown)
    assert nothing["oscr"] == pytest.approx(accuracy / 2)
    assert (nothing["auroc"], nothing["tnr_at_tpr_95"], nothing["ccr_at_fpr_1e1"]) == (0.5, 0, 0)


def test_ccr_needs_enough_unknown_images() -> None:
    for unknown, seen in ((9, ()), (10, ("1e1",)), (100, ("1e1", "1e2")), (1000, ("1e1", "1e2", "1e3"))):
        score, right, is_unknown = some(known=30, unknown=unknown)
        figures = figures_of(curve_of(score, right, is_unknown), score, is_unknown)
        assert [name for name in ("1e1", "1e2", "1e3") if figures[f"ccr_at_fpr_{name}"] is not None] == list(
            seen
        )


def precision_by_hand(features: Floats, labels: NDArray[np.integer]) -> float:
    found = []
    for query in range(len(labels)):
        others = [i for i in range(len(labels)) if i != query]
        others.sort(key=lambda i: (float(np.linalg.norm(features[i] - features[query])), i))
        of_class = sum(labels[i] == labels[query] for i in others)
        if not of_class:
            continue
        hits, total = 0, 0.0
        for rank, i in enumerate(others[:of_class], 1):
            if labels[i] == labels[query]:
                hits += 1
                total += hits / rank
        found.append(total / of_class)
    return float(np.mean(found))


def test_map_at_r_is_its_definition() -> None:
    rng = np.random.default_rng(0)
    labels = np.array([0] * 12 + [1] * 7 + [2] * 5 + [3])  # the last is alone
    features = (rng.normal(size=(25, 3)) + labels[:, np.newaxis] * 0.7).astype(np.float32)
    found = map_at_r(features, labels)
    exact = features.astype(np.float64)
    assert found["map_at_r_euclidean"] == pytest.approx(precision_by_hand(exact, labels))
    units = exact / np.linalg.norm(exact, axis=1, keepdims=True)
    assert found["map_at_r_cosine"] == pytest.approx(precision_by_hand(units, labels))
    assert map_at_r(features[:2], np.array([0, 1]))["map_at_r_euclidean"] is None
    apart = map_at_r(np.repeat(np.eye(2, dtype=np.float32), 4, axis=0), np.repeat([0, 1], 4))
    assert (apart["map_at_r_euclidean"], apart["map_at_r_cosine"], apart["map_at_r_images"]) == (1, 1, 8)


def small(**changes: object) -> FeatureDump:
    """Two known classes, at (1, 0) and (0, 2), and unknown images at the origin, of two classes and their own."""
    features = np.array([[1, 0], [1, 0.1], [0, 2], [0.9, 0], [0, 0], [0, 0.1], [0.1, 0]], np.float32)
    labels = np.array([0, 0, 1, 1, -1, -1, -1])
    logits = (4 * features).astype(np.float32)
    dump = {"features": features, "labels": labels, "predictions": logits.argmax(axis=1), "logits": logits}
    dump |= {
        "centers": np.array([[1, 0], [0, 2]], np.float32),
        "original_labels": np.array([7, 7, 3, 3, 1, 1, 2]),
    }
    return FeatureDump(**dump | changes)  # type: ignore[arg-type]


def test_scores_by_means_lengths_and_energy() -> None:
    dump = small()
    exact = dump.features.astype(np.float64)
    assert dump.logits is not None
    np.testing.assert_allclose(SCORES["length"](dump.features), np.hypot(*exact.T))
    np.testing.assert_allclose(
        SCORES["energy"](dump.features, dump.logits), np.log(np.exp(4 * exact).sum(axis=1))
    )
    means = means_of(dump)
    np.testing.assert_allclose(means, [[1, 0.05], [0.45, 1]])
    by_hand = [-min(np.linalg.norm(x - mean) for mean in means) for x in exact]
    np.testing.assert_allclose(SCORES["mean"](dump.features, means=means), by_hand, rtol=1e-6)
    large = np.array([[800, 0], [-800, -800]], np.float32)
    np.testing.assert_allclose(SCORES["energy"](large, large), [800, np.log(2) - 800])


def test_a_dump_is_measured_with_its_unknown_images() -> None:
    dump = small()
    found = open_set(dump, small())
    assert found is not None
    assert found.figures == {"known_images": 4, "unknown_images": 3, "closed_set_accuracy": 0.75}
    assert found.class_by == "softmax"
    assert set(found.scores) == {"distance", "cosine", "probability", "logit", "mean", "length", "energy"}
    assert found.scores["distance"]["auroc"] == 1
    assert found.scores["distance"]["oscr"] == 0.75
    assert found.unseen["classes"] == 2
    assert found.unseen["verification_same_pairs"] == 1
    assert open_set(dump.known(), small()) is None
    # Without original classes, or with one, there are no pairs.
    for original in (None, np.full(7, 1)):
        alone = open_set(small(original_labels=original), small())
        assert alone is not None
        assert alone.unseen == {}


def test_without_a_head_the_nearest_point_gives_the_class() -> None:
    headless = small(predictions=None, logits=None)
    right, by = right_of(headless, headless)
    assert (right.tolist(), by) == ([True, True, True, False, False, False, False], "nearest center")
    without = small(predictions=None, logits=None, centers=None)
    right, by = right_of(without, without)
    assert (right.tolist(), by) == ([True, True, True, False, False, False, False], "nearest mean")


def test_cl_evaluate_measures_a_run_with_unknown_classes(
    open_set_run: Path,
    here: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    run = shutil.copytree(open_set_run, tmp_path / "run")
    monkeypatch.setattr("cli.tables.terminal_width", lambda: 80)
    code, out, _ = here("evaluate", run)
    assert code == 0
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["test"]["images"] == 215  # known ones
    found = evaluation["open_set"]
    assert (found["known_images"], found["unknown_images"]) == (215, 145)
    assert found["closed_set_accuracy"] == evaluation["test"]["accuracy"]
    assert found["unseen"]["classes"] == 4
    assert found["scores"]["distance"]["ccr_at_fpr_1e3"] is None
    assert json.loads((run / "run.json").read_text())["evaluation"]["open_set"] == found
    with (run / "evaluation-open-set.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["score"] for row in rows] == list(found["scores"])
    assert float(rows[0]["auroc"]) == found["scores"]["distance"]["auroc"]
    table = out[out.index("Unknown classes: 145 test images beside 215 known ones") :].splitlines()
    head = next(line for line in table if line.startswith("score"))
    assert (
        " ".join(head.split()) == "score AUROC AUPR TNR OSCR CCR 1e-1 CCR 1e-2 CCR 1e-3"
    )  # none is left out
    assert any(line.startswith("distance ★") for line in table)
    assert any(line.startswith("Euclidean") for line in table)
    other = shutil.copytree(run, tmp_path / "other")
    code, out, _ = here("compare", run, other)
    assert code == 0
    auroc = f"{100 * found['scores']['distance']['auroc']:.2f} %"
    assert ["unknown", "AUROC", *auroc.split()] in [line.split()[:4] for line in out.splitlines()]
