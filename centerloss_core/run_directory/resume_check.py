"""What is resumed must be what was begun."""

from __future__ import annotations

import difflib

from centerloss_core.errors import ExpectedError


class ChangedError(ExpectedError):
    """What is to be resumed is not what was begun; the message shows the difference."""

    exit_code = 2


def refuse_changes(begun: str, now: str, complaint: str) -> None:
    """Compare two texts line by line; how lines end makes no difference.

    Raises:
        ChangedError: the complaint and the difference.
    """
    before, after = begun.splitlines(), now.splitlines()
    if before == after:
        return
    names = "as it was begun", "as it is asked for now"
    lines = difflib.unified_diff(before, after, *names, lineterm="", n=1)
    raise ChangedError("\n".join([f"{complaint}:", *(f"  {line}" for line in lines)]))
