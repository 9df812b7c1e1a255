"""The section `model`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal, NamedTuple, Self

from pydantic import Field, model_validator

from centerloss_core.config.base import Fraction, Says, Section, rule


class Network(NamedTuple):
    """What the config knows of a network. Its layers are in the file of its name in `centerloss_core/networks/`.

    Attributes:
        channels: of its stages, where the config gives no others.
        smallest_side: pixels that an image must have in height and width, so that one is left at the end.
        batch_norm: whether it has batch norm, where the config does not say.
    """

    channels: tuple[int, ...]
    smallest_side: int
    batch_norm: bool = True


NETWORKS = {
    "lenets_plus_plus": Network((32, 64, 128), smallest_side=8),
    "resnet18": Network((64, 128, 256, 512), smallest_side=8),
    "face_resnet": Network((32, 64, 128, 256, 512), smallest_side=48, batch_norm=False),
}

if TYPE_CHECKING:
    _Name = str
else:
    _Name = Literal[tuple(NETWORKS)]

Width = Annotated[int, Field(ge=1, le=4096)]


class Model(Section):
    """The network, and what is left open in it."""

    # From images to what the feature layer gets; docs/networks.md.
    name: _Name = "lenets_plus_plus"
    # Filters of the convolutions of each stage; the default is the network's own.
    channels: Annotated[
        tuple[Width, ...],
        Field(strict=False),
        Says("a list of integers from 1 to 4096, one for each stage, such as [32, 64, 128]"),
    ] = NETWORKS["lenets_plus_plus"].channels
    feature_dim: Width = 2  # units of the feature layer; 2 can be plotted as it is
    feature_activation: Literal["prelu", "relu", "none"] = "prelu"  # of the feature layer
    batch_norm: bool = True  # batch normalisation after every convolution; face_resnet: false unless given
    prelu_start: Fraction = 0.25  # slope of PReLU at the start, one per channel
    # Weights at the start; truncated_normal has std 0.1.
    initializer: Literal["he_normal", "xavier", "truncated_normal"] = "he_normal"
    head_bias: bool = True  # bias in the softmax head; without it the classes lie in a circle
    # Weights of the softmax head; circle: classes at equal angles, those that look alike side by side
    # (in the plane; with another feature_dim it is the same as random); hundreds of classes by their labels.
    head_start: Literal["random", "circle"] = "random"
    # Unit: pixel / 255; symmetric: (pixel - 127.5) / 128.
    input_scaling: Literal["unit", "symmetric"] = "unit"

    @model_validator(mode="before")
    @classmethod
    def _has_defaults_of_its_network(cls, values: Any) -> Any:
        name = values.get("name") if isinstance(values, dict) else None
        network = NETWORKS.get(name) if isinstance(name, str) else None
        return (
            values
            if network is None
            else {"channels": network.channels, "batch_norm": network.batch_norm, **values}
        )

    @model_validator(mode="after")
    def _has_channels_for_each_stage(self) -> Self:
        stages = len(NETWORKS[self.name].channels)
        if len(self.channels) != stages:
            raise rule(
                f"{self.name} has {stages} stages, so channels is a list of {stages} integers, such as "
                f"{list(NETWORKS[self.name].channels)}; received {len(self.channels)}",
                "channels",
                "name",
            )
        return self
