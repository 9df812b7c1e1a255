"""The losses, L = L_head(logits, labels) + λ·L_term(features, labels). One file for each head and each term.

`base` says what they are. A head or term is chosen by name in the config; its config model names its file here, and
that file has a function `build`. Importing this package loads no framework; each class of `_HOMES` is imported when it
is first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from centerloss_core.config import Config
    from centerloss_core.losses.anchors import AnchorHead
    from centerloss_core.losses.base import Head, Term
    from centerloss_core.losses.center_loss import CenterLoss
    from centerloss_core.losses.contrastive import ContrastiveLoss
    from centerloss_core.losses.contrastive_center import ContrastiveCenterLoss
    from centerloss_core.losses.gaussian_mixture import GaussianMixtureHead
    from centerloss_core.losses.git_loss import GitLoss
    from centerloss_core.losses.island import IslandLoss
    from centerloss_core.losses.margins import ArcFace, CosFace, NormFace
    from centerloss_core.losses.multiplicative_margins import LSoftmax, SphereFace
    from centerloss_core.losses.prototypes import PrototypeHead
    from centerloss_core.losses.ring import RingLoss
    from centerloss_core.losses.softmax import SoftmaxHead
    from centerloss_core.losses.supcon import SupConLoss
    from centerloss_core.losses.triplet import TripletLoss

# Every head and term, and its file.
_HOMES = {
    "AnchorHead": "anchors",
    "ArcFace": "margins",
    "CenterLoss": "center_loss",
    "ContrastiveCenterLoss": "contrastive_center",
    "ContrastiveLoss": "contrastive",
    "CosFace": "margins",
    "GaussianMixtureHead": "gaussian_mixture",
    "GitLoss": "git_loss",
    "IslandLoss": "island",
    "LSoftmax": "multiplicative_margins",
    "NormFace": "margins",
    "PrototypeHead": "prototypes",
    "RingLoss": "ring",
    "SoftmaxHead": "softmax",
    "SphereFace": "multiplicative_margins",
    "SupConLoss": "supcon",
    "TripletLoss": "triplet",
}

__all__ = [
    "AnchorHead",
    "ArcFace",
    "CenterLoss",
    "ContrastiveCenterLoss",
    "ContrastiveLoss",
    "CosFace",
    "GaussianMixtureHead",
    "GitLoss",
    "IslandLoss",
    "LSoftmax",
    "NormFace",
    "PrototypeHead",
    "RingLoss",
    "SoftmaxHead",
    "SphereFace",
    "SupConLoss",
    "TripletLoss",
    "build_head",
    "build_term",
]


def build_head(config: Config, num_classes: int, kernel_initializer: Any) -> Head | None:
    """A new head, whose logits outside a training step are by the numbers of the run, such as its scale.

    None where the loss is that of the term alone.

    Args:
        config: of the run.
        num_classes: number of classes k.
        kernel_initializer: a Keras initializer for weights (d, k).
    """
    if config.loss.head.module is None:
        return None
    head: Head = _module(config.loss.head.module).build(config, num_classes, kernel_initializer)
    head.keep(config.loss.head.scalars(config.loss))
    return head


def build_term(config: Config, num_classes: int) -> Term | None:
    """A new term, or None where the loss is that of the head alone."""
    if config.loss.term.module is None:
        return None
    term: Term = _module(config.loss.term.module).build(config, num_classes)
    return term


def _module(name: str) -> Any:
    return importlib.import_module(f"{__name__}.{name}")


if not TYPE_CHECKING:  # a type checker would take every name for one that is there

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        return getattr(_module(_HOMES[name]), name)
