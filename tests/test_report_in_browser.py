"""The report as a person meets it: opened from a file in a real, headless Chromium.

Everything is asked of the page itself (what it shows, what it draws, what it requests), with real key strokes and a
real pointer. Skipped where there is no Chromium with its driver; all but a few are slow tests.
"""

import base64
import io
import itertools
import json
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from centerloss_core.config import dump_yaml, load_config
from centerloss_core.datasets import Dataset, load_dataset
from centerloss_core.datasets.arrays import thin
from centerloss_core.metrics.distances import nearest
from centerloss_core.metrics.separation import separation
from centerloss_core.report import write_report
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.manifest import FORMAT

webdriver = pytest.importorskip(
    "selenium.webdriver", reason="selenium is not installed: pip install -e .[dev]"
)

from selenium.webdriver.common.action_chains import ActionChains  # noqa: E402
from selenium.webdriver.common.actions.action_builder import ActionBuilder  # noqa: E402
from selenium.webdriver.common.actions.pointer_input import PointerInput  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None or DRIVER is None,
    reason="no chromium with chromedriver: apt-get install chromium chromium-driver",
)

ROOT = Path(__file__).parent.parent
WEIGHTS = (0.01, 0.1)
EPOCHS = 4
NAMES = [*"012345678", "$$nine$$"]
HOSTILE = (
    "</script><script>window.hacked=1</script>"
    '<img src="http://127.0.0.1:9/x" onerror="window.hacked=2">$$\\frac12$$'
)
ARGUMENTS = (
    *(
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-sync",
    ),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    *("--force-device-scale-factor=1", "--hide-scrollbars", "--window-size=1280,1000"),
)


def features(dataset: Dataset, weight: float, epoch: int) -> FeatureDump:
    """Clusters on a circle that tighten from epoch to epoch; every 50th image is predicted as the next class."""
    labels = dataset.test.labels
    rng = np.random.default_rng(epoch)
    angles = np.arange(10) * 2 * np.pi / 10
    centers = np.stack([np.cos(angles), np.sin(angles)], axis=1) / weight
    points = centers[labels] + rng.normal(scale=0.4 / epoch / weight / 3, size=(len(labels), 2))
    predictions = labels.copy()
    wrong = slice(epoch, None, 50 if epoch == EPOCHS else 20)
    predictions[wrong] = (labels[wrong] + 1) % 10
    return FeatureDump(points.astype(np.float32), labels, predictions, centers.astype(np.float32))


slow = pytest.mark.slow


@pytest.fixture(scope="module")
def dataset() -> Dataset:
    return load_dataset("mnist5k")


