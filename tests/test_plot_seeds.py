"""Several seeds: every one is a dot, and mean and range are theirs."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_runs import make_dump, make_record, make_run, make_sweep, words

from centerloss_core.metrics.separation import separation
from centerloss_core.plotting import PlotError, plot_directory
from centerloss_core.plotting.request import DEFAULT_OF_A_SWEEP
from centerloss_core.plotting.seeds import seeds_figure
from centerloss_core.run_directory.feature_dumps import FeatureDump, write_features
from centerloss_core.run_directory.manifest import FORMAT
from centerloss_core.run_directory.reader import RunRecord, Snapshot


def measured(weight: float, seed: int, alpha: float = 0.5) -> Snapshot:
    return Snapshot(make_record(weight, alpha=alpha, seed=seed), "test", dump_of(weight, seed))


def with_settings(measured: Snapshot, **settings: Any) -> Snapshot:
    """The same figures of another run."""
    return replace(measured, run=RunRecord(Path("run"), "completed", measured.run.manifest | settings))


def measured_at(weight: float, seed: int) -> Snapshot:
    return with_settings(measured(0.01, seed), **{"lambda": weight, "lambda_eq": 100 * weight})


def dump_of(weight: float, seed: int) -> FeatureDump:
    dump = make_dump(weight, seed=seed)
    wrong = dump.labels.copy()
    wrong[: seed + 1] = (wrong[: seed + 1] + 1) % 10
    return FeatureDump(dump.features, dump.labels, wrong, dump.centers)


def make_seeds(directory: Path, seeds: int, weights: tuple[float, ...] = (0.01, 1.0)) -> Path:
    rows = []
    for weight in weights:
        for seed in range(seeds):
            name = f"lambda{weight:g}-alpha0.5-seed{seed}"
            run = make_run(directory / name, weight, seed=seed)
            write_features(run / "features" / "test-final.npz", dump_of(weight, seed))
            row = {"directory": name, "lambda": weight, "alpha": 0.5, "seed": seed, "status": "completed"}
            rows.append(row)
    (directory / "summary.json").write_text(json.dumps({"format": FORMAT, "runs": rows}))
    return directory


def test_every_seed_is_seen_with_mean_and_range() -> None:
    runs = [measured(weight, seed) for weight in (0.01, 1.0) for seed in range(3)]
    figure = seeds_figure(runs)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "softmax accuracy",
        "nearest-center accuracy",
        "inter/intra",
    ]
    ratio = figure.axes[2]
    by_weight = [
        [separation(run.dump).separation_ratio for run in runs if run.run.lambda_ == weight]
        for weight in (0.01, 1.0)
    ]
    dots = [line for line in ratio.lines if line.get_marker() == "o"]
    assert [list(line.get_ydata()) for line in dots] == by_weight  # type: ignore[arg-type]
    (means,) = [line for line in ratio.lines if line.get_marker() == "D"]
    np.testing.assert_allclose(means.get_ydata(), np.mean(np.array(by_weight, float), axis=1))
    bars = [
        list(line.get_ydata()) for line in ratio.lines if len(set(line.get_xdata())) == 1 and line not in dots
    ]  # type: ignore[arg-type]
    assert bars == [[min(values), max(values)] for values in by_weight]  # type: ignore[type-var]
    assert [label.get_text() for label in ratio.get_xticklabels()] == ["0.01", "1"]
    assert "MNIST test · α = 0.5 · 3 seeds each" in words(figure)


def test_the_axis_says_what_the_weights_are_by_mean() -> None:
    runs = [measured(weight, seed) for weight in (0.0, 0.01, 0.1) for seed in (0, 1)]
    assert [axes.get_xlabel() for axes in seeds_figure(runs).axes] == ["λ (λ_eq = 100 λ)"] * 3
    by_mean = [with_settings(run, lambda_eq=run.run.lambda_) for run in runs]
    assert {axes.get_xlabel() for axes in seeds_figure(by_mean).axes} == {"λ"}


def test_several_alphas_are_told_apart_by_signs() -> None:
    runs = [measured(weight, seed, alpha) for weight in (0.0, 1.0) for seed in (0, 1) for alpha in (0.1, 0.5)]
    figure = seeds_figure(runs[:-1])
    assert {line.get_marker() for line in figure.axes[0].lines} >= {"D", "s"}
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["mean, α = 0.1", "mean, α = 0.5", "one seed", "lowest to highest"]
    assert "MNIST test · 2 values of α · 1 to 2 seeds each" in words(figure)


def test_long_settings_do_not_run_into_each_other() -> None:
    long = {"title": "a data set whose name is really rather long"}
    runs = [
        with_settings(measured(weight, seed, 0.123456), data=long)
        for weight in (1.23456e-5, 0.00123457, 0.0123457)
        for seed in (0, 1)
    ]
    figure = seeds_figure(runs)
    figure.draw_without_rendering()
    for axes in figure.axes:
        boxes = [label.get_window_extent() for label in axes.get_xticklabels()]
        assert all(box.y0 >= 0 for box in boxes)
    for text in figure.texts:
        assert text.get_window_extent().x1 <= figure.bbox.x1


def test_a_sweep_with_seeds_gets_the_figure_and_one_without_does_not(tmp_path: Path) -> None:
    several = make_seeds(tmp_path / "several", seeds=2, weights=(0.01,))
    assert plot_directory(several, figures=["seeds"]) == [several / "plots" / "seeds-test.png"]
    assert "seeds" in DEFAULT_OF_A_SWEEP
    single = make_sweep(tmp_path / "single", weights=(0.01,))
    with pytest.raises(PlotError, match="no point has completed runs of two seeds"):
        plot_directory(single, figures=["seeds"])
    notes: list[str] = []
    assert plot_directory(single, figures=["seeds", "distances"], note=notes.append)
    assert notes == ["no seeds: no point has completed runs of two seeds, so there is no spread to show"]


@pytest.mark.parametrize(
    "weights",
    [
        (0, 0.0001, 0.001, 0.01, 0.1, 1, 10),
        (0, 1e-7, 0.001234567, 123456),
        tuple(place / 7 for place in range(24)),
    ],
)
def test_the_names_of_the_weights_overlap_neither_each_other_nor_the_legend(
    weights: tuple[float, ...],
) -> None:
    runs = [measured_at(weight, seed) for weight in weights for seed in (0, 1)]
    figure = seeds_figure(runs)
    figure.draw_without_rendering()
    legend = figure.legends[0].get_window_extent()
    for axes in figure.axes:
        assert axes.xaxis.label.get_window_extent().y0 >= legend.y1 - 1
        labels = axes.get_xticklabels()
        for one, other in itertools.pairwise(labels):
            apart = other.get_window_extent().x1 - one.get_window_extent().x1
            slant = np.radians(one.get_rotation())
            if slant:
                one.set_rotation(0)
                assert apart * np.sin(slant) > 0.9 * one.get_window_extent().height
            else:
                assert one.get_window_extent().x1 < other.get_window_extent().x0


def test_weights_that_six_digits_do_not_tell_apart_keep_theirs() -> None:
    runs = [measured_at(weight, seed) for weight in (0.1234567, 0.1234568) for seed in (0, 1)]
    names = [label.get_text() for label in seeds_figure(runs).axes[0].get_xticklabels()]
    assert names == ["0.1234567", "0.1234568"]


def test_no_axis_runs_beyond_all_images_and_equal_seeds_have_short_ticks(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The accuracies are 1, and the ratios differ in the eighth digit."""
    runs = [measured(0.01, seed) for seed in (0, 1)]
    figures = iter(
        replace(separation(run.dump), accuracy=1.0, separation_ratio=17.2007974 + 1e-7 * seed)
        for seed, run in enumerate(runs)
    )
    monkeypatch.setattr("centerloss_core.plotting.seeds.separation", lambda dump: next(figures))
    figure = seeds_figure(runs)
    figure.draw_without_rendering()
    softmax, center, ratio = figure.axes
    assert softmax.get_ylim()[1] == 1
    assert center.get_ylim()[1] <= 1
    assert max(len(label.get_text()) for label in ratio.get_yticklabels()) <= 5
    low, high = softmax.get_ylim()
    ticks = [tick for tick in softmax.get_yticks() if low <= tick <= high]
    assert len(ticks) >= 3
    words = [softmax.yaxis.get_major_formatter()(tick, 0) for tick in ticks]
    assert [float(each.removesuffix(" %")) for each in words] == pytest.approx([100 * tick for tick in ticks])
