"""The histogram of distances shows what the metrics measure."""

import numpy as np
import pytest
from made_runs import make_dump, make_snapshot, words
from matplotlib.backends.backend_agg import FigureCanvasAgg

from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.histogram import distances, distances_figure
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.reader import Snapshot


def snapshot_of(dump: FeatureDump) -> Snapshot:
    return Snapshot(make_snapshot().run, "test", dump)


def test_distances_are_those_of_the_definition() -> None:
    dump = make_dump(n=40)
    means = {digit: dump.features[dump.labels == digit].astype(float).mean(axis=0) for digit in range(10)}
    own, others = [], []
    for x, label in zip(dump.features, dump.labels, strict=True):
        for digit, mean in means.items():
            (own if digit == label else others).append(np.hypot(*(x - mean)))
    measured_own, measured_others = distances(dump)
    np.testing.assert_allclose(np.sort(measured_own), np.sort(own))
    np.testing.assert_allclose(np.sort(measured_others), np.sort(others))
    assert measured_own.mean() == pytest.approx(separation(dump).intra_class_distance)


def test_the_figure_shows_all_distances_and_marks_intra_and_inter() -> None:
    """The histograms differ in hatching, the lines in dashes: grey is enough."""
    dump = make_dump()
    metrics = separation(dump)
    figure = distances_figure(snapshot_of(dump))
    (axes,) = figure.axes
    for patch in axes.patches:
        assert patch.get_data().values.sum() == pytest.approx(1)  # type: ignore[attr-defined]
    intra, inter = axes.lines
    assert intra.get_xdata()[0] == metrics.intra_class_distance  # type: ignore[index]
    assert inter.get_xdata()[0] == metrics.inter_class_distance  # type: ignore[index]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "of an image to the mean of its own class",
        "… to the mean of each other class",
        f"intra {metrics.intra_class_distance:.3g}",
        f"inter {metrics.inter_class_distance:.3g}, between two means",
    ]
    settings = "λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST test"
    assert f"{settings}: inter/intra {metrics.separation_ratio:.1f}" in words(figure)
    own, others = axes.patches
    assert not own.get_hatch()
    assert others.get_hatch()
    assert len({str(line.get_linestyle()) for line in axes.lines}) == 2


@pytest.mark.parametrize("present", [[3], [1, 4]])
@pytest.mark.parametrize("count", [1, 30])
def test_few_classes_and_few_points(present: list[int], count: int) -> None:
    dump = make_dump(n=600)
    chosen = np.flatnonzero(np.isin(dump.labels, present))[: count * len(present)]
    few = FeatureDump(dump.features[chosen], dump.labels[chosen], dump.labels[chosen], dump.centers)
    figure = distances_figure(snapshot_of(few))
    FigureCanvasAgg(figure).draw()
    shown = " ".join(words(figure))
    if len(present) == 1 and count == 1:
        assert "all distances are 0" in shown
        assert "inter/intra –" in shown
    elif count == 1:  # a point is its class' mean
        assert "(2 of 0 not shown)" in shown
    else:
        assert "not shown" not in shown
