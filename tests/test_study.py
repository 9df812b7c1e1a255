"""The page of the study, from run directories that no training has made."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.study.__main__ import main
from benchmarks.study.runs import read_runs
from benchmarks.study.tables import compared
from benchmarks.study.unseen import ALIKE, MEASURES, _unlearnt, _with_own
from centerloss_core.config import Point, load_document, resolve_sweep
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.writer import Run
from centerloss_core.sweeps import PointState, write_summary

CONFIGS = Path(__file__).parent.parent / "configs"
SWEEP = """
data: {name: digits8}
train: {epochs: 1, batch_size: 50}
loss: {lambda: 1, alpha: 0.1}
sweep:
  - seed: [0, 1, 2]
    variants: {softmax: {loss.term: none, loss.lambda: 0}}
  - seed: [0, 1, 2]
    lambda: [0.1, 1]
    variants: {center: {loss.term: center}}
  - grid: {data.known: [[0, 1, 2], [3, 4, 5]]}
    seed: [0, 1]
    variants:
      softmax: {loss.term: none, loss.lambda: 0}
      center: {loss.term: center}
      arcface: {loss.head: {name: arcface, scale: 8, margin: 0.2}, loss.term: none, loss.lambda: 0}
  - seed: [0, 1]
    variants:
      curve-center: {loss.term: center, train.dump_every: 10}
      curve-semi-hard: {loss.head: none, loss.term: {name: triplet, mining: semi_hard}, train.dump_every: 10}
  - seed: [0, 1]
    alpha: [0.1]
    grid: {loss.center_update: [eq4, ema]}
    variants: {center: {loss.term: center}}
