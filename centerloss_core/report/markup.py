"""Escaping, and how a figure is written: the one place where text from a directory becomes part of a page."""

from __future__ import annotations

import html
import json
import math
from collections.abc import Iterable
from typing import Any


def escape(value: object) -> str:
    """Text of a page, or the value of a quoted attribute."""
    return html.escape(str(value))


def json_in_script(content: Any) -> str:
    """JSON that no text in it can end early: inside <script>, only `<` could begin `</script` or `<!--`."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def finite(value: object) -> float | None:
    """The number that was read from a file; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:  # JSON's integers have no end
        return None
    return number if math.isfinite(number) else None


def percent(value: object) -> str:
    number = finite(value)
    return "–" if number is None else f"{100 * number:.2f} %"


def short(value: object, digits: str = ".3g") -> str:
    number = finite(value)
    return "–" if number is None else format(number, digits)


def duration(value: object) -> str:
    number = finite(value)
    if number is None:
        return "–"
    whole = round(number)
    return f"{whole} s" if whole < 60 else f"{whole // 60} min {whole % 60:02d} s"


def mapping(value: object) -> dict[str, Any]:
    """The object that was read from JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, caption: str, kind: str = "") -> str:
    """A table whose first column names the rows. All cells are markup already."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        body.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="{kind}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )
