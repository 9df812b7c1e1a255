"""Decision regions: every colour behind the points is that of the class which wins there."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_dump, make_run, make_snapshot, words
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.head import Head, HeadError, read_head
from centerloss_core.plotting.regions import regions_figure
from centerloss_core.plotting.style import CLASS_COLORS
from centerloss_core.run_directory.checkpoints import Position, write_checkpoint
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.reader import Snapshot, read_run


def make_head(seed: int = 0) -> Head:
    """Each digit wins around its own direction, more or less."""
    angles = np.arange(10) * 2 * np.pi / 10
    rng = np.random.default_rng(seed)
    kernel = np.stack([np.cos(angles), np.sin(angles)]) + rng.normal(scale=0.02, size=(2, 10))
    return Head(kernel.astype(np.float32), rng.normal(scale=0.3, size=10).astype(np.float32))


def predicted(dump: FeatureDump, head: Head) -> FeatureDump:
    logits = dump.features @ head.kernel + head.bias
    predictions = logits.argmax(axis=1).astype(dump.labels.dtype)
    return FeatureDump(dump.features, dump.labels, predictions, dump.centers)


def write_head(run: Path, head: Head, step: int = 600, *, bias: bool = True, **more: Any) -> Path:
    """Write a checkpoint such as training writes."""
    arrays = {
        "network/conv1_1/kernel": np.zeros((5, 5, 1, 32), np.float32),
        "network/head/kernel": head.kernel,
    }
    if bias:
        arrays["network/head/bias"] = head.bias
    (run / "checkpoints").mkdir(exist_ok=True)
    path = run / "checkpoints" / f"step-{step:08d}"
    write_checkpoint(
        path, arrays | more, Position(step, "data", 0, 0, [0.0] * 4, 1.0, 0.0, 1, 0.0), "model: {}\n"
    )
    return path


def make_run_with_head(directory: Path, head: Head) -> Path:
    run = make_run(directory)
    write_features(run / "features" / "test-final.npz", predicted(make_dump(), head))
    return run


def region_at(axes: Axes, points: NDArray[np.float64]) -> list[int]:
    """Read the classes at some points off the colours of the picture."""
    (image,) = axes.images
    pixels = np.asarray(image.get_array())
    left, right, bottom, top = image.get_extent()
    rows = ((points[:, 1] - bottom) / (top - bottom) * pixels.shape[0]).astype(int)
    columns = ((points[:, 0] - left) / (right - left) * pixels.shape[1]).astype(int)
    # Regions are paler than points: the way from white, not its length, tells the digit.
    pale = 255.0 - pixels[rows, columns]
    strong = 1 - np.array([to_rgb(color) for color in CLASS_COLORS])
    pale /= np.linalg.norm(pale, axis=1, keepdims=True)
    strong /= np.linalg.norm(strong, axis=1, keepdims=True)
    return [int(digit) for digit in (pale @ strong.T).argmax(axis=1)]


def random_places(axes: Axes, count: int = 400) -> NDArray[np.float64]:
    low, high = np.array([axes.get_xlim(), axes.get_ylim()]).T
    return np.random.default_rng(1).uniform(low, high, (count, 2))


def test_regions_are_those_of_the_largest_logit_and_of_the_nearest_center() -> None:
    head, dump = make_head(), make_dump()
    figure = regions_figure(Snapshot(make_snapshot().run, "test", predicted(dump, head)), head)
    softmax, nearest = figure.axes
    places = random_places(softmax)

    logits = np.array([[head.kernel[:, k] @ place + head.bias[k] for k in range(10)] for place in places])
    ranked = np.sort(logits, axis=1)
    sure = ranked[:, -1] - ranked[:, -2] > 0.1  # not the pixel that a border runs through
    assert sure.sum() > 300
    assert region_at(softmax, places[sure]) == logits.argmax(axis=1)[sure].tolist()

    distances = np.array([[np.hypot(*(place - center)) for center in dump.centers] for place in places])
    ranked = np.sort(distances, axis=1)
    sure = ranked[:, 1] - ranked[:, 0] > 0.2
    assert sure.sum() > 300
    assert region_at(nearest, places[sure]) == distances.argmin(axis=1)[sure].tolist()


def test_both_maps_have_the_same_axes_and_show_every_point() -> None:
    head = make_head()
    dump = predicted(make_dump(0.0), head)
    softmax, nearest = regions_figure(Snapshot(make_snapshot().run, "test", dump), head).axes
    assert softmax.get_xlim() == nearest.get_xlim()
    assert softmax.get_ylim() == nearest.get_ylim()
    low, high = np.array([softmax.get_xlim(), softmax.get_ylim()]).T
    assert (dump.features > low).all()
    assert (dump.features < high).all()


def test_regions_have_the_names_of_their_classes() -> None:
    record = make_snapshot().run
    record.manifest["data"] = {"class_names": [*"abcdefghij"]}
    shown = words(regions_figure(Snapshot(record, "test", make_dump()), make_head()))
    assert {*"abcdefghij"} <= {*shown}
    assert not {*"1357"} & {*shown}


def test_wrong_points_are_crosses_and_counted() -> None:
    head, dump = make_head(), make_dump()
    labels = dump.labels.copy()
    labels[:7] = (labels[:7] + 1) % 10
    wrong = predicted(FeatureDump(dump.features, labels, labels, dump.centers), head)
    count = int((wrong.predictions != labels).sum())
    softmax, nearest = regions_figure(Snapshot(make_snapshot().run, "test", wrong), head).axes
    assert softmax.get_title(
        loc="left"
    ) == f"softmax head: {1 - count / 300:.2%} right, {count} wrong".replace("%", " %")
    assert nearest.get_title(loc="left") == "nearest trained center: 97.67 % right, 7 wrong"
    crosses = [found for found in nearest.collections if isinstance(found, PathCollection)][1:]
    assert [len(found.get_offsets()) for found in crosses] == [7, 7]  # type: ignore[arg-type]
    np.testing.assert_allclose(np.asarray(crosses[0].get_offsets()), dump.features[:7], rtol=1e-6)


def test_a_sheet_with_one_region_and_one_point() -> None:
    point = np.array([[3.0, 4.0]], np.float32)
    dump = FeatureDump(point, np.array([0]), np.array([0]), point)
    figure = regions_figure(Snapshot(make_snapshot().run, "test", dump), None)
    FigureCanvasAgg(figure).draw()
    assert "nearest trained center: 100.00 % right, 0 wrong" in words(figure)


def test_run_with_checkpoint(tmp_path: Path) -> None:
    head = make_head()
    run = make_run_with_head(tmp_path / "run", head)
    write_head(run, make_head(seed=5), step=500)
    write_head(run, head, step=600)
    found = read_head(read_run(run), predicted(make_dump(), head), 10)
    np.testing.assert_array_equal(found.kernel, head.kernel)
    np.testing.assert_array_equal(found.bias, head.bias)
    notes: list[str] = []
    assert plot_directory(run, figures=["regions"], note=notes.append) == [run / "plots" / "regions-test.png"]
    assert notes == []


def test_head_without_bias(tmp_path: Path) -> None:
    head = Head(make_head().kernel, np.zeros(10, np.float32))
    run = make_run_with_head(tmp_path / "run", head)
    write_head(run, head, bias=False)
    np.testing.assert_array_equal(
        read_head(read_run(run), predicted(make_dump(), head), 10).bias, np.zeros(10)
    )


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("none", "no checkpoint"),
        ("other step", "is of another step than the features"),
        ("cut off", r"state\.npz"),
        ("pickle", r"state\.npz"),
        ("shape", r"network/head/kernel is float32 \(3, 10\), expected float32 \(2, 10\)"),
        ("type", r"network/head/kernel is float64 \(2, 10\)"),
        ("headless", "holds no network/head/kernel"),
        ("NaN", "NaN or infinity"),
    ],
)
def test_run_whose_head_cannot_be_had(tmp_path: Path, fault: str, message: str) -> None:
    """The nearest-center regions are drawn all the same, and a note says why the others are not."""
    head = make_head()
    run = make_run_with_head(tmp_path / "run", head)
    kernel: Any = head.kernel
    if fault == "other step":
        kernel = -head.kernel
    elif fault == "shape":
        kernel = np.ones((3, 10), np.float32)
    elif fault == "type":
        kernel = head.kernel.astype(np.float64)
    elif fault == "NaN":
        kernel = head.kernel * np.float32(np.nan)
    if fault != "none":
        path = write_head(run, Head(kernel, head.bias)) / "state.npz"
        if fault == "cut off":
            path.write_bytes(path.read_bytes()[:-100])
        elif fault == "headless":
            np.savez(path, other=np.ones(3))
        elif fault == "pickle":
            np.savez(path, **{"network/head/kernel": np.array([{}], dtype=object)})
    with pytest.raises(HeadError, match=message):
        read_head(read_run(run), predicted(make_dump(), head), 10)
    notes: list[str] = []
    assert plot_directory(run, figures=["regions"], note=notes.append) == [run / "plots" / "regions-test.png"]
    (note,) = notes
    assert note.startswith("no regions of the head, only of the nearest center: ")
    assert str(run) in note


def test_regions_need_two_features(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_features(run / "features" / "test-final.npz", make_dump(d=16))
    notes: list[str] = []
    written = plot_directory(run, figures=["regions", "distances"], note=notes.append)
    assert [path.name for path in written] == ["distances-test.png"]
    assert notes == ["no regions: they need two features, and these runs have 16"]
    with pytest.raises(PlotError, match="nothing of what was asked for"):
        plot_directory(run, figures=["regions"])


# ---- Heads that decide otherwise -----------------------------------------------------------------------------


def run_of(directory: Path, loss: str, dump: FeatureDump, arrays: dict[str, Any] | None = None) -> Path:
    """A run with this loss in its config, this final dump, and a checkpoint of these arrays."""
    run = make_run(directory)
    (run / "config.yaml").write_text(f"data: {{name: mnist}}\ntrain: {{epochs: 1}}\nloss: {loss}\n")
    write_features(run / "features" / "test-final.npz", dump)
    if arrays:
        write_head(run, Head(np.zeros((2, 10), np.float32), np.zeros(10)), bias=False, **arrays)
    return run


def figure_of(run: Path) -> list[str]:
    """The titles over the maps."""
    record = read_run(run)
    snapshot = record.snapshot("test")
    assert snapshot
    figure = regions_figure(snapshot, read_head(record, snapshot.dump, 10))
    return [axes.get_title(loc="left").split(":")[0] for axes in figure.axes]


def test_a_head_of_angles_decides_by_angles(tmp_path: Path) -> None:
    """Weights of very different lengths: by the largest x·w the longest would win."""
    dump = make_dump()
    kernel = (make_head().kernel * np.geomspace(0.1, 10, 10)).astype(np.float32)
    cosines = dump.features @ kernel / np.linalg.norm(kernel, axis=0)
    assert ((dump.features @ kernel).argmax(axis=1) != cosines.argmax(axis=1)).mean() > 0.5
    dump = FeatureDump(dump.features, dump.labels, cosines.argmax(axis=1))
    run = run_of(tmp_path / "run", "{head: arcface, term: none}", dump, {"network/head/kernel": kernel})
    assert figure_of(run) == ["ArcFace head"]


def test_a_head_of_distances_needs_no_checkpoint_and_has_one_map(tmp_path: Path) -> None:
    dump = make_dump()
    for head, kind in (("prototypes", "prototype"), ("gaussian_mixture", "mean"), ("anchors", "anchor")):
        run = run_of(tmp_path / head, f"{{head: {head}, term: none}}", replace(dump, centers_kind=kind))
        word = {"mean": "learnt mean"}.get(kind, kind)
        assert figure_of(run) == [f"nearest {word}"]


def test_a_head_of_distances_beside_trained_centers_has_two(tmp_path: Path) -> None:
    dump = make_dump()
    assert dump.centers is not None
    run = run_of(
        tmp_path / "run", "{head: prototypes}", dump, {"network/head/prototypes": dump.centers * 1.1}
    )
    assert figure_of(run) == ["nearest prototype", "nearest trained center"]


def test_a_loss_without_a_head_has_no_regions_made_up(tmp_path: Path) -> None:
    dump, notes = replace(make_dump(), predictions=None), list[str]()
    run = run_of(tmp_path / "run", "{term: center}", dump)
    assert plot_directory(run, figures=["regions"], note=notes.append)
    write_features(run / "features" / "test-final.npz", replace(dump, centers=None, centers_kind=None))
    with pytest.raises(PlotError, match="nothing of what was asked for"):
        plot_directory(run, figures=["regions"], note=notes.append)
    why = "its loss has no logits (loss.head: none)"
    assert notes == [f"no regions of the head, only of the nearest center: {why}", f"no regions: {why}"]
