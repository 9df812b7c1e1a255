"""Sweeps over losses: each run is told by the name of its loss, in figures, tables, report and comparison."""

import json
from pathlib import Path
from typing import Any

import pytest
from made_runs import assert_within, make_dump, make_record, make_run, words
from matplotlib.text import Text

from centerloss_core.config.axes import ALPHA, LAMBDA, LOSS, SEED, VARIANT
from centerloss_core.config.loss import Loss
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.seeds import seeds_figure
from centerloss_core.plotting.titles import run_title
from centerloss_core.report.reading import read_contents
from centerloss_core.run_directory.comparison import compare_runs
from centerloss_core.run_directory.loss_names import axes_by_loss, is_over_losses, name_losses
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.reader import RunRecord, Snapshot, SweepRecord, read_sweep

SOFTMAX, RING, ARCFACE = "softmax", "softmax + ring λ 0.01", "ArcFace s 16, m 0.3"


@pytest.mark.parametrize(
    ("section", "title"),
    [
        ({}, "softmax + center λ 0.01"),
        ({"term": "none"}, SOFTMAX),
        ({"term": "ring"}, RING),
        ({"head": "arcface", "term": "none"}, ARCFACE),
        (
            {"head": {"name": "cosface", "margin": 0.15}, "lambda": 1e-5},
            "CosFace s 16, m 0.15 + center λ 1e-05",
        ),
        ({"head": "l_softmax", "term": "contrastive_center"}, "L-Softmax m 4 + contrastive center λ 0.01"),
    ],
)
def test_a_loss_is_named_in_a_few_words(section: dict[str, Any], title: str) -> None:
    assert Loss.model_validate(section).title == title


def test_a_sweep_over_the_settings_of_one_loss_is_none_over_losses() -> None:
    assert not is_over_losses(["softmax + center λ 0.01", "softmax + center λ 1e-05", None])
    assert not is_over_losses(["ArcFace s 16, m 0.3", "ArcFace s 8, m 0.2"])
    assert is_over_losses([SOFTMAX, RING])


def test_the_name_stands_for_variants_and_settings_that_it_tells_and_for_no_others() -> None:
    runs = [
        {VARIANT: "a", LAMBDA: 0.01, ALPHA: alpha, "model.feature_dim": 2, SEED: 0} for alpha in (0.1, 0.5)
    ] + [{VARIANT: "b", LAMBDA: 1, "model.feature_dim": 8, SEED: 0}]
    titles = ["softmax + center λ 0.01"] * 2 + [ARCFACE]
    axes = (VARIANT, LAMBDA, ALPHA, "model.feature_dim", SEED)
    assert axes_by_loss(runs, titles, axes) == (LOSS, ALPHA, "model.feature_dim", SEED)
    assert axes_by_loss(runs, [SOFTMAX] * 3, axes) == axes


# ---- Figures -------------------------------------------------------------------------------------------------


def over(*titles: str, seeds: int = 1, failed: str = "") -> Grid:
    """A sweep over losses, as variants."""
    runs = []
    for title in titles:
        for seed in range(seeds):
            run = RunRecord(
                Path("run"), "failed" if title == failed else "completed", {"loss": title, "seed": seed}
            )
            run.manifest |= {"lambda": None, "alpha": None, "data": {"title": "MNIST"}}
            run.point = {"settings": {VARIANT: title[:3], LAMBDA: 0.01}}
            runs.append(run)
    sweep = name_losses(SweepRecord(Path("sweep"), runs, (VARIANT, LAMBDA, SEED)))
    shown = [None if run.status == "failed" else Snapshot(run, "test", make_dump()) for run in sweep.runs]
    return arrange([Cell(run, each) for run, each in zip(sweep.runs, shown, strict=True)], sweep.axes)


def test_a_panel_per_loss_whatever_its_seeds() -> None:
    grid = over(SOFTMAX, RING, ARCFACE, seeds=3, failed=RING)
    assert [grid.cell_title(cell) for _, _, cell in grid.places] == [SOFTMAX, RING, ARCFACE]
    assert grid.title() == "MNIST test · seed 0 · one of 3 seeds"
    figure = panel_figure(grid)
    assert len(figure.axes) == 3
    assert "each at its own scale" in " ".join(words(figure))
    assert "failed" in words(figure)


