"""Question c: does triplet loss cost more and converge slower than center loss?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.study.drawing import draw_curves
from benchmarks.study.runs import CURVE, Measure, StudyRun, arms
from benchmarks.study.section import Section, missing
from benchmarks.study.tables import told_of
from centerloss_core.metrics.neighbors import mean_accuracy, mean_direction_accuracy
from centerloss_core.metrics.verification import verification

REFERENCE = "center"
_MEAN, _ANGLE_MEAN = "nearest_train_mean_accuracy", "nearest_train_mean_accuracy_cosine"
SECONDS = Measure("curve.seconds", "s for 10,000 images", "lower", is_share=False)
MEASURES = (
    SECONDS,
    Measure("curve.accuracy", "nearest mean over the run"),
    Measure("curve.eer", "EER over the run", "lower"),
    Measure(_MEAN, "nearest mean at the end", by_angle=_ANGLE_MEAN),
    Measure("euclidean_eer", "EER at the end", "lower", by_angle="cosine_eer"),
)
PAIRED = 500  # images whose pairs an EER of a curve is of
Curve = dict[str, list[float]]


def section(runs: Sequence[StudyRun]) -> Section:
    """Triplets against center loss over images and over seconds, in the plane and in more dimensions."""
    page = Section("c · Does triplet loss cost more and converge slower?")
    chosen = [run for run in runs if run.variant.startswith(CURVE)]
    if missing(page, chosen):
        return page
    curves = {run.record.path: curve_of(run) for run in chosen}
    chosen = [run.having("curve", in_short(run, curves[run.record.path])) for run in chosen]
    # Runs of one loss follow each other, so what else runs then looks like a property of the loss.
    measures, together = MEASURES, max(run.together for run in chosen)
    if together > 1:
        measures = (replace(SECONDS, is_compared=False), *MEASURES[1:])
        why = f"{together} runs at a time shared the machine, one loss after another"
        page.lines += [f"Seconds are not compared: {why}.", ""]
        page.answers.append(f"- **c, cost**: not measured here; {why}.")
    for dimensions in sorted({run.dimensions for run in chosen}):
        here = [run for run in chosen if run.dimensions == dimensions]
        members = arms(here, lambda run: run.variant.removeprefix(CURVE), [REFERENCE])
        page.lines += [f"**{dimensions} dimensions**", ""]
        families = page.add_families(
            members,
            measures,
            REFERENCE,
            first="loss",
            figure=f"study-c-{dimensions}d.png",
            about=f"cost and convergence in {dimensions} dimensions",
        )
        for arm in list(members)[1:]:
            page.answers.append(
                f"- **c, {arm} in {dimensions} dimensions**, against center loss: {told_of(families, arm)}."
            )
    panels = [
        (f"{dimensions} dimensions", x, y, _lines(chosen, curves, dimensions, across, up))
        for dimensions in sorted({run.dimensions for run in chosen})
        for across, x in (("thousands", "thousands of training images"), ("seconds", "seconds of steps"))
        for up, y in (("accuracy", "nearest mean %"), ("eer", "EER %"))
    ]
    page.add_figure(
        "study-c-curves.png",
        "accuracy and EER over training images and over seconds, a line for each run",
        lambda file: draw_curves(file, panels),
    )
    return page


def curve_of(run: StudyRun) -> Curve:
    """Thousands of images, seconds, accuracy and EER in percent at each step whose features were kept."""
    batch, is_angular = run.record.settings["train.batch_size"], run.record.is_angular
    steps, seconds = [0.0], [0.0]
    for row in run.record.history().steps:
        seconds.append(seconds[-1] + (row["step"] - steps[-1]) * batch / row["images_per_second"])
        steps.append(row["step"])
    curve: Curve = {"thousands": [], "seconds": [], "accuracy": [], "eer": []}
    for step, path in run.record.step_dumps("test").items():
        dump = run.record.dump(path.stem)
        right = (mean_direction_accuracy if is_angular else mean_accuracy)(dump, None)
        wrong = verification(dump.features, dump.labels, PAIRED)[
            "cosine_eer" if is_angular else "euclidean_eer"
        ]
        curve["thousands"].append(step * batch / 1000)
        curve["seconds"].append(float(np.interp(step, steps, seconds)))
        curve["accuracy"].append(100 * (right or 0.0))
        curve["eer"].append(100 * (0.5 if wrong is None else wrong))
    return curve


def in_short(run: StudyRun, curve: Curve) -> dict[str, float]:
    """The means of a curve, as fractions, and what 10,000 images take."""
    return {
        "accuracy": float(np.mean(curve["accuracy"])) / 100,
        "eer": float(np.mean(curve["eer"])) / 100,
        "seconds": 10_000 / run.record.metrics["images_per_second"],
    }


def _lines(
    runs: Sequence[StudyRun], curves: Mapping[Path, Curve], dimensions: int, across: str, up: str
) -> dict[str, list[tuple[list[float], list[float]]]]:
    members = arms(
        [run for run in runs if run.dimensions == dimensions],
        lambda run: run.variant.removeprefix(CURVE),
        [REFERENCE],
    )
    return {
        arm: [(curves[run.record.path][across], curves[run.record.path][up]) for run in each]
        for arm, each in members.items()
    }
