"""What was asked for and what is there: one rule for every backend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from centerloss_core.config import Train
from centerloss_core.devices.processor import processor_has_fast_bfloat16, processor_model, usable_cores
from centerloss_core.errors import ExpectedError


class DeviceError(ExpectedError):
    """A device that was asked for and is not there; the message names the mend."""


@dataclass(frozen=True)
class Device:
    """Where a run computes, in words and as the backend sees it.

    Attributes:
        backend: Keras' name for the framework: "tensorflow" or "jax".
        kind: "cpu" or "gpu".
        label: what a person calls it, such as "CPU (AMD EPYC, 2 cores)".
        precision: "float32" or "bfloat16", decided.
        precision_reason: why it is float32 although bfloat16 would have been taken; None where that is not so.
        gpu: index of the GPU; None on the CPU.
    """

    backend: str
    kind: str
    label: str
    precision: str
    precision_reason: str | None = None
    gpu: int | None = None


class Gpu(NamedTuple):
    """A GPU as the backend describes it."""

    name: str
    has_bfloat16: bool


class Backend(NamedTuple):
    """What a backend is called by Keras, by people and by pip, and whether bfloat16 pays on a CPU that has it."""

    name: str
    title: str
    gpu_extra: str
    cpu_bfloat16: bool


def choose(train: Train, backend: Backend, gpus: Sequence[Gpu]) -> Device:
    """Decide device and precision by a config; DeviceError if it asks for a GPU that is not among `gpus`."""
    if train.device == "cpu" or (train.device == "auto" and not gpus):
        has_bfloat16 = processor_has_fast_bfloat16()
        precision = _precision(train, has_bfloat16=backend.cpu_bfloat16 and has_bfloat16)
        is_forced = train.precision == "auto" and backend.cpu_bfloat16 and not has_bfloat16
        reason = "the processor has no fast bfloat16" if is_forced else None
        label = f"CPU ({processor_model()}, {usable_cores()} cores)"
        return Device(backend.name, "cpu", label, precision, reason)
    index = int(train.device.partition(":")[2] or 0)
    if index >= len(gpus):
        raise DeviceError(_no_gpu(train.device, len(gpus), backend))
    gpu = gpus[index]
    precision = _precision(train, has_bfloat16=gpu.has_bfloat16)
    return Device(backend.name, "gpu", f"GPU {index} ({gpu.name})", precision, gpu=index)


def _precision(train: Train, *, has_bfloat16: bool) -> str:
    if train.precision == "auto":
        return "bfloat16" if has_bfloat16 else "float32"
    return train.precision


def _no_gpu(asked: str, count: int, backend: Backend) -> str:
    seen = "sees no GPU" if count == 0 else f"sees {count} GPU{'s' * (count > 1)}, numbered from 0"
    return (
        f"device {asked!r} was asked for, but {backend.title} {seen}: use --device cpu, "
        f"or install the GPU build with `pip install 'centerloss[{backend.gpu_extra}]'` and check `nvidia-smi`"
    )
