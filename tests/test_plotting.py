"""Figures of runs and sweeps: which files appear, what they show, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import (
    DIGITS,
    WEIGHTS,
    assert_within,
    covered,
    grid_of,
    make_dump,
    make_grid,
    make_record,
    make_run,
    make_snapshot,
    make_sweep,
    plotted,
    words,
)
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.image import imread
from matplotlib.text import Text
from typer.testing import CliRunner

from centerloss_core.errors import ExpectedError
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.grid import MAX_COLUMNS, MAX_ROWS, Cell, arrange
from centerloss_core.plotting.histogram import distances_figure
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.plane import project
from centerloss_core.plotting.post import post_figure, post_panel
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.style import CLASS_COLORS
from centerloss_core.plotting.titles import snapshot_title
from centerloss_core.run_directory.errors import RunError
from centerloss_core.run_directory.feature_dumps import FeatureDump, FeatureFileError, write_features
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.lock import DirectoryLock
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.reader import read_run
from cli.app import app

# --- which files appear ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("fmt", "style", "split"), [("png", "default", "test"), ("svg", "post", "train")])
def test_files_of_a_run(tmp_path: Path, fmt: str, style: str, split: str) -> None:
    run = make_run(tmp_path / "run")
    written = plot_directory(run, split=split, style=style, fmt=fmt)
    scatter = f"scatter-{split}{'-post' if style == 'post' else ''}.{fmt}"
    names = [scatter, f"curves.{fmt}", f"regions-{split}.{fmt}", f"distances-{split}.{fmt}"]
    assert written == [run / "plots" / name for name in names]
    assert plotted(tmp_path) == {"run": sorted(names)}


def test_files_of_a_sweep(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {0.1: "missing", 1.0: "failed"}, WEIGHTS[1:])
    written = plot_directory(sweep, style="post")
    assert plotted(sweep) == {
        ".": ["panel-test-post.png"],
        "lambda0.01-alpha0.5-seed0": ["curves.png", "scatter-test-post.png"],
    }
    assert written[0] == sweep / "plots" / "panel-test-post.png"
    assert len(written) == 3


def test_out_takes_one_figure_and_decides_the_format_and_same_files_give_the_same_bytes(
    tmp_path: Path,
) -> None:
    run, sweep = make_run(tmp_path / "run"), make_sweep(tmp_path / "sweep", weights=(0.01,))
    for name, opening in (("a.png", b"\x89PNG"), ("a.SVG", b"<?xml"), ("a.pdf", b"%PDF")):
        first, second = (plot_directory(run, out=tmp_path / name)[0].read_bytes() for _ in range(2))
        assert first == second
        assert first.startswith(opening)
    assert plot_directory(sweep, out=tmp_path / "b.png") == [tmp_path / "b.png"]
    assert plotted(tmp_path) == {}


def test_unfinished_run_shows_its_newest_epoch(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="interrupted")
    snapshot = read_run(run).snapshot("test")
    assert snapshot is not None
    assert snapshot.epoch == 10
    assert "MNIST test · epoch 10" in scatter_figure(snapshot).axes[0].get_title(loc="left")


# --- what they show -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "of", "size"), [("default", "run", (698, 737)), ("post", "sweep", (1856, 1062))]
)
def test_pixels(tmp_path: Path, style: str, of: str, size: tuple[int, int]) -> None:
    directory = make_run(tmp_path / "run") if of == "run" else make_sweep(tmp_path / "sweep")
    image = imread(plot_directory(directory, style=style, out=tmp_path / "figure.png")[0])
    assert image.shape[1::-1] == size
    assert image[..., :3].std() > 0.05  # not a blank sheet
    np.testing.assert_array_equal(image[[0, -1]], 1)  # nothing runs over the edge of a white sheet


def test_panel_is_light_enough_for_a_page(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    for directory in sweep.glob("lambda*"):
        write_features(directory / "features" / "test-final.npz", make_dump(n=10_000))
    assert plot_directory(sweep, out=tmp_path / "panel.png")[0].stat().st_size < 600_000


def test_titles() -> None:
    title, numbers = scatter_figure(make_snapshot(0.01)).axes[0].get_title(loc="left").split("\n")
    assert title == "λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST test"
    measured = separation(make_dump(0.01))
    assert (
        numbers == f"softmax 100.00 %, nearest center 100.00 %, inter/intra {measured.separation_ratio:.1f}"
    )
    # λ_eq says nothing new where λ is 0.
    scales = " · x and y at scales of their own"
    assert (
        post_figure(make_snapshot(0.0)).axes[0].get_title() == "λ = 0, α = 0.5, seed 0 · MNIST test" + scales
    )
    title = post_figure(make_snapshot(0.0, epoch=3)).axes[0].get_title()
    assert title.endswith("MNIST test · epoch 3" + scales)


def test_figures_of_two_seeds_say_which_is_which() -> None:
    snapshot = make_snapshot(seed=7)
    for figure in (
        scatter_figure(snapshot),
        post_figure(snapshot),
        regions_figure(snapshot, None),
        distances_figure(snapshot),
        curves_figure(snapshot.run, History([{"step": 1, "epoch": 1, "softmax_loss": 1}], [])),
    ):
        assert any("α = 0.5, seed 7 · MNIST" in text for text in words(figure))


@pytest.mark.parametrize("draw", [panel_figure, post_panel])
def test_a_point_without_features_is_named_like_the_others(draw: Any, tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {1.0: "missing"})
    summary = json.loads((sweep / "summary.json").read_text())
    for row in summary["runs"]:
        row["lambda_eq"] = 100 * row["lambda"]
    (sweep / "summary.json").write_text(json.dumps(summary))
    text = "\n".join(words(draw(grid_of(sweep))))
    for name in ("λ = 0.01 (λ_eq = 1)", "λ = 0.1 (λ_eq = 10)", "λ = 1 (λ_eq = 100)"):
        assert name in text


def test_the_legend_of_the_post_names_all_classes() -> None:
    legend = post_figure(make_snapshot()).axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == DIGITS


def test_a_legend_names_classes_only_where_some_cluster_has_no_room_for_its_name() -> None:
    snapshot = make_snapshot()
    crowded = replace(snapshot, dump=replace(snapshot.dump, centers=snapshot.dump.centers * 0))
    for shown, names in ((snapshot, []), (crowded, DIGITS)):
        legend = scatter_figure(shown).legends[0]
        assert [text.get_text() for text in legend.get_texts()] == [*names, "trained center"]


def test_centers_are_marked_and_named() -> None:
    snapshot = make_snapshot()
    axes = scatter_figure(snapshot).axes[0]
    (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
    np.testing.assert_allclose(np.column_stack(marks.get_data()), snapshot.dump.centers, rtol=1e-6)
    assert [text.get_text() for text in axes.texts] == DIGITS


@pytest.mark.parametrize("angle", [0, 45, 200])
def test_the_name_of_a_center_stays_within_the_frame(angle: float) -> None:
    """Centers as far out as can be: without points, the axes end beside them."""
    turned = np.radians(angle + np.arange(10) * 36)
    centers = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32) * 100
    labels = np.arange(10)
    snapshot = replace(make_snapshot(), dump=FeatureDump(centers * 0.9, labels, labels, centers))
    for figure in (scatter_figure(snapshot), post_figure(snapshot)):
        figure.draw_without_rendering()
        (axes,) = figure.axes
        frame = axes.get_window_extent()
        boxes = [text.get_window_extent() for text in axes.texts if text.get_text() in DIGITS]
        drawn = [box for box in boxes if box.width > 1]  # the post's axes end where its points do
        assert len(drawn) >= 8
        for box in drawn:
            assert frame.x0 <= box.x0
            assert box.x1 <= frame.x1
            assert frame.y0 <= (box.y0 + box.y1) / 2 <= frame.y1  # a box is higher than the digit in it


def test_one_unit_is_as_long_across_as_up_and_nothing_is_cut_off() -> None:
    snapshot = make_snapshot(0.0)
    axes = scatter_figure(snapshot).axes[0]
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    assert axes.get_box_aspect() == 1
    assert right - left == pytest.approx(top - bottom)
    low, high = snapshot.dump.features.min(axis=0), snapshot.dump.features.max(axis=0)
    assert (low > [left, bottom]).all()
    assert (high < [right, top]).all()


def test_every_point_has_the_colour_of_its_class() -> None:
    snapshot = make_snapshot()
    (points,) = scatter_figure(snapshot).axes[0].collections
    assert isinstance(points, PathCollection)
    drawn = np.asarray(points.get_offsets())
    colors = points.get_facecolors()[:, :3]  # type: ignore[attr-defined]  # missing in matplotlib's stubs
    label_at = {
        tuple(point): label for point, label in zip(snapshot.dump.features, snapshot.dump.labels, strict=True)
    }
    expected = [to_rgb(CLASS_COLORS[label_at[tuple(point)]]) for point in drawn.astype(np.float32)]
    np.testing.assert_allclose(colors, expected, atol=1e-6)


@pytest.mark.parametrize("weight", WEIGHTS[:2])
@pytest.mark.parametrize("corner", [(0, 0), (40, 3), (3, 40), (40, 40)])
def test_post_legend_covers_no_point(weight: float, corner: tuple[float, float]) -> None:
    """Also with points that lie just where the legend wants to be."""
    dump = make_dump(weight)
    features = dump.features.copy()
    features[:30] = np.abs(features).max() * np.array(corner) / 40 + np.linspace(0, 1, 30)[:, None]
    (axes,) = post_figure(replace(make_snapshot(), dump=replace(dump, features=features))).axes
    assert not covered(axes, features).any()
    frame, points = axes.get_window_extent(), axes.transData.transform(features)
    assert (points >= [frame.x0, frame.y0]).all()
    assert (points <= [frame.x1, frame.y1]).all()


def test_post_axes_stand_where_the_post_has_them() -> None:
    frame = post_figure(make_snapshot()).axes[0].get_window_extent()
    np.testing.assert_allclose(
        [frame.x0, 511 - frame.y1, frame.x1, 511 - frame.y0], [116, 62, 836, 455], atol=1
    )


@pytest.mark.parametrize(("draw", "loc"), [(panel_figure, "left"), (post_panel, "center")])
def test_panel_boxes_are_equal_and_in_order_of_weight(draw: Any, loc: str) -> None:
    figure = draw(make_grid(weights=(1.0, 0.1)))
    figure.draw_without_rendering()
    sizes = [axes.get_window_extent().size for axes in figure.axes]
    np.testing.assert_allclose(sizes, [sizes[0]] * 2, rtol=1e-6)
    assert [axes.get_title(loc=loc).split()[2] for axes in figure.axes] == ["0.1", "1"]


def test_panel_has_one_legend_which_does_not_repeat_the_labels() -> None:
    figure = panel_figure(make_grid(weights=WEIGHTS[:2]))
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["trained center"]
    assert all(axes.get_legend() is None for axes in figure.axes)
    assert "MNIST test · α = 0.5, seed 0 · each at its own scale" in words(figure)


@pytest.mark.parametrize("draw", [panel_figure, post_panel])
def test_failed_point_is_seen(draw: Any) -> None:
    figure = draw(make_grid(failed=1.0))
    assert "failed" in words(figure)
    assert len(figure.axes) == 4
    assert not figure.axes[3].collections


def test_grid_of_seeds() -> None:
    grid = make_grid(seeds=3)
    assert grid.shape == (3, 4)
    assert [row[0].run.seed for row in grid.rows if row[0]] == [0, 1, 2]
    assert grid.title() == "MNIST test · α = 0.5"
    assert [grid.cell_title(row[1]) for row in grid.rows if row[1]][2] == "λ = 0.01 (λ_eq = 1), seed 2"
    many = make_grid(weights=(0.0, 1.0), seeds=MAX_ROWS + 1)
    assert many.shape == (1, 2)
    assert "1 of 7 values of seed" in many.title()


def test_very_many_weights_are_thinned_out() -> None:
    """A column for each of 80 would make a sheet of 9 m."""
    grid = make_grid(weights=tuple(float(weight) for weight in range(80)), seeds=2)
    assert grid.shape == (2, MAX_COLUMNS)
    assert "12 of 80 values of λ" in grid.title()
    shown = [cell.run.lambda_ for cell in grid.rows[0] if cell]
    assert (shown[0], shown[-1]) == (0, 79)
    assert np.ptp(np.diff(np.array(shown, float))) <= 1


def test_a_thinned_out_panel_keeps_what_there_is_to_see() -> None:
    runs = [make_record(weight, "waiting", seed=seed) for weight in range(40) for seed in range(9)]
    grid = arrange(
        [
            Cell(run, make_snapshot() if (run.lambda_, run.seed) in [(13, 7), (14, 7)] else None)
            for run in runs
        ]
    )
    assert [cell.run.lambda_ for _, _, cell in grid.places if cell.snapshot] == [13, 14]
    assert "1 of 9 values of seed · 2 of 40 values of λ" in grid.title()


def test_titles_are_measured_without_a_canvas_as_large_as_the_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    """With one for each title, a panel of many runs took 2 GB."""
    monkeypatch.setattr(FigureCanvasAgg, "get_renderer", pytest.fail)
    panel_figure(make_grid(weights=WEIGHTS[:2]))


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))]
)
def test_grid_of_weights(count: int, shape: tuple[int, int]) -> None:
    assert make_grid(weights=tuple(float(i) for i in range(count))).shape == shape


def test_more_than_two_features_show_principal_components() -> None:
    snapshot = make_snapshot(d=16)
    axes = scatter_figure(snapshot).axes[0]
    assert "first two of 16 principal components, 100 % of the variance" in axes.get_title(loc="left")
    plane = project(snapshot.dump)
    # The 16 features are two in disguise: distances survive.
    two = make_dump(d=2).features
    np.testing.assert_allclose(
        np.linalg.norm(plane.points[0] - plane.points[1]), np.linalg.norm(two[0] - two[1]), rtol=1e-2
    )
    first, second = plane.points.var(axis=0)
    assert first >= second
    total = snapshot.dump.features.var(axis=0).sum()
    assert axes.get_xlabel() == f"first principal component ({100 * first / total:.0f} % of the variance)"
    assert axes.get_ylabel() == f"second principal component ({100 * second / total:.0f} %)"


@pytest.mark.parametrize("draw", [scatter_figure, post_figure])
def test_one_feature_shows_strips(draw: Any) -> None:
    snapshot = make_snapshot(d=1)
    axes = draw(snapshot).axes[0]
    assert axes.get_ylabel() == "class"
    if draw is scatter_figure:
        assert list(axes.get_yticks()) == list(range(10))
    strips = project(snapshot.dump).points[:, 1]
    np.testing.assert_array_equal(np.round(strips), snapshot.dump.labels)


def test_collapsed_features_can_be_drawn() -> None:
    dump = make_dump()
    collapsed = replace(dump, features=dump.features * 0, centers=dump.centers * 0)
    snapshot = replace(make_snapshot(), dump=collapsed)
    for figure in (scatter_figure(snapshot), post_figure(snapshot)):
        assert_within(figure)
    assert "inter/intra –" in "".join(words(scatter_figure(snapshot)))


def test_nothing_is_clipped() -> None:
    for figure in (
        scatter_figure(make_snapshot(0.0)),
        scatter_figure(make_snapshot(d=16, epoch=12)),
        post_figure(make_snapshot(d=16, epoch=12)),
        panel_figure(make_grid(weights=(0.01, 1.0), seeds=2, failed=1.0)),
        panel_figure(make_grid(weights=(0.01,))),
    ):
        assert_within(figure)


# --- what is refused ------------------------------------------------------------------------------------------


def test_directories_that_cannot_be_drawn(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="no such directory"):
        plot_directory(tmp_path / "missing")
    with pytest.raises(RunError, match=r"neither a run \(no run\.json\) nor a sweep \(no summary\.json\)"):
        plot_directory(tmp_path)
    (tmp_path / "sweep.yaml").write_text("")
    with pytest.raises(RunError, match=r"no summary\.json yet"):
        plot_directory(tmp_path)
    (tmp_path / "summary.json").write_text(json.dumps({"format": FORMAT, "runs": []}))
    with pytest.raises(RunError, match="names no run"):
        plot_directory(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"status": "completed"}', '{"runs": 3}'])
@pytest.mark.parametrize("name", ["run.json", "summary.json"])
def test_damaged_manifests(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(ExpectedError, match=name.replace(".", r"\.")):
        plot_directory(tmp_path)


@pytest.mark.parametrize("value", [{"a": 1}, "x", None, float("nan"), 10**400, "y" * 5000])
def test_a_setting_that_is_no_number_does_not_stop_a_figure(tmp_path: Path, value: Any) -> None:
    for key in ("lambda", "lambda_eq", "seed"):
        snapshot = replace(make_snapshot(), run=make_record(**{key: value}))
        title = snapshot_title(snapshot)
        assert title.endswith(" · MNIST test")
        assert len(title) < 150
    snapshot = replace(make_snapshot(), run=make_record(data=value))
    assert snapshot_title(snapshot) == "λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 test"


def test_a_seed_stays_as_it_is(tmp_path: Path) -> None:
    """A float has no room for it."""
    assert read_run(make_run(tmp_path / "run", seed=2**63 - 1)).seed == 2**63 - 1


@pytest.mark.parametrize("name", ["../elsewhere", "..", "/tmp", "a/b", ".", None, 3, ""])
def test_a_summary_does_not_lead_out_of_the_sweep(tmp_path: Path, name: Any) -> None:
    elsewhere = make_run(tmp_path / "elsewhere")
    sweep = make_sweep(tmp_path / "sweep")
    summary = json.loads((sweep / "summary.json").read_text())
    summary["runs"][0]["directory"] = name
    (sweep / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(ExpectedError, match=r"summary\.json: a run's directory is .* not a plain name"):
        plot_directory(sweep)
    assert not (elsewhere / "plots").exists()
    assert not (sweep / "plots").exists()


def test_runs_without_features(tmp_path: Path) -> None:
    unfinished = make_run(tmp_path / "unfinished", status="running")
    missing = r"train-final\.npz: no such feature dump, for the run is "
    with pytest.raises(PlotError, match=missing + "stopped: resume it: cl train --resume .*unfinished"):
        plot_directory(unfinished, split="train")
    with DirectoryLock(unfinished), pytest.raises(PlotError, match=missing + "running: wait"):
        plot_directory(unfinished, split="train")
    sweep = make_sweep(tmp_path / "sweep", dict.fromkeys(WEIGHTS, "failed"))
    with pytest.raises(PlotError, match="no run of this sweep has test features"):
        plot_directory(sweep)


def test_a_killed_point_of_a_sweep_is_stopped(tmp_path: Path) -> None:
    """Nobody has told `summary.json`, nor the run itself."""
    sweep = make_sweep(tmp_path / "sweep", {0.1: "running"})
    for dump in (sweep / "lambda0.1-alpha0.5-seed0" / "features").iterdir():
        dump.unlink()
    assert "stopped" in [cell.run.status for _, _, cell in grid_of(sweep).places]
    with DirectoryLock(sweep / "lambda0.1-alpha0.5-seed0"):
        assert "running" in [cell.run.status for _, _, cell in grid_of(sweep).places]


def test_damaged_features_and_history_are_named(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", metrics={"test": {"accuracy": 0.5}})
    for rows, message in (
        ('{"kind": "steps", "step": 1}\nnonsense\n', r"metrics\.jsonl:2: not a row of metrics"),
        ('{"kind": "steps", "step": Infinity}\n', r"metrics\.jsonl:1: not a row of metrics"),
        ("[" * 100_000 + "\n", r"metrics\.jsonl:1: not a row of metrics"),
        ("", "holds no rows, and that of a completed run has some; put it back from a copy"),
    ):
        (run / "metrics.jsonl").write_text(rows)
        with pytest.raises(RunError, match=message):
            plot_directory(run, figures=["curves"])
    unfinished = make_run(tmp_path / "unfinished", status="interrupted")
    (unfinished / "metrics.jsonl").write_text("")
    with pytest.raises(RunError, match="holds no rows yet"):
        plot_directory(unfinished, figures=["curves"])
    (run / "features" / "test-final.npz").write_bytes(b"")
    with pytest.raises(FeatureFileError, match=r"test-final\.npz"):
        plot_directory(run)
    assert plotted(tmp_path) == {}


def test_settings_that_make_no_sense(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    refused: list[tuple[dict[str, Any], str]] = [
        ({"split": "validation"}, "split is 'validation'; it must be one of test, train"),
        ({"style": "xkcd"}, "style is 'xkcd'"),
        ({"fmt": "gif"}, "format is 'gif'"),
        ({"fmt": "png", "out": tmp_path / "a.svg"}, "its suffix contradicts format 'png'"),
        ({"out": tmp_path / "a.gif"}, r"must end in one of \.png, \.svg, \.pdf"),
        ({"out": tmp_path / "missing" / "a.png"}, "create it first"),
    ]
    for settings, message in refused:
        with pytest.raises(PlotError, match=message):
            plot_directory(run, **settings)
    assert plotted(tmp_path) == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("title", ["x\n" * 100_000, "$\\foo{$\ud800\x1b[2J\0\u202e"])
def test_a_title_is_words_however_it_is_written(tmp_path: Path, title: str) -> None:
    """No formula, and no more of it than a figure has room for."""
    for directory, figures in (
        (make_run(tmp_path / "run"), ["scatter", "curves"]),
        (make_sweep(tmp_path / "sweep", weights=(0.01, 0.1)), ["panel"]),
    ):
        change_titles(directory, title)
        assert len(plot_directory(directory, figures=figures)) == len(figures)


def change_titles(directory: Path, title: str) -> None:
    for path in directory.glob("**/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": {"title": title}}))
    if (directory / "summary.json").is_file():
        content = json.loads((directory / "summary.json").read_text())
        content["runs"][0] |= {"directory": "away", "status": title}
        (directory / "summary.json").write_text(json.dumps(content))


def test_a_dollar_stays_a_dollar() -> None:
    figure = scatter_figure(replace(make_snapshot(), run=make_record(data={"title": "$a_1$"})))
    (title,) = [text for text in figure.findobj(Text) if "a_1" in text.get_text()]
    assert "$a_1$" in title.get_text()
    assert title.get_parse_math() is False


# --- sweeps of which a part cannot be drawn -------------------------------------------------------------------


def spoil(run: Path, name: str) -> Path:
    (run / name).write_bytes(b"{\n")
    return run / name


@pytest.mark.parametrize("name", ["run.json", "features/test-final.npz"])
def test_a_damaged_run_does_not_keep_its_sweep_from_its_figures(tmp_path: Path, name: str) -> None:
    sweep = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1))
    damaged = spoil(sweep / "lambda0.1-alpha0.5-seed0", name)
    done = CliRunner().invoke(app, ["plot", str(sweep), "--figures", "panel,distances"])
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("note: left out: ")]
    assert str(damaged) in line
    assert "put it back from a copy, or train the run again" in line
    assert plotted(sweep) == {".": ["panel-test.png"], "lambda0.01-alpha0.5-seed0": ["distances-test.png"]}
    assert "damaged" in words(panel_figure(grid_of(sweep)))


def test_a_sweep_that_is_damaged_altogether_says_how(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    damaged = [spoil(run, "run.json") for run in sweep.iterdir() if run.is_dir()]
    with pytest.raises(PlotError, match="no run of this sweep can be drawn:") as caught:
        plot_directory(sweep)
    assert all(str(path) in str(caught.value) for path in damaged)


def test_a_sweep_without_its_summary_is_called_one_by_every_command(tmp_path: Path) -> None:
    (tmp_path / "sweep.yaml").write_text("")
    for command in ("plot", "report", "evaluate"):
        done = CliRunner().invoke(app, [command, str(tmp_path)])
        assert done.exit_code == 1
        assert "this sweep has no summary.json yet; wait until a run is done" in str(done.exception)
