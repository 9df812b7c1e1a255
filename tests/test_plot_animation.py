"""The animation: a frame per epoch, which it names, over axes that stand still or follow the points."""

import itertools
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from made_runs import WEIGHTS, grid_of, make_dump, make_run, make_sweep, plotted, words
from matplotlib.transforms import Bbox
from PIL import Image

from centerloss_core.limits import FILM_FRAMES
from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.animation import Film, Screen, read_film
from centerloss_core.plotting.grid import Cell, arrange
from centerloss_core.plotting.limits import follow
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.reader import read_run


@pytest.fixture(autouse=True)
def no_ffmpeg(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))


def with_epochs(run: Path, epochs: int, weight: float = 0.01, d: int = 2) -> Path:
    """Write the dumps of a run whose features shrink from epoch to epoch."""
    for epoch in range(1, epochs + 1):
        dump = make_dump(weight, d=d, seed=epoch)
        shrink = np.float32(epochs / epoch)
        moved = FeatureDump(dump.features * shrink, dump.labels, dump.predictions, dump.centers * shrink)
        write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", moved)
    write_features(run / "features" / "test-final.npz", moved)
    return run


def sweep_with_epochs(
    directory: Path, epochs: tuple[int, ...], statuses: dict[float, str] | None = None
) -> Path:
    weights = WEIGHTS[-len(epochs) :]
    sweep = make_sweep(directory, statuses, weights)
    for weight, count in zip(weights, epochs, strict=True):
        run = sweep / f"lambda{weight:g}-alpha0.5-seed0"
        if run.is_dir():
            with_epochs(run, count, weight)
    return sweep


def film_of(directory: Path, *, axes: str = "own", note: Callable[[str], object] = pytest.fail) -> Film:
    if (directory / "run.json").is_file():
        run = read_run(directory)
        grid = arrange([Cell(run, run.snapshot("test"))])
    else:
        grid = grid_of(directory)
    film = read_film(grid, "test", axes=axes, note=note)
    assert film is not None
    return film


def test_gif_has_a_frame_per_epoch_and_mp4_is_written_where_ffmpeg_is(tmp_path: Path) -> None:
    """Width and height are even, as the codec asks, and all frames arrive."""
    fake_ffmpeg(tmp_path / "bin", "")
    run = with_epochs(make_run(tmp_path / "run"), 4)
    scatter, film, video = plot_directory(run, figures=["scatter"], animate=True, note=pytest.fail)
    assert [path.name for path in (scatter, film, video)] == [
        "scatter-test.png",
        "animation-test.gif",
        "animation-test.mp4",
    ]
    with Image.open(film) as gif:
        assert gif.n_frames == 4
        assert gif.info["loop"] == 0  # it begins again
        durations, frames = [], []
        for index in range(4):
            gif.seek(index)
            durations.append(gif.info["duration"])
            frames.append(np.asarray(gif.convert("RGB")))
        width, height = gif.size
    assert durations == [500, 500, 500, 2000]  # time to see where it ended
    assert all((first != second).any() for first, second in itertools.pairwise(frames))
    for frame in frames:
        np.testing.assert_array_equal(frame[[0, -1]], 255)  # nothing runs over the edge of a white sheet
    given = video.read_text().split()
    assert given[given.index("-s") + 1] == f"{width}x{height}"
    assert width % 2 == height % 2 == 0
    assert int(given[-1]) == (4 + 3) * width * height * 4  # four frames, and the last one for 1.5 s more


@pytest.fixture
def no_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """Films are empty files: drawing their frames takes long."""
    monkeypatch.setattr(
        "centerloss_core.plotting.film._record", lambda film, path, writer: path.write_bytes(b"")
    )


def axes_of(film: Film) -> list[list[tuple[float, ...]]]:
    """The ends of the axes of each run, left, right, bottom, top, frame by frame."""
    screen, seen = Screen(film), []
    for epoch in film.times:
        screen.show(epoch)
        seen.append([(*axes.get_xlim(), *axes.get_ylim()) for axes in screen.figure.axes])
    return seen


