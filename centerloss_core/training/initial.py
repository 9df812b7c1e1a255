"""A new run that begins with the weights and centers of another: `cl train --init RUN`. Imports no framework."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from centerloss_core.config import Config, Model
from centerloss_core.config.axes import flatten
from centerloss_core.datasets import Dataset, known_size
from centerloss_core.files.paths import from_the_root
from centerloss_core.files.untrusted import read_text
from centerloss_core.formatting import plain_setting
from centerloss_core.run_directory.checkpoints import (
    CheckpointError,
    DamagedCheckpointError,
    verify_checkpoint,
)
from centerloss_core.run_directory.manifest import mapping, read_manifest
from centerloss_core.run_directory.names import checkpoints
from centerloss_core.training.own_network import OwnNetwork, named

# What the shapes of the network follow from, beside the images and the number of classes.
_OF_SHAPES = tuple(
    f"model.{key}"
    for key in ("name", "channels", "feature_dim", "feature_activation", "batch_norm", "head_bias")
)


@dataclass(frozen=True)
class Initial:
    """The checkpoint that a run begins with, and the `run.json` beside it."""

    run: Path
    checkpoint: Path
    manifest: Mapping[str, Any]

    def record(self) -> dict[str, str]:
        """What the `run.json` of the new run keeps."""
        return {
            "run": str(from_the_root(self.run)),
            "checkpoint": self.checkpoint.name,
            "sha256": _sum_of(self.checkpoint),
        }

    def refuse_another_network(
        self, config: Config, dataset: Dataset | None = None, own: OwnNetwork | None = None
    ) -> None:
        """Raise CheckpointError, naming both, if the network of a config has other shapes than that of the run.

        Before the data set is loaded, what is known of it without reading it is compared. `own` is a network that takes
        the place of the config's.
        """
        theirs = flatten(
            {"model": Model().model_dump(mode="json")}
        )  # for a run older than one of the settings
        theirs |= flatten(mapping(self.manifest.get("config")))
        ours = config.settings()
        pairs = {key: (theirs.get(key), ours[key]) for key in _OF_SHAPES}
        pairs["network"] = (named(mapping(self.manifest.get("network"))), named(own))
        data = mapping(self.manifest.get("data"))
        known = known_size(config.data) if dataset is None else dataset
        if known is not None:
            pairs["images"] = (data.get("image_shape"), list(known.image_shape))
        if dataset is not None:
            pairs["classes"] = (len(data.get("class_names") or ()), dataset.num_classes)
        differ = [
            f"{key}: {plain_setting(theirs)} there, {plain_setting(ours)} here"
            for key, (theirs, ours) in pairs.items()
            if theirs != ours
        ]
        if differ:
            raise CheckpointError(
                f"{self.run} has a network of other shapes than the new run: {'; '.join(differ)}"
            )


def find_initial(path: Path) -> Initial:
    """The newest whole checkpoint of a run, in whatever state the run is.

    Raises:
        RunError: it is not a run.
        CheckpointError: it has no whole checkpoint.
    """
    manifest = read_manifest(path)
    for checkpoint in reversed(checkpoints(path)):
        try:
            verify_checkpoint(checkpoint)
        except DamagedCheckpointError:
            continue
        return Initial(path, checkpoint, manifest)
    raise CheckpointError(f"{path} has no whole checkpoint to begin with")


def recorded_initial(record: Mapping[str, Any]) -> Path:
    """The checkpoint that the `run.json` of a run names as what it begins with.

    Raises:
        CheckpointError: it is not there any more, or is another one.
    """
    checkpoint = Path(str(record.get("run"))) / "checkpoints" / Path(str(record.get("checkpoint"))).name
    try:
        verify_checkpoint(checkpoint)
        same = _sum_of(checkpoint) == record.get("sha256")
    except DamagedCheckpointError as error:
        raise CheckpointError(
            f"the run begins with {checkpoint}, which is lost ({error}): begin a new run"
        ) from error
    if not same:
        raise CheckpointError(f"the run begins with {checkpoint}, which was replaced: begin a new run")
    return checkpoint


def _sum_of(checkpoint: Path) -> str:
    return hashlib.sha256(read_text(checkpoint / "SHA256SUMS").encode()).hexdigest()