def write_run(run: Path, rows: list[dict[str, Any]], dumps: dict[str, FeatureDump], **manifest: Any) -> None:
    (run / "features").mkdir(parents=True)
    for name, dump in dumps.items():
        write_features(run / "features" / f"{name}.npz", dump)
    known = {
        "format": FORMAT,
        "status": "completed",
        "lambda": 1.0,
        "lambda_eq": 1.0,
        "alpha": 0.5,
        "seed": 0,
    }
    (run / "run.json").write_text(json.dumps(known | {"data": {"title": "digits"}} | manifest))
    (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


STEP = {"kind": "steps", "step": 1, "epoch": 1, "softmax_loss": 1.0}


@pytest.fixture(scope="module")
def page_path(tmp_path_factory: pytest.TempPathFactory, dataset: Dataset) -> Path:
    """The report of a sweep on the packaged digits, with hostile words wherever a person can write."""
    sweep = tmp_path_factory.mktemp("reports") / "a sweep & <b>more"
    points = []
    for weight in WEIGHTS:
        run = sweep / f"lambda{weight:g}-alpha0.5-seed0"
        dumps = {
            f"test-epoch-{epoch:04d}": features(dataset, weight, epoch) for epoch in range(1, EPOCHS + 1)
        }
        dumps["test-final"] = dumps[f"test-epoch-{EPOCHS:04d}"]
        grid = {"lambda": weight, "lambda_eq": 50 * weight, "alpha": 0.5, "seed": 0, "status": "completed"}
        test = {"accuracy": 0.9 + weight, "nearest_center_accuracy": 0.95 - weight, "separation_ratio": 9.0}
        data = {"name": "mnist5k", "title": HOSTILE, "fingerprint": dataset.fingerprint, "class_names": NAMES}
        measured = {"knn_accuracy": 1 - weight, "silhouette": weight, "cosine_eer": weight}
        rows: list[dict[str, Any]] = [
            {"kind": "steps", "step": step, "epoch": step / 40, "softmax_loss": 9 / step, "lambda": weight}
            for step in range(10, 161, 10)
        ]
        rows += [{"kind": "epoch", "epoch": e, "step": 40 * e, "test": test} for e in range(1, EPOCHS + 1)]
        write_run(
            run,
            rows,
            dumps,
            **grid,
            data=data,
            warnings=[HOSTILE],
            device=HOSTILE,
            metrics={"test": test},
            evaluation={"test": measured | {"per_class": [{"class": 0, "accuracy": 1.0}]}},
        )
        config = load_config(ROOT / "configs" / "quickstart.yaml", {"loss.lambda": weight})
        (run / "config.yaml").write_text(dump_yaml(config))
        points.append({"directory": run.name, **grid})
    lost = {
        "directory": "gone",
        "lambda": 1.0,
        "alpha": 0.5,
        "seed": 0,
        "status": "failed",
        "reason": HOSTILE,
    }
    summary = {"format": FORMAT, "command": HOSTILE, "runs": [*points, lost]}
    (sweep / "summary.json").write_text(json.dumps(summary))
    return write_report(sweep)


@pytest.fixture(scope="session")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """One browser for all tests."""
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in (*ARGUMENTS, f"--user-data-dir={tmp_path_factory.mktemp('profile')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    driver.get("about:blank")
    driver.get_log("performance")  # what the browser does before a page is open is not the report's affair
    yield driver
    driver.quit()


def open_page(driver: Any, path: Path) -> None:
    driver.get(path.as_uri())
    wait(lambda: driver.execute_script("return document.documentElement.dataset.ready") == "yes")


def wait(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the page did not get there"
        time.sleep(0.05)


@pytest.fixture
def page(browser: Any, page_path: Path) -> Any:
    """The report, opened anew."""
    open_page(browser, page_path)
    return browser


def element(page: Any, selector: str) -> Any:
    return page.find_element("css selector", selector)


def elements(page: Any, selector: str) -> list[Any]:
    return page.find_elements("css selector", selector)


def ask(page: Any, expression: str, *arguments: Any) -> Any:
    return page.execute_script(f"return {expression}", *arguments)


def selected(page: Any) -> list[int]:
    return ask(page, "[...report.groups[0].source.selected.indices]")


def shown(page: Any, panel: int) -> list[int]:
    """The images whose points are drawn."""
    return ask(page, "[...report.panels[arguments[0]].points.view.indices]", panel)


def ranges(page: Any, panel: int = 0) -> list[float]:
    ends = "[x_range.start, x_range.end, y_range.start, y_range.end]"
    return ask(page, f"(({{x_range, y_range}}) => {ends})(report.panels[arguments[0]].plot)", panel)


@contextmanager
def screen(browser: Any, width: int, height: int, *, phone: bool = False) -> Iterator[None]:
    size = {"width": width, "height": height, "deviceScaleFactor": 1 + phone, "mobile": phone}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": phone})
    try:
        yield
    finally:
        browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        browser.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def use(page: Any, tool: str, panel: int) -> None:
    """Take a tool of a panel into the hand."""
    page.execute_script(
        "const bar = report.panels[arguments[1]].plot.toolbar;"
        "bar.active_drag = null; bar.tools.find((tool) => tool.type === arguments[0]).active = true;",
        tool,
        panel,
    )


def spot_of(page: Any, panel: int, index: int) -> tuple[int, int]:
    """Where an image's point is in the window; its panel is scrolled into view."""
    x, y = page.execute_script(
        "const box = document.getElementById(`panel-${arguments[0]}`); box.scrollIntoView({block: 'center'});"
        "const spot = report.spotOf(report.panels[arguments[0]], arguments[1]), at = box.getBoundingClientRect();"
        "return [at.left + spot.x, at.top + spot.y];",
        panel,
        index,
    )
    return round(x), round(y)


def point_at(page: Any, *spots: tuple[int, int], drag: bool = False) -> None:
    time.sleep(0.2)  # scrolling hides the tip
    actions = ActionChains(page, duration=60)
    pointer = actions.w3c_actions.pointer_action
    pointer.move_to_location(*spots[0])
    if drag:
        pointer.pointer_down()
    for spot in spots[1:]:
        pointer.move_to_location(*spot)
    if drag:
        pointer.pointer_up()
    actions.perform()


def press(page: Any, *keys: str) -> None:
    ActionChains(page).send_keys(*keys).perform()


def drawn(page: Any, panel: int) -> str:
    """The pixels of a panel, without the ring around the image that was looked at last."""
    return page.execute_script("return report.panels[arguments[0]].view.export().canvas.toDataURL()", panel)


# ---- Opened from a file --------------------------------------------------------------------------------------


def test_nothing_is_requested_and_nothing_goes_wrong(page: Any, page_path: Path) -> None:
    page.execute_script("dispatchEvent(new Event('beforeprint')); dispatchEvent(new Event('afterprint'))")
    messages = [json.loads(entry["message"])["message"] for entry in page.get_log("performance")]
    sent = [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]
    assert page_path.as_uri() in sent
    assert [url for url in sent if url != page_path.as_uri() and not url.startswith(("data:", "blob:"))] == []
    assert [entry for entry in page.get_log("browser") if entry["level"] in ("SEVERE", "WARNING")] == []
    assert ask(page, "window.hacked") is None  # hostile words are shown and do nothing
    assert elements(page, "img") == []
    assert "window.hacked=1" in element(page, "#notes").text
    assert "a sweep & <b>more" in element(page, "h1").text
    # Far above what an idle machine needs, because the tests may share theirs.
    assert ask(page, "report.readyAfter") < 15_000


# ---- With a pointer ------------------------------------------------------------------------------------------


def far_out(dump: FeatureDump) -> list[int]:
    """The images in order of the distance to their center: no other point is near the first ones."""
    return np.argsort(-np.linalg.norm(dump.features - dump.centers[dump.labels], axis=1)).tolist()


def test_hovering_shows_the_image_itself(page: Any, dataset: Dataset) -> None:
    """Pixel by pixel as the browser has drawn it, against the image in the data set."""
    dump = features(dataset, WEIGHTS[0], EPOCHS)
    for index in (far_out(dump)[0], far_out(dump)[3]):
        point_at(page, spot_of(page, 0, index))
        wait(lambda index=index: element(page, "#tip").get_attribute("data-index") == str(index))
        words = element(page, "#tip").text
        assert words.split("\n")[0] == NAMES[dump.labels[index]]
        assert f"predicted as {NAMES[dump.predictions[index]]}" in words
        distance = np.linalg.norm(dump.features[index] - dump.centers[dump.labels[index]])
        assert float(words.split(" from its center")[0].split()[-1]) == pytest.approx(distance, rel=6e-3)
        tile = Image.open(io.BytesIO(element(page, "#tip .tile").screenshot_as_png)).convert("L")
        pixels = np.asarray(tile, dtype=int)
        assert pixels.shape == (84, 84)
        expected = 255 - dataset.test.images[index].squeeze().astype(int)
        assert np.abs(pixels[1::3, 1::3] - expected).max() <= 9  # sixteen greys


@slow
def test_a_pointer_that_rests_chooses_nothing(page: Any, dataset: Dataset) -> None:
    """What the keyboard has chosen stays, though the points move below the pointer."""
    index = far_out(features(dataset, WEIGHTS[0], EPOCHS))[0]
    point_at(page, spot_of(page, 0, index))
    wait(lambda: ask(page, "report.state.look?.index") == index)
    page.execute_script("report.look(0, 5)")
    for key in (Keys.ARROW_LEFT, Keys.ARROW_RIGHT):
        element(page, "#time").send_keys(key)
        assert drawn(page, 0)
        page.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")
        assert ask(page, "report.state.look.index") == 5
        assert not element(page, "#tip").is_displayed()


@slow
@pytest.mark.parametrize(("tool", "panel", "label"), [("BoxSelectTool", 0, 3), ("LassoSelectTool", 1, 7)])
def test_what_is_selected_in_one_panel_is_marked_in_the_others(
    page: Any, dataset: Dataset, tool: str, panel: int, label: int
) -> None:
    use(page, tool, panel)
    before = drawn(page, 1 - panel)
    dump = features(dataset, WEIGHTS[panel], EPOCHS)
    x, y = spot_of(page, panel, int(np.abs(dump.features - dump.centers[label]).sum(axis=1).argmin()))
    around = [(x - 30, y - 30), (x + 30, y - 30), (x + 30, y + 30)]
    point_at(page, *around, *([(x - 30, y + 30), (x - 30, y - 28)] if panel else []), drag=True)
    wait(lambda: "selected" in element(page, "#selected").text and element(page, "#clear").is_enabled())
    chosen = selected(page)
    assert len(chosen) > 20
    assert set(dump.labels[chosen].tolist()) == {label}
    assert element(page, "#selected").text == f"{len(chosen)} selected"
    assert len(elements(page, "#gallery button")) == min(len(chosen), 80)
    assert drawn(page, 1 - panel) != before
    element(page, "#clear").click()
    wait(lambda: element(page, "#selected").text == "nothing selected")
    assert drawn(page, 1 - panel) == before


def wrong_by(dump: FeatureDump, judge: str) -> np.ndarray:
    by_center = nearest(dump.features.astype(np.float64), dump.centers) != dump.labels
    by_softmax = dump.predictions != dump.labels
    return {"softmax": by_softmax, "nearest_center": by_center, "either": by_softmax | by_center}[judge]


def test_a_cell_of_the_confusion_selects_its_images_until_it_is_cleared(page: Any, dataset: Dataset) -> None:
    dump = features(dataset, WEIGHTS[0], EPOCHS)
    expected = np.flatnonzero((dump.labels == 4) & (dump.predictions == 5)).tolist()
    cell = '.confusion [data-panel="0"][data-judge="softmax"][data-label="4"][data-predicted="5"]'
    assert element(page, cell).text == str(len(expected)) != "0"
    page.execute_script("arguments[0].click()", element(page, cell))
    assert selected(page) == expected
    assert element(page, "#which").get_attribute("value") == "selected"
    assert element(page, "#image").is_displayed()
    element(page, "#clear").click()
    assert element(page, "#which").get_attribute("value") == "any"
    assert element(page, "#count").text == f"{(dump.labels != dump.predictions).sum()} images"
    assert element(page, "#about").text == "Hover or tap a point, or press →."
    assert element(page, "#judgements").text == ""
    assert not element(page, "#image").is_displayed()
    assert not [ring for ring in elements(page, ".ring") if ring.is_displayed()]


@slow
def test_the_confusion_of_the_centers_selects_its_images(
    browser: Any, dataset: Dataset, tmp_path: Path
) -> None:
    dump = features(dataset, WEIGHTS[0], 1)
    write_run(tmp_path / "run", [STEP], {"test-final": dump})
    open_page(browser, write_report(tmp_path / "run"))
    buttons = elements(browser, '.confusion [data-judge="nearest_center"]')
    assert sum(int(button.text) for button in buttons) == wrong_by(dump, "nearest_center").sum()
    label, predicted = (int(buttons[0].get_attribute(f"data-{name}")) for name in ("label", "predicted"))
    by_center = nearest(dump.features.astype(np.float64), dump.centers)
    browser.execute_script("arguments[0].click()", buttons[0])
    assert selected(browser) == np.flatnonzero((dump.labels == label) & (by_center == predicted)).tolist()


# ---- Epochs and the misclassified ----------------------------------------------------------------------------


@slow
def test_the_slider_plays_the_epochs(page: Any, dataset: Dataset) -> None:
    assert element(page, "#time-name").text == f"epoch {EPOCHS}"
    last = drawn(page, 0)
    element(page, "#time").send_keys(Keys.HOME)
    assert element(page, "#time-name").text == "epoch 1"
    for panel, weight in enumerate(WEIGHTS):
        dump = features(dataset, weight, 1)
        for axis in range(2):
            column = "[...report.panels[0].points.data_source.data[arguments[0]]]"
            values = np.array(ask(page, column, f"{'xy'[axis]}{panel}"))
            spread = np.ptp(dump.features[:, axis])
            assert np.abs(values - dump.features[:, axis]).max() <= spread / 65_535
        assert "epoch 1 · 50 wrong by softmax (95.00 % right)" in element(page, f"#facts-{panel}").text
    assert drawn(page, 0) != last
    element(page, "#time").send_keys(Keys.ARROW_RIGHT)
    assert element(page, "#time-name").text == "epoch 2"
    element(page, "#play").click()
    wait(lambda: element(page, "#time-name").text == f"epoch {EPOCHS}")
    wait(lambda: element(page, "#play").text == "Play")


@slow
def test_between_epochs_the_images_that_were_kept_are_shown(
    browser: Any, dataset: Dataset, tmp_path: Path
) -> None:
    """As of `train.dump_every`, which keeps some of them."""
    last, some = features(dataset, 0.1, EPOCHS), thin(dataset.test.labels, 100)
    early = FeatureDump(last.features[some] / 3, last.labels[some], last.predictions[some], last.centers)
    config = {"train": {"batch_size": 30, "iterations": 30}}
    run = tmp_path / "run"
    dumps = {"test-step-00000010": early, "test-final": last}
    write_run(run, [STEP], dumps, data={"class_names": NAMES, "train": 600}, config=config)
    open_page(browser, write_report(run))
    element(browser, "#time").send_keys(Keys.HOME)
    assert element(browser, "#time-name").text == "epoch 0.5"
    wrong = int((early.predictions != early.labels).sum())
    said = element(browser, "#facts-0").text
    assert said.startswith(f"step 10 · {wrong} wrong by softmax ({100 - wrong:.2f} % right)")
    count = "window.report.groups[0].source.data.x0.filter((x) => !Number.isNaN(x)).length"
    assert ask(browser, count) == 100
    missing = next(index for index in range(1000) if index not in set(some.tolist()))
    ask(browser, "window.report.look(0, arguments[0])", missing)
    assert "not kept" in element(browser, "#judgements").text
    element(browser, "#time").send_keys(Keys.END)
    assert ask(browser, count) == 1000
    assert "not kept" not in element(browser, "#judgements").text


@pytest.mark.parametrize("epoch", [1, EPOCHS])
def test_both_judges_count_as_the_metrics_do(page: Any, dataset: Dataset, epoch: int) -> None:
    element(page, "#time").send_keys(Keys.HOME if epoch == 1 else Keys.END)
    for panel, weight in enumerate(WEIGHTS):
        figures = separation(features(dataset, weight, epoch))
        shares = (figures.accuracy, figures.nearest_center_accuracy)
        by_softmax, by_center = (round(len(dataset.test.labels) * (1 - share)) for share in shares)
        assert (by_center > 0) == (epoch == 1)
        words = element(page, f"#facts-{panel}").text
        assert f"{by_softmax} wrong by softmax ({100 * figures.accuracy:.2f} % right)" in words
        assert f", {by_center} by nearest center" in words


@slow
@pytest.mark.parametrize("judge", ["softmax", "nearest_center", "either"])
def test_the_misclassified_alone(page: Any, dataset: Dataset, judge: str) -> None:
    """Shown alone, stepped through and told of in the inspector."""
    assert len(shown(page, 1)) == 1000
    element(page, "#wrong-only").send_keys(Keys.SPACE)
    element(page, "#time").send_keys(Keys.HOME)
    Select(element(page, "#judge")).select_by_value(judge)
    dumps = [features(dataset, weight, 1) for weight in WEIGHTS]
    for panel, dump in enumerate(dumps):
        assert shown(page, panel) == np.flatnonzero(wrong_by(dump, judge)).tolist() != []
    by_any = np.flatnonzero(np.any([wrong_by(dump, judge) for dump in dumps], axis=0))
    assert element(page, "#count").text == f"{len(by_any)} images"
    element(page, "#next").send_keys(Keys.ENTER)
    index = int(by_any[0])
    assert element(page, "#about").text.endswith(f"test image {index}")
    for place, dump in enumerate(dumps, start=1):
        cells = [cell.text for cell in elements(page, f"#judgements tbody tr:nth-child({place}) td")]
        by_center = nearest(dump.features[[index]].astype(np.float64), dump.centers)[0]
        predicted, label = (dump.predictions[index], by_center), dump.labels[index]
        assert cells[:2] == [f"{NAMES[each]} {'✓' if each == label else '✗'}" for each in predicted]


def pixels_of(page: Any, panel: int) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(drawn(page, panel).split(",")[1]))).convert("RGB")


def color_of(page: Any, panel: int) -> float:
    """How much colour a panel shows, all pixels taken together."""
    pixels = np.asarray(pixels_of(page, panel), dtype=float)
    return float((pixels.max(axis=2) - pixels.min(axis=2)).sum())


@slow
def test_the_misclassified_stay_to_be_seen_when_one_is_selected(page: Any, dataset: Dataset) -> None:
    """A tap selects; on a phone that is how one looks at a point."""
    element(page, "#wrong-only").send_keys(Keys.SPACE)
    dump = features(dataset, WEIGHTS[0], EPOCHS)
    before = [color_of(page, panel) for panel in range(len(WEIGHTS))]
    page.execute_script("report.select(0, [arguments[0]])", int((dump.labels != dump.predictions).argmax()))
    after = [color_of(page, panel) for panel in range(len(WEIGHTS))]
    assert all(other > 0.8 * one > 0 for one, other in zip(before, after, strict=True))
    element(page, "#wrong-only").send_keys(Keys.SPACE)  # among all points the selected one stands out
    one_selected = color_of(page, 0)
    page.execute_script("report.select(0, [])")
    assert 0.2 < one_selected / color_of(page, 0) < 0.7


def assert_centers_are_clear(page: Any, dataset: Dataset) -> None:
    """Each is a black ring between two white ones, whatever the colour of the points below."""
    for panel, weight in enumerate(WEIGHTS):
        grey = np.asarray(pixels_of(page, panel).convert("L"), dtype=int)
        spots, width = page.execute_script(
            "const {view, centers: {data: {x, y}}} = report.panels[arguments[0]], {x_scale, y_scale} = view.frame;"
            "return [Array.from(x, (_, i) => [x_scale.compute(x[i]), y_scale.compute(y[i])]), view.bbox.width];",
            panel,
        )
        scale = grey.shape[1] / width
        assert len(spots) == len(features(dataset, weight, EPOCHS).centers)
        for x, y in spots:
            # The black ring is 4.7 to 6.4 pixels from the center, which itself may be half a pixel beside this one.
            column, row = round(x * scale), round(y * scale)
            near, far = round(3 * scale), round(9 * scale)
            arms = [grey[row, column:], grey[row, column::-1], grey[row:, column], grey[row::-1, column]]
            # It is 1.7 pixels wide: between two pixels it covers three quarters of one, which is 62 on white paper.
            assert max(arm[near:far].min() for arm in arms) < 80
            assert min(arm[near:far].max() for arm in arms) > 150


@slow
def test_centers_are_clear_on_every_colour(page: Any, dataset: Dataset) -> None:
    assert_centers_are_clear(page, dataset)
    page.execute_script("report.select(0, [7])")
    assert_centers_are_clear(page, dataset)
    element(page, "#wrong-only").send_keys(Keys.SPACE)
    assert_centers_are_clear(page, dataset)
    strokes = elements(page, "#features .legend .center path")
    assert [stroke.get_attribute("stroke") for stroke in strokes] == ["white", "black"]


@slow
def test_the_name_of_a_center_at_an_edge_is_inside(page: Any) -> None:
    """Panned until the center of a 0, the rightmost, is at the right edge, and that of a 2 or 3 at the upper one."""
    places = (
        "const panel = report.panels[0], { x_scale, y_scale, bbox } = panel.view.frame;"
        "const { x, y, right, down } = panel.centers.data;"
        "return x.map((_, i) => [x_scale.compute(x[i]) + right[i], y_scale.compute(y[i]) + down[i]])"
        ".filter((_, i) => bbox.contains(x_scale.compute(x[i]), y_scale.compute(y[i])))"
        ".map(([left, bottom]) => left >= bbox.left && left + 9 <= bbox.right && bottom - 14 >= bbox.top);"
    )
    assert all(page.execute_script(places))
    page.execute_script(
        "const { plot, centers } = report.panels[0], { x, y } = centers.data;"
        "const [x0, y0] = [Math.max(...x), Math.max(...y)], [w, h] = [2.2 * x0, 2.2 * y0];"
        "Object.assign(plot.x_range, { start: 1.01 * x0 - w, end: 1.01 * x0 });"
        "Object.assign(plot.y_range, { start: 1.01 * y0 - h, end: 1.01 * y0 });"
    )
    wait(lambda: all(page.execute_script(places)))
    assert len(page.execute_script(places)) == 10


# ---- Without a mouse -----------------------------------------------------------------------------------------


@slow
def test_every_control_is_reached_by_tab(page: Any) -> None:
    wanted = {"time", "play", "wrong-only", "judge", "axes", "which", "previous", "next", "inspector"}
    wanted |= {"panel-0", "panel-1"}
    reached: set[str] = set()
    for _ in range(80):
        press(page, Keys.TAB)
        reached.add(ask(page, "document.activeElement.id"))
        if wanted <= reached:
            return
    pytest.fail(f"not reached: {wanted - reached}")


@slow
def test_arrow_keys_step_through_the_misclassified(page: Any, dataset: Dataset) -> None:
    dump = features(dataset, WEIGHTS[0], EPOCHS)
    wrong = np.flatnonzero(dump.labels != dump.predictions).tolist()
    element(page, "#next").send_keys(Keys.ARROW_RIGHT)
    for place, index in enumerate(wrong[:3]):
        assert element(page, "#count").text == f"{place + 1} of {len(wrong)}"
        assert element(page, "#about").text.split("\n") == [NAMES[dump.labels[index]], f"test image {index}"]
        assert element(page, "#image").get_attribute("data-index") == str(index)
        assert f"{NAMES[dump.predictions[index]]} ✗" in element(page, "#judgements").text
        press(page, Keys.ARROW_RIGHT)
    press(page, Keys.ARROW_LEFT, Keys.ARROW_LEFT)
    assert element(page, "#count").text == f"2 of {len(wrong)}"
    assert len([ring for ring in elements(page, ".ring") if ring.is_displayed()]) == len(WEIGHTS)


@slow
def test_a_panel_pans_and_zooms_by_keys(page: Any) -> None:
    first = ranges(page)
    page.execute_script("document.getElementById('panel-0').focus()")
    press(page, "+")
    closer = ranges(page)
    assert closer[1] - closer[0] == pytest.approx(0.8 * (first[1] - first[0]))
    press(page, Keys.ARROW_RIGHT, Keys.ARROW_UP)
    moved = np.subtract(ranges(page), closer) / (closer[1] - closer[0])
    assert moved == pytest.approx([0.15] * 4, rel=0.1)
    press(page, "0")
    assert ranges(page) == pytest.approx(first)


@slow
def test_one_scale_for_all_shows_how_the_plane_shrinks(page: Any, dataset: Dataset) -> None:
    own = [ranges(page, panel) for panel in range(2)]
    assert own[0][1] > 5 * own[1][1]  # the larger λ has the smaller plane
    Select(element(page, "#axes")).select_by_value("shared")
    for key, epoch in ((Keys.END, EPOCHS), (Keys.HOME, 1)):
        element(page, "#time").send_keys(key)
        shared = ranges(page, 0)
        assert shared == pytest.approx(ranges(page, 1))
        for weight in WEIGHTS:
            dump = features(dataset, weight, epoch)
            assert shared[0] < dump.features[:, 0].min() < dump.features[:, 0].max() < shared[1]
            assert shared[2] < dump.features[:, 1].min() < dump.features[:, 1].max() < shared[3]
    Select(element(page, "#axes")).select_by_value("keep")
    element(page, "#time").send_keys(Keys.END)
    assert ranges(page, 0) == shared
    Select(element(page, "#axes")).select_by_value("each")
    assert [ranges(page, panel) for panel in range(2)] == pytest.approx(np.array(own))


@slow
def test_a_panel_without_room_is_fitted_when_it_has_some(page: Any) -> None:
    element(page, "#time").send_keys(Keys.HOME)
    fitted = ranges(page)
    element(page, "#time").send_keys(Keys.END)
    page.execute_script("document.getElementById('panel-0').style.cssText = 'width: 0; height: 0'")
    wait(lambda: ask(page, "report.panels[0].view.frame.bbox.width") == 0)
    element(page, "#time").send_keys(Keys.HOME)
    assert all(map(np.isfinite, ranges(page)))
    page.execute_script("document.getElementById('panel-0').style.cssText = ''")
    wait(lambda: ranges(page) == pytest.approx(fitted))


# ---- Tables and curves ---------------------------------------------------------------------------------------


@slow
def test_tables_sort_and_those_of_an_evaluation_together(page: Any) -> None:
    def column(table: str, number: int) -> list[str]:
        # Without the words for those who do not see the star.
        return [
            each.text.split("\n")[0] for each in elements(page, f"#{table} tbody > tr > :nth-child({number})")
        ]

    heads = elements(page, "#results-table thead button")
    softmax = next(i for i, head in enumerate(heads) if head.text.strip() == "softmax")
    heads[softmax].send_keys(Keys.ENTER)
    assert column("results-table", softmax + 1) == ["100.00 % ★", "91.00 %", "–"]
    heads[softmax].send_keys(Keys.ENTER)
    assert column("results-table", softmax + 1) == [
        "91.00 %",
        "100.00 % ★",
        "–",
    ]  # what is missing stays last
    assert element(page, "th[aria-sort]").get_attribute("aria-sort") == "ascending"

    tables = [f"evaluation-{place}" for place in range(3)]
    runs = ["λ = 0.01 (λ_eq = 0.5)", "λ = 0.1 (λ_eq = 5)"]
    assert [column(table, 1) for table in tables] == [runs] * 3
    heads = elements(page, "#evaluation-2 thead button")
    page.execute_script(
        "arguments[0].click()", next(head for head in heads if head.text.strip() == "cosine: EER")
    )
    assert [column(table, 1) for table in tables] == [runs[::-1]] * 3
    assert [cell.text.split("\n")[0] for cell in elements(page, "#evaluation-2 .best")] == ["1.00 % ★"]


@slow
@pytest.mark.parametrize(
    ("width", "weights", "seeds"),
    [(1280, (0, 0.01, 0.1, 1), 1), (390, (0, 0.001, 0.003, 0.01, 0.03, 0.1), 2)],
)
def test_the_runs_below_the_accuracies_can_be_told_apart(
    browser: Any, tmp_path: Path, width: int, weights: tuple[float, ...], seeds: int
) -> None:
    """No two labels share a pixel: side by side they are narrower than their places, and slanted lower."""
    points = []
    for seed, weight in itertools.product(range(seeds), weights):
        run = tmp_path / "sweep" / f"lambda{weight:g}-seed{seed}"
        grid = {
            "lambda": weight,
            "lambda_eq": 100 * weight,
            "alpha": 0.5,
            "seed": seed,
            "status": "completed",
        }
        test = {"accuracy": 0.99, "nearest_center_accuracy": 0.95 + weight / 100}
        write_run(run, [{"kind": "epoch", "epoch": 1, "step": 1, "test": test}], {}, **grid)
        points.append({"directory": run.name, **grid})
    (tmp_path / "sweep" / "summary.json").write_text(json.dumps({"format": FORMAT, "runs": points}))
    with screen(browser, width, 900):
        open_page(browser, write_report(tmp_path / "sweep"))
        title, names, slant, places, widths, height, letters = browser.execute_script(
            "const view = report.views.get(document.querySelector('.curves figure:last-child .plot'));"
            "const axis = view.model.below[0];"
            "const names = [...axis.major_label_overrides.values()].map(({text}) => text);"
            "const pen = document.createElement('canvas').getContext('2d');"
            "pen.font = `${axis.major_label_text_font_size} ${axis.major_label_text_font}`;"
            "return [axis.axis_label.text, names, Number(axis.major_label_orientation) || 0,"
            " names.map((_, i) => view.frame.x_scale.compute(i)), names.map((name) => pen.measureText(name).width),"
            " view.frame.bbox.height, parseFloat(axis.major_label_text_font_size)];"
        )
    expected = [
        f"{weight:g}" if seeds == 1 else f"{weight:g}, {seed}" for seed in range(seeds) for weight in weights
    ]
    assert (title, names) == ("λ" if seeds == 1 else "λ, seed", expected)
    room = np.diff(places).min()
    assert room * np.sin(slant) > 1.3 * letters if slant else room > max(widths) + 10
    assert height > 110  # and the labels leave room for what they name


@slow
def test_the_ticks_of_an_accuracy_say_where_they_stand(page: Any) -> None:
    """Runs a few hundredths of a point apart have ticks as near, which must not all read alike."""
    ticks, written = page.execute_script(
        "const view = report.views.get(document.querySelector('.curves figure:last-child .plot'));"
        "Object.assign(view.model.y_range, { start: 0.9902, end: 0.9914 });"
        "const axis = view.model.left[0];"
        "const ticks = axis.ticker.get_ticks(0.9902, 0.9914, view.model.y_range, NaN).major;"
        "return [ticks, axis.formatter.doFormat(ticks, { loc: 0 })];"
    )
    assert len(ticks) >= 3
    expected = [100 * tick for tick in ticks]
    assert [float(words.removesuffix(" %")) for words in written] == pytest.approx(expected, abs=1e-6)


@slow
def test_a_line_says_which_run_it_is(page: Any) -> None:
    """All lines are drawn as one thing, and yet each has its name: here the upper one of λ in force."""
    page.execute_script("document.getElementById('curve-1').scrollIntoView({block: 'center'})")
    x, y, label = page.execute_script(
        "const view = report.views.get(document.getElementById('curve-1'));"
        "const {data} = view.model.renderers[0].data_source, last = data.x.length - 1;"
        "const box = view.el.getBoundingClientRect(), {x_scale, y_scale} = view.frame, middle = 8;"
        "return [box.left + x_scale.compute(data.x[last][middle]), box.top + y_scale.compute(data.y[last][middle]),"
        " data.label[last]];"
    )
    point_at(page, (round(x) - 3, round(y)), (round(x), round(y)))
    tips = "[...document.querySelectorAll('.bk-Tooltip')].map((tip) => tip.shadowRoot.textContent).join(' ')"
    wait(lambda: label in ask(page, tips))


@slow
def test_curves_side_by_side_are_in_line_whatever_is_said_above_one(page: Any) -> None:
    boxes = page.execute_script(
        "const note = document.createElement('span');"
        "[note.className, note.textContent] = ['facts', 'zeros have no place on this log axis. '.repeat(6)];"
        "document.querySelector('.curves figcaption').append(note);"
        "return [...document.querySelectorAll('.curves .plot')].slice(0, 2).map((plot) => {"
        " const {top, width, height} = plot.getBoundingClientRect(); return [top, width, height]; });"
    )
    assert boxes[0] == pytest.approx(boxes[1])


# ---- Elsewhere -----------------------------------------------------------------------------------------------


@slow
def test_on_a_phone_everything_fits_the_width(browser: Any, page_path: Path, dataset: Dataset) -> None:
    with screen(browser, 390, 844, phone=True):
        open_page(browser, page_path)
        assert ask(browser, "document.documentElement.scrollWidth") <= 390
        # A caption is read without scrolling, also where its table is wider.
        captions = "[...document.querySelectorAll('caption')].map(each => each.getBoundingClientRect().right)"
        assert 0 < max(ask(browser, captions)) <= 390
        boxes = [element(browser, f"#panel-{panel}").rect for panel in range(2)]
        assert boxes[1]["y"] > boxes[0]["y"] + boxes[0]["height"]  # one below the other
        assert all(330 < box["width"] <= 390 for box in boxes)
        assert ask(browser, "report.panels.every((each) => each.plot.toolbar.active_drag === null)")
        assert_centers_are_clear(browser, dataset)
        # No table scrolls sideways: each row is a card, in which a figure stands beside its name.
        wide = "[...document.querySelectorAll('.wide')].filter(each => each.scrollWidth > each.clientWidth + 1).length"
        assert ask(browser, wide) == 0
        name = "getComputedStyle(document.querySelector('#results-table td:last-child'), '::before').content"
        assert ask(browser, name) == '"status"'
        browser.execute_script("document.querySelector('#panel-0').scrollIntoView()")
        foot = "document.querySelector('#inspector').getBoundingClientRect()"
        assert ask(browser, f"{foot}.bottom") <= 844  # one image is on the screen with the first panel
        assert ask(browser, f"{foot}.top") > 0.4 * 844
        # A tap shows the image, as hovering does elsewhere.
        index = far_out(features(dataset, WEIGHTS[0], EPOCHS))[0]
        x, y = spot_of(browser, 0, index)
        time.sleep(0.3)
        finger = ActionBuilder(browser, mouse=PointerInput("touch", "finger"))
        finger.pointer_action.move_to_location(x, y).pointer_down().pointer_up()
        finger.perform()
        wait(lambda: element(browser, "#tip").get_attribute("data-index") == str(index))
        assert element(browser, "#tip").is_displayed()
        assert f"test image {index}" in element(browser, "#about").get_attribute("textContent")


@pytest.fixture(scope="module")
def crowded_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The report of a run with 300 classes in three dimensions."""
    run = tmp_path_factory.mktemp("crowded") / "run"
    labels = np.arange(300)
    points = np.stack([labels % 20, labels // 20, 0 * labels], axis=1).astype(np.float32)
    write_run(run, [STEP], {"test-final": FeatureDump(points, labels, labels, points)})
    return write_report(run)


@slow
def test_crowded_centers_get_their_names_when_there_is_room(browser: Any, crowded_path: Path) -> None:
    def named() -> int:
        return ask(browser, "report.panels[0].centers.data.name.filter(Boolean).length")

    open_page(browser, crowded_path)
    few = named()
    assert few < 150
    element(browser, "#panel-0").send_keys("+" * 9)
    wait(lambda: named() == 300)
    element(browser, "#panel-0").send_keys("0")
    wait(lambda: named() == few)


@slow
def test_three_features_turn_with_their_centers_and_no_axis_moves(browser: Any, crowded_path: Path) -> None:
    def seen() -> list[list[float]]:
        places = "[...report.groups[0].source.data.x0], report.panels[0].centers.data.x"
        return ask(browser, f"[{places}, [report.panels[0].plot.x_range.start]]")

    open_page(browser, crowded_path)
    points, centers, start = seen()
    assert points == pytest.approx(centers, abs=1e-3)
    element(browser, "#turn").send_keys(Keys.END)  # by 180 degrees
    wait(lambda: seen()[1][0] == pytest.approx(-centers[0], abs=1e-3))
    assert seen()[0] == pytest.approx([-x for x in points], abs=1e-3)
    assert seen()[2] == start


@slow
def test_on_paper_the_charts_are_pictures(page: Any) -> None:
    page.execute_script("dispatchEvent(new Event('beforeprint'))")
    widths = ask(page, "[...document.querySelectorAll('.printed')].map((each) => each.width)")
    assert len(widths) == len(elements(page, ".plot")) >= 4
    assert min(widths) > 300
    page.execute_script("dispatchEvent(new Event('afterprint'))")
    assert elements(page, ".printed") == []
    pdf = base64.b64decode(page.execute_cdp_cmd("Page.printToPDF", {"printBackground": False})["data"])
    assert pdf.startswith(b"%PDF")
    assert len(pdf) > 50_000


@slow
def test_paper_has_what_the_points_are_and_every_figure(
    browser: Any, page_path: Path, crowded_path: Path
) -> None:
    def break_after(selector: str) -> str:
        return ask(browser, "getComputedStyle(document.querySelector(arguments[0])).breakAfter", selector)

    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        open_page(browser, crowded_path)
        assert "Turn and Tilt show the other sides" in element(browser, "#figure-0 figcaption").text
        assert "To repeat it: cl train" in element(browser, "#repeat").text
        open_page(browser, page_path)
        assert not element(browser, ".hint").is_displayed()
        element(browser, "#panel-0").send_keys("+")
        assert ask(browser, "getComputedStyle(document.activeElement).outlineStyle") == "none"
        assert break_after("#confusion h2") == break_after("#confusion > p") == "avoid"
        assert "cosine: EER" in element(browser, "#evaluation-2").text
        assert "intra / its distance" in element(browser, "#classes-table").text
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@slow
def test_runs_with_and_without_a_head_side_by_side(browser: Any, dataset: Dataset, tmp_path: Path) -> None:
    """What one run lacks has an empty cell and calls nothing wrong; the rest is as ever."""
    full = features(dataset, 0.01, EPOCHS)
    headless = replace(full, predictions=None, centers=None, centers_kind=None)
    for name, dump in (("one", full), ("other", headless)):
        write_run(tmp_path / name, [STEP], {"test-final": dump}, loss=name, seed=len(name))
    open_page(browser, write_report(tmp_path))
    facts = [each.text for each in elements(browser, ".facts")]
    assert sum("by softmax" in text for text in facts) == 1
    assert sum("by nearest mean" in text for text in facts) == 1
    press(browser, Keys.ARROW_RIGHT)
    element(browser, "#next").click()
    rows = [row.find_elements("css selector", "th, td") for row in elements(browser, "#judgements tr")]
    assert len({len(row) for row in rows[1:]} | {len(rows[0])}) <= 2
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@slow
def test_marks_keep_their_size_while_the_slider_moves(browser: Any, dataset: Dataset, tmp_path: Path) -> None:
    """The centers of the first epoch crowd at the origin, at half their usual size."""
    last = features(dataset, 0.01, EPOCHS)
    assert last.centers is not None
    first = replace(last, centers=last.centers * np.float32(0.05))
    dumps = {"test-epoch-0001": first, "test-epoch-0002": last, "test-final": last}
    write_run(tmp_path / "run", [STEP], dumps)
    open_page(browser, write_report(tmp_path / "run"))
    size = "Math.max(...report.panels[0].centers.data.size)"
    whole = ask(browser, size)
    element(browser, "#time").send_keys(Keys.HOME)
    assert element(browser, "#time-name").text == "epoch 1"
    assert ask(browser, size) == pytest.approx(whole, rel=0.02)
