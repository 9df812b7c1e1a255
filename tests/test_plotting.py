"""Figures of runs and sweeps: which files appear, what they show, and what is refused."""

import itertools
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread
from matplotlib.text import Text
from shell import BY_A_SHELL
from typer.testing import CliRunner

from centerloss_core.config import load_config
from centerloss_core.errors import ExpectedError
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.plotting.drawing import _read_or_leave_out
from centerloss_core.plotting.grid import MAX_COLUMNS, MAX_ROWS, Cell, Grid, arrange
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
from centerloss_core.run_directory.reader import RunRecord, Snapshot, read_run, read_sweep
from cli.app import app

WEIGHTS = (0.0, 0.01, 0.1, 1.0)
DIGITS = [str(digit) for digit in range(10)]


def make_dump(weight: float = 0.01, n: int = 300, d: int = 2, seed: int = 0) -> FeatureDump:
    """Rays for λ = 0, clusters that shrink with λ for the others."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 10
    angles = labels * 2 * np.pi / 10
    radii = rng.uniform(20, 300, n) if weight == 0 else rng.normal(15 * 0.01 / weight, 0.5 * 0.01 / weight, n)
    x = np.stack([radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    x = x[:, :1] if d == 1 else x @ np.eye(2, d) + rng.normal(scale=1e-3, size=(n, d))
    centers = np.stack([x[labels == digit].mean(axis=0) for digit in range(10)])
    return FeatureDump(x.astype(np.float32), labels, labels.copy(), centers.astype(np.float32))


def make_snapshot(weight: float = 0.01, d: int = 2, epoch: int | None = None, seed: int = 0) -> Snapshot:
    return Snapshot(make_record(weight, seed=seed), "test", make_dump(weight, d=d, seed=seed), epoch)


def make_record(
    weight: float = 0.01, status: Any = "completed", path: str = "run", **changes: Any
) -> RunRecord:
    """A run that is not on disk."""
    manifest = {
        "lambda": weight,
        "lambda_eq": weight * 100,
        "alpha": 0.5,
        "seed": 0,
        "data": {"title": "MNIST"},
    }
    return RunRecord(Path(path), status, manifest | changes)


def make_run(directory: Path, weight: float = 0.01, status: str = "completed", **changes: Any) -> Path:
    """Write what a training run leaves."""
    (directory / "features").mkdir(parents=True)
    dump = make_dump(weight)
    names = ("test-final", "train-final") if status == "completed" else ("test-epoch-0002", "test-epoch-0010")
    for name in names:
        write_features(directory / "features" / f"{name}.npz", dump)
    manifest = {
        "format": FORMAT,
        "status": status,
        "lambda": weight,
        "lambda_eq": weight * 100,
        "alpha": 0.5,
        "seed": 0,
        "data": {"title": "MNIST"},
    }
    (directory / "run.json").write_text(json.dumps(manifest | changes))
    rows: list[dict[str, Any]] = [
        {
            "kind": "steps",
            "step": step,
            "epoch": step / 600,
            "softmax_loss": 230 / step,
            "center_loss": 1e5 / step,
            "lambda": weight * max(0.0, (step - 100) / 500),
            "accuracy": step / 700,
            "center_shift": 5 / step,
        }
        for step in range(100, 601, 100)
    ]
    rows.append({"kind": "epoch", "epoch": 1, "step": 600, "test": separation(dump).as_dict()})
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return directory


def make_sweep(
    directory: Path, statuses: dict[float, str] | None = None, weights: tuple[float, ...] = WEIGHTS
) -> Path:
    """Write a sweep over λ; a run whose status is "missing" has no directory."""
    rows = []
    for weight in weights:
        name, status = f"lambda{weight:g}-alpha0.5-seed0", (statuses or {}).get(weight, "completed")
        if status != "missing":
            make_run(directory / name, weight, status)
        rows.append({"directory": name, "lambda": weight, "alpha": 0.5, "seed": 0, "status": status})
    (directory / "sweep.yaml").write_text("")
    (directory / "summary.json").write_text(json.dumps({"format": FORMAT, "runs": rows}))
    return directory


def make_grid(weights: tuple[float, ...] = WEIGHTS, seeds: int = 1, failed: float | None = None) -> Grid:
    return arrange(
        [
            Cell(make_record(weight, "failed", seed=seed))
            if weight == failed
            else Cell(make_record(weight, seed=seed), make_snapshot(weight, seed=seed))
            for weight in weights
            for seed in range(seeds)
        ]
    )


def grid_of(sweep: Path, problems: list[str] | None = None) -> Grid:
    record = read_sweep(sweep)
    problems = [] if problems is None else problems
    return arrange([Cell(run, _read_or_leave_out(run, "test", problems)) for run in record.runs], record.axes)


def read_example_history(tmp_path: Path) -> tuple[RunRecord, History]:
    run = read_run(make_run(tmp_path / "run"))
    return run, run.history()


def words(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


def plotted(directory: Path) -> dict[str, list[str]]:
    """Return the names in every plots/ folder under a directory."""
    folders = sorted(directory.rglob("plots"))
    return {str(folder.parent.relative_to(directory)): sorted(os.listdir(folder)) for folder in folders}


# --- which files appear ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fmt", "style", "split"),
    [("png", "default", "test"), ("svg", "post", "train"), ("pdf", "default", "train")],
)
def test_files_of_a_run(tmp_path: Path, fmt: str, style: str, split: str) -> None:
    run = make_run(tmp_path / "run")
    written = plot_directory(run, split=split, style=style, fmt=fmt)
    scatter = f"scatter-{split}{'-post' if style == 'post' else ''}.{fmt}"
    names = [scatter, f"curves.{fmt}", f"regions-{split}.{fmt}", f"distances-{split}.{fmt}"]
    assert written == [run / "plots" / name for name in names]
    assert plotted(tmp_path) == {"run": sorted(names)}
    opening = {"png": b"\x89PNG", "svg": b"<?xml", "pdf": b"%PDF"}[fmt]
    assert all(path.read_bytes().startswith(opening) for path in written)


@pytest.mark.parametrize("style", ["default", "post"])
def test_files_of_a_sweep(tmp_path: Path, style: str) -> None:
    sweep = make_sweep(tmp_path / "sweep", {0.1: "missing", 1.0: "failed"}, WEIGHTS[1:])
    suffix = "-post" if style == "post" else ""
    written = plot_directory(sweep, style=style)
    of_a_run = ["curves.png", f"scatter-test{suffix}.png"]
    assert plotted(sweep) == {
        ".": [f"panel-test{suffix}.png"],
        "lambda0.01-alpha0.5-seed0": of_a_run,
    }
    assert written[0] == sweep / "plots" / f"panel-test{suffix}.png"
    assert len(written) == 3


def test_out_takes_one_figure_and_decides_the_format(tmp_path: Path) -> None:
    run, sweep = make_run(tmp_path / "run"), make_sweep(tmp_path / "sweep", weights=(0.01,))
    for directory in (run, sweep):
        out = tmp_path / f"{directory.name}.SVG"
        assert plot_directory(directory, out=out) == [out]
        assert out.read_bytes().startswith(b"<?xml")
    assert plotted(tmp_path) == {}


def test_unfinished_run_shows_its_newest_epoch(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="interrupted")
    snapshot = read_run(run).snapshot("test")
    assert snapshot is not None
    assert snapshot.epoch == 10
    assert "MNIST test · epoch 10" in scatter_figure(snapshot).axes[0].get_title(loc="left")
    plot_directory(run, figures=["scatter"])
    assert plotted(tmp_path) == {"run": ["scatter-test.png"]}


def test_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for name in ("figure.png", "figure.svg", "figure.pdf"):
        first, second = (plot_directory(run, out=tmp_path / name)[0].read_bytes() for _ in range(2))
        assert first == second


# --- what they show -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "of", "size"),
    [("default", "run", (847, 731)), ("post", "run", (928, 511)), ("post", "sweep", (1856, 1022))],
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
    assert post_figure(make_snapshot(0.0)).axes[0].get_title() == "λ = 0, α = 0.5, seed 0 · MNIST test"
    assert post_figure(make_snapshot(0.0, epoch=3)).axes[0].get_title().endswith("MNIST test · epoch 3")


def test_figures_of_two_seeds_say_which_is_which(tmp_path: Path) -> None:
    snapshot, (run, history) = make_snapshot(seed=7), read_example_history(tmp_path)
    for figure in (
        scatter_figure(snapshot),
        post_figure(snapshot),
        regions_figure(snapshot, None),
        distances_figure(snapshot),
        curves_figure(RunRecord(run.path, run.status, run.manifest | {"seed": 7}), history),
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


@pytest.mark.parametrize("draw", [scatter_figure, post_figure])
def test_legend_names_all_classes(draw: Any) -> None:
    labels = [text.get_text() for text in draw(make_snapshot()).axes[0].get_legend().get_texts()]
    assert labels[:10] == DIGITS


def test_centers_are_marked_and_named() -> None:
    snapshot = make_snapshot()
    axes = scatter_figure(snapshot).axes[0]
    (marks,) = [line for line in axes.lines if line.get_marker() == "X"]
    np.testing.assert_allclose(np.column_stack(marks.get_data()), snapshot.dump.centers, rtol=1e-6)
    assert [text.get_text() for text in axes.texts] == DIGITS


@pytest.mark.parametrize("angle", [0, 45, 200])
def test_the_name_of_a_center_stays_within_the_frame(angle: float) -> None:
    """Centers as far out as can be: without points, the axes end beside them."""
    turned = np.radians(angle + np.arange(10) * 36)
    centers = np.stack([np.cos(turned), np.sin(turned)], axis=1).astype(np.float32) * 100
    labels = np.arange(10)
    snapshot = replace(make_snapshot(), dump=FeatureDump(centers * 0.9, labels, labels, centers))
    for figure in (scatter_figure(snapshot), post_figure(snapshot), panel_figure(_many(snapshot))):
        FigureCanvasAgg(figure).draw()
        for axes in figure.axes:
            frame = axes.get_window_extent()
            boxes = [text.get_window_extent() for text in axes.texts if text.get_text() in DIGITS]
            drawn = [box for box in boxes if box.width > 1]  # the post's axes end where its points do
            assert len(drawn) >= 8
            for box in drawn:
                assert frame.x0 <= box.x0
                assert box.x1 <= frame.x1
                assert frame.y0 <= (box.y0 + box.y1) / 2 <= frame.y1  # a box is higher than the digit in it


def _many(snapshot: Snapshot) -> Grid:
    """A panel, whose boxes are smaller."""
    return arrange([Cell(make_record(weight), snapshot) for weight in range(2)])


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
    snapshot = Snapshot(
        make_snapshot().run,
        "test",
        FeatureDump(features.astype(np.float32), dump.labels, dump.predictions, dump.centers),
    )
    figure = post_figure(snapshot)
    FigureCanvasAgg(figure).draw()
    axes = figure.axes[0]
    legend = axes.get_legend()
    assert legend is not None
    box, points = legend.get_window_extent(), axes.transData.transform(features)
    covered = (points > [box.x0, box.y0]).all(axis=1) & (points < [box.x1, box.y1]).all(axis=1)
    assert not covered.any()
    frame = axes.get_window_extent()
    assert (points >= [frame.x0, frame.y0]).all()
    assert (points <= [frame.x1, frame.y1]).all()


def test_post_axes_stand_where_the_post_has_them() -> None:
    frame = post_figure(make_snapshot()).axes[0].get_window_extent()
    np.testing.assert_allclose(
        [frame.x0, 511 - frame.y1, frame.x1, 511 - frame.y0], [116, 62, 836, 455], atol=1
    )


def test_panel_boxes_are_equal_and_in_order_of_weight() -> None:
    for draw, loc in ((panel_figure, "left"), (post_panel, "center")):
        figure = draw(make_grid(weights=WEIGHTS[::-1]))
        FigureCanvasAgg(figure).draw()
        sizes = [axes.get_window_extent().size for axes in figure.axes]
        np.testing.assert_allclose(sizes, [sizes[0]] * 4, rtol=1e-6)
        starts = [axes.get_title(loc=loc).split()[2] for axes in figure.axes]
        assert starts == ["0", "0.01", "0.1", "1"]


def test_panel_has_one_legend_with_all_classes() -> None:
    figure = panel_figure(make_grid())
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [*DIGITS, "trained center"]
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


@pytest.mark.skipif(sys.platform == "win32", reason="no such count of memory")
def test_a_panel_of_many_runs_takes_little_memory() -> None:
    """Each title is measured; a canvas as large as the panel for each took 2 GB."""
    program = (
        "import io, resource, sys\n"
        "from test_plotting import make_grid, panel_figure\n"
        "figure = panel_figure(make_grid(weights=tuple(0.001 * i for i in range(12))))\n"
        "figure.savefig(io.BytesIO(), format='png', dpi=figure.dpi)\n"
        "peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "print(peak // (1 << 20 if sys.platform == 'darwin' else 1 << 10))"
    )
    done = subprocess.run(
        [*BY_A_SHELL, sys.executable, "-c", program],
        cwd=Path(__file__).parent,
        capture_output=True,
        text=True,
        check=True,
    )
    assert int(done.stdout) < 600  # MiB


@pytest.mark.parametrize(
    ("count", "shape"), [(1, (1, 1)), (2, (1, 2)), (3, (1, 3)), (4, (2, 2)), (5, (2, 3))]
)
def test_grid_of_weights(count: int, shape: tuple[int, int]) -> None:
    assert make_grid(weights=tuple(float(i) for i in range(count))).shape == shape


def test_more_than_two_features_show_principal_components() -> None:
    snapshot = make_snapshot(d=16)
    assert "first two principal components of 16 features" in scatter_figure(snapshot).axes[0].get_title(
        loc="left"
    )
    plane = project(snapshot.dump)
    # The 16 features are two in disguise: distances survive.
    two = make_dump(d=2).features
    np.testing.assert_allclose(
        np.linalg.norm(plane.points[0] - plane.points[1]), np.linalg.norm(two[0] - two[1]), rtol=1e-2
    )
    assert plane.points[:, 0].var() >= plane.points[:, 1].var()


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
    zeros = FeatureDump(dump.features * 0, dump.labels, dump.predictions, dump.centers * 0)
    for draw in (scatter_figure, post_figure):
        figure = draw(Snapshot(make_snapshot().run, "test", zeros))
        FigureCanvasAgg(figure).draw()
    assert "inter/intra –" in "".join(words(scatter_figure(Snapshot(make_snapshot().run, "test", zeros))))


def test_nothing_is_clipped(tmp_path: Path) -> None:
    figures = [
        scatter_figure(make_snapshot(0.0)),
        scatter_figure(make_snapshot(d=16, epoch=12)),
        post_figure(make_snapshot(d=16, epoch=12)),
        panel_figure(make_grid(weights=(0.01, 1.0), seeds=2, failed=1.0)),
        panel_figure(make_grid(weights=(0.01,))),
        post_panel(make_grid(weights=(0.01, 1.0))),
        curves_figure(*read_example_history(tmp_path)),
    ]
    for figure in figures:
        FigureCanvasAgg(figure).draw()
        for text in figure.findobj(Text):
            if text.get_visible() and text.get_text().strip():
                box = text.get_window_extent()
                inside = box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1
                assert inside or not _is_drawn(text, figure), text.get_text()


def _is_drawn(text: Text, figure: Figure) -> bool:
    """Tick labels beyond the limits exist but are not drawn."""
    ticks = [label for axes in figure.axes for label in (*axes.get_xticklabels(), *axes.get_yticklabels())]
    return text not in ticks


def test_curves(tmp_path: Path) -> None:
    figure = curves_figure(*read_example_history(tmp_path))
    softmax, center, weight, shift, accuracy = figure.axes  # this run has logged no learning rate
    assert len(softmax.lines[0].get_xdata()) == len(center.lines[0].get_xdata()) == 6  # type: ignore[arg-type]
    assert weight.get_title(loc="left") == "λ in force"
    assert shift.get_title(loc="left").startswith("‖Δc‖ of a step")
    np.testing.assert_allclose(shift.lines[0].get_ydata(), [5 / step for step in range(100, 601, 100)])
    legend = accuracy.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == [
        "training batches",
        "test (100.00 %)",
        "test, nearest center (100.00 %)",
    ]


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([1, 2, 3], "linear"),
        ([0, 0], "linear"),
        ([1, 10], "log"),
        ([0, 1e-4, 1e-2], "symlog"),
        ([None, 1], "linear"),
    ],
)
def test_scale_of_a_curve(values: list[float | None], scale: str) -> None:
    rows = [{"step": i, "epoch": i, "softmax_loss": value} for i, value in enumerate(values)]
    figure = curves_figure(make_snapshot().run, History(rows, []))
    FigureCanvasAgg(figure).draw()
    assert figure.axes[0].get_yscale() == scale


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ([1.3, 0.3, 0.065], ["0.1", "0.2", "0.5", "1"]),
        ([0.4, 5], ["0.5", "1", "2", "5"]),
        ([0, 1.5e-5, 0.1], ["0", "3e-05", "0.0001", "0.0003", "0.001", "0.003", "0.01", "0.03", "0.1"]),
        ([1e-9, 1], [f"1e-0{n}" for n in range(9, 4, -1)] + ["0.0001", "0.001", "0.01", "0.1", "1"]),
    ],
)
def test_a_log_axis_has_few_round_numbers(values: list[float], names: list[str]) -> None:
    rows = [{"step": i, "epoch": i, "softmax_loss": value} for i, value in enumerate(values)]
    figure = curves_figure(make_snapshot().run, History(rows, []))
    FigureCanvasAgg(figure).draw()
    axis = figure.axes[0].yaxis
    assert not axis.get_minorticklocs().size
    low, high = figure.axes[0].get_ylim()
    shown = [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    assert [label.get_text() for label in shown] == names
    boxes = [label.get_window_extent() for label in shown]
    assert all(lower.y1 <= upper.y0 for lower, upper in itertools.pairwise(boxes))
    assert all(box.x0 >= 0 for box in boxes)


def test_the_quickstart_logs_enough_for_its_curves() -> None:
    train = load_config(Path(__file__).parent.parent / "configs" / "quickstart.yaml").train
    assert train.epochs is not None
    assert train.epochs * 4000 / train.batch_size / train.log_every >= 30


def test_what_is_no_number_is_a_gap_in_a_curve() -> None:
    steps = [
        {"step": i, "epoch": i, "softmax_loss": value} for i, value in enumerate([1, "x", [2], {"a": 3}, 4])
    ]
    epochs = [{"step": 1, "epoch": 1, "test": 7}, {"step": 2, "epoch": "y", "test": {"accuracy": 0.5}}]
    figure = curves_figure(make_snapshot().run, History(steps, epochs))
    FigureCanvasAgg(figure).draw()
    nan = np.nan
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [1, nan, nan, nan, 4])


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 0, 2], [0, 0, 1e-4, 1e-2]])
def test_a_line_of_zeros_is_seen_above_the_bottom(values: list[float]) -> None:
    """λ of a run without center loss, and before a ramp begins."""
    rows = [{"step": i, "epoch": i, "lambda": value} for i, value in enumerate(values)]
    figure = curves_figure(make_snapshot().run, History(rows, []))
    FigureCanvasAgg(figure).draw()
    plot = figure.axes[0]
    bottom = plot.transAxes.inverted().transform(plot.transData.transform((0, 0)))[1]
    assert 0.02 < bottom < 0.6
    assert 0 in plot.get_yticks()


def test_history_of_a_resumed_run_and_a_cut_off_line(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    with (run.path / "metrics.jsonl").open("a") as file:
        file.write('{"kind": "steps", "step": 200, "epoch": 0.3, "accuracy": 0.9}\n{"kind": "st')
    history = run.history()
    assert [row["step"] for row in history.steps] == [100, 200, 300, 400, 500, 600]
    assert history.steps[1]["accuracy"] == 0.9


def test_palette_for_all_eyes() -> None:
    """The nearest two colours stay apart under simulated colour blindness (Machado et al. 2009, severity 1)."""
    views = {
        "normal": np.eye(3),
        "protan": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deutan": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
        "tritan": [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ],
    }
    srgb = np.array([to_rgb(color) for color in CLASS_COLORS])
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    for name, matrix in views.items():
        lab = _lab(np.clip(linear @ np.array(matrix).T, 0, 1))
        distances = np.linalg.norm(lab[:, None] - lab, axis=-1)[np.triu_indices(10, 1)]
        assert distances.min() > 29, name
    assert _lab(linear)[:, 0].max() < 78  # none so light that it fades into white


def _lab(linear: Any) -> Any:
    """Return CIELAB of linear sRGB under D65."""
    xyz = (
        linear
        @ np.array(
            [
                [0.4124564, 0.3575761, 0.1804375],
                [0.2126729, 0.7151522, 0.0721750],
                [0.0193339, 0.1191920, 0.9503041],
            ]
        ).T
    )
    t = xyz / [0.95047, 1, 1.08883]
    f = np.where(t > 216 / 24389, np.cbrt(t), (24389 / 27 * t + 16) / 116)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


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
    assert "stopped" in [cell.words for _, _, cell in grid_of(sweep).places]
    with DirectoryLock(sweep / "lambda0.1-alpha0.5-seed0"):
        assert "running" in [cell.words for _, _, cell in grid_of(sweep).places]


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


def test_plotting_loads_no_framework_and_importing_it_no_matplotlib(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    program = (
        "import pathlib, sys\n"
        "from centerloss_core.plotting import plot_directory\n"
        "assert 'matplotlib' not in sys.modules\n"
        f"plot_directory(pathlib.Path({str(run)!r}))\n"
        "loaded = {'tensorflow', 'keras', 'jax', 'sklearn', 'matplotlib.pyplot'} & set(sys.modules)\n"
        "assert not loaded, loaded\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parent.parent, timeout=60)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("title", [r"$\foo{$", "x" * 200_000, "x\n" * 20_000, "\ud800\x1b[2J\0\u202e"])
def test_a_title_is_words_however_it_is_written(tmp_path: Path, title: str) -> None:
    """No formula, and no more of it than a figure has room for."""
    for directory, figures in (
        (make_run(tmp_path / "run"), ["scatter", "curves"]),
        (make_sweep(tmp_path / "sweep", weights=(0.01, 0.1)), ["panel"]),
    ):
        change_titles(directory, title)
        written = plot_directory(directory, figures=figures)
        assert len(written) == len(figures)
        assert all(path.is_file() for path in written)


def change_titles(directory: Path, title: str) -> None:
    for path in directory.glob("**/run.json"):
        path.write_text(json.dumps(json.loads(path.read_text()) | {"data": {"title": title}}))
    if (directory / "summary.json").is_file():
        content = json.loads((directory / "summary.json").read_text())
        content["runs"][0] |= {"directory": "away", "status": title}
        (directory / "summary.json").write_text(json.dumps(content))


def test_a_dollar_stays_a_dollar(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", data={"title": "$a_1$"}))
    figure = curves_figure(run, run.history())
    FigureCanvasAgg(figure).draw()
    (title,) = [text for text in figure.findobj(Text) if "a_1" in text.get_text()]
    assert "$a_1$" in title.get_text()
    assert title.get_parse_math() is False


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("sign", [1, -1])
def test_curves_leave_out_what_no_run_computes(tmp_path: Path, sign: int) -> None:
    directory = make_run(tmp_path / "run")
    keys = ("epoch", "softmax_loss", "center_loss", "lambda", "center_shift", "learning_rate", "accuracy")
    values = [1e308, 1e-320, 1e300, 1.0, 0.0, 10**400, 1e38, 1e-45]
    rows: list[dict[str, Any]] = [
        {"kind": "steps", "step": step, **dict.fromkeys(keys, sign * value)}
        for step, value in enumerate(values, start=1)
    ]
    rows.append({"kind": "epoch", "step": 8, "epoch": 1e308, "test": {"accuracy": 1e308}})
    (directory / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = read_run(directory)
    figure = curves_figure(run, run.history())
    FigureCanvasAgg(figure).draw()
    drawn = figure.axes[0].lines[0].get_ydata()
    assert np.isnan(drawn).tolist() == [True, False, True, False, False, True, False, False]


# --- runs that end within an epoch ----------------------------------------------------------------------------


def short_run(directory: Path) -> Path:
    """What three steps leave: a row of means, no evaluation, and the final figures."""
    measured = separation(make_dump()).as_dict()
    run = make_run(directory, metrics={"test": measured, "seconds": 1.0})
    row = {"kind": "steps", "step": 3, "epoch": 0.0144, "softmax_loss": 2.3, "accuracy": 0.1}
    (run / "metrics.jsonl").write_text(json.dumps(row) + "\n")
    return run


def test_a_run_of_a_few_steps_has_an_axis_that_can_be_read(tmp_path: Path) -> None:
    run = read_run(short_run(tmp_path / "run"))
    figure = curves_figure(run, run.history())
    FigureCanvasAgg(figure).draw()
    for axes in figure.axes[-2:]:
        assert axes.get_xlim()[0] == 0
        boxes = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        assert 2 <= len(boxes) <= 7
        assert all(one.x1 < other.x0 for one, other in itertools.pairwise(boxes))


def test_the_final_accuracies_stand_where_a_run_ended(tmp_path: Path) -> None:
    path = short_run(tmp_path / "run")
    log = (path / "metrics.jsonl").read_bytes()
    run = read_run(path)
    figure = curves_figure(run, run.history())
    points = {
        str(line.get_label()).split(" (")[0]: (list(line.get_xdata()), list(line.get_ydata()))  # type: ignore[arg-type]
        for line in figure.axes[-1].lines
    }
    assert points["test"] == ([0.0144], [run.metrics["test"]["accuracy"]])
    assert points["test, nearest center"] == ([0.0144], [run.metrics["test"]["nearest_center_accuracy"]])
    assert (path / "metrics.jsonl").read_bytes() == log


def test_a_run_that_ends_with_an_epoch_has_its_last_point_once(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run", metrics={"test": {"accuracy": 0.5}}))
    assert [row["step"] for row in run.history().epochs] == [600]


# --- sweeps of which a part cannot be drawn -------------------------------------------------------------------


def spoil(run: Path, name: str) -> Path:
    (run / name).write_bytes(b"{\n")
    return run / name


@pytest.mark.parametrize("name", ["run.json", "features/test-final.npz"])
def test_a_damaged_run_does_not_keep_its_sweep_from_its_figures(tmp_path: Path, name: str) -> None:
    sweep = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1))
    damaged = spoil(sweep / "lambda0.1-alpha0.5-seed0", name)
    done = CliRunner().invoke(app, ["plot", str(sweep)])
    assert done.exit_code == 0, done.output
    (line,) = [line for line in done.output.splitlines() if line.startswith("note: left out: ")]
    assert str(damaged) in line
    assert "put it back from a copy, or train the run again" in line
    drawn = plotted(sweep)
    assert drawn["."] == ["panel-test.png"]
    assert len(drawn) == 1 + 1
    assert "damaged" in words(panel_figure(grid_of(sweep)))


def test_the_curves_of_the_other_runs_are_drawn_when_asked_for(tmp_path: Path) -> None:
    sweep, notes = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1)), list[str]()
    damaged = spoil(sweep / "lambda0.1-alpha0.5-seed0", "metrics.jsonl")
    written = plot_directory(sweep, figures=["curves"], note=notes.append)
    assert len(written) == 1
    (note,) = notes
    assert note.startswith(f"no curves: {damaged}:1: not a row of metrics")


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
