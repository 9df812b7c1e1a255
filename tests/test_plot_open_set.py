"""Figures of known and unknown images: the accepted region, ROC and OSCR curves, and a colour for each class."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from made_runs import assert_within, make_dump, make_record, make_run, words
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from centerloss_core.config import load_config
from centerloss_core.config.shipped import located
from centerloss_core.datasets import load_dataset
from centerloss_core.metrics.directory import evaluate_directory
from centerloss_core.metrics.open_set import open_scores, threshold_at
from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.accepted import NoPlaneError, accepted_figure
from centerloss_core.plotting.grid import Cell, arrange
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.open_set import open_set_figure, open_sets_figure
from centerloss_core.plotting.panel import panel_figure
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.scatter import scatter_figure
from centerloss_core.plotting.style import CLASS_COLORS, UNKNOWN
from centerloss_core.report import write_report
from centerloss_core.report.thumbnails import find_thumbnails
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.reader import Snapshot

DIGITS = list("0123456789")


def open_dump(known: list[int], seed: int = 0) -> FeatureDump:
    """The made clusters of ten digits, of which some are known; the centers are those of the known ones."""
    whole = make_dump(n=1000, seed=seed)
    assert whole.centers is not None
    number = np.full(10, -1)
    number[known] = np.arange(len(known))
    labels = number[whole.labels]
    features = np.where((labels >= 0)[:, np.newaxis], whole.features, 0.8 * whole.features).astype(np.float32)
    logits = (features @ whole.centers[known].T / 4).astype(np.float32)
    return FeatureDump(
        features,
        labels,
        logits.argmax(axis=1),
        whole.centers[known],
        logits=logits,
        original_labels=whole.labels,
    )


def open_snapshot(known: list[int], seed: int = 0, **more: Any) -> Snapshot:
    data = {"title": "MNIST", "class_names": [str(digit) for digit in known]}
    data["unknown"] = {"images": 1000 - 100 * len(known), "class_names": DIGITS}
    config = {"data": {"known": known}, "loss": {"lambda": 0.01}, "train": {"seed": seed}}
    return Snapshot(make_record(data=data, config=config, seed=seed, **more), "test", open_dump(known, seed))


def points_in(axes: Axes) -> PathCollection:
    return max(
        (each for each in axes.collections if isinstance(each, PathCollection)),
        key=lambda e: len(e.get_offsets()),
    )


def color_at(axes: Axes, where: NDArray[np.floating[Any]]) -> tuple[float, ...]:
    points = points_in(axes)
    nearest = np.linalg.norm(np.asarray(points.get_offsets()) - where, axis=1).argmin()
    return tuple(np.asarray(points.get_facecolor())[nearest][:3])


def test_unknown_images_are_grey_and_below_the_others() -> None:
    snapshot = open_snapshot([2, 4, 5])
    figure = scatter_figure(snapshot)
    colors = np.asarray(points_in(figure.axes[0]).get_facecolor())[:, :3]
    grey = np.isclose(colors, to_rgb(UNKNOWN)).all(axis=1)
    assert grey.tolist() == [True] * 700 + [False] * 300  # drawn in this order
    assert "unknown" in words(figure)


def test_the_accepted_region_is_that_of_the_score() -> None:
    snapshot = open_snapshot([2, 4, 5])
    dump = snapshot.dump
    figure = accepted_figure(snapshot, dump, "distance", None)
    threshold = threshold_at(open_scores(dump, dump)["distance"], dump.labels < 0)
    refused = (open_scores(dump, dump)["distance"][dump.labels < 0] < threshold).mean()
    assert (
        f"by distance: 95 % of the known test images accepted, {100 * refused:.2f} % of the unknown refused"
        in " ".join(" ".join(words(figure)).split())
    )
    assert {"unknown", "none of these"} <= set(words(figure))
    assert_within(figure)
    # The border is a circle of this radius around each center.
    (border,) = [each for each in figure.axes[0].collections if getattr(each, "filled", None) is False]
    corners = np.concatenate([path.vertices for path in border.get_paths()])
    assert dump.centers is not None
    away = np.linalg.norm(corners[:, np.newaxis] - dump.centers, axis=2).min(axis=1)
    np.testing.assert_allclose(away, -threshold, rtol=0.02)


def test_scores_of_logits_need_a_head_that_gives_them() -> None:
    snapshot = open_snapshot([2, 4, 5])
    dump = snapshot.dump
    assert dump.centers is not None
    head = Head(dump.centers.T / 4, np.zeros(3, np.float32))
    for score in ("logit", "probability", "energy", "length", "mean"):
        assert_within(accepted_figure(snapshot, dump, score, head))
    with pytest.raises(NoPlaneError, match="needs the head"):
        accepted_figure(snapshot, dump, "logit", None)
    other = replace(head, kernel=2 * head.kernel)  # the same classes win, by other numbers
    with pytest.raises(NoPlaneError, match="no linear function"):
        accepted_figure(snapshot, dump, "logit", other)


@pytest.mark.parametrize("width", [None, 3.5])
def test_curves_of_every_score_of_a_run(width: float | None) -> None:
    figure = open_set_figure(open_snapshot([2, 4, 5]), width)
    assert_within(figure)
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["ROC", "OSCR"]
    named = [text for text in words(figure) if "AUROC" in text]
    assert [text.split(":")[0] for text in named] == [
        "distance ★",
        "cosine",
        "probability",
        "logit",
        "length",
        "energy",
    ]


def test_curves_of_a_sweep_unite_its_splits_and_seeds() -> None:
    splits = ([2, 4, 5], [3, 2, 6])
    snapshots = [open_snapshot(known, seed) for known in splits for seed in (0, 1)]
    figure = open_sets_figure(snapshots, ["data.known", "train.seed"])
    assert_within(figure)
    (line,) = [text for text in words(figure) if "AUROC" in text]
    assert line.startswith("distance: AUROC ")
    assert " ± " in line
    roc = figure.axes[0]
    assert len(roc.lines) == 4 + 1 + 1  # each run, their mean, the diagonal
    mean = max(roc.lines, key=lambda each: each.get_linewidth())
    assert np.asarray(mean.get_xydata())[-1].tolist() == [1, 1]


def test_a_class_has_one_colour_in_all_panels() -> None:
    snapshots = [open_snapshot([2, 4, 5]), open_snapshot([4, 7, 2])]
    grid = arrange([Cell(each.run, each) for each in snapshots], ["data.known"])
    assert grid.class_names == ("2", "4", "5", "7")  # in the order of the data set
    figure = panel_figure(grid)
    assert_within(figure)
    titles = " ".join(words(figure))
    assert "known 2 4 5" in titles
    assert "known 4 7 2" in titles
    for axes, snapshot in zip(figure.axes, snapshots, strict=True):
        assert snapshot.dump.centers is not None
        for center, name in zip(snapshot.dump.centers, snapshot.run.class_names, strict=True):
            assert color_at(axes, center) == pytest.approx(
                to_rgb(CLASS_COLORS[int(name)])
            )  # that of the digit
            assert name in [text.get_text() for text in axes.texts]


def test_a_class_has_that_colour_in_figures_of_one_run_too() -> None:
    snapshot = open_snapshot([4, 7, 2])
    assert snapshot.dump.centers is not None
    head = Head(snapshot.dump.centers.T, np.zeros(3, np.float32))
    figures = [
        scatter_figure(snapshot),
        accepted_figure(snapshot, None, "distance", None),
        regions_figure(snapshot, head),
    ]
    for figure in figures:
        for center, digit in zip(snapshot.dump.centers, (4, 7, 2), strict=True):
            assert color_at(figure.axes[0], center) == pytest.approx(to_rgb(CLASS_COLORS[digit]))


def test_crosses_of_regions_are_as_large_as_without_unknown_images() -> None:
    snapshot = open_snapshot([2, 4, 5])
    assert snapshot.dump.centers is not None
    head = Head(snapshot.dump.centers.T, np.zeros(3, np.float32))
    figures = [
        regions_figure(each, head) for each in (snapshot, replace(snapshot, dump=snapshot.dump.known()))
    ]
    sizes = [
        [
            float(each.get_sizes()[0])
            for each in figure.axes[0].collections
            if isinstance(each, PathCollection)
        ][1:]
        for figure in figures
    ]
    assert sizes[0] == sizes[1]


def test_open_set_is_drawn_where_there_are_unknown_images(tmp_path: Path) -> None:
    closed = make_run(tmp_path / "closed")
    with pytest.raises(PlotError, match="the test images are all of known classes"):
        plot_directory(closed, figures=["open_set"])
    run = make_run(tmp_path / "open", data=open_snapshot([2, 4, 5]).run.data)
    for name in ("test-final", "train-final"):
        dump = open_dump([2, 4, 5])
        write_features(run / "features" / f"{name}.npz", dump if name == "test-final" else dump.known())
    written = plot_directory(run, figures=["open_set"])
    assert sorted(path.name for path in written) == ["accepted-test.png", "open_set-test.png"]
    evaluate_directory(run)
    page = write_report(run).read_text()
    assert "Known and unknown test images, told apart by a score" in page
    assert "Unknown images among themselves: are two of one class?" in page
    assert "ROC: share of known images accepted" in page
    assert "OSCR: share of known images accepted and given the right class" in page
    assert "</i>unknown</span>" in page


def test_the_report_of_several_splits_names_every_class_once(tmp_path: Path) -> None:
    for known in ([2, 4, 5], [4, 7, 2]):
        snapshot = open_snapshot(known)
        run = make_run(tmp_path / "runs" / "".join(map(str, known)), **snapshot.run.manifest)
        write_features(run / "features" / "test-final.npz", snapshot.dump)
    page = write_report(tmp_path / "runs").read_text()
    legend = page.split('aria-label="Colours of the classes"')[1].split("</p>")[0]
    names = [part.split("</span>")[0] for part in legend.split("</i>")[1:]]
    assert names[:5] == ["2", "4", "5", "7", "unknown"]
    assert [part.split('"')[0] for part in legend.split("background:")[1:5]] == [
        CLASS_COLORS[n] for n in (2, 4, 5, 7)
    ]


def test_panels_of_other_splits_show_the_same_images() -> None:
    section = load_config(
        located(Path("quickstart")), settings=["data.name=digits8", "data.known=[2, 4, 5]"]
    ).data
    record: Any = SimpleNamespace(
        config=SimpleNamespace(data=section), run=SimpleNamespace(data={}, data_title=None)
    )
    test = load_dataset(section).test
    other = load_dataset("digits8", known=[4, 7, 2]).test
    groups = [test.labels, other.labels, test.labels[:5]]
    found, why_not = find_thumbnails([record], groups, [test.original_labels, other.original_labels, None])
    assert why_not is None
    assert found is not None
    assert list(found.groups) == [0, 1]
