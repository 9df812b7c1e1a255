"""Figures for a page: any width with letters that can be read, any resolution, rows, insets, many classes."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from made_runs import WEIGHTS, assert_within, grid_of, make_grid, make_record, make_snapshot, make_sweep
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from typer.testing import CliRunner

from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.grid import Cell, arrange
from centerloss_core.plotting.histogram import all_distances_figure, distances_figure
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.scatter import dot_area, scatter_figure
from centerloss_core.plotting.seeds import seeds_figure
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.reader import Snapshot
from cli.app import app

DRAW: dict[str, Callable[[float | None], Figure]] = {
    "scatter": lambda width: scatter_figure(make_snapshot(), width),
    "panel": lambda width: panel_figure(make_grid(), width=width),
    "regions": lambda width: regions_figure(make_snapshot(), None, width),
    "distances": lambda width: distances_figure(make_snapshot(), width),
    "all distances": lambda width: all_distances_figure(make_grid(), width),
    "curves": lambda width: curves_figure(make_record(), history(0.01), width),
    "seeds": lambda width: seeds_figure(
        [make_snapshot(w, seed=s) for w in WEIGHTS for s in (0, 1)], (), width
    ),
}


def history(weight: float) -> History:
    rows = [
        {
            "step": step,
            "epoch": step / 10,
            "softmax_loss": 2.3,
            "lambda": weight * (step > 1),
            "accuracy": 0.5,
        }
        for step in range(1, 10)
    ]
    return History(
        rows, [{"epoch": 1, "step": 10, "test": {"accuracy": 0.98, "nearest_center_accuracy": 0.9}}]
    )


@pytest.mark.parametrize(
    ("figure", "width"), [*((name, width) for name in DRAW for width in (3.5, 7.0)), ("panel", 14.0)]
)
def test_at_any_width_letters_can_be_read_and_nothing_overlaps(figure: str, width: float) -> None:
    drawn = DRAW[figure](width)
    assert drawn.get_figwidth() == width
    assert_within(drawn)
    letters = [text for text in drawn.findobj(Text) if text.get_visible() and text.get_text().strip()]
    assert min(text.get_fontsize() for text in letters) >= 7
    boxes = [axes.get_tightbbox().padded(-2) for axes in drawn.axes]
    for index, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[index + 1 :])
    for box in boxes:
        assert all(box.y0 >= legend.get_window_extent().y1 - 8 for legend in drawn.legends)


def test_width_and_resolution_reach_the_file_which_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    sweep = make_sweep(tmp_path / "sweep")
    out = tmp_path / "panel.png"
    arguments = [
        "plot",
        str(sweep),
        "--out",
        str(out),
        "--width",
        "7",
        "--dpi",
        "60",
        "--layout",
        "row",
        "--open",
    ]
    result = CliRunner().invoke(app, arguments)
    assert result.exit_code == 0, result.output
    height, width = imread(out).shape[:2]
    assert width == 420
    assert height < 250  # one row
    assert opened == [out.as_uri()]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"width": 0.5}, "width is 0.5 inches; it must be 2 to 60"),
        ({"dpi": 5000}, "dpi is 5000; it must be 20 to 1200"),
        ({"width": 50, "dpi": 1200}, "50 × .* inches at 1200 dpi are too many pixels"),
        ({"style": "post", "width": 7}, "leave out --width, or set --dpi"),
        ({"layout": "column"}, "it must be one of grid, row"),
    ],
)
def test_sizes_that_cannot_be_drawn(tmp_path: Path, settings: dict[str, object], message: str) -> None:
    sweep = make_sweep(tmp_path / "sweep", weights=(0.01,))
    with pytest.raises(PlotError, match=message):
        plot_directory(sweep, figures=["panel"], **settings)  # type: ignore[arg-type]


def test_one_row(tmp_path: Path) -> None:
    cells = [Cell(make_record(weight), make_snapshot(weight)) for weight in WEIGHTS]
    assert arrange(cells, row=True).shape == (1, 4)
    assert arrange(cells).shape == (2, 2)


@pytest.mark.parametrize(("width", "shape"), [(7, (1, 3)), (3.5, (2, 2)), (2, (3, 1))])
def test_a_grid_has_no_more_columns_than_its_width_has_room_for(width: float, shape: tuple[int, int]) -> None:
    cells = [Cell(make_record(weight), make_snapshot(weight)) for weight in WEIGHTS[:3]]
    grid = arrange(cells, width=width)
    assert grid.shape == shape
    headings = [axes.title.get_text().count("\n") + 1 for axes in panel_figure(grid, width=width).axes]
    assert max(headings) <= 6


def test_at_one_scale_small_runs_have_an_inset_clear_of_their_points() -> None:
    figure = panel_figure(make_grid(), shared=True)
    figure.draw_without_rendering()
    insets = [axes.child_axes for axes in figure.axes]
    assert list(map(len, insets)) == [0, 1, 1, 1]
    for axes, (inset,) in zip(figure.axes[1:], insets[1:], strict=True):
        assert len(inset.texts) == 10  # all names have room here
        points = axes.transData.transform(np.asarray(axes.collections[0].get_offsets()))
        box = inset.get_window_extent()
        assert not ((points > box.min) & (points < box.max)).all(axis=1).any()
    assert "inset: 18 × as large" in [text.get_text() for text in figure.axes[1].texts]


def test_curves_have_no_box_for_a_lambda_of_zero() -> None:
    titles = [
        [axes.get_title(loc="left") for axes in curves_figure(make_record(weight), history(weight)).axes]
        for weight in (0.0, 0.01)
    ]
    assert titles == [
        ["softmax loss, training batches", "accuracy"],
        ["softmax loss, training batches", "λ in force", "accuracy"],
    ]


def test_distances_of_a_sweep_are_on_one_figure_with_the_same_axes(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    figure = all_distances_figure(grid_of(sweep))
    assert len({(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes}) == 1
    assert [axes.get_title(loc="left").split(" (")[0].split(":")[0] for axes in figure.axes] == [
        f"λ = {weight:g}" for weight in WEIGHTS
    ]
    highest = max(patch.get_data().values.max() for axes in figure.axes for patch in axes.patches)  # type: ignore[attr-defined]
    assert figure.axes[0].get_ylim()[1] > highest
    out = tmp_path / "distances.png"
    assert plot_directory(sweep, figures=["distances"], out=out, dpi=40) == [out]
    written = plot_directory(sweep, figures=["distances"], dpi=40)
    assert sweep / "plots" / "distances-test.png" in written
    assert len(written) == 1 + len(WEIGHTS)


def test_few_images_have_larger_dots() -> None:
    assert dot_area(1000) > 2.5 * dot_area(10_000)
    assert dot_area(10) == dot_area(100)
    assert dot_area(60_000) == dot_area(10_000)


def test_the_mark_of_a_center_hides_nothing_inside_it() -> None:
    (marks,) = scatter_figure(make_snapshot()).axes[0].lines
    assert marks.get_markerfacecolor() == "none"


@pytest.mark.parametrize("classes", [20, 100])
def test_clusters_of_many_classes_are_named_without_centers(classes: int) -> None:
    """On a lattice, as far apart as can be. No legend has a row for each of a hundred."""
    places = np.array([(label % 10, label // 10) for label in range(classes)], np.float32)
    labels = np.arange(3 * classes) % classes
    dump = FeatureDump(places[labels] * 10, labels, labels)
    run = make_record(data={"title": "things", "class_names": [f"c{label}" for label in range(classes)]})
    figure = scatter_figure(Snapshot(run, "test", dump))
    assert {text.get_text() for text in figure.axes[0].texts} == {f"c{label}" for label in range(classes)}
    assert not figure.legends[0].get_texts()
    crowded = scatter_figure(Snapshot(run, "test", replace(dump, features=dump.features * 0)))
    assert len(crowded.legends[0].get_texts()) == 10
    assert_within(crowded)
