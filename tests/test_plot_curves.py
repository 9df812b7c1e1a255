"""What a run logged, over its epochs: scales, ticks, gaps, and a run that ends within an epoch."""

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_record, make_run, short_run
from matplotlib.axes import Axes

from centerloss_core.config import load_config
from centerloss_core.plotting.curves import curves_figure
from centerloss_core.run_directory.history import History
from centerloss_core.run_directory.reader import read_run


def loss_axes(values: Sequence[float | None], key: str = "softmax_loss") -> Axes:
    """The plot of a figure that a run logged once per epoch."""
    rows = [{"step": i, "epoch": i, key: value} for i, value in enumerate(values)]
    return curves_figure(make_record(), History(rows, [])).axes[0]


def test_curves(tmp_path: Path) -> None:
    run = read_run(make_run(tmp_path / "run"))
    figure = curves_figure(run, run.history())
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
    assert loss_axes(values).get_yscale() == scale


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
    axes = loss_axes(values)
    axis, (low, high) = axes.yaxis, axes.get_ylim()
    axes.figure.draw_without_rendering()
    assert not axis.get_minorticklocs().size
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
    figure = curves_figure(make_record(), History(steps, epochs))
    figure.draw_without_rendering()
    nan = np.nan
    np.testing.assert_array_equal(figure.axes[0].lines[0].get_ydata(), [1, nan, nan, nan, 4])


@pytest.mark.parametrize("values", [[0, 0, 0], [0, 0, 2], [0, 0, 1e-4, 1e-2]])
def test_a_line_of_zeros_is_seen_above_the_bottom(values: list[float]) -> None:
    """λ of a run without center loss, and before a ramp begins."""
    plot = loss_axes(values, "lambda" if any(values) else "center_shift")  # a λ of 0 is not drawn
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
    figure.draw_without_rendering()
    drawn = figure.axes[0].lines[0].get_ydata()
    assert np.isnan(drawn).tolist() == [True, False, True, False, False, True, False, False]


def test_a_run_of_a_few_steps_has_an_axis_that_can_be_read(tmp_path: Path) -> None:
    run = read_run(short_run(tmp_path / "run"))
    figure = curves_figure(run, run.history())
    figure.draw_without_rendering()
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
