"""What is wrong with a config, in words that name the place."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass

from centerloss_core.errors import ExpectedError
from centerloss_core.limits import QUOTED_KEY, QUOTED_VALUE


@dataclass(frozen=True)
class Problem:
    """One thing to correct.

    Attributes:
        file: as the user named it, or the flag the value came from: `--set train.epochs=x`.
        line: counted from 1; None for a flag, and for the file as a whole.
        key: dotted; "" for none.
    """

    file: str
    line: int | None
    key: str
    message: str

    def __str__(self) -> str:
        place = printable(self.file) if self.line is None else f"{printable(self.file)}:{self.line}"
        return ": ".join(part for part in (place, shortened(self.key, QUOTED_KEY), self.message) if part)


class ConfigError(ExpectedError):
    """Everything that is wrong with a config: `problems` by line, one line each in `str()`."""

    exit_code = 2

    def __init__(self, problems: Iterable[Problem]) -> None:
        # The file from top to bottom, then the flags.
        self.problems = tuple(
            sorted(dict.fromkeys(problems), key=lambda each: (each.line is None, each.line or 0))
        )
        super().__init__(self.problems)

    def __str__(self) -> str:
        return "\n".join(str(problem) for problem in self.problems)


def printable(text: str) -> str:
    """The text with everything that could move a terminal's cursor escaped."""
    return text if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def shortened(text: str, longest: int = QUOTED_VALUE) -> str:
    """The text made printable and at most `longest` characters long."""
    cut = printable(text[: longest + 1])
    return cut if len(cut) <= longest else f"{cut[: longest - 1]}…"


def shown(value: object) -> str:
    """A received value as its author would have written it in YAML."""
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return shortened(repr(value[: QUOTED_VALUE + 1]))
        case dict():
            return "a mapping" if value else "an empty mapping"
        case list() | tuple():
            return "a list" if value else "an empty list"
        case _:
            return shortened(repr(value))


def nearest(word: str, words: Iterable[str]) -> str | None:
    """What was probably meant: `batchsize` is near `batch_size`, and so is `Batch-Size`."""
    near = difflib.get_close_matches(word[:64].lower().replace("-", "_"), words, n=1)
    return near[0] if near else None
