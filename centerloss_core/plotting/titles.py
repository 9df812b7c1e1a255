"""The words over a figure: settings, data set, and what was measured."""

from collections.abc import Iterable, Sequence

from centerloss_core.config.axes import ALPHA, LAMBDA, LOSS, SEED, VARIANT, label, value_of
from centerloss_core.config.problems import shortened
from centerloss_core.formatting import percent
from centerloss_core.metrics.separation import separation
from centerloss_core.run_directory.class_points import word_of
from centerloss_core.run_directory.feature_dumps import FeatureDump
from centerloss_core.run_directory.manifest import mapping
from centerloss_core.run_directory.reader import RunRecord, Snapshot

# In every run's title, if the run has them; a variant, which names a bundle of settings, comes first.
STANDARD = (VARIANT, LAMBDA, ALPHA, SEED)
_USUAL_LOSS = "softmax + center "
_LONGEST_VALUE, _LONGEST_TITLE = 60, 120  # characters


def title_keys(axes: Iterable[str] = ()) -> list[str]:
    """Return the settings that a title may name, in their order: the usual ones, then the other axes of a sweep.

    Of a sweep over losses, whose titles tell λ and more, the axes alone.
    """
    axes = list(axes)
    if LOSS in axes:
        return list(dict.fromkeys([*axes, SEED]))
    return list(dict.fromkeys([*STANDARD, *axes]))


def settings_title(run: RunRecord, keys: Sequence[str]) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5, seed 0`: the settings of these keys that the run has."""
    parts = []
    for key in keys:
        value = run.loss if key == LOSS else value_of(run.settings, key)
        if value is None:
            continue
        text = shortened(label(key, value, keys), _LONGEST_VALUE)
        # λ_eq says nothing new where it equals λ.
        if key == LAMBDA and run.lambda_eq is not None and run.lambda_eq != value:
            text += f" (λ_eq = {run.lambda_eq:g})"
        parts.append(text)
    return ", ".join(parts)


def run_title(run: RunRecord) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST`, and what else varies in the run's sweep.

    A loss that λ and α do not tell is named: `ArcFace s 16, m 0.3, seed 0 · MNIST`.
    """
    own = list(mapping(run.point.get("settings")))
    if run.loss and not run.loss.startswith(_USUAL_LOSS) and LOSS not in own:
        own = [LOSS, *(key for key in own if not key.startswith("loss."))]
    return join(settings_title(run, title_keys(own)), data_title(run))


def data_title(run: RunRecord) -> str:
    """Return `MNIST`; nothing where `run.json` does not say."""
    return shortened(run.data_title or "", _LONGEST_TITLE)


def snapshot_title(snapshot: Snapshot) -> str:
    """Return `λ = 0.01 (λ_eq = 1), α = 0.5, seed 0 · MNIST test`, and the epoch of a run that has not finished."""
    return f"{run_title(snapshot.run)} {snapshot.split}{epoch_title(snapshot)}"


def epoch_title(snapshot: Snapshot) -> str:
    """Return ` · epoch 3` for a run that has not finished, else nothing."""
    return "" if snapshot.epoch is None else f" · epoch {snapshot.epoch}"


def numbers_title(dump: FeatureDump) -> str:
    """Return accuracies and separation, measured on the very features that are drawn."""
    measured = separation(dump)
    nearest = f"nearest {word_of(dump.centers_kind or 'center')}"
    shares = {"softmax": measured.accuracy, nearest: measured.nearest_center_accuracy}
    parts = [f"{name} {percent(share)}" for name, share in shares.items() if share is not None]
    return ", ".join([*parts, ratio_title(measured.separation_ratio)])


def compared_title(dump: FeatureDump, *, by_angle: bool) -> str:
    """Return the figures that all losses have, a line each: the nearest mean by the angle, where a loss looks at it."""
    measured = separation(dump)
    nearest = measured.nearest_mean_accuracy_cosine if by_angle else measured.nearest_mean_accuracy
    shares = {"softmax": measured.accuracy, f"nearest mean{', cos' * by_angle}": nearest}
    return "\n".join(f"{name} {percent(share)}" for name, share in shares.items() if share is not None)


def ratio_title(ratio: float | None) -> str:
    """Return `inter/intra 17.2`, or a dash for what cannot be measured."""
    return "inter/intra –" if ratio is None else f"inter/intra {ratio:.1f}"


def join(*parts: str | None, by: str = " · ") -> str:
    """Join what there is."""
    return by.join(part for part in parts if part)