def test_axes_stand_still_and_hold_every_epoch_of_their_run(tmp_path: Path) -> None:
    """Unless somebody asks for others: each run at a scale of its own, which the largest of its epochs needs."""
    film = film_of(sweep_with_epochs(tmp_path / "sweep", (4, 4)))
    first, *others = axes_of(film)
    assert others == [first] * 3
    assert len(set(first)) == 2
    for (left, right, bottom, top), run in zip(first, film.moments.values(), strict=True):
        shown = np.concatenate([part for each in run for part in (each.plane.points, each.plane.centers)])
        assert (shown > [left, bottom]).all()
        assert (shown < [right, top]).all()
        assert np.ptp(shown, axis=0).max() > 0.85 * (right - left)
    screen = Screen(film)
    screen.show(3)
    title = "epoch 3 of 4 · MNIST test · α = 0.5, seed 0 · each at its own scale · axes fixed"
    assert title in words(screen.figure)


def test_a_single_run_says_that_its_axes_stand_still(tmp_path: Path) -> None:
    screen = Screen(film_of(with_epochs(make_run(tmp_path / "run"), 2)))
    screen.show(1)
    assert "epoch 1 of 2 · MNIST test · α = 0.5, seed 0 · axes fixed" in words(screen.figure)


def test_the_axes_of_a_film_are_in_its_name(tmp_path: Path, no_frames: None) -> None:
    sweep, notes = sweep_with_epochs(tmp_path / "sweep", (2,)), list[str]()
    for axes, names in {
        None: ["panel-test.png", "animation-test.gif"],
        "own": ["panel-test.png", "animation-test-own.gif"],
        "shared": ["panel-test-shared.png", "animation-test-shared.gif"],
        "follow": ["panel-test.png", "animation-test.gif"],
    }.items():
        written = plot_directory(sweep, figures=["panel"], axes=axes, animate=True, note=notes.append)
        assert [path.name for path in written] == names
    assert set(notes) == {"no MP4 beside the GIF: the program ffmpeg is not found"}


def test_axes_that_follow_are_of_an_animation_alone(tmp_path: Path) -> None:
    sweep = sweep_with_epochs(tmp_path / "sweep", (2,))
    for settings in ({}, {"figures": ["panel"]}, {"out": tmp_path / "panel.png"}):
        with pytest.raises(PlotError, match=r"for an animation.*; add --animate, or choose own or shared"):
            plot_directory(sweep, axes="follow", **settings)  # type: ignore[arg-type]
    assert plotted(tmp_path) == {}


def test_digits_of_small_clusters_lie_on_no_mark_and_no_digit(tmp_path: Path) -> None:
    """What shrinks in axes that stand still has less and less room, and loses digits rather than piling them up."""
    film = film_of(sweep_with_epochs(tmp_path / "sweep", (12,)))
    screen, shown = Screen(film), []
    for epoch in film.times[::2]:
        screen.show(epoch)
        screen.figure.draw_without_rendering()
        for axes in screen.figure.axes:
            (marks,) = [line for line in axes.lines if line.get_marker() == "o"]
            spots = axes.transData.transform(marks.get_xydata())
            half = marks.get_markersize() / 2 * screen.figure.dpi / 72
            # Less a pixel: the box around a letter has some air in it.
            boxes = [text.get_window_extent().padded(-1) for text in axes.texts]
            for index, box in enumerate(boxes):
                assert not any(box.overlaps(other) for other in boxes[index + 1 :])
                middle = (box.min + box.max) / 2
                distances = np.linalg.norm(spots - middle, axis=1)
                assert distances.argmin() == int(axes.texts[index].get_text())
                near = (np.abs(spots - middle) < (box.max - box.min) / 2 + half - 3).all(axis=1)
                assert not np.delete(near, distances.argmin()).any()
            shown.append(len(boxes))
    assert max(shown) == 10
    assert min(shown) < 10


