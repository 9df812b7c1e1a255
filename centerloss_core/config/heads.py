"""The heads: what `loss.head` may be."""

from __future__ import annotations

from typing import Annotated, Literal

from centerloss_core.config.base import OR_ITS_NAME
from centerloss_core.config.part import Part


class Softmax(Part):
    """Softmax cross-entropy of a linear layer."""

    module = "softmax"
    name: Literal["softmax"] = "softmax"


Head = Annotated[Softmax, OR_ITS_NAME]  # with a second one: a union as `Term` in `config/loss.py`
