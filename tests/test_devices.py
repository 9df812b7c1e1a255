"""Which device and precision a run gets, and what it is told when there is none: the rule, with pretended GPUs."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from centerloss_core.config import Train
from centerloss_core.devices import (
    DeviceError,
    on_jax,
    processor,
    thread_limits,
    threads_of_this_process,
)
from centerloss_core.devices.choice import Backend, Gpu, choose

BACKEND = Backend("jax", "JAX", "jax-cuda", cpu_bfloat16=False)
HOPPER, TURING = Gpu("NVIDIA H200", has_bfloat16=True), Gpu("Tesla T4", has_bfloat16=False)


def train(**settings: str) -> Train:
    return Train.model_validate({"epochs": 1, **settings})


@pytest.mark.parametrize(
    ("settings", "gpus", "label", "precision"),
    [
        ({}, [], "CPU (", "float32"),
        ({"precision": "bfloat16"}, [], "CPU (", "bfloat16"),
        ({"device": "cpu"}, [HOPPER], "CPU (", "float32"),
        ({}, [HOPPER], "GPU 0 (NVIDIA H200)", "bfloat16"),
        ({}, [TURING], "GPU 0 (Tesla T4)", "float32"),
        ({"device": "gpu", "precision": "float32"}, [HOPPER], "GPU 0 (NVIDIA H200)", "float32"),
        ({"device": "gpu:1"}, [TURING, HOPPER], "GPU 1 (NVIDIA H200)", "bfloat16"),
    ],
)
def test_auto_takes_what_is_there_and_bfloat16_where_it_pays(
    settings: dict[str, str], gpus: list[Gpu], label: str, precision: str
) -> None:
    device = choose(train(**settings), BACKEND, gpus)
    assert device.label.startswith(label)
    assert (device.kind, device.precision) == (label[:3].lower(), precision)
    assert (device.gpu is None) == (device.kind == "cpu")


@pytest.mark.parametrize("precision", ["auto", "float32", "bfloat16"])
@pytest.mark.parametrize(
    ("cpu", "has_it"),
    [
        ("vendor_id : AuthenticAMD\nflags : fpu avx2", False),
        ("vendor_id : AuthenticAMD\nflags : fpu avx2 avx512_bf16", True),
        ("vendor_id : GenuineIntel\nflags : fpu avx2 avx512_bf16", False),  # slower than float32
        ("vendor_id : GenuineIntel\nflags : fpu avx2 avx512_bf16 amx_bf16", True),
    ],
)
@pytest.mark.parametrize("uses_bfloat16", [True, False])
def test_a_processor_without_bfloat16_is_the_reason_only_where_it_decides(
    precision: str,
    cpu: str,
    has_it: bool,
    uses_bfloat16: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "cpuinfo").write_text(f"model name : Some CPU\n{cpu}\n")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    device = choose(train(precision=precision), BACKEND._replace(cpu_bfloat16=uses_bfloat16), [])
    best = "bfloat16" if uses_bfloat16 and has_it else "float32"
    assert device.precision == (best if precision == "auto" else precision)
    missed = precision == "auto" and uses_bfloat16 and not has_it
    assert device.precision_reason == ("the processor has no fast bfloat16" if missed else None)


@pytest.mark.parametrize(("told", "precision"), [("AVX2", "float32"), ("AVX512_CORE_AMX", "bfloat16")])
def test_a_processor_that_stands_in_for_one_without_bfloat16(
    told: str, precision: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cpuinfo").write_text("flags : fpu avx512_bf16\n")
    monkeypatch.setattr(processor, "_CPUINFO", tmp_path / "cpuinfo")
    monkeypatch.setenv("ONEDNN_MAX_CPU_ISA", told)
    assert choose(train(), BACKEND._replace(cpu_bfloat16=True), []).precision == precision


@pytest.mark.parametrize(
    ("device", "gpus", "words"),
    [
        ("gpu", [], "JAX sees no GPU"),
        ("gpu:1", [HOPPER], "JAX sees 1 GPU, numbered from 0"),
        ("gpu:2", [HOPPER, HOPPER], "JAX sees 2 GPUs, numbered from 0"),
    ],
)
def test_a_gpu_that_is_not_there_is_an_error_with_ways_on(device: str, gpus: list[Gpu], words: str) -> None:
    with pytest.raises(DeviceError, match=words) as caught:
        choose(train(device=device), BACKEND, gpus)
    for way in ("--device cpu", "centerloss[jax-cuda]", "nvidia-smi"):
        assert way in str(caught.value)


@pytest.mark.parametrize(
    ("capability", "expected"),
    [("9.0", True), ("8.0", True), ("12.0", True), ("7.5", False), ("gfx90a", False), (None, False)],
)
def test_jax_tells_bfloat16_by_the_compute_capability(capability: str | None, expected: bool) -> None:
    gpu = SimpleNamespace() if capability is None else SimpleNamespace(compute_capability=capability)
    assert on_jax._has_bfloat16(gpu) is expected


def test_threads_are_limited_for_every_backend() -> None:
    assert thread_limits(threads_of_this_process()) == {}
    limits = thread_limits(threads_of_this_process() + 1)
    assert set(limits) == {"TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "PJRT_NPROC"}
    assert set(limits.values()) == {str(threads_of_this_process() + 1)}
