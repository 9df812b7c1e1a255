"""The section `model`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from centerloss_core.config.base import Fraction, Says, Section


class Model(Section):
    """LeNets++ and what is left open in it."""

    channels: Annotated[
        tuple[Annotated[int, Field(ge=1, le=4096)], ...],
        Field(min_length=3, max_length=3, strict=False),
        Says("a list of three integers from 1 to 4096, such as [32, 64, 128]"),
    ] = Field(
        default=(32, 64, 128), description="filters of the convolutions before each of the three poolings"
    )
    feature_dim: int = Field(
        default=2, ge=1, le=4096, description="units of the feature layer; 2 can be plotted as it is"
    )
    batch_norm: bool = Field(default=True, description="batch normalisation after every convolution")
    prelu_start: Fraction = Field(default=0.25, description="slope of PReLU at the start, one per channel")
    initializer: Literal["he_normal", "xavier", "truncated_normal"] = Field(
        default="he_normal", description="weights at the start; truncated_normal has std 0.1"
    )
    head_bias: bool = Field(
        default=True, description="bias in the softmax head; without it the classes lie in a circle"
    )
    head_start: Literal["random", "circle"] = Field(
        default="random",
        description="weights of the softmax head; circle: classes at equal angles, those that look alike side by side "
        "(in the plane; with another feature_dim it is the same as random)",
    )
    input_scaling: Literal["unit", "symmetric"] = Field(
        default="unit", description="unit: pixel / 255; symmetric: (pixel - 127.5) / 128"
    )
