"""How a figure is written, on a terminal and on a page. Importing this loads nothing that takes time.

Files can be edited by hand: a value that is missing or is not a number becomes a dash.
"""

from __future__ import annotations

import math

_LARGEST, _SMALLEST = 1e39, 1e-46  # just beyond float32
_LONG = 1e9  # a damaged row may hold 1e300, which nobody reads digit by digit
_LARGEST_SEED = 2**64  # longer integers are not settings of a run, and would fill a line


def finite(value: object) -> float | None:
    """The number that was read from a file; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return value if math.isfinite(value) else None  # 1 stays 1, not 1.0
    except OverflowError:  # integers in JSON have any length
        return None


def on_axis(value: object) -> float:
    """The number as a place on an axis; NaN, a gap, for anything else.

    Runs compute in float32, so larger values are not theirs, and axes that reach to 1e308 overflow.
    """
    place = finite(value)
    if place is None or abs(place) > _LARGEST:
        return math.nan
    return 0.0 if abs(place) < _SMALLEST else float(place)


def percent(fraction: object, margin: float | None = None) -> str:
    """`99.05 %`, with its uncertainty `99.05 ± 0.10 %`, or a dash where it is not known, or no share at all."""
    share = finite(fraction)
    if share is None or not 0 <= share <= 1:
        return "–"
    return f"{100 * share:.2f}{'' if margin is None else f' ± {100 * margin:.2f}'} %"


def number(value: object, digits: str = ".3g") -> str:
    """A figure with so many digits, or a dash. Zeros at the end count: 0.600 beside 0.599."""
    figure = finite(value)
    if figure is None:
        return "–"
    if digits.endswith("f") and abs(figure) >= _LONG:
        digits = ".3g"
    if digits.startswith(".") and digits.endswith("g"):
        return format(figure, f"#{digits}").removesuffix(".") if figure else "0"
    return format(figure, digits)


def figure_in_words(name: str, value: object) -> str:
    """A figure of a step with its name: `softmax loss 2.2988`, `accuracy 10.33 %`."""
    if name.endswith("accuracy"):
        written = percent(value)
    elif name == "softmax_loss":
        written = number(value, ".4f")
    else:
        figure = finite(value)
        written = "–" if figure is None else f"{figure:.4g}"
    return f"{name.replace('_', ' ')} {written}"


def exact(value: object) -> str:
    """A λ, α or seed in full, so that two different ones never look alike; a dash where it is not known."""
    figure = finite(value)
    if figure is None:
        return "–"
    if isinstance(figure, int) and abs(figure) <= _LARGEST_SEED:
        return str(figure)
    short = f"{figure:g}"
    return short if float(short) == figure else repr(float(figure)).removesuffix(".0")


def plain_setting(value: object) -> str:
    """A setting as a person writes it in YAML, on one line."""
    if value is None:
        return "null"
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain_setting(each)}" for key, each in value.items())
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(plain_setting, value))}]"
    if isinstance(value, bool):
        return str(value).lower()
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)


def duration(seconds: object) -> str:
    """`4 min 05 s`, or a dash."""
    length = finite(seconds)
    if length is None:
        return "–"
    whole = round(length)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"
