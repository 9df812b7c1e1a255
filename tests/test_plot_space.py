"""Three features in a box: what stands where, and when it is drawn."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from made_runs import assert_within, make_dump, make_run, make_snapshot, plotted

from centerloss_core.plotting import plot_directory
from centerloss_core.plotting.space import space_figure
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features


def test_centers_and_names_stand_where_their_images_are() -> None:
    corners = np.array([[x, y, z] for x in (0, 1) for y in (0, 2) for z in (0, 3)], np.float32)
    snapshot = replace(make_snapshot(), dump=FeatureDump(corners, np.arange(8), centers=corners))
    figure = space_figure(snapshot, width=3.5)
    over, box = figure.axes
    (rings,) = over.lines
    assert_within(figure)  # draws it
    spots = box.transData.transform(box.collections[0].get_offsets())
    marks = over.transData.transform(np.column_stack(rings.get_data()))
    np.testing.assert_allclose(np.sort(spots, axis=0), np.sort(marks, axis=0), atol=0.5)
    assert {text.get_text() for text in over.texts} == set("01234567")
    assert box.get_zlabel() == "third feature"


def test_it_is_drawn_of_three_features_alone(tmp_path: Path) -> None:
    flat, deep = make_run(tmp_path / "flat"), make_run(tmp_path / "deep")
    write_features(deep / "features" / "test-final.npz", make_dump(d=3))
    notes: list[str] = []
    plot_directory(deep, figures=["space"])
    plot_directory(flat, figures=["space", "scatter"], note=notes.append)
    assert plotted(tmp_path) == {"deep": ["space-test.png"], "flat": ["scatter-test.png"]}
    assert notes == ["no space: it needs three features, and this run has 2"]
