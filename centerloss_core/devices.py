"""The machine a run lands on: device, precision, threads, and a terminal without TensorFlow's start-up chatter."""

from __future__ import annotations

import contextlib
import os
import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from centerloss_core.config import Train
from centerloss_core.errors import ExpectedError

_CPUINFO = Path("/proc/cpuinfo")


class DeviceError(ExpectedError):
    """A device that was asked for and is not there; the message names the mend."""


@dataclass(frozen=True)
class Device:
    """Where a run computes, in words and as TensorFlow sees it.

    Attributes:
        kind: "cpu" or "gpu".
        label: what a person calls it, such as "CPU (AMD EPYC, 2 threads)".
        precision: "float32" or "bfloat16", decided.
        gpu: index of the GPU; None on the CPU.
    """

    kind: str
    label: str
    precision: str
    gpu: int | None = None


def find_device(train: Train) -> Device:
    """Decide device and precision from `train.device` and `train.precision`. Imports TensorFlow.

    Raises:
        DeviceError: a GPU was asked for and TensorFlow sees none, or not that one; or Keras runs on another backend.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise DeviceError(
            f"Keras is set to the backend {keras.backend.backend()!r}, but training needs TensorFlow: "
            "call with KERAS_BACKEND=tensorflow"
        )
    gpus = tf.config.list_physical_devices("GPU")
    if train.device == "cpu" or (train.device == "auto" and not gpus):
        return Device("cpu", f"CPU ({_processor()})", _cpu_precision(train.precision))
    index = int(train.device.partition(":")[2] or 0)
    if index >= len(gpus):
        raise DeviceError(_no_gpu(train.device, len(gpus)))
    details = tf.config.experimental.get_device_details(gpus[index])
    name = details.get("device_name", "unknown model")
    has_bfloat16 = details.get("compute_capability", (0, 0)) >= (8, 0)
    precision = train.precision
    if precision == "auto":
        precision = "bfloat16" if has_bfloat16 else "float32"
    return Device("gpu", f"GPU {index} ({name})", precision, index)


def prepare(device: Device, train: Train) -> None:
    """Point TensorFlow and Keras at the device, with the run's precision, determinism and seed.

    Must come before the first tensor is made: TensorFlow fixes its devices then.

    Raises:
        DeviceError: TensorFlow was in use already with other devices.
    """
    import keras
    import tensorflow as tf

    gpus = tf.config.list_physical_devices("GPU")
    visible = [] if device.gpu is None else [gpus[device.gpu]]
    try:
        tf.config.set_visible_devices(visible, "GPU")
        for gpu in visible:
            tf.config.experimental.set_memory_growth(gpu, True)
    except RuntimeError as error:
        raise DeviceError(f"{device.label} cannot be chosen any more in this process: {error}") from error
    # float32 means float32: TF32 would round the products of the center update to ten bits.
    tf.config.experimental.enable_tensor_float_32_execution(False)
    keras.config.set_dtype_policy("mixed_bfloat16" if device.precision == "bfloat16" else "float32")
    keras.utils.set_random_seed(train.seed)
    if train.deterministic:
        _make_deterministic()


def _make_deterministic() -> None:
    import tensorflow as tf

    tf.config.experimental.enable_op_determinism()
    # TensorFlow adds the gradients that meet at one tensor in an order that depends on which operation ends first.
    # One operation at a time, each on all cores, costs nothing here: no two are worth running side by side.
    # A process that has used TensorFlow before keeps its threads, hence the suppression.
    with contextlib.suppress(RuntimeError):
        tf.config.threading.set_inter_op_parallelism_threads(1)


def usable_cores() -> int:
    """The cores that this process may use; in a container or under a scheduler fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_limits(jobs: int) -> dict[str, str]:
    """Environment variables that share the cores between `jobs` processes; a single one may have them all."""
    if jobs == 1:
        return {}
    threads = str(max(1, usable_cores() // jobs))
    return {"TF_NUM_INTRAOP_THREADS": threads, "OMP_NUM_THREADS": threads}


@contextlib.contextmanager
def chatter_to(log: IO[bytes]) -> Iterator[None]:
    """Send what native code writes to the standard error, TensorFlow's above all, to an open file.

    TensorFlow writes to file descriptor 2 from C++, so `sys.stderr` cannot catch it. Python's own `sys.stderr` goes
    on to the terminal.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    sys.stderr.flush()
    terminal = os.dup(2)
    python_stderr = sys.stderr
    try:
        os.dup2(log.fileno(), 2)
        encoding, errors = getattr(python_stderr, "encoding", None), getattr(python_stderr, "errors", None)
        with os.fdopen(os.dup(terminal), "w", 1, encoding=encoding, errors=errors) as sys.stderr:
            yield
    finally:
        sys.stderr = python_stderr
        os.dup2(terminal, 2)
        os.close(terminal)


def processor_has_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 in hardware; without that, bfloat16 is slower than float32."""
    try:
        flags = _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux: nothing is known, so nothing is promised
        return False
    return any(flag in flags.split() for flag in ("avx512_bf16", "amx_bf16"))


def _cpu_precision(precision: str) -> str:
    if precision == "auto":
        return "bfloat16" if processor_has_bfloat16() else "float32"
    return precision


def _processor() -> str:
    model = platform.processor() or platform.machine()
    try:
        for line in _CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    except OSError:
        pass
    return f"{model}, {usable_cores()} cores"


def _no_gpu(asked: str, count: int) -> str:
    seen = "sees no GPU" if count == 0 else f"sees {count} GPU{'s' * (count > 1)}, numbered from 0"
    return (
        f"device {asked!r} was asked for, but TensorFlow {seen}: use --device cpu, "
        "or install the GPU build with `pip install 'centerloss[cuda]'` and check `nvidia-smi`"
    )
