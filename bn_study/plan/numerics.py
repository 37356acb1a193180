"""Whose bits a run has: those of every x86-64 processor with AVX2 (`portable`), or this processor's own (`native`).

Rounding depends on the order of sums, and libraries choose that order by the vector units that they find. Portable
numerics hold all of them to AVX2 and keep them from instructions of which each maker has a version of its own:

* XLA: code for AVX2; matrix products by Eigen, since XNNPACK looks at the processor whatever it is told.
* oneDNN: kernels for AVX2, and always on, because TensorFlow by itself turns it on only where there is AVX-512.
* OpenBLAS and numpy, which probes use: as on a processor with AVX2.
* 1/sqrt: `training/roots.py`.

TensorFlow reads all this when it is imported, so it is set in a worker's environment.
"""

import os
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Literal, get_args

Numerics = Literal["portable", "native"]
CHOICES: tuple[Numerics, ...] = get_args(Numerics)
VARIABLE = "BN_STUDY_NUMERICS"
PORTABLE = {
    VARIABLE: "portable",
    "XLA_FLAGS": "--xla_cpu_max_isa=AVX2 --xla_cpu_use_xnnpack=false --xla_cpu_enable_platform_dependent_math=false",
    "ONEDNN_MAX_CPU_ISA": "AVX2",
    "ONEDNN_DEFAULT_FPMATH_MODE": "STRICT",
    "TF_ENABLE_ONEDNN_OPTS": "1",
    "OPENBLAS_CORETYPE": "Haswell",
    "NPY_DISABLE_CPU_FEATURES": "X86_V4 AVX512_ICL AVX512_SPR",
}
"""What portable numerics set in a worker's environment, whatever stood there."""

UNSUPPORTED = "this processor lacks AVX2 or FMA, so runs have bits of its own"


def environment(base: Mapping[str, str], numerics: Numerics) -> dict[str, str]:
    """The environment `base` of a process as it is for a worker of these numerics.

    Native leaves the user's own settings of the libraries alone, and takes away those of a portable parent. Where the
    processor cannot do portable numerics, both are native.
    """
    own = dict(base)
    if base.get(VARIABLE) == "portable":
        own = {name: value for name, value in base.items() if PORTABLE.get(name) != value}
    return own | (PORTABLE if numerics == "portable" and supported() else {VARIABLE: "native"})


def in_force() -> Numerics | None:
    """Those of this process, by its environment; None where nobody chose."""
    if all(os.environ.get(name) == value for name, value in PORTABLE.items()):
        return "portable"
    return "native" if VARIABLE in os.environ else None


@cache
def supported() -> bool:
    """Whether this processor has the instructions of which portable numerics are made: AVX2 and FMA."""
    return {"avx2", "fma"} <= processor_flags()


@cache
def processor_flags() -> frozenset[str]:
    """The instruction sets of this processor in the words of Linux; none where the system does not tell."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
