"""Directions: images on the unit circle, weights and points of the classes inside it, histograms outside."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import assert_within, make_dump, make_record, make_run, plotted, words
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Polygon

from centerloss_core.plotting import plot_directory
from centerloss_core.plotting.angle_histogram import angle_histogram
from centerloss_core.plotting.directions import directions_figure
from centerloss_core.plotting.head import Head
from centerloss_core.plotting.style import UNKNOWN
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.reader import Snapshot


def spread(classes: int, d: int = 2, *, zeros: int = 0, centers: bool = False) -> tuple[Snapshot, Head]:
    """Classes around directions evenly spread in the first two dimensions, at any length; and a head of angles."""
    rng = np.random.default_rng(0)
    turned = 2 * np.pi * np.arange(classes) / classes + 0.02  # on no edge of a bin
    weights = np.zeros((classes, d))
    weights[:, 0], weights[:, 1] = np.cos(turned), np.sin(turned)
    labels = np.arange(20 * classes) % classes
    features = weights[labels] * rng.uniform(1, 100, (len(labels), 1))
    features[:zeros] = 0
    points = (weights * 7).astype(np.float32) if centers else None
    dump = FeatureDump(features.astype(np.float32), labels, labels, points)
    head = Head(weights.T.astype(np.float32), np.zeros(classes), "ArcFace head")
    return Snapshot(make_record(data={"title": "things"}), "test", dump), head


def marks(figure: Figure, marker: str) -> Any:
    (line,) = [line for line in figure.axes[0].lines if line.get_marker() == marker]
    return np.column_stack(line.get_data())


def said(figure: Figure) -> str:
    """All words, wherever lines break."""
    return " ".join(" ".join(words(figure)).split())


@pytest.mark.parametrize("classes", [2, 10, 26])
def test_images_are_on_the_circle_and_weights_in_their_directions(classes: int) -> None:
    snapshot, head = spread(classes, centers=True)
    figure = directions_figure(snapshot, head)
    (axes,) = figure.axes
    images = np.asarray(axes.collections[0].get_offsets())
    assert len(images) == 20 * classes
    np.testing.assert_allclose(np.linalg.norm(images, axis=1), 1)
    for marker in "vo":  # weights, and centers beside them
        found = marks(figure, marker)
        np.testing.assert_allclose(
            found / np.linalg.norm(found, axis=1, keepdims=True), head.weights, atol=1e-6
        )
    assert {"class weight", "trained center", "share of a class in 3°"} <= {*words(figure)}
    assert {str(label) for label in range(classes)} <= {text.get_text() for text in axes.texts}
    assert_within(figure)


def test_a_bar_is_as_high_as_the_share_of_its_class() -> None:
    """All images of a class lie in one bin, so that all bars reach the same circle, and none is inside."""
    figure = directions_figure(*spread(10))
    bars = [patch for patch in figure.axes[0].patches if isinstance(patch, Polygon)]
    assert len(bars) == 10
    reach = [np.linalg.norm(bar.get_xy(), axis=1) for bar in bars]
    assert len({round(each.max(), 6) for each in reach}) == 1
    assert min(each.min() for each in reach) > 1
    assert "100 %" in words(figure)


def test_images_of_length_0_are_counted_and_their_classes_named() -> None:
    for draw, d in ((directions_figure, 2), (angle_histogram, 16)):
        shown = said(draw(*spread(10, d, zeros=12)))
        assert "12 images have length 0 and no direction (0: 2, 1: 2, 2: 1, 3: 1 …)" in shown
    (axes,) = directions_figure(*spread(10, zeros=12)).axes
    assert len(axes.collections[0].get_offsets()) == 188  # type: ignore[arg-type]


def test_without_weights_names_stand_at_the_mean_directions() -> None:
    figure = directions_figure(spread(10)[0], None)
    assert "a name: mean direction of a class" in words(figure)
    assert not [line for line in figure.axes[0].lines if line.get_marker() in "vo"]
    assert {str(label) for label in range(10)} <= {text.get_text() for text in figure.axes[0].texts}


def test_more_than_two_features_have_a_histogram_of_angles() -> None:
    figure = angle_histogram(*spread(10, 16))
    assert {"to the own class weight", "to that of each other class"} <= {*words(figure)}
    assert "angle to the own class weight: median 0.0°, 95 % within 0.0°" in said(figure)
    assert_within(figure)


def test_the_own_angle_is_measured() -> None:
    snapshot, head = spread(4)
    turn = np.radians(10)
    turned = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) @ head.kernel
    figure = directions_figure(snapshot, replace(head, kernel=turned))
    assert "median 10.0°, 95 % within 10.0°" in said(figure)


def test_they_are_drawn_of_a_loss_that_looks_at_them_or_when_named(tmp_path: Path) -> None:
    dump = FeatureDump(make_dump().features, make_dump().labels, make_dump().predictions)
    for name, loss in (("ring", "{term: ring}"), ("center", "{term: center}"), ("one", "{term: ring}")):
        run = make_run(tmp_path / name, is_angular=name != "center")
        (run / "config.yaml").write_text(f"data: {{name: mnist}}\ntrain: {{epochs: 1}}\nloss: {loss}\n")
        shown = replace(dump, features=dump.features[:, :1]) if name == "one" else dump
        write_features(run / "features" / "test-final.npz", shown)
        notes: list[str] = []
        plot_directory(run, note=notes.append)
        if name != "center":
            assert any(
                note.startswith("no weights of the head among the directions: ") for note in notes
            ) == (name == "ring")
            assert ("no directions: a single feature has none but its sign" in notes) == (name == "one")
    drawn = {run: "directions-test.png" in files for run, files in plotted(tmp_path).items()}
    assert drawn == {"ring": True, "center": False, "one": False}
    named = plot_directory(tmp_path / "center", figures=["directions"])
    assert [path.name for path in named] == ["directions-test.png"]


def test_images_of_unknown_classes_are_grey_on_the_circle() -> None:
    snapshot, head = spread(10)
    labels = snapshot.dump.labels.copy()
    labels[:7] = -1
    figure = directions_figure(replace(snapshot, dump=replace(snapshot.dump, labels=labels)), head)
    (images,) = figure.axes[0].collections
    colors = [tuple(color) for color in images.get_facecolors()[:, :3]]  # type: ignore[attr-defined]
    assert colors.count(to_rgb(UNKNOWN)) == 7
    assert len(colors) == 200
    assert "unknown" in words(figure)
