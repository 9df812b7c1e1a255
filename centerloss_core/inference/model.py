"""The network of a run as one of its checkpoints has it, with the points of the classes. No training step is made."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from centerloss_core import devices
from centerloss_core.config import Config, Train
from centerloss_core.datasets.stored import Images
from centerloss_core.errors import PUT_BACK, ExpectedError
from centerloss_core.metrics.scores import means_of
from centerloss_core.networks import BuildNetwork
from centerloss_core.run_directory.advice import how_to_complete
from centerloss_core.run_directory.checkpoints import DamagedCheckpointError, read_position, verify_checkpoint
from centerloss_core.run_directory.manifest import items, mapping
from centerloss_core.run_directory.names import MANIFEST, checkpoints, features_path, last_saved_step
from centerloss_core.run_directory.reader import RunRecord
from centerloss_core.training.own_network import refuse_another_network

if TYPE_CHECKING:
    import keras

    from centerloss_core.losses.base import ClassPoints
    from centerloss_core.training.evaluation import Outputs

LAST, BEST = "last", "best"
CLASS_MEAN = "class_mean"  # what the points are where the loss has none of its own


class InferenceError(ExpectedError):
    """A run that cannot be used for what is asked; the message names it and the mend."""


@dataclass(frozen=True, eq=False)
class TrainedModel:
    """A network with its weights.

    Attributes:
        run: where it comes from.
        network: a Keras model from uint8 images (m, h, w, c) to features (m, d), or to (features, logits (m, k)).
        step: how many steps it was trained.
        points: (k, d) float32, a point for each class: those of the loss, or else the means of the training features of
            the run. None where these are of another step, or not of every class.
        points_kind: "center", "prototype", … or "class_mean"; None without points.
        image_shape: height, width and channels.
    """

    run: RunRecord
    network: keras.Model
    step: int
    points: NDArray[np.float32] | None
    points_kind: str | None
    image_shape: tuple[int, int, int]

    @property
    def class_names(self) -> tuple[str, ...]:
        """By label."""
        return self.run.class_names

    @property
    def is_angular(self) -> bool:
        """Whether its loss looks at directions."""
        return self.run.is_angular

    @property
    def is_final(self) -> bool:
        """Whether the final dumps of the run, and what was measured on them, are of this very network."""
        return is_final(self.run, self.step)

    def apply(self, images: Images) -> Outputs:
        """The features (n, d) float32 and logits (n, k) float32, None without a head, of uint8 images (n, h, w, c).

        Of the test images of the run these are, bit for bit, the features of its dump, on the machine that it was
        trained on and with as many threads.
        """
        from centerloss_core.training.evaluation import batches_of

        made = list(self.outputs(batches_of(images)))
        features = np.concatenate([each for each, _ in made])
        return features, None if made[0][1] is None else np.concatenate(
            [each for _, each in made if each is not None]
        )

    def outputs(self, batches: Iterable[NDArray[np.uint8]]) -> Iterator[Outputs]:
        """The same batch by batch; see `training.evaluation.outputs_of`."""
        from centerloss_core.training.evaluation import outputs_of

        return outputs_of(self.network, batches)


def open_model(run: RunRecord, checkpoint: str = LAST, network: BuildNetwork | None = None) -> TrainedModel:
    """Build the network of a run and give it the weights of a checkpoint. Imports Keras and its backend.

    It computes where the run did, on the CPU or on a GPU if there is one, and in the precision of the run.

    Args:
        run: in whatever state.
        checkpoint: "last", "best" (of `train.keep_best`), or the number of its step.
        network: the function that the run was trained with, if it was trained with one.

    Raises:
        InferenceError: the run has no such checkpoint.
        ChangedError: it was trained with another network.
        ConfigError, CheckpointError: a file of the run is missing or damaged.
        DeviceError: Keras' backend cannot be used.
    """
    own = mapping(run.manifest.get("network")).get("name")
    if own is not None and network is None:
        raise InferenceError(
            f"{run.path} was trained with a network of its own, the function {own} of a Python program: use it there, "
            f"centerloss_core.read_run({str(run.path)!r}).embed(images, network={own})"
        )
    refuse_another_network(run.path, run.manifest, network)
    config, shape = run.config(), run.image_shape
    if shape is None or not run.class_names:
        raise InferenceError(f"{run.path / MANIFEST}: has no image shape and class names; {PUT_BACK}")
    path = checkpoint_of(run, checkpoint)
    try:
        verify_checkpoint(path)
    except DamagedCheckpointError as error:
        others = [each.name for each in checkpoints(run.path) if each != path]
        error.add_note(f"other checkpoints of the run: {', '.join(others) or 'none'}")
        raise
    step = read_position(path).step
    with tempfile.TemporaryFile() as chatter, devices.chatter_to(chatter):
        device = devices.find_device(_train_section(run, config))
        with devices.keras_settings_kept():
            devices.use(device, config.train)
            made, points = _built(config, shape, len(run.class_names), network, path)
    if points is not None:
        return TrainedModel(run, made, step, np.array(points.values, np.float32), points.kind, shape)
    means = _means_of_the_dump(run, step)
    return TrainedModel(run, made, step, means, None if means is None else CLASS_MEAN, shape)


def is_final(run: RunRecord, step: int) -> bool:
    """Whether the final dumps of a run are of this step."""
    return run.status == "completed" and step == last_saved_step(run.path)


def checkpoint_of(run: RunRecord, wanted: str = LAST) -> Path:
    """The folder of the checkpoint "last", "best" or of a step; InferenceError if there is none.

    "last" is the newest also where that is damaged: an older one would be another network.
    """
    found = {int(path.name.removeprefix("step-")): path for path in checkpoints(run.path)}
    if not found and run.status == "completed":
        raise InferenceError(
            f"{run.path} has lost its checkpoints: put them back from a copy, or train the run again"
        )
    if not found:
        raise InferenceError(f"{run.path} has no checkpoint yet; it {how_to_complete(run)}")
    if wanted == LAST:
        return found[max(found)]
    step: object = wanted
    if wanted == BEST:
        step = mapping(run.manifest.get("best")).get("step")
        if step is None:
            raise InferenceError(
                f"{run.path} has no best checkpoint, because it kept none (train.keep_best with data.validation): "
                "use the last"
            )
    number = int(str(step)) if str(step).isascii() and str(step).isdecimal() else None
    if number not in found:
        names = "last, best" if mapping(run.manifest.get("best")) else "last"
        there = ", ".join(map(str, sorted(found)))
        raise InferenceError(
            f"{run.path} has no checkpoint {wanted!r}: there are {names} and of steps {there}"
        )
    return found[number]


def _train_section(run: RunRecord, config: Config) -> Train:
    """The section `train` with the precision that the run had, on a device of the kind that is there now."""
    latest = mapping([run.manifest, *items(run.manifest.get("resumed"))][-1])
    precision = latest.get("precision")
    changes: dict[str, object] = {"device": "cpu" if config.train.device == "cpu" else "auto"}
    if precision in ("float32", "bfloat16"):
        changes["precision"] = precision
    return config.train.model_copy(update=changes)


def _built(
    config: Config, shape: tuple[int, int, int], classes: int, network: BuildNetwork | None, checkpoint: Path
) -> tuple[keras.Model, ClassPoints | None]:
    from keras import ops

    from centerloss_core.losses import build_head, build_term
    from centerloss_core.networks import build_body
    from centerloss_core.training.state import load_weights
    from centerloss_core.training.step import joined, points_of

    body = build_body(config.model, shape, network)
    head, term = build_head(config, classes, "zeros"), build_term(config, classes)
    made = joined(body, head)
    if term is not None and not term.built:
        term.build(body.outputs[0].shape)
    load_weights(checkpoint, made, head, term)
    points = points_of(head, term)
    return made, None if points is None else points._replace(values=ops.convert_to_numpy(points.values))


def _means_of_the_dump(run: RunRecord, step: int) -> NDArray[np.float32] | None:
    """The class means (k, d) of the final features of training images, if they are of this step and every class."""
    if not (is_final(run, step) and features_path(run.path, "train-final").is_file()):
        return None
    means = means_of(run.dump("train-final"))
    return means if len(means) == len(run.class_names) else None