def test_seventeen_losses_can_be_read_in_a_page() -> None:
    names = [f"softmax + contrastive center {chr(97 + place)} λ 0.01" for place in range(17)]
    figure = panel_figure(over(*names))
    assert figure.get_figwidth() <= 10
    titles = [axes.get_title(loc="left") for axes in figure.axes]
    assert [" ".join(title.split("\nsoftmax 1")[0].split()) for title in titles] == names
    assert all("nearest mean 100.00 %" in title for title in titles)
    letters = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in letters) >= 7
    assert_within(figure)
    boxes = [axes.get_tightbbox().padded(-2) for axes in figure.axes]
    assert not any(box.overlaps(other) for place, box in enumerate(boxes) for other in boxes[place + 1 :])


def test_seeds_are_drawn_over_the_losses() -> None:
    snapshots = over(SOFTMAX, RING, ARCFACE).snapshots
    again = over(SOFTMAX, RING, ARCFACE).snapshots
    for snapshot in again:
        snapshot.run.manifest["seed"] = 1
    figure = seeds_figure([*snapshots, *again], (LOSS, SEED))
    labels = [label.get_text() for label in figure.axes[0].get_xticklabels()]
    assert labels == [SOFTMAX, RING, ARCFACE]
    assert figure.axes[1].get_title(loc="left") == "nearest mean, cos if angular"


def test_a_single_run_is_called_by_its_loss_where_lambda_does_not_tell_it() -> None:
    assert run_title(make_record(loss="softmax + center λ 0.01")).startswith(
        "λ = 0.01 (λ_eq = 1), α = 0.5, seed 0"
    )
    arcface = {"loss": ARCFACE, "lambda": None, "alpha": None}
    assert run_title(make_record(**arcface)) == "ArcFace s 16, m 0.3, seed 0 · MNIST"


# ---- Report, comparison, tables ------------------------------------------------------------------------------


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    rows = []
    for name, title, points in (
        ("pro", "prototypes T 1", "prototype"),
        ("cen", "softmax + center λ 0.01", "center"),
        ("arc", ARCFACE, None),
    ):
        has_term = points == "center"
        short = {"lambda": 0.01 if has_term else None, "alpha": 0.5 if has_term else None, "lambda_eq": None}
        short |= {"seed": 0, "loss": title, "class_points": points}
        run = make_run(tmp_path / "sweep" / name, **short)
        (run / "config.yaml").write_text("data: {name: mnist}\ntrain: {epochs: 1}\n")
        figures = {"accuracy": 0.9, "nearest_center_accuracy": 0.9 if points else None, "test_images": 1000}
        settings = {VARIANT: name}
        rows.append({"directory": name, "settings": settings, **short, "status": "completed", **figures})
    (tmp_path / "sweep" / "sweep.yaml").write_text("")
    summary = {"format": FORMAT, "axes": [VARIANT, SEED], "runs": rows}
    (tmp_path / "sweep" / "summary.json").write_text(json.dumps(summary))
    return tmp_path / "sweep"


def test_report_and_comparison_name_the_runs_by_their_losses(sweep: Path) -> None:
    titles = ["prototypes T 1", "softmax + center λ 0.01", ARCFACE]
    assert [record.label for record in read_contents(sweep).records] == titles
    assert compare_runs([sweep]).names == titles
    alike = [sweep / name for name in ("pro", "cen")]
    manifest = json.loads((sweep / "cen" / "run.json").read_text()) | {"loss": "prototypes T 1"}
    (sweep / "cen" / "run.json").write_text(json.dumps(manifest))
    assert compare_runs(alike).names == ["pro", "cen"]


def test_the_table_of_a_sweep_names_losses_and_points(sweep: Path, here: Any) -> None:
    code, shown, _ = here("plot", sweep, "--figures", "panel")
    assert code == 0
    over, head, _, first = shown.splitlines()[2:6]  # the head has two lines, to fit a page
    assert head.split("  ")[0] == "loss"
    assert "nearest" in over
    assert "class point" in head
    assert first.startswith("prototypes T 1  ")
    assert not any(word in head for word in ("λ", "α", "variant"))
    assert "nearest class point: accuracy by the nearest prototype or trained center" in shown
    code, shown, _ = here("runs", sweep)
    assert "nearest class point" in shown.splitlines()[0]
    code, shown, _ = here("evaluate", sweep / "pro", "--split", "test")
    assert "nearest prototype" in shown
    assert "trained center" not in shown


def test_a_point_that_is_drawn_alone_has_the_title_that_it_has_in_the_panel(sweep: Path) -> None:
    from centerloss_core.plotting.drawing import _row_in_its_sweep

    (run, *_) = read_sweep(sweep).runs
    run.point = _row_in_its_sweep(run)
    assert run_title(run) == "prototypes T 1, seed 0 · MNIST"
