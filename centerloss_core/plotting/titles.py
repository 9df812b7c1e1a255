"""The words over a figure."""

from centerloss_core.formatting import exact
from centerloss_core.metrics.separation import separation
from centerloss_core.plotting.records import Run, Snapshot
from centerloss_core.run_directory.feature_dumps import FeatureDump


def number(value: float) -> str:
    """Return a figure without trailing zeros: 0.01, 1, 1e-05."""
    return f"{value:g}"


def percent(fraction: float) -> str:
    """Return a share like `98.88 %`."""
    return f"{fraction:.2%}".replace("%", " %")


def weight_title(weight: float, weight_eq: float | None) -> str:
    """Return `λ = 0.01 (λ_eq = 1)`, without λ_eq where it says nothing new or is not known."""
    equivalent = "" if weight_eq in (None, weight) else f" (λ_eq = {number(weight_eq)})"
    return f"λ = {exact(weight)}{equivalent}"


def setting_title(alpha: float, seed: int) -> str:
    """Return `α = 0.5, seed 0`."""
    return f"α = {exact(alpha)}, seed {seed}"


def run_title(run: Run) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST`."""
    return (
        f"{weight_title(run.weight, run.weight_eq)}, {setting_title(run.alpha, run.seed)} · {run.data_title}"
    )


def settings_title(snapshot: Snapshot) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST test`, and the epoch of a run that has not finished."""
    return f"{run_title(snapshot.run)} {snapshot.split}{epoch_title(snapshot)}"


def epoch_title(snapshot: Snapshot) -> str:
    """Return ` · epoch 3` for a run that has not finished, else nothing."""
    return "" if snapshot.epoch is None else f" · epoch {snapshot.epoch}"


def numbers_title(dump: FeatureDump) -> str:
    """Return accuracies and separation, measured on the very features that are drawn."""
    measured = separation(dump)
    ratio = "–" if measured.separation_ratio is None else f"{measured.separation_ratio:.1f}"
    return (
        f"softmax {percent(measured.accuracy)}, nearest center {percent(measured.nearest_center_accuracy)}, "
        f"inter/intra {ratio}"
    )
