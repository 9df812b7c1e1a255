"""JAX's devices. JAX is imported when something is called, not before."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

import platformdirs

from centerloss_core.config import Train
from centerloss_core.devices.choice import Backend, Device, DeviceError, Gpu, choose

# XLA multiplies no bfloat16 on a processor: it converts, and a step takes as long as in float32 or longer.
_BACKEND = Backend("jax", "JAX", "jax-cuda", cpu_bfloat16=False)
_AMPERE = 8  # the first (major) compute capability with bfloat16
_NVIDIA = Path("/proc/driver/nvidia")
# Kernels whose sums come out otherwise each time are left out. `--xla_gpu_deterministic_ops` would also give up trying
# out which of the others is the fastest.
_DETERMINISTIC = "--xla_gpu_exclude_nondeterministic_ops"


def look_ahead(train: Train) -> None:
    """Begin to look for GPUs, which takes one to two seconds, to find them when Keras is imported."""
    _say_to_xla(train)
    if train.device == "cpu":
        return
    try:
        import jax  # noqa: F401
    except ImportError:  # which is told where Keras imports it
        return
    threading.Thread(target=_gpus, daemon=True).start()


def find(train: Train) -> Device:
    """See `centerloss_core.devices.find_device`."""
    _say_to_xla(train)
    import jax

    if train.device == "cpu":
        jax.config.update("jax_platforms", "cpu")  # else it takes memory on every GPU there is
        return choose(train, _BACKEND, [])
    device = choose(train, _BACKEND, [Gpu(gpu.device_kind, _has_bfloat16(gpu)) for gpu in _gpus()])
    if device.kind == "gpu":
        _keep_compiled_programs(jax.config)
    return device


def prepare(device: Device, train: Train) -> None:
    """See `centerloss_core.devices.prepare`."""
    import jax

    try:
        chosen = jax.devices("cpu")[0] if device.gpu is None else _gpus()[device.gpu]
    except (RuntimeError, IndexError) as error:
        raise DeviceError(f"{device.label} cannot be chosen in this process: {error}") from error
    jax.config.update("jax_default_device", chosen)
    # float32 means float32: TF32 would round the products of the center update to ten bits. Products of bfloat16
    # are not affected: they stay on the tensor cores.
    jax.config.update("jax_default_matmul_precision", "highest")


def _say_to_xla(train: Train) -> None:
    """Set what is read when JAX first looks for devices."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # GPU memory grows on demand
    flags = os.environ.get("XLA_FLAGS", "")
    # Not on a processor, which needs it not: a flag that XLA does not know ends the process without a word.
    if train.deterministic and train.device != "cpu" and _NVIDIA.exists() and _DETERMINISTIC not in flags:
        os.environ["XLA_FLAGS"] = f"{flags} {_DETERMINISTIC}=true".strip()


def _keep_compiled_programs(config: Any) -> None:
    """Compile a program once per machine: a second run takes from the cache what the first one compiled and chose.

    XLA chooses the kernels of a GPU by trying them out, and two tries may end in other kernels, which round
    differently. So the cache is also what makes two runs give the same bytes.
    """
    if not config.jax_compilation_cache_dir:  # JAX_COMPILATION_CACHE_DIR sets it
        config.update("jax_compilation_cache_dir", str(platformdirs.user_cache_path("centerloss") / "xla"))
    config.update("jax_persistent_cache_enable_xla_caches", "all")
    config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def _gpus() -> list[Any]:
    import jax

    try:
        return list(jax.devices("gpu"))
    except RuntimeError:  # how JAX says that there are none
        return []


def _has_bfloat16(gpu: Any) -> bool:
    major = str(getattr(gpu, "compute_capability", "")).partition(".")[0]
    return major.isdigit() and int(major) >= _AMPERE
