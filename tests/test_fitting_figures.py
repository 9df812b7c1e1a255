"""Figures that fit a loss are shown first or alone, and what a loss does not have is a dash, on every table."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from test_measures import EDGES, make_dump, make_run
from typer.testing import CliRunner

from centerloss_core.metrics.evaluate import evaluate_split
from centerloss_core.metrics.names import (
    CLUSTERS,
    FIGURES,
    RECOGNITION,
    SEPARATION,
    VERIFICATION,
    accuracy_of,
    in_order,
    separation_of,
)
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.manifest import read_json
from cli.app import app
from cli.results import show_result, show_sweep_table

BY_DISTANCE = {"accuracy": 0.5, "nearest_center_accuracy": 0.25, "nearest_mean_accuracy": 0.75}
BY_ANGLE = {"nearest_center_accuracy_cosine": 0.875, "nearest_mean_accuracy_cosine": 0.9375}


def cl(*arguments: str | Path) -> list[str]:
    done = CliRunner().invoke(app, [*map(str, arguments)])
    assert done.exit_code == 0, done.output
    return [re.sub(" +", " ", line).strip() for line in done.stdout.splitlines()]


def bare(dump: FeatureDump) -> FeatureDump:
    return FeatureDump(dump.features, dump.labels)


def run_of(path: Path, dump: FeatureDump, **changes: Any) -> Path:
    """A completed run whose dumps are all this one."""
    test = separation(dump).as_dict()
    metrics = {"test": test, "train": test, "seconds": 1.0, "images_per_second": 2.0}
    make_run(path, **{"metrics": metrics, "data": {"test": len(dump.labels)}, **changes})
    for split in ("test", "train"):
        write_features(path / "features" / f"{split}-final.npz", dump)
    return path


# ---- Which figures ----------------------------------------------------------------------------------------------


def test_the_lists_have_every_figure_once_and_those_that_fit_before_the_others() -> None:
    keys = [name.key for name in FIGURES]
    measured = evaluate_split(make_dump(), None).figures
    counts = {"classes", "zero_length_images", "knn_neighbors", "silhouette_images"}
    counts |= {name for name in measured if name.startswith("verification")}
    assert len(keys) == len(set(keys))
    assert {*keys} == measured.keys() - counts
    for names in (RECOGNITION, CLUSTERS, VERIFICATION):
        for is_angular in (False, True):
            ordered = in_order(names, is_angular=is_angular)
            assert {*ordered} == {*names}
            kinds = [each.is_of_directions for each in ordered if each.is_of_directions is not None]
            assert kinds == sorted(kinds, key=lambda kind: kind != is_angular)
    assert [name.key for name in in_order(RECOGNITION, is_angular=True)][:3] == [
        *("images", "accuracy", "nearest_center_accuracy_cosine")
    ]


def test_the_nearest_mean_is_there_for_runs_without_class_points() -> None:
    whole = BY_DISTANCE | BY_ANGLE
    assert separation_of([whole, whole | {"is_angular": True}]) == SEPARATION
    without = whole | {"nearest_center_accuracy": None}
    titles = [name.title for name in separation_of([whole, without])]
    assert titles[:3] == ["softmax", "nearest center", "nearest mean"]
    assert separation_of([without | {"is_angular": True}]) == SEPARATION  # by the angle it has one
    assert separation_of([{}]) == SEPARATION
    names = [accuracy_of(row) for row in (whole, without | {"accuracy": None}, {})]
    assert [name and name.title for name in names] == ["softmax", "nearest mean", None]


# ---- Tables -----------------------------------------------------------------------------------------------------


def test_a_sweep_of_several_losses(capsys: pytest.CaptureFixture[str]) -> None:
    """Each row has what fits its loss, marked where that is the angle, and dashes for what the loss does not have."""
    row = BY_DISTANCE | BY_ANGLE | {"status": "completed", "test_images": None, "seed": 0}
    points = dict.fromkeys(("nearest_center_accuracy", "nearest_center_accuracy_cosine"))
    show_sweep_table(
        [
            row | {"lambda": 0.1},
            row | {"lambda": 0.2, "is_angular": True},
            row | {"lambda": 0.3, "is_angular": True, "accuracy": None, **points},
        ]
    )
    shown = capsys.readouterr().out
    head, _, *lines = shown.splitlines()[2:7]
    assert len(head) <= 100
    assert re.split(" {2,}", head.strip())[2:5] == ["softmax", "nearest center", "nearest mean"]
    assert [re.split(" {2,}", line.strip())[2:5] for line in lines] == [
        ["50.00 %", "25.00 %", "75.00 %"],
        ["50.00 %", "87.50 % ∠", "93.75 % ∠"],
        ["–", "–", "93.75 % ∠"],
    ]
    assert "∠: by the angle" in " ".join(shown.split())
    assert "nearest mean: accuracy" in " ".join(shown.split())


@pytest.mark.parametrize("is_angular", [False, True])
def test_the_table_at_the_end_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], *, is_angular: bool
) -> None:
    path = run_of(tmp_path / "run", make_dump(n=200, k=10), is_angular=is_angular)
    metrics = read_json(path / "run.json")["metrics"]
    show_result(path, metrics)
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines()[:4])) <= 100
    fitting = metrics["test"][f"nearest_center_accuracy{'_cosine' * is_angular}"]
    assert f"{100 * fitting:.2f}" in shown
    assert ("∠" in shown) == is_angular
    assert "nearest mean" not in shown


def test_evaluate_shows_what_fits_first_and_dashes(tmp_path: Path) -> None:
    plain = run_of(tmp_path / "plain", make_dump(n=60))
    angular = run_of(tmp_path / "angular", bare(make_dump(n=60)), is_angular=True)
    wide = CliRunner().invoke(app, ["evaluate", str(angular), "--split", "test"]).stdout
    table = wide.splitlines()[wide.splitlines().index(next(x for x in wide.splitlines() if "───" in x)) :]
    assert max(map(len, table[: len(FIGURES)])) <= 80
    lines = cl("evaluate", angular)
    titles = [line.split(" –")[0] for line in lines]
    assert titles.index("nearest trained center, cosine") < titles.index("nearest trained center")
    assert {"softmax – –", "nearest trained center – –", "nearest trained center, cosine – –"} <= {*lines}
    measured = read_json(angular / "evaluation.json")["test"]
    shown = f"{100 * measured['nearest_train_mean_accuracy_cosine']:.2f}"
    assert any(line.startswith(f"nearest mean of training images, cosine {shown} ±") for line in lines)
    classes = next(line for line in lines if line.startswith("class "))
    assert classes.startswith("class images softmax nearest center nearest mean intra")
    assert any(re.match(r"0 \d+ – – [\d.]+ ± [\d.]+ % ∠", line) for line in lines)
    assert "nan" not in wide
    order = [line for line in cl("evaluate", plain) if "EER" in line]
    assert [line.split(":")[0] for line in order] == ["Euclidean", "cosine"]
    side_by_side = cl("evaluate", plain, angular)
    assert any(" ∠" in line for line in side_by_side if line.startswith("angular test"))
    assert "∠: by the angle at the origin, where the loss looks at directions" in side_by_side


def test_evaluate_names_the_points_of_the_classes_and_counts_features_without_a_direction(
    tmp_path: Path,
) -> None:
    dump = make_dump(n=60)
    dump.features[:2] = 0
    kept = FeatureDump(dump.features, dump.labels, dump.predictions, dump.centers, "prototype")
    run = run_of(tmp_path / "run", kept, class_points="prototype")
    lines = cl("evaluate", run, "--split", "test")
    assert read_json(run / "evaluation.json")["test"]["centers_kind"] == "prototype"
    assert any(line.startswith("nearest prototype, cosine ") for line in lines)
    assert "2 features are 0 and have no angle: wrong by the cosine" in lines


def test_runs_lists_and_sorts_by_what_fits(tmp_path: Path) -> None:
    run_of(tmp_path / "by-distance", make_dump(n=60, spread=0.5))
    run_of(tmp_path / "by-angle", make_dump(n=60, spread=0.5), is_angular=True)
    run_of(tmp_path / "without", bare(make_dump(n=60, spread=0.5)))
    lines = cl("runs", tmp_path, "--sort", "nearest-center")
    assert " softmax nearest center nearest mean inter/intra " in lines[0]
    figures = separation(make_dump(n=60, spread=0.5))
    by_angle, by_distance = figures.nearest_center_accuracy_cosine, figures.nearest_center_accuracy
    assert by_angle is not None
    assert by_distance is not None
    assert by_angle < by_distance
    assert [line.split()[0] for line in lines[2:5]] == ["by-distance", "by-angle", "without"]
    assert " % ∠ " in lines[3]
    assert " – – " in lines[4]
    rows = json.loads(CliRunner().invoke(app, ["runs", str(tmp_path), "--json"]).stdout)
    assert [row["accuracy"] is None for row in rows] == [False, False, True]


def test_an_evaluation_of_an_older_version_is_read_and_made_anew(tmp_path: Path) -> None:
    """It lacks the newer figures: a dash beside those of another run."""
    old, new = (run_of(tmp_path / name, make_dump(n=60)) for name in ("old", "new"))
    for path in (old, new):
        (path / "config.yaml").write_text("data: {name: mnist5k}\ntrain: {epochs: 1}\n")
        cl("evaluate", path)
    manifest = read_json(old / "run.json")
    for split in ("test", "train"):
        for figures in (manifest["evaluation"][split], manifest["metrics"][split]):
            for key in [key for key in figures if "cosine" in key or key in ("alignment", "uniformity")]:
                del figures[key]
    (old / "run.json").write_text(json.dumps(manifest))
    lines = cl("compare", old, new)
    for title in ("alignment", "uniformity", "nearest mean of training images, cosine", "cosine: EER"):
        assert any(line.startswith(f"test {title} – ") for line in lines), title
    for is_angular, first in ((False, "Euclidean: EER"), (True, "cosine: EER")):
        (new / "run.json").write_text(json.dumps(read_json(new / "run.json") | {"is_angular": is_angular}))
        shown = [
            line for line in cl("compare", old, new) if "EER" in line or "nearest trained center" in line
        ]
        assert next(line for line in shown if "EER" in line).startswith(f"test {first}")
        assert shown[0].startswith("test nearest trained center, cosine –") == is_angular
    cl("evaluate", old)
    assert read_json(old / "evaluation.json") == read_json(new / "evaluation.json")


@pytest.mark.parametrize("name", ["one image", "all zero"])
def test_edges_are_dashes(tmp_path: Path, name: str) -> None:
    lines = cl("evaluate", run_of(tmp_path / "run", bare(EDGES[name]), is_angular=True))
    assert "alignment (small is good) – –" in lines
    assert not any("nan" in line.lower() for line in lines)
