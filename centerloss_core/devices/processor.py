"""The processor: its name, the cores that may be used, and what it does in hardware."""

from __future__ import annotations

import os
import platform
from pathlib import Path

_CPUINFO = Path("/proc/cpuinfo")

# Values of ONEDNN_MAX_CPU_ISA.
_WITHOUT_BFLOAT16 = ("SSE41", "AVX", "AVX2", "AVX2_VNNI", "AVX512_CORE", "AVX512_CORE_VNNI")

# Of TensorFlow, of OpenMP, and of XLA's client under JAX. Each ignores the others'.
THREAD_VARIABLES = ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS", "PJRT_NPROC")


def processor_model() -> str:
    """Such as "AMD EPYC 9B14"; where it is not told, as much as the platform knows."""
    names = (
        line.partition(":")[2].strip() for line in _cpuinfo().splitlines() if line.startswith("model name")
    )
    return next(names, platform.processor() or platform.machine())


def usable_cores() -> int:
    """The cores that this process may use; in a container or under a scheduler fewer than the machine has."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_of_this_process() -> int:
    """The threads that one operation may use here. The last bits of a sum depend on their number."""
    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    return int(asked) if asked.isdecimal() and int(asked) > 0 else usable_cores()


def thread_limits(threads: int) -> dict[str, str]:
    """Environment variables that hold a process to so many threads; none where it would take as many by itself."""
    if threads == threads_of_this_process():
        return {}
    return dict.fromkeys(THREAD_VARIABLES, str(threads))


def processor_has_fast_bfloat16() -> bool:
    """Whether the processor multiplies bfloat16 faster than float32: by AMX, or by AVX-512, but not Intel's.

    Intel's AVX-512 multiplies bfloat16 at 0.6 times the rate of float32; a virtual machine may hide AMX. Nor does one
    where oneDNN is told to do without, as to stand in for another processor.
    """
    if os.environ.get("ONEDNN_MAX_CPU_ISA", "").upper() in _WITHOUT_BFLOAT16:
        return False
    words = _cpuinfo().split()
    return "amx_bf16" in words or ("avx512_bf16" in words and "GenuineIntel" not in words)


def _cpuinfo() -> str:
    try:
        return _CPUINFO.read_text(encoding="utf-8", errors="replace")
    except OSError:  # not Linux: nothing is known, so nothing is promised
        return ""
