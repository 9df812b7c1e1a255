"""Figures of 2, 10 and 100 classes in 1, 2, 3 and 64 dimensions, with and without centers; any axes; any loss."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import assert_within, make_record, words
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.text import Text

from centerloss_core.config.axes import VARIANT
from centerloss_core.plotting.animation import Film, Screen
from centerloss_core.plotting.classes import class_names
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.grid import Cell, Grid, arrange
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.histogram import distances_figure
from centerloss_core.plotting.letters import lacking_letters_told
from centerloss_core.plotting.panel import Moment, panel_figure
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.post import post_figure
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.seeds import seeds_figure
from centerloss_core.plotting.style import UNKNOWN, house_style
from centerloss_core.plotting.titles import run_title, snapshot_title
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.reader import RunRecord, Snapshot


def snapshot_of(
    classes: int, d: int, *, centers: bool = True, names: tuple[str, ...] = (), **more: Any
) -> Snapshot:
    rng = np.random.default_rng(classes + d)
    middles = rng.normal(scale=10, size=(classes, d)).astype(np.float32)
    labels = np.arange(3 * classes) % classes
    features = (middles[labels] + rng.normal(size=(len(labels), d))).astype(np.float32)
    data = {"title": "things", "class_names": list(names or map(str, range(classes)))}
    dump = FeatureDump(features, labels, labels, middles if centers else None)
    return Snapshot(make_record(data=data, **more), "test", dump)


@pytest.mark.parametrize(
    ("classes", "d", "centers"),
    [(2, 1, True), (2, 64, False), (10, 3, True), (100, 1, False), (100, 2, True)],
)
def test_every_figure_can_be_drawn(classes: int, d: int, centers: bool) -> None:
    snapshot = snapshot_of(classes, d, centers=centers)
    grid = arrange([Cell(snapshot.run, snapshot)])
    film = Screen(Film(grid, "epoch", [1], {(0, 0): [Moment(1, project(snapshot.dump), "")]}, "own"))
    film.show(1)
    figures = [scatter_figure(snapshot), post_figure(snapshot), distances_figure(snapshot), film.figure]
    if d == 2:
        head = Head(np.ones((d, classes), np.float32), np.zeros(classes, np.float32))
        figures.append(regions_figure(snapshot, head))
    for figure in figures:
        assert_within(figure)
    assert ("nearest center" in " ".join(words(figures[0]))) == centers
    assert any("trained center" in text for text in words(figures[0])) == centers


def test_a_panel_of_runs_with_and_without_centers() -> None:
    runs = [snapshot_of(100, 2, centers=False), snapshot_of(100, 2, **{"lambda": 1})]
    figure = panel_figure(arrange([Cell(snapshot.run, snapshot) for snapshot in runs]))
    assert "trained center" in words(figure)
    assert_within(figure)


def test_class_names_come_from_the_record_and_not_from_the_centers() -> None:
    snapshot = snapshot_of(2, 2, names=("cat", "dog", "one that the data never show"))
    assert class_names(snapshot) == ("cat", "dog", "one that the …")
    unnamed = Snapshot(make_record(), "test", snapshot_of(3, 2, centers=False).dump)
    assert class_names(unnamed) == ("0", "1", "2")


def test_long_class_names_neither_overlap_nor_leave_the_frame() -> None:
    names = ("Trouser", "Ankle boot", *(f"a very long name of class $number_{i}$" for i in range(8)))
    one, two = (snapshot_of(10, d, names=names) for d in (1, 2))
    head = Head(np.eye(2, 10, dtype=np.float32), np.zeros(10, np.float32))
    for figure in (
        scatter_figure(one),
        post_figure(two),
        regions_figure(two, head),
        regions_figure(two, None),
    ):
        assert_within(figure)
        for axes in figure.axes:
            frame = axes.get_window_extent()
            boxes = [text.get_window_extent().padded(-1) for text in axes.texts]
            for index, box in enumerate(boxes):
                assert frame.x0 <= box.x0
                assert box.x1 <= frame.x1
                assert not any(box.overlaps(other) for other in boxes[index + 1 :])


def test_letters_that_no_font_has_are_told_in_one_sentence() -> None:
    snapshot = snapshot_of(2, 2, names=("\U00013000", "\U00013001"))  # hieroglyphs
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with house_style(), lacking_letters_told(said.append):
            scatter_figure(snapshot).canvas.draw()
    (sentence,) = said
    assert "\U00013000" in sentence
    assert "\U00013001" in sentence
    assert "boxes are in their place; install one" in sentence


def test_images_of_unknown_classes_are_grey() -> None:
    known = snapshot_of(10, 2)
    labels = known.dump.labels.copy()
    labels[:5] = -1
    dump = FeatureDump(known.dump.features, labels, known.dump.predictions, known.dump.centers)
    figure = scatter_figure(Snapshot(known.run, "test", dump))
    (points,) = figure.axes[0].collections
    assert isinstance(points, PathCollection)
    colors = [tuple(color) for color in points.get_facecolors()[:, :3]]  # type: ignore[attr-defined]
    assert colors.count(to_rgb(UNKNOWN)) == 5
    assert "unknown" in words(figure)
    for other in (post_figure, distances_figure):
        assert_within(other(Snapshot(known.run, "test", dump)))


# ---- Any axes of a sweep ------------------------------------------------------------------------------------


def point(d: int = 2, **settings: Any) -> Cell:
    """A completed point of a sweep over some settings."""
    snapshot = snapshot_of(10, d, **{"seed": settings.get("train.seed", 0)})
    snapshot.run.point = {"settings": settings}
    return Cell(snapshot.run, snapshot)


def titles(grid: Grid) -> list[list[str]]:
    return [[grid.cell_title(cell) if cell else "" for cell in row] for row in grid.rows]


def test_columns_are_the_axis_with_the_most_values_and_seeds_are_rows() -> None:
    axes = ("train.seed", "model.feature_dim")
    cells = [point(d, **{"train.seed": seed, "model.feature_dim": d}) for seed in (0, 1) for d in (64, 2)]
    grid = arrange(cells, axes)
    assert titles(grid) == [[f"seed {seed}, feature_dim = {d}" for d in (2, 64)] for seed in (0, 1)]
    assert grid.title() == "things test · λ = 0.01 (λ_eq = 1), α = 0.5"
    assert run_title(cells[0].run) == "λ = 0.01 (λ_eq = 1), α = 0.5, seed 0, feature_dim = 64 · things"


def test_lambda_stays_in_columns_and_variants_in_their_order() -> None:
    cells = [
        point(**{VARIANT: name, "loss.lambda": weight, "loss.margins": [1, 2]})
        for name in ("late", "early")
        for weight in (1.0, 0.1)
    ]
    grid = arrange(cells, (VARIANT, "loss.lambda", "loss.margins"))
    assert titles(grid) == [
        [f"{name}, λ = {weight} (λ_eq = 1)".replace("λ = 1 (λ_eq = 1)", "λ = 1") for weight in ("0.1", "1")]
        for name in ("late", "early")
    ]
    assert grid.title() == "things test · α = 0.5, seed 0, margins = [1, 2]"


def test_a_run_without_a_term_is_not_called_by_its_lambda() -> None:
    config = {"loss": {"term": "none", "lambda": 0.01, "alpha": 0.5}}
    snapshot = snapshot_of(2, 2, config=config, **{"lambda": None, "alpha": None})
    assert snapshot_title(snapshot) == "seed 0 · things test"


def test_seeds_over_any_axis() -> None:
    def measured(seed: int, d: int, batch: int) -> Snapshot:
        settings = {"train.seed": seed, "model.feature_dim": d, "train.batch_size": batch}
        cell = point(d, **settings)
        assert cell.snapshot
        return cell.snapshot

    runs = [measured(seed, d, batch) for seed in (0, 1) for d in (64, 2, 8) for batch in (50, 100)]
    figure = seeds_figure(runs, ("train.seed", "model.feature_dim", "train.batch_size"))
    assert [axes.get_xlabel() for axes in figure.axes] == ["feature_dim"] * 3
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["2", "8", "64"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels[:2] == ["mean, batch_size = 50", "mean, batch_size = 100"]
    assert any(
        text == "things test · λ = 0.01 (λ_eq = 1), α = 0.5 · 2 values of batch_size · 2 seeds each"
        for text in words(figure)
    )


def test_seeds_of_variants_without_centers() -> None:
    runs = []
    for name in ("a variant with a name that is long", "other"):
        for seed in (0, 1):
            run = RunRecord(Path("run"), "completed", {"seed": seed}, point={"settings": {VARIANT: name}})
            runs.append(Snapshot(run, "test", snapshot_of(10, 2, centers=False).dump))
    figure = seeds_figure(runs, (VARIANT, "train.seed"))
    assert [axes.get_title(loc="left") for axes in figure.axes][1] == "nearest-mean accuracy"
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()][1] == "other"
    assert_within(figure)


# ---- Any figures of a loss ----------------------------------------------------------------------------------


def test_curves_show_what_the_loss_logged() -> None:
    row = {"kind": "steps", "epoch": 0.5, "images_per_second": 7.0, "softmax_loss": 1.0, "accuracy": 0.5}
    rows = [row | {"step": step, "triplet_loss": -1.0 * step, "learning_rate": 0.1} for step in (1, 2)]
    epochs = [
        {"kind": "epoch", "step": 2, "epoch": 1, "test": {"accuracy": 0.5, "nearest_center_accuracy": None}}
    ]
    figure = curves_figure(make_record(), History(rows, epochs))
    shown = ["softmax loss, training batches", "triplet loss", "learning rate", "accuracy"]
    assert [axes.get_title(loc="left") for axes in figure.axes] == shown
    legend = figure.axes[-1].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["training batches", "test (50.00 %)"]
    assert_within(figure)


def test_curves_of_a_run_that_has_logged_no_step_and_of_one_with_very_many_figures() -> None:
    assert (
        len(
            curves_figure(make_record(), History([], [{"step": 1, "epoch": 1, "test": {"accuracy": 1}}])).axes
        )
        == 1
    )
    many = {f"${index}_{{" * 20: 1.0 for index in range(50)}
    figure = curves_figure(make_record(), History([{"step": 1, "epoch": 1, **many}], []))
    assert len(figure.axes) == 12
    FigureCanvasAgg(figure).draw()
    assert all(len(text.get_text()) < 60 for text in figure.findobj(Text))
