"""The losses, L = L_head(logits, labels) + λ·L_term(features, labels). One file for each head and each term.

`base` says what they are. A head or term is chosen by name in the config; its config model names its file here, and
that file has a function `build`. Importing this package loads no framework.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerloss_core.config import Config
    from centerloss_core.losses.base import Head, Term


def build_head(config: Config, num_classes: int, kernel_initializer: Any) -> Head:
    """A new head.

    Args:
        config: of the run.
        num_classes: number of classes k.
        kernel_initializer: a Keras initializer for weights (d, k).
    """
    head: Head = _module(config.loss.head.module).build(config, num_classes, kernel_initializer)
    return head


def build_term(config: Config, num_classes: int) -> Term | None:
    """A new term, or None where the loss is that of the head alone."""
    if config.loss.term.module is None:
        return None
    term: Term = _module(config.loss.term.module).build(config, num_classes)
    return term


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")
