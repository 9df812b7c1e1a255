"""A directory that somebody else may have filled: what lies in it is looked at before it is written to or read.

In the place of a folder of ours there may be a link to one of the user's.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from centerloss_core.errors import ExpectedError


class LinkError(ExpectedError):
    """Something else lies in the place of a folder that is written to; the message names it and the mend."""


def own_folder(path: Path) -> Path:
    """`path`, where a folder lies or nothing does yet: what is written, renamed and removed below it stays there.

    Raises:
        LinkError: it is a link, to whatever, or no folder.
        OSError: that cannot be told.
    """
    try:
        mode = os.lstat(path).st_mode
    except FileNotFoundError:
        return path
    if stat.S_ISLNK(mode):
        raise LinkError(
            f"{path} is a link, and nothing is written through one: "
            "remove it, or put a copy of the folder that it leads to in its place"
        )
    if not stat.S_ISDIR(mode):
        raise LinkError(f"{path} is in the way of a folder of that name: remove it, or move it away")
    return path
