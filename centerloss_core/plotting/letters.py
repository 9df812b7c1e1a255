"""Letters of class names that matplotlib's own font lacks: another draws them, or one sentence says that none does."""

import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from matplotlib import font_manager

# What Debian, Fedora, macOS and Windows bring along; DejaVu Sans has Latin, Greek, Cyrillic, Arabic and Hebrew.
_OTHERS = (
    "Noto Sans CJK JP",
    "Noto Sans CJK SC",
    "Noto Sans JP",
    "WenQuanYi Zen Hei",
    "IPAGothic",
    "Hiragino Sans",
    "PingFang SC",
    "Apple SD Gothic Neo",
    "Yu Gothic",
    "Microsoft YaHei",
    "Malgun Gothic",
    "Noto Sans Devanagari",
    "Noto Sans Bengali",
    "Noto Sans Thai",
    "Nirmala UI",
    "Arial Unicode MS",
)
_LACKING = re.compile(
    r"Glyph (\d+) .* missing from"
)  # of matplotlib, for each letter and each place in its code
_SHOWN = 10


def fonts() -> list[str]:
    """The families to draw with: that of matplotlib, then, for letters that it lacks, others that are installed."""
    there = set(font_manager.fontManager.get_font_names())
    return ["DejaVu Sans", *(name for name in _OTHERS if name in there)]


@contextmanager
def lacking_letters_told(note: Callable[[str], None]) -> Iterator[None]:
    """In place of matplotlib's warnings of letters that no font has, one sentence, at the end."""
    lacking: dict[str, None] = {}

    def show(message: Warning | str, *details: Any, **more: Any) -> None:
        if found := _LACKING.match(str(message)):
            lacking[chr(int(found[1]))] = None
        else:
            others(message, *details, **more)

    with warnings.catch_warnings():
        others, warnings.showwarning = warnings.showwarning, show
        warnings.filterwarnings("always", _LACKING.pattern)
        yield
    if lacking:
        letters = "".join(lacking)
        shown = letters if len(letters) <= _SHOWN else f"{letters[:_SHOWN]}…"
        note(
            f"no font for {shown}: boxes are in their place; install one that has them, such as Noto Sans CJK"
        )
