"""Which classes of a data set are known, and where images of unknown ones come from: `data.known`, `data.unknown`."""

from __future__ import annotations

from typing import Annotated, Literal, Self, get_args

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, model_validator

from centerloss_core.config.base import BY_KIND, Folder, Named, Says, kept_path, rule
from centerloss_core.config.problems import shown

REST = "rest"  # the other classes of the same data set

EmnistSplit = Literal["letters", "balanced", "digits", "mnist", "byclass", "bymerge"]
SetName = Literal[
    "mnist", "mnist5k", "digits8", "fashion_mnist", "kmnist", "emnist", "cifar10", "cifar100"
]  # fmt: skip
SET_NAMES: tuple[str, ...] = get_args(SetName)


def _differ(classes: tuple[int | str, ...]) -> tuple[int | str, ...]:
    named = [str(each) for each in classes]
    if twice := [each for each in named if named.count(each) > 1]:
        raise rule(f"the class {shown(twice[0])} is there twice; each class has one number")
    if len(classes) == 1:
        raise rule(f"one class, {shown(classes[0])}; to learn what tells classes apart takes two")
    return classes


ClassLabel = Annotated[
    Annotated[int, Field(ge=0), Tag("<number>")] | Annotated[str, Field(min_length=1), Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<number>"),
    Says("the number or the name of a class"),
]
KnownClasses = Annotated[
    tuple[ClassLabel, ...],
    Field(min_length=1, strict=False),
    AfterValidator(_differ),
    Says("a list of classes, by number or name, such as [2, 4, 5, 9, 8, 3]"),
]


class OtherSet(Named):
    """Another known data set, whose test images are unknown."""

    name: SetName
    dir: Folder | None = None  # the folder with its files
    split: EmnistSplit | None = None  # of emnist, which has several

    @model_validator(mode="after")
    def _emnist_has_a_split(self) -> Self:
        if self.name == "emnist" and self.split is None:
            raise rule("emnist has several splits: write {name: emnist, split: letters}", "split", "name")
        if self.name != "emnist" and self.split is not None:
            raise rule(f"only for emnist; {self.name} has no splits of its own", "split")
        return self


Unknown = Annotated[
    Annotated[OtherSet, Tag("<mapping>")]
    | Annotated[
        str,
        Field(pattern=r"^[^\x00]+$"),
        # From the root, so that a run can be repeated from another folder.
        AfterValidator(lambda value: value if value == REST else kept_path(value)),
        Says("the word rest, the name of a data set, a folder of images"),
        Tag("<other>"),
    ],
    BY_KIND,
    BeforeValidator(lambda value: {"name": value} if value in SET_NAMES else value),
]
