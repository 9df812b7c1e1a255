"""Escaping: the one place where text from a directory becomes part of a page."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Any

from centerloss_core.formatting import finite


def escape(value: object) -> str:
    """Text of a page, or the value of a quoted attribute."""
    return html.escape(str(value))


def json_in_script(content: Any) -> str:
    """JSON that no text in it can end early: inside <script>, only `<` could begin `</script` or `<!--`."""
    text = json.dumps(content, allow_nan=False, separators=(",", ":"), ensure_ascii=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def mapping(value: object) -> dict[str, Any]:
    """The object that was read from JSON; an empty one for anything else."""
    return value if isinstance(value, dict) else {}


def table(head: Iterable[str], rows: Iterable[Iterable[str]], *, caption: str) -> str:
    """A table whose first column names the rows. All cells are markup already."""
    columns = "".join(f'<th scope="col">{cell}</th>' for cell in head)
    body = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td>{cell}</td>" for cell in rest)
        body.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return (
        f'<div class="wide" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f"<table><caption>{escape(caption)}</caption>"
        f"<thead><tr>{columns}</tr></thead><tbody>{''.join(body)}</tbody></table></div>"
    )


def sortable(head: Iterable[str], rows: Iterable[str], *, name: str, caption: str, kind: str = "") -> str:
    """A table that `report.js` sorts by the column whose head is pressed. Rows are made of `row_name` and `cell`.

    Columns named like `cosine: AUC` stand below one head `cosine`.
    """
    arrow = '<span class="arrow" aria-hidden="true"></span>'
    groups = [
        (group, list(titles)) for group, titles in groupby(head, lambda title: title.rpartition(": ")[0])
    ]
    upper, lower = "", ""
    rows_of_head = 2 if any(group for group, _ in groups) else 1
    for group, titles in groups:
        buttons = [
            f'<button type="button" aria-label="{escape(title)}">{_unbroken(title.rpartition(": ")[2])}{arrow}</button>'
            for title in titles
        ]
        if group:
            upper += f'<th scope="colgroup" class="group" colspan="{len(titles)}">{escape(group)}</th>'
            lower += "".join(f'<th scope="col">{button}</th>' for button in buttons)
        else:
            upper += "".join(f'<th scope="col" rowspan="{rows_of_head}">{button}</th>' for button in buttons)
    second = f'<tr class="below">{lower}</tr>' if lower else ""
    return (
        f'<div class="wide {kind}" tabindex="0" role="region" aria-label="{escape(caption)}">'
        f'<table class="sortable" id="{name}"><caption>{escape(caption)}</caption>'
        f"<thead><tr>{upper}</tr>{second}</thead><tbody>{''.join(rows)}</tbody></table></div>"
    )


def _unbroken(title: str) -> str:
    """A title that is not broken at the hyphen of `1e-2`."""
    return escape(title.replace("-", "\N{NON-BREAKING HYPHEN}"))


def row_name(text: str) -> str:
    """The first cell of a row of a sortable table."""
    return f'<th scope="row" data-value="{escape(text)}">{escape(text)}</th>'


def spread_cell(mean: float, written: str, ends: str, mark: str) -> str:
    """A mean of a sortable table and its range; `mark` is "best", "tied" with the best, or empty."""
    sign, words = {"best": ("★", "best"), "tied": ("≈", "not to be told apart from the best")}.get(
        mark, ("", "")
    )
    marked = f'<span aria-hidden="true"> {sign}</span><span class="unseen"> ({words})</span>' if mark else ""
    range_ = f'<span class="ends">{escape(ends)}</span>'
    return f'<td class="{mark}" data-value="{mean!r}">{escape(written)}{marked}{range_}</td>'


def cell(value: object, write: Callable[[object], str], *, best: bool = False) -> str:
    """A figure of a sortable table, with a star if it is the best of its column."""
    figure = finite(value)
    data = "" if figure is None else repr(figure)
    if best:
        return (
            f'<td class="best" data-value="{data}">{escape(write(value))}'
            '<span aria-hidden="true"> ★</span><span class="unseen"> (best)</span></td>'
        )
    return f'<td data-value="{data}">{escape(write(value))}</td>'