def test_every_frame_says_its_epoch_and_shows_the_points_large(tmp_path: Path) -> None:
    """The features shrink to a quarter, and are as large in the last picture as in the first."""
    film = film_of(sweep_with_epochs(tmp_path / "sweep", (4, 4)), axes="follow")
    screen = Screen(film)
    for epoch in film.times:
        screen.show(epoch)
        title = f"epoch {epoch} of 4 · MNIST test · α = 0.5, seed 0 · each at its own scale · axes follow the points"
        assert title in words(screen.figure)
    for epoch, frame in zip((1, 2, 3, 4), axes_of(film), strict=True):
        for (left, right, bottom, top), place in zip(frame, film.moments, strict=True):
            points = film.moment(place, epoch).plane.points
            assert (points > [left, bottom]).all()
            assert (points < [right, top]).all()
            assert np.ptp(points, axis=0).max() > 0.6 * (right - left)


def test_axes_move_only_when_they_must() -> None:
    steps = [10.0, 9.0, 8.0, 6.0, 5.0, 5.5, 7.0]
    needed = [Bbox([[-half, -half], [half, half]]) for half in steps]
    assert [box.x1 for box in follow(needed)] == [10, 10, 10, 6, 6, 6, 7]


def test_shared_axes_are_equal_in_all_runs_and_frames(tmp_path: Path) -> None:
    film = film_of(sweep_with_epochs(tmp_path / "sweep", (2, 2)), axes="shared")
    frames = axes_of(film)
    assert len({limits for frame in frames for limits in frame}) == 1
    left, right, bottom, top = frames[0][0]
    for run in film.moments.values():
        points = np.concatenate([moment.plane.points for moment in run])
        assert (points > [left, bottom]).all()
        assert (points < [right, top]).all()
    screen = Screen(film)
    screen.show(2)
    title = "epoch 2 of 2 · MNIST test · α = 0.5, seed 0 · all at one scale · axes fixed"
    assert title in words(screen.figure)


def test_a_shorter_run_stays_and_says_where(tmp_path: Path) -> None:
    """Also one without epochs to show, and one that failed."""
    sweep = sweep_with_epochs(tmp_path / "sweep", (4, 2, 3, 3), {0.1: "missing", 1.0: "failed"})
    film = film_of(sweep)
    screen = Screen(film)
    screen.show(4)
    titles = [axes.get_title(loc="left").split("\n")[0] for axes in screen.figure.axes]
    assert titles == ["λ = 0", "λ = 0.01 (λ_eq = 1) · epoch 2", "λ = 0.1", "λ = 1 (λ_eq = 100)"]
    assert {"missing", "failed"} <= set(words(screen.figure))


def test_more_features_move_in_one_plane(tmp_path: Path) -> None:
    run = with_epochs(make_run(tmp_path / "run"), 3, d=16)
    film = film_of(run)
    screen = Screen(film)
    screen.show(1)
    assert any("first two of 16 principal components" in text for text in words(screen.figure))
    # The 16 features are two in disguise: in one plane, the first epoch is three times as large as the last.
    first, _, last = film.moments[0, 0]
    size = [np.linalg.norm(moment.plane.points, axis=1).mean() for moment in (first, last)]
    assert size[0] / size[1] == pytest.approx(3, rel=0.1)


def test_very_many_epochs_are_thinned_out(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    for epoch in range(1, FILM_FRAMES + 41):
        write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", make_dump(n=20))
    notes: list[str] = []
    film = film_of(run, note=notes.append)
    assert len(film.times) == FILM_FRAMES
    assert (film.times[0], film.times[-1]) == (1, FILM_FRAMES + 40)
    assert notes == [f"the animation shows {FILM_FRAMES} of {FILM_FRAMES + 40} epochs"]


def test_one_epoch_is_no_film(tmp_path: Path) -> None:
    run = with_epochs(make_run(tmp_path / "run"), 1)
    notes: list[str] = []
    written = plot_directory(run, figures=["curves"], animate=True, note=notes.append)
    assert [path.name for path in written] == ["curves.png"]
    assert (
        "fewer than two epochs of the test images; train with train.dump_every: 50 (steps), or with train.epochs: 2"
        in notes[0]
    )
    with pytest.raises(PlotError, match="fewer than two epochs"):
        plot_directory(run, animate=True, out=tmp_path / "film.gif")


def test_a_run_of_one_epoch_has_a_film_of_its_steps(tmp_path: Path) -> None:
    run = with_epochs(make_run(tmp_path / "run"), 1)
    for step in (30, 60, 1500):
        write_features(run / "features" / f"test-step-{step:08d}.npz", make_dump(n=50, seed=step))
    film = film_of(run)
    assert film.times == [30, 60, 1500]
    screen = Screen(film)
    screen.show(60)
    assert any(text.startswith("step 60 of 1,500 · MNIST test") for text in words(screen.figure))


def test_scales_that_are_alike_are_not_said_to_differ(tmp_path: Path) -> None:
    """λ rises slowly, so that the first epoch is equally wide in all runs, and it is the widest."""
    sweep = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1))
    for run in sweep.glob("lambda*"):
        for epoch, weight in enumerate((0.0, float(run.name.removeprefix("lambda").split("-")[0])), start=1):
            write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", make_dump(weight))
    for axes, said in (
        ("own", "all at one scale · axes fixed"),
        ("follow", "each at its own scale · axes follow"),
    ):
        screen = Screen(film_of(sweep, axes=axes))
        screen.show(2)
        assert any(said in text for text in words(screen.figure))


def test_out_takes_the_film_alone(tmp_path: Path) -> None:
    sweep = sweep_with_epochs(tmp_path / "sweep", (2,))
    out = tmp_path / "film.gif"
    assert plot_directory(sweep, animate=True, out=out) == [out]
    assert plotted(tmp_path) == {}
    with pytest.raises(PlotError, match=r"must end in one of \.gif, \.mp4"):
        plot_directory(sweep, animate=True, out=tmp_path / "film.png")
    with pytest.raises(PlotError, match="one file holds one figure"):
        plot_directory(sweep, animate=True, out=out, figures=["panel"])
    with pytest.raises(PlotError, match="needs the program ffmpeg"):
        plot_directory(sweep, animate=True, out=tmp_path / "film.mp4")
    assert not (tmp_path / "film.mp4").exists()


def fake_ffmpeg(folder: Path, ending: str) -> None:
    """A program that notes what it was given in the file that it should write."""
    folder.mkdir()
    program = folder / "ffmpeg"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nframes = sys.stdin.buffer.read()\n"
        "open(sys.argv[-1], 'w').write(' '.join(sys.argv[1:]) + f' {len(frames)}')\n" + ending
    )
    program.chmod(0o755)


def test_ffmpeg_that_fails_costs_only_the_mp4(tmp_path: Path) -> None:
    fake_ffmpeg(tmp_path / "bin", "sys.exit(1)\n")
    run = with_epochs(make_run(tmp_path / "run"), 2)
    notes: list[str] = []
    plot_directory(run, figures=["scatter"], animate=True, note=notes.append)
    assert plotted(tmp_path) == {"run": ["animation-test.gif", "scatter-test.png"]}
    assert "ffmpeg failed" in notes[0]


def test_a_run_with_a_damaged_epoch_is_left_out_of_the_animation(tmp_path: Path, no_frames: None) -> None:
    sweep, notes = make_sweep(tmp_path / "sweep", weights=(0.01, 0.1)), list[str]()
    for run in sweep.glob("lambda*"):
        for epoch in (1, 2):
            write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", make_dump(0.01))
    damaged = sweep / "lambda0.1-alpha0.5-seed0" / "features" / "test-epoch-0001.npz"
    damaged.write_bytes(b"")
    written = plot_directory(sweep, figures=["panel"], animate=True, note=notes.append)
    assert sweep / "plots" / "animation-test.gif" in written
    assert any(note.startswith(f"left out of the animation: {damaged}") for note in notes)


@pytest.mark.parametrize("axes", ["own", "follow"])
def test_marks_keep_their_size_from_frame_to_frame(tmp_path: Path, axes: str) -> None:
    """In the first frame the centers crowd at the origin, in the last they are far apart."""
    run = make_run(tmp_path / "run")
    for epoch, spread in ((1, 0.01), (2, 1.0)):
        dump = make_dump()
        near = FeatureDump(dump.features, dump.labels, dump.predictions, dump.centers * np.float32(spread))
        write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", near)
    screen, sizes = Screen(film_of(run, axes=axes)), []
    for time in (1, 2):
        screen.show(time)
        (marks,) = [line for line in screen.figure.axes[0].lines if line.get_marker() == "o"]
        sizes.append(marks.get_markersize())
    assert sizes == [10, 10]