"""
COMPACT = {"center": 0.1, "curve-center": 0.1, "curve-semi-hard": 1.5}  # widths of classes; the others have 1


def dump_of(point: Point, images: int, *, width: float, salt: int) -> FeatureDump:
    """Classes on a circle, each as wide as asked; of unknown ones the images lie near the origin."""
    config = point.config
    random = np.random.default_rng([config.train.seed, salt, images])
    known = len(config.data.known or range(10))
    original = np.arange(images) % 10
    labels = np.where(original < known, original, -1) if salt == 0 else original % known
    angles = 2 * np.pi * labels / known
    middles = 5 * np.stack([np.cos(angles), np.sin(angles)], axis=1) * (labels >= 0)[:, None]
    features = (middles + random.normal(0, width, (images, 2))).astype(np.float32)
    corners = 2 * np.pi * np.arange(known) / known
    centers = (5 * np.stack([np.cos(corners), np.sin(corners)], axis=1)).astype(np.float32)
    logits = features @ centers.T if config.loss.head.module else None
    return FeatureDump(
        features,
        labels,
        predictions=None if logits is None else logits.argmax(axis=1),
        centers=centers if config.loss.class_points == "center" else None,
        logits=logits,
        original_labels=original,
    )


def write_run(point: Point, path: Path) -> None:
    width = COMPACT.get(point.settings["variant"], 1.0)
    of_data = {
        "title": "digits",
        "train": 1000,
        "test": 200,
        "class_names": [str(each) for each in range(10)],
    }
    facts: dict[str, Any] = {"device": "CPU", "precision": "float32", "threads": 1}
    run = Run.create(path, point.config, {**facts, "data": of_data, "versions": {"numpy": "2"}})
    pace = 100.0 if point.settings["variant"] == "curve-semi-hard" else 400.0
    for step in (10, 20):
        run.log_row({"kind": "steps", "step": step, "epoch": step / 20, "images_per_second": pace})
        if point.config.train.dump_every:
            dump = dump_of(point, 60, width=width * 20 / step, salt=step)
            run.write_features(f"test-step-{step:08}", dump)
    run.write_features("test-final", dump_of(point, 200, width=width, salt=0))
    run.write_features("train-final", dump_of(point, 100, width=width, salt=1))
    run.finish("completed", metrics={"images_per_second": pace, "seconds": 20.0, "training_seconds": 10.0})
    run.close()


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.yaml").write_text(SWEEP)
    points = resolve_sweep(load_document(folder / "study.yaml")).points
    directory = folder / "runs"
    for point in points:
        write_run(point, directory / point.name)
    write_summary(directory, [PointState(point, directory / point.name, "completed") for point in points], {})
    return directory


@pytest.fixture(scope="module")
def page(sweep: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("page") / "study.md"
    assert main([str(sweep), "--out", str(out)]) == 0
    return out


def test_the_page_repeats_to_the_byte(page: Path, sweep: Path, tmp_path: Path) -> None:
    again = tmp_path / "again.md"
    assert main([str(sweep), "--out", str(again)]) == 0
    assert again.read_bytes() == page.read_bytes()
    figures = sorted((page.parent / "figures").iterdir())
    assert len(figures) == 8
    for figure in figures:
        assert (tmp_path / "figures" / figure.name).read_bytes() == figure.read_bytes()


def test_sentences_say_what_the_made_up_runs_differ_in(page: Path) -> None:
    text = page.read_text()
    assert "- **inter/intra**, against softmax alone: higher, that is better, for λ = 0.1 (+" in text
    assert "- **AUROC**, against softmax: " in text
    assert "s for 10,000 images**, against center: " in text
    (answer,) = [line for line in text.splitlines() if line.startswith("- **d")]
    assert answer == (
        "- **d, ema with α 0.1**, against eq4 with α 0.1: "
        "not told apart: head, nearest trained center, nearest mean, inter/intra, EER."
    )
    assert "not completed" not in text


def test_every_figure_of_the_page_is_there_and_every_family_named(page: Path) -> None:
    text = page.read_text()
    for line in text.splitlines():
        if line.startswith("!["):
            assert (page.parent / line.split("(")[1].rstrip(")")).is_file()
    assert "Holm" in text
    assert "bootstrap" in text
    assert "python -m benchmarks.study runs/runs`" in text


def test_each_loss_is_read_by_what_fits_it(sweep: Path) -> None:
    runs = [_with_own(run) for run in read_runs([sweep])[0] if run.known and run.record.seed == 0]
    for run in runs:
        scores, unseen = run.figures["open_set"]["scores"], run.figures["open_set"]["unseen"]
        score, by = {"softmax": ("logit", "cosine"), "center": ("distance", "euclidean")}.get(
            run.variant, ("cosine", "cosine")
        )
        assert run.figures["own"]["auroc"] == scores[score]["auroc"]
        assert run.figures["own"]["eer"] == unseen[f"{by}_eer"]
    families = compared({run.variant: [run] for run in runs}, MEASURES, "softmax")
    assert [family.measure for family in families] == list(MEASURES)


def test_what_unseen_classes_say_is_also_told_by_one_reading_for_every_loss(page: Path, sweep: Path) -> None:
    assert (
        "- **b, 2 dimensions**, unseen classes against softmax, both by one reading: EER by the distance "
        in (page.read_text())
    )
    runs = [run for run in read_runs([sweep])[0] if run.known]
    members = {name: [run for run in runs if run.variant == name] for name in ("softmax", "center")}
    by_distance = compared(members, ALIKE, "softmax")[0]
    for name, found in members.items():
        for run in found:
            value = run.figures["open_set"]["unseen"]["euclidean_eer"]
            assert by_distance.values[name][run.unit] == pytest.approx(100 * value)


def test_seconds_of_runs_that_shared_a_machine_are_not_compared(sweep: Path, tmp_path: Path) -> None:
    shared = shutil.copytree(sweep, tmp_path / "shared")
    summary = json.loads((shared / "summary.json").read_text())
    (shared / "summary.json").write_text(json.dumps({**summary, "jobs": 2}))
    assert main([str(shared), "--out", str(tmp_path / "study.md")]) == 0
    text = (tmp_path / "study.md").read_text()
    assert "- **c, cost**: not measured here; 2 runs at a time shared the machine" in text
    assert "s for 10,000 images**, against center" not in text
    assert "| semi-hard | 2 | 100.0 [100.0, 100.0] |" in text  # what they took is there
    assert "| semi-hard | – | " in text


def test_a_loss_that_has_not_learnt_the_known_classes_is_named(sweep: Path) -> None:
    run = next(run for run in read_runs([sweep])[0] if run.known)
    members = {
        "learnt": [run.having("own", {"accuracy": 0.97})],
        "not": [run.having("own", {"accuracy": 0.5})],
    }
    assert _unlearnt(members)[0].startswith("Closed-set accuracy is below 95 % for not (50.00 %): ")
    assert _unlearnt({"learnt": members["learnt"]}) == []


def test_runs_that_did_not_end_are_told(sweep: Path, tmp_path: Path) -> None:
    point = resolve_sweep(load_document(sweep.parent / "study.yaml")).points[0]
    run = Run.create(tmp_path / "more" / "left", point.config, {})
    run.close()
    out = tmp_path / "study.md"
    assert main([str(sweep), str(tmp_path / "more"), "--out", str(out)]) == 0
    assert "**1 runs are not completed and not counted.**" in out.read_text()


def test_a_directory_without_runs_is_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(tmp_path), "--out", str(tmp_path / "study.md")]) == 1
    assert str(tmp_path) in capsys.readouterr().err


def test_the_study_has_the_runs_that_its_header_counts() -> None:
    full = resolve_sweep(load_document(CONFIGS / "study.yaml")).points
    assert len(full) == 277
    seen = {(point.config.train.epochs, point.config.train.batch_size) for point in full}
    assert seen == {(2, 100)}  # the same length and batch for every loss
    small = resolve_sweep(load_document(CONFIGS / "study-small.yaml")).points
    images = sum(3 * (4000 if point.config.data.known is None else 2400) for point in small)
    assert images <= 1_200_000
    for points in (full, small):
        in_plane = {
            p.settings["variant"] for p in points if p.config.data.known and p.config.model.feature_dim == 2
        }
        assert in_plane >= {"softmax", "center", "triplet", "git"}
        assert len(in_plane) == 10
