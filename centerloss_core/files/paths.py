"""Paths as they are kept: from the root, and without detours."""

from __future__ import annotations

import os
from pathlib import Path


def from_the_root(path: Path | str) -> Path:
    """The path from the root, `data/../mnist` as `mnist`.

    Links stay as they are named. Where one makes `..` lead elsewhere, so does `..`.
    """
    whole = Path(path).absolute()
    folded = os.path.normpath(whole)
    return (
        Path(folded) if ".." in whole.parts and os.path.realpath(folded) == os.path.realpath(whole) else whole
    )
