"""Features of many dimensions in a plane by t-SNE: what is drawn, what is said, and that it repeats."""

from pathlib import Path

import numpy as np
import pytest
from made_runs import make_dump, make_run, plotted

from centerloss_core.metrics.distances import nearest
from centerloss_core.plotting import plot_directory, tsne
from centerloss_core.plotting.request import RequestError
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tsne, "_STEPS", 350)  # scikit-learn takes 250 to begin with
    monkeypatch.setattr(tsne, "TSNE_IMAGES", 100)


def test_classes_and_their_centers_stay_together_and_a_part_of_the_images_is_said() -> None:
    notes: list[str] = []
    labels = np.arange(200) % 2
    features = np.random.default_rng(0).normal(size=(200, 5)) + 9 * labels[:, np.newaxis]
    centers = np.array([features[labels == label].mean(axis=0) for label in (0, 1)], np.float32)
    dump = FeatureDump(features.astype(np.float32), labels, centers=centers)
    plane = tsne.embed(dump, notes.append)
    assert plane.points.shape == (100, 2)
    np.testing.assert_array_equal(np.bincount(plane.labels), 50)
    assert (nearest(plane.points, plane.centers) == plane.labels).mean() > 0.95
    assert plane.note == "t-SNE of 100 of 200 images and the centers, 5 dimensions"
    assert "t-SNE" in plane.axis_labels[0]
    assert notes == [
        "t-SNE shows 100 of 200 images, each class in proportion; all of them would take minutes"
    ]
    np.testing.assert_array_equal(tsne.embed(dump, notes.append).points, plane.points)


def test_what_has_no_neighbours_is_drawn_too() -> None:
    """A collapsed network, three images, and features that are a plane already."""
    same = FeatureDump(np.ones((4, 3), np.float32), np.arange(4))
    np.testing.assert_array_equal(tsne.embed(same, print).points, np.zeros((4, 2)))
    few = FeatureDump(np.eye(3, dtype=np.float32), np.arange(3))
    assert np.isfinite(tsne.embed(few, print).points).all()
    notes: list[str] = []
    np.testing.assert_array_equal(tsne.embed(make_dump(), notes.append).points, make_dump().features)
    assert "two" in notes[0] or "2" in notes[0]


def test_figures_by_tsne_have_names_of_their_own(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_features(run / "features" / "test-final.npz", make_dump(n=60, d=4))
    plot_directory(run, projection="tsne", figures=["scatter"])
    assert plotted(tmp_path) == {"run": ["scatter-test-tsne.png"]}
    for wrong in ({"animate": True}, {"axes": "shared"}):
        with pytest.raises(RequestError, match="plane of its own"):
            plot_directory(run, projection="tsne", **wrong)  # type: ignore[arg-type]
