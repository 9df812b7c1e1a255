"""The parts that all sections of a config share: strict mappings, rules between values, bounded numbers.

The models are frozen and strict: no key is ignored, no text becomes a number, no number becomes a boolean.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetJsonSchemaHandler,
    SerializerFunctionWrapHandler,
    model_serializer,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError

from centerloss_core.files.paths import from_the_root
from centerloss_core.limits import LARGEST_COUNT, LARGEST_FLOAT

# The type of the errors that `rule` makes, to tell them from pydantic's own.
RULE = "config_rule"


@dataclass(frozen=True)
class Says:
    """What an error message calls a type whose constraints do not speak for themselves."""

    text: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "says": self.text}


def rule(message: str, *keys: str) -> PydanticCustomError:
    """A broken rule between values; `keys` (dotted) are those it concerns, in the model that raises it."""
    return PydanticCustomError(RULE, "{message}", {"message": message, "keys": keys})


class Section(BaseModel):
    """A mapping of the YAML file."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Named(Section):
    """One of several things with settings of their own: `softmax`, or `{name: softmax, …}`; both are the same.

    A subclass has `name: Literal["softmax"]`, whose one value chooses it in a union such as
    `Annotated[Center | Triplet, Field(discriminator="name"), OR_ITS_NAME]`.
    """

    @model_serializer(mode="wrap")
    def _as_a_name(self, write: SerializerFunctionWrapHandler) -> Any:
        written = write(self)
        return written["name"] if written.keys() == {"name"} else written


OR_ITS_NAME = BeforeValidator(lambda value: {"name": value} if isinstance(value, str) else value)

# Of a union of a mapping, with the tag `<mapping>`, and something else, with the tag `<other>`.
BY_KIND = Discriminator(lambda value: "<mapping>" if isinstance(value, dict | BaseModel) else "<other>")


def at_most(limit: float, reason: str) -> AfterValidator:
    """A bound that nobody meets by accident, so that it is said only where it is broken."""

    def check(value: float) -> float:
        if value > limit:
            raise rule(f"at most {limit:g}: {reason}; received {value!r}")
        return value

    return AfterValidator(check)


def kept_path(path: str) -> str:
    """The path of a folder or file from the root, so that a run can be repeated from another folder."""
    return str(from_the_root(os.path.expanduser(path)))


_in_float32 = at_most(LARGEST_FLOAT, "losses and weights are float32, which ends soon after")

Count = Annotated[int, Field(ge=1), at_most(LARGEST_COUNT, "no run is that long")]
Positive = Annotated[float, Field(gt=0), _in_float32]
NotNegative = Annotated[float, Field(ge=0), _in_float32]
Fraction = Annotated[float, Field(ge=0, le=1)]
Seed = Annotated[int, Field(ge=0, le=2**32 - 1)]
Folder = Annotated[
    str, Field(pattern=r"^[^\x00]+$"), AfterValidator(kept_path), Says("the path of a folder or file")
]
Device = Annotated[
    str, Field(pattern=r"^(auto|cpu|gpu|gpu:(0|[1-9][0-9]{0,3}))$"), Says("auto, cpu, gpu or gpu:N")
]
