"""The run as TensorBoard shows it: figures, a scatter plot per epoch, the features with their images.

tensorboard/    events.out.tfevents.…       one for each time that the run was started or resumed
                projector_config.pbtxt      and the files that it names: features, labels, a sprite of the images

It is written with the package `tensorboard` alone, so that it is the same under either backend, and only if
`train.tensorboard` asks for it; otherwise nothing here is imported but this file.
"""

from __future__ import annotations

import importlib.util
import io
import math
import os
import socket
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from centerloss_core.errors import ExpectedError
from centerloss_core.run_directory.history import last_row
from centerloss_core.run_directory.names import TENSORBOARD
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.observers import Observer, Row

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from centerloss_core.config import Config
    from centerloss_core.datasets import Dataset
    from centerloss_core.run_directory.feature_dumps import FeatureDump

_EVENTS = "events.out.tfevents"
_PROJECTOR_DIMENSIONS = 3
_NO_FIGURES = ("kind", "step", "epoch")


class TensorBoardError(ExpectedError):
    """TensorBoard is asked for and not installed."""


def require_tensorboard() -> None:
    """Raise TensorBoardError unless the extra `tensorboard` is installed: TensorFlow no longer brings it along."""
    if importlib.util.find_spec("tensorboard") is None:
        raise TensorBoardError(
            "train.tensorboard: true needs the extra `tensorboard`: pip install 'centerloss[tensorboard]' "
            "(in a checkout: pip install -e '.[tensorboard]')"
        )


class Board(Observer):
    """Writes one session of a run, from a start or a resume to its end. Every event is in the file when a call returns.

    Not through the package's `EventFileWriter`: that one imports TensorFlow wherever it is installed, under JAX too,
    and writes in a thread of its own, where an error such as a full disk is lost. Its records are made by the
    `RecordWriter` below it, which does neither.
    """

    def __init__(self, run: Run, config: Config, dataset: Dataset, step: int) -> None:
        """Begin a new event file, for a run that continues after `step` steps (0: from its start).

        Raises:
            TensorBoardError: the extra is not installed.
            LinkError: the folder is a link.
            ReplacedError: the run's directory is another one now.
            OSError: it cannot be written.
        """
        require_tensorboard()
        from tensorboard.compat.proto.event_pb2 import SessionLog

        self._run = run
        self._config = config
        self._dataset = dataset
        self._name = f"{TENSORBOARD}/{_next_name(run.tensorboard_folder())}"
        self._append(file_version="brain.Event:2")
        # A process that was killed may have written events of steps that will be taken again. At this mark, in the
        # file after its own, TensorBoard drops whatever it has read of this step and later ones.
        self._append(step=step, session_log=SessionLog(status=SessionLog.START))
        row = last_row(run.path, kind="steps")
        if row is not None and row["step"] == step:  # dropped too, and kept in metrics.jsonl
            self.on_row(row)

    # ---- What happens during the run ------------------------------------------------------------------------

    def on_row(self, row: Row) -> None:
        """Add the figures of a row of `metrics.jsonl`, in float32: `train/…` of an interval, `test/…` of an epoch."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        values = [Summary.Value(tag=tag, simple_value=value) for tag, value in _scalars(row)]
        self._append(step=row["step"], summary=Summary(value=values))

    def on_epoch(self, epoch: int, step: int, test: FeatureDump) -> None:
        """Add the scatter plot of the test features."""
        from tensorboard.compat.proto.summary_pb2 import Summary

        from centerloss_core.plotting.letters import lacking_letters_told
        from centerloss_core.plotting.scatter import scatter_figure
        from centerloss_core.plotting.style import house_style
        from centerloss_core.run_directory.reader import Snapshot, look_at

        with house_style(), lacking_letters_told(lambda message: None):
            image = _png(scatter_figure(Snapshot(look_at(self._run.path), "test", test, epoch)))
        self._append(
            step=step,
            summary=Summary(value=[Summary.Value(tag="test/features", image=Summary.Image(**image))]),
        )

    def _append(self, **content: Any) -> None:
        from tensorboard.compat.proto.event_pb2 import Event
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        RecordWriter(record).write(Event(wall_time=time.time(), **content).SerializeToString())
        self._run.append(self._name, record.getvalue())

    # ---- What is left at its end ----------------------------------------------------------------------------

    def on_end(self, dumps: Mapping[str, FeatureDump]) -> None:
        """Write what TensorBoard's projector shows: the test features as points, with labels, as their images."""
        import numpy as np
        from google.protobuf.text_format import MessageToString
        from tensorboard.plugins.projector.projector_config_pb2 import ProjectorConfig

        from centerloss_core.datasets.contact_sheet import contact_sheet

        dump, images = dumps["test"], self._dataset.test.images
        # The projector opens in three dimensions, and of points that have fewer it shows none: they get zeros.
        missing = max(0, _PROJECTOR_DIMENSIONS - dump.features.shape[1])
        points = np.pad(dump.features, ((0, 0), (0, missing)))
        with self._run.writing(f"{TENSORBOARD}/features.tsv") as file:
            np.savetxt(file, points, fmt="%.9g", delimiter="\t")  # 9 digits are a float32, to the bit
        known = {"class": dump.labels, "prediction": dump.predictions, "image": np.arange(len(dump.labels))}
        table = {name: column for name, column in known.items() if column is not None}
        with self._run.writing(f"{TENSORBOARD}/labels.tsv") as file:
            rows, head = np.column_stack(list(table.values())), "\t".join(table)
            np.savetxt(file, rows, fmt="%d", delimiter="\t", header=head, comments="")
        with self._run.writing(f"{TENSORBOARD}/images.png") as file:
            # The projector multiplies the sheet, which must be square, by the colour of each label.
            side = math.ceil(math.sqrt(len(images)))
            contact_sheet(images, side, rows=side).save(file, format="PNG")
        config = ProjectorConfig()
        embedding = config.embeddings.add(
            tensor_name="test_features",
            tensor_shape=points.shape,
            tensor_path="features.tsv",  # from where this file is, so that a run can be moved
            metadata_path="labels.tsv",
        )
        embedding.sprite.image_path = "images.png"
        embedding.sprite.single_image_dim.extend(images.shape[2:0:-1])  # width, height
        with self._run.writing(f"{TENSORBOARD}/projector_config.pbtxt") as file:  # last: it names the others
            file.write(MessageToString(config).encode())


def _next_name(folder: Path) -> str:
    """A name after those of the files that are there: TensorBoard reads them in the order of their names."""
    stamps = (each.name.split(".")[3:4] for each in folder.glob(f"{_EVENTS}.*"))
    earlier = [int(stamp[0]) for stamp in stamps if stamp and stamp[0].isdecimal()]
    stamp = max([int(time.time()), *(each + 1 for each in earlier)])  # two starts may fall into one second
    return f"{_EVENTS}.{stamp:010d}.{socket.gethostname()}.{os.getpid()}"


def _scalars(row: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    for name, value in row.items():
        if name in _NO_FIGURES or value is None:
            continue
        if isinstance(value, Mapping):  # of an epoch: the figures of a split
            yield from ((f"{name}/{figure}", each) for figure, each in value.items() if each is not None)
        else:
            yield f"train/{name}", value


def _png(figure: Figure) -> dict[str, Any]:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=figure.dpi)
    width, height = figure.canvas.get_width_height()
    return {"width": width, "height": height, "colorspace": 4, "encoded_image_string": file.getvalue()}
