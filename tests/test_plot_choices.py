"""What `cl plot` draws when asked for this or that, and the axes of a panel."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import (
    WEIGHTS,
    assert_within,
    covered,
    make_dump,
    make_grid,
    make_record,
    make_run,
    make_snapshot,
    make_sweep,
    plotted,
    words,
)
from matplotlib.figure import Figure
from matplotlib.text import Text
from typer.testing import CliRunner

from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.animation import Film, Screen
from centerloss_core.plotting.classes import legend_handles
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.grid import Cell, arrange
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.histogram import distances_figure
from centerloss_core.plotting.panel import Moment, panel_figure
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.post import post_panel
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.reader import Snapshot
from cli.app import app


def plot(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["plot", *map(str, arguments)])


# --- choosing figures -----------------------------------------------------------------------------------------


def test_figures_of_a_run_by_name(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    written = plot_directory(run, figures=["distances", "curves"])
    assert [path.name for path in written] == ["curves.png", "distances-test.png"]
    assert plotted(tmp_path) == {"run": ["curves.png", "distances-test.png"]}


def test_out_takes_the_named_figure(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    out = tmp_path / "distances.pdf"
    assert plot_directory(run, figures=["distances"], out=out) == [out]
    assert plotted(tmp_path) == {}


@pytest.mark.parametrize(
    ("of", "settings", "message"),
    [
        ("run", {"figures": ["panel"]}, "figure 'panel' is of a sweep, and this is a run"),
        ("run", {"figures": ["scater"]}, "distances, open_set, all; did you mean 'scatter'?"),
        ("run", {"figures": ["curves", "regions"], "out": "a.png"}, "one file holds one figure"),
        ("sweep", {"figures": ["curves"], "out": "a.png"}, "ask for one of panel, seeds"),
        ("sweep", {"axes": "mine"}, "axes is 'mine'; it must be one of own, shared, follow"),
    ],
)
def test_choices_that_make_no_sense(tmp_path: Path, of: str, settings: dict[str, Any], message: str) -> None:
    directory = make_run(tmp_path / "run") if of == "run" else make_sweep(tmp_path / "sweep")
    if "out" in settings:
        settings = settings | {"out": tmp_path / settings["out"]}
    with pytest.raises(PlotError, match=re.escape(message)) as refused:
        plot_directory(directory, **settings)
    assert refused.value.exit_code == 2
    assert plotted(tmp_path) == {}


def test_command_line(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", weights=WEIGHTS[:1])
    result = plot(sweep, "--figures", "panel, all", "--axes", "shared", "--animate")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert lines[-1] == f"figure: {sweep}/plots/panel-test-shared.png"
    assert any(line.startswith("note: no animation:") and "train.dump_every: 50" in line for line in lines)
    of_a_run = ["curves.png", "distances-test.png", "regions-test.png", "scatter-test.png"]
    assert plotted(sweep) == {".": ["panel-test-shared.png"], "lambda0-alpha0.5-seed0": of_a_run}


# --- curves without a history ---------------------------------------------------------------------------------

MEND = "cannot be read (No such file or directory); put it back from a copy, or train the run again"


def test_a_run_that_lost_its_history_has_the_other_figures(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    result = plot(run, "--figures", "all")
    assert result.exit_code == 0, result.output
    assert f"note: no curves: {run}/metrics.jsonl: {MEND}" in result.stdout.splitlines()
    assert result.stdout.splitlines()[-1] == f"figure: {run}/plots/scatter-test.png"
    assert plotted(tmp_path) == {"run": ["distances-test.png", "regions-test.png", "scatter-test.png"]}


def test_a_sweep_with_a_run_that_lost_its_history(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1))
    lost = sweep / "lambda0.1-alpha0.5-seed0"
    (lost / "metrics.jsonl").unlink()
    result = plot(sweep, "--figures", "curves")
    assert result.exit_code == 0, result.output
    notes = [line for line in result.stdout.splitlines() if "metrics.jsonl" in line]
    assert notes == [f"note: no curves: {lost}/metrics.jsonl: {MEND}"]
    assert plotted(sweep) == {"lambda0.01-alpha0.5-seed0": ["curves.png"]}


@pytest.mark.parametrize("figures", ["curves", "curves,scatter", "all,curves"])
def test_curves_of_a_run_that_are_named_must_be_had(tmp_path: Path, figures: str) -> None:
    run = make_run(tmp_path / "it")
    lost = run / "metrics.jsonl"
    lost.unlink()
    result = plot(run, "--figures", figures)
    assert isinstance(result.exception, RunError)
    assert result.exception.exit_code == 1
    assert str(result.exception) == f"{lost}: {MEND}"
    assert plotted(tmp_path) == {}


def test_a_history_that_may_not_be_read_is_named_once(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "metrics.jsonl").unlink()
    (run / "metrics.jsonl").mkdir()
    with pytest.raises(RunError) as caught:
        plot_directory(run, figures=["curves"])
    assert str(caught.value) == f"{run}/metrics.jsonl: cannot be read (Is a directory)"


def test_help_names_figures_and_axes() -> None:
    text = " ".join(plot("--help").output.split())
    for words_of_help in ("--figures", "--axes", "--animate", "regions:", "distances:", "seeds:", "ffmpeg"):
        assert words_of_help in text


# --- axes of a panel ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("draw", [panel_figure, post_panel])
def test_shared_axes_are_equal_and_said(draw: Any) -> None:
    grid = make_grid(failed=0.1)
    own, shared = draw(grid), draw(grid, shared=True)

    def limits(figure: Figure) -> set[Any]:
        return {(axes.get_xlim(), axes.get_ylim()) for axes in figure.axes if axes.collections}

    assert len(limits(own)) == 3
    assert len(limits(shared)) == 1
    assert any("each at its own scale" in text for text in words(own))
    assert any("all at one scale" in text for text in words(shared))
    ((left, right), (bottom, top)) = limits(shared).pop()
    for _, _, cell in grid.places:
        if cell.snapshot:
            points = cell.snapshot.dump.features
            assert (points > [left, bottom]).all()
            assert (points < [right, top]).all()


def test_shared_axes_in_the_posts_style_leave_no_point_under_a_legend() -> None:
    grid = make_grid()
    first, *others = post_panel(grid, shared=True).axes
    assert not covered(first, grid.snapshots[0].dump.features).any()
    assert not any(axes.get_legend() for axes in others)


def test_a_single_run_needs_no_word_on_scales() -> None:
    assert not [text for text in words(panel_figure(make_grid(weights=(0.01,)))) if "scale" in text]


# --- crowds and long words ------------------------------------------------------------------------------------


def test_crowded_centers_are_drawn_smaller_and_without_names() -> None:
    figure = panel_figure(make_grid(weights=(0.01, 1.0)), shared=True)
    sizes, digits = [], []
    for axes in figure.axes:
        (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
        sizes.append(marks.get_markersize())
        digits.append(len(axes.texts))
    assert sizes[0] == 10
    assert sizes[1] < 5
    assert digits == [10, 1]  # how large its inset is


def crowded_cells(data: str) -> list[Cell]:
    cells = []
    for weight in (1.23456e-5, 0.00123457):
        for seed in (12345, 67890):
            settings = {
                "lambda_eq": weight * 12345.678,
                "alpha": 0.123457,
                "seed": seed,
                "data": {"title": data},
            }
            run = make_record(weight, "interrupted", **settings)
            cells.append(Cell(run, Snapshot(run, "test", make_dump(d=16), epoch=1234)))
    return cells


def test_long_settings_neither_overlap_nor_leave_the_sheet() -> None:
    cells = crowded_cells("a data set whose name is really much longer than it need be, " * 2)
    snapshot = cells[0].snapshot
    assert snapshot is not None
    dump = make_dump()
    plain = Snapshot(snapshot.run, "test", dump, epoch=1234)
    rows = [{"step": 1, "epoch": 0.1, "softmax_loss": 1.0}]
    for figure in (
        panel_figure(arrange(cells)),
        post_panel(arrange(cells)),
        scatter_figure(snapshot),
        regions_figure(plain, None),
        distances_figure(plain),
        curves_figure(snapshot.run, History(rows, [])),
    ):
        figure.draw_without_rendering()
        titles = [title for axes in figure.axes for title in axes.findobj(_is_title) if title.get_text()]
        titles += [text for text in figure.texts if text.get_text()]
        boxes = [title.get_window_extent() for title in titles]
        for box, title in zip(boxes, titles, strict=True):
            assert box.x0 >= 0, title.get_text()
            assert box.y0 >= 0, title.get_text()
            assert box.x1 <= figure.bbox.x1, title.get_text()
            assert box.y1 <= figure.bbox.y1, title.get_text()
        for index, box in enumerate(boxes):
            for other in boxes[index + 1 :]:
                assert not box.overlaps(other)


def _is_title(artist: object) -> bool:
    return (
        isinstance(artist, Text)
        and artist.axes is not None
        and artist
        in (
            artist.axes.title,
            artist.axes._left_title,  # type: ignore[attr-defined]
        )
    )


def test_many_classes_fit_a_legend() -> None:
    labels = [handle.get_label() for handle in legend_handles([str(label) for label in range(26)])]
    assert labels == [
        *(f"{digit}, 1{digit} + 1 more" for digit in range(6)),
        *(f"{digit}, 1{digit}" for digit in (6, 7, 8, 9)),
    ]

    labels_26 = np.arange(260) % 26
    centers = np.random.default_rng(0).normal(size=(26, 2)).astype(np.float32)
    letters = FeatureDump(centers[labels_26], labels_26, labels_26, centers)
    snapshot = Snapshot(make_snapshot().run, "test", letters)
    head = Head(centers.T, np.zeros(26, np.float32))
    cells = [Cell(make_record(weight), snapshot) for weight in (0.0, 1.0)]
    grid = arrange(cells)
    epochs = [Moment(epoch, project(letters), "") for epoch in (1, 2)]
    films = [
        Screen(
            Film(
                arrange(cells[:count]),
                "epoch",
                [1, 2],
                dict.fromkeys([(0, i) for i in range(count)], epochs),
                "own",
            )
        )
        for count in (1, 2)
    ]
    for film in films:
        film.show(1)
    figures = [regions_figure(snapshot, None), regions_figure(snapshot, head), panel_figure(grid)]
    for figure in [*figures, *(film.figure for film in films)]:
        figure.draw_without_rendering()
        box = figure.legends[0].get_window_extent()
        assert box.x0 >= 0
        assert box.x1 <= figure.bbox.x1
        for axes in figure.axes:
            assert axes.get_tightbbox().y0 >= box.y1 - 6  # the frame around a legend is not drawn


def test_a_missing_class_can_be_drawn() -> None:
    dump = make_dump()
    kept = dump.labels != 4
    some = FeatureDump(dump.features[kept], dump.labels[kept], dump.predictions[kept], dump.centers)
    snapshot = Snapshot(make_snapshot().run, "test", some)
    for figure in (scatter_figure(snapshot), distances_figure(snapshot), regions_figure(snapshot, None)):
        assert_within(figure)
