"""One run, from a config to a completed run directory; and the same, resumed."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from centerloss_core import devices
from centerloss_core.config import Config, ConfigError, load_config
from centerloss_core.datasets import DataError, Dataset
from centerloss_core.devices import Device
from centerloss_core.errors import DivergedError, OutOfMemoryError, Warn, is_out_of_memory
from centerloss_core.files.atomic import errors_name
from centerloss_core.files.paths import from_the_root
from centerloss_core.interrupts import InterruptedRunError, StopRequest
from centerloss_core.networks import BuildNetwork, NetworkError
from centerloss_core.run_directory.checkpoints import CheckpointError
from centerloss_core.run_directory.directories import refuse_existing
from centerloss_core.run_directory.lock import ReplacedError
from centerloss_core.run_directory.manifest import mapping, read_manifest
from centerloss_core.run_directory.names import CONFIG, LOG, last_saved_step
from centerloss_core.run_directory.resume_check import (
    ChangedError,
    begun_config,
    changed_settings,
    config_to_resume,
    naming_the_way_to_moved_data,
    refuse_changed_config,
    refuse_fewer_steps,
    refuse_other_data,
    with_length_of,
)
from centerloss_core.run_directory.writer import Run
from centerloss_core.training.diagnosis import slower, warnings_of_the_end
from centerloss_core.training.initial import find_initial
from centerloss_core.training.observers import ShowProgress, ShowStage
from centerloss_core.training.origin import (
    describe,
    origin_on,
    repeat_call,
    resume_command,
    say_what_differs,
    way_to_resume,
)
from centerloss_core.training.own_network import OwnNetwork, record_of, refuse_another_network
from centerloss_core.training.reuse import dataset_for
from centerloss_core.training.suited import refuse_unsuited, unexpected
from centerloss_core.training.tensorboard import require_tensorboard

if TYPE_CHECKING:
    from centerloss_core.training.saving import SavedState

BUILDING = "building the network, whose first step compiles"  # from here on the run is in its directory


@dataclass(frozen=True)
class Result:
    """What a finished run reached: its directory and the `metrics` of its `run.json`."""

    path: Path
    metrics: dict[str, Any]


def train(
    config: Config,
    path: Path | str,
    *,
    init: Path | str | None = None,
    network: BuildNetwork | None = None,
    show: ShowProgress | None = None,
    stage: ShowStage = lambda _: None,
    warn: Warn | None = None,
) -> Result:
    """Train one run into the new directory `path`.

    Args:
        config: resolved; see `centerloss_core.config`.
        path: the run directory, which must not exist yet.
        init: the directory of another run, with whose weights and centers this one begins.
        network: a function that builds the network in place of `model.name`, see `centerloss_core.networks`;
            `run.json` keeps its name and a hash of its source.
        show: called with a `Progress` once per logging interval, and once before where the first interval takes long.
        stage: called with what is done before the first step: "loading the data", "importing the framework", ….
        warn: called with each warning; `run.json` keeps them too.

    Raises:
        DataError: the data cannot be had, or is not what it should be.
        ImageShapeError: its images are too small for the network or for what changes them at random.
        NetworkError: `network` makes none that can be trained.
        DeviceError: the device asked for is not there.
        RunError: the run directory exists or cannot be made, or `init` is no run.
        CheckpointError: `init` has no whole checkpoint, or its network has other shapes.
        TensorBoardError: the config asks for TensorBoard, and it is not installed.
        InUseError: another process trains there.
        DivergedError: the loss became NaN; the run is marked failed.
        OutOfMemoryError: likewise.
        InterruptedRunError: Ctrl-C or SIGTERM; the state is saved and the run marked interrupted.
        ReplacedError: the run directory was removed or moved meanwhile; what is there now is untouched.
    """
    began = time.perf_counter()
    path = Path(path)
    refuse_existing(path)  # Run.create would, but only after the framework has taken its seconds
    devices.backend_name()  # likewise
    if config.train.tensorboard:
        require_tensorboard()
    own = record_of(network)
    initial = None if init is None else find_initial(Path(init))
    stage("loading the data")
    dataset = _load(config, own, stage)
    if initial is not None:
        initial.refuse_another_network(config, dataset, own)
    with StopRequest() as stop, tempfile.TemporaryFile() as chatter:
        device = _find_device(config, chatter, stage)
        stop.obey("stopped before the run began")
        begins_with = None if initial is None else from_the_root(initial.run)
        origin = {
            **origin_on(device),
            "repeat": repeat_call(from_the_root(path) / CONFIG, begins_with, own),
            "data": describe(dataset),
            **({} if initial is None else {"init": initial.record()}),
            **({} if own is None else {"network": own}),
        }
        with Run.create(path, config, origin) as run, _advice(way_to_resume(path, own)):
            with errors_name(path / LOG), run.open_log() as log:
                chatter.seek(0)
                shutil.copyfileobj(chatter, log)
            tell = _telling(run, warn)
            for message in unexpected(config, dataset):
                tell(message)
            return _finish(run, config, dataset, device, None, began, show, stage, tell, stop, network)


def resume(
    path: Path | str,
    config: Config | None = None,
    *,
    network: BuildNetwork | None = None,
    show: ShowProgress | None = None,
    stage: ShowStage = lambda _: None,
    warn: Warn | None = None,
) -> Result:
    """Resume the run in `path` from its newest whole checkpoint, or from its start where it has none.

    A completed run is left as it is, unless it is to be longer. On the CPU with as many threads as before, the end is
    that of a run that was never stopped, bit for bit.

    Args:
        path: the run directory.
        config: what it is expected to be; it may have another `data.dir`, and another length where the learning rate
            is constant and λ too. Default: its own.
        network: the function that the run was begun with, if it was begun with one.
        show, stage, warn: as for `train`.

    Raises:
        RunError: it is not a run directory, or cannot be written.
        InUseError: its process has not ended.
        ConfigError, ChangedError: its `config.yaml`, the data or `network` is not what the run was begun with.
        CheckpointError: its newest checkpoint is not one of this program.
        Exception: whatever `train` raises.
    """
    began = time.perf_counter()
    path, own = Path(path), record_of(network)
    with Run.open(path) as run, _advice(way_to_resume(path, own)):
        begun = begun_config(path)
        refuse_changed_config(path, run.manifest, begun)
        config = begun if config is None else config_to_resume(path, begun, config)
        is_completed = run.manifest.get("status") == "completed"
        if is_completed and with_length_of(config, begun) == config:
            return Result(path, mapping(run.manifest.get("metrics")))
        refuse_another_network(path, run.manifest, network)
        stage("loading the data")
        with naming_the_way_to_moved_data(config.data, resume_command(path)):
            dataset = _load(config, own, stage)
        refuse_other_data(path, mapping(run.manifest.get("data")).get("fingerprint"), dataset.fingerprint)
        total_steps = config.train.total_steps(len(dataset.train.labels))
        refuse_fewer_steps(path, last_saved_step(path), total_steps)
        with StopRequest() as stop:
            with run.open_log() as log:
                device = _find_device(config, log, stage)
            stop.obey("stopped before the run resumed")

            from centerloss_core.training.saving import find_saved_state

            tell = _telling(run, warn)
            saved = find_saved_state(run, dataset.fingerprint, tell)
            step = 0 if saved is None else saved.position.step
            origin = origin_on(device)
            say_what_differs(run, origin, tell)
            if config != begun:
                run.change_config(config)
                origin |= {"changed": changed_settings(begun, config)}
                run.update(data=describe(dataset))
            if is_completed:
                run.forget_the_end(warnings_of_the_end(begun, run.manifest))
            run.resume(step, origin)
            return _finish(run, config, dataset, device, saved, began, show, stage, tell, stop, network)


@dataclass(frozen=True)
class Start:
    """A run that is ready to train.

    Attributes:
        path: its directory.
        config: resolved.
        resumed_after: the step of the newest checkpoint; None for a new run.
        is_completed: whether there is nothing left to train.
        init: the run with whose weights and centers a new one begins.
    """

    path: Path
    config: Config
    resumed_after: int | None = None
    is_completed: bool = False
    init: Path | None = None

    def train(
        self,
        *,
        show: ShowProgress | None = None,
        stage: ShowStage = lambda _: None,
        warn: Warn | None = None,
    ) -> Result:
        """Train it to the end; see `train` and `resume` for the arguments and the errors."""
        if self.resumed_after is None:
            return train(self.config, self.path, init=self.init, show=show, stage=stage, warn=warn)
        return resume(self.path, self.config, show=show, stage=stage, warn=warn)


def prepare_resume(
    path: Path, config_file: Path | None, values: Mapping[str, Any], settings: Sequence[str]
) -> Start:
    """Look at a run that is to be resumed. No framework is imported for that.

    Args:
        path: the run directory.
        config_file: the config that the run is expected to have; None: its own.
        values, settings: what is expected of it, as for `load_config`.

    Raises:
        RunError: it is not a run directory.
        ConfigError: a config is wrong.
        ChangedError: the run was begun with another config; the place of the data may differ, and the length where
            no step depends on it. Or its network is a function, which no command line knows.
    """
    config = asked = begun_config(path)
    manifest = read_manifest(path)
    if config_file is not None or values or settings:
        asked = load_config(
            config_file or path / CONFIG, values, settings=settings, may_be_a_pipe=config_file is not None
        )
        asked = config_to_resume(path, config, asked)
    is_completed = manifest.get("status") == "completed" and with_length_of(asked, config) == asked
    if not is_completed:
        refuse_another_network(path, manifest, None)
    return Start(path, asked, last_saved_step(path), is_completed)


def _finish(
    run: Run,
    config: Config,
    dataset: Dataset,
    device: Device,
    saved: SavedState | None,
    began: float,
    show: ShowProgress | None,
    stage: ShowStage,
    warn: Warn,
    stop: StopRequest,
    network: BuildNetwork | None,
) -> Result:
    """Train to the end and write how it ended."""
    from centerloss_core.training.fit import fit

    stage(BUILDING)
    try:
        with run.open_log() as log, devices.chatter_to(log), devices.keras_settings_kept():
            devices.prepare(device, config.train)
            metrics = fit(config, dataset, run, saved, show, warn, stop, network)
        metrics["seconds"] = time.perf_counter() - began
        run.finish("completed", metrics=metrics)
    except ReplacedError:  # there is nothing left to mark
        raise
    except (KeyboardInterrupt, InterruptedRunError) as error:
        _give_up(run, "interrupted", str(error) or "Ctrl-C")
        raise
    except BaseException as error:
        cause = error
        if is_out_of_memory(error):
            cause = OutOfMemoryError(config.train.batch_size)
        elif isinstance(error, DivergedError):
            cause = DivergedError(error.what, slower(config))
        _give_up(run, "failed", f"{type(cause).__name__}: {cause}")
        if cause is not error:
            raise cause from error
        raise
    return Result(run.path, metrics)


def _give_up(run: Run, status: Any, reason: str) -> None:
    """Mark the run if the disk allows it; ReplacedError if its directory is another now, perhaps why it ends."""
    # A run on a full disk stays marked as running; whether its process lives is what its lock tells.
    with contextlib.suppress(OSError):
        run.finish(status, reason=reason)


@contextlib.contextmanager
def _advice(way: str) -> Iterator[None]:
    """Add the way to resume the run to an error, where that helps."""
    try:
        yield
    # The first six would come again; what has the name of a run that was replaced is another run.
    except (
        *(DivergedError, ConfigError, ChangedError, CheckpointError, DataError),
        *(NetworkError, ReplacedError),
    ):
        raise
    except BaseException as error:
        error.add_note(f"resume it: {way}")
        raise


def _load(config: Config, own: OwnNetwork | None, stage: ShowStage) -> Dataset:
    dataset = dataset_for(config, stage)
    refuse_unsuited(config, dataset, has_own_network=own is not None)  # before a directory is made
    return dataset


def _find_device(config: Config, chatter: IO[bytes], stage: ShowStage) -> Device:
    """Find the device and import what trains on it; what the framework prints meanwhile goes to `chatter`."""
    stage("importing the framework")
    with devices.chatter_to(chatter):
        device = devices.find_device(config.train)
        import centerloss_core.training.fit  # noqa: F401
    return device


def _telling(run: Run, warn: Warn | None) -> Warn:
    def tell(message: str) -> None:
        run.warn(message)
        if warn is not None:
            warn(message)

    return tell
