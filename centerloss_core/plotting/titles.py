"""The words over a figure."""

from centerloss_core.features import FeatureDump
from centerloss_core.metrics import separation
from centerloss_core.plotting.records import Run, Snapshot


def number(value: float) -> str:
    """Return a setting without trailing zeros: 0.01, 1, 1e-05."""
    return f"{value:g}"


def percent(fraction: float) -> str:
    """Return a share like `98.88 %`."""
    return f"{fraction:.2%}".replace("%", " %")


def weight_title(run: Run) -> str:
    """Return `λ = 0.01 (λ_eq = 1)`, without λ_eq where it says nothing new."""
    equivalent = "" if run.weight_eq == run.weight else f" (λ_eq = {number(run.weight_eq)})"
    return f"λ = {number(run.weight)}{equivalent}"


def run_title(run: Run) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5 · MNIST`."""
    return f"{weight_title(run)}, α = {number(run.alpha)} · {run.data_title}"


def settings_title(snapshot: Snapshot) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5 · MNIST test`, and the epoch of a run that has not finished."""
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
