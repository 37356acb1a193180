"""Numerics of a run: the same bits on every x86-64 processor with AVX2 (`portable`), or this processor's (`native`).

Rounding depends on the order of sums, and libraries choose that order by the processor's vector units. Portable
numerics limit all libraries to AVX2 and avoid instructions that differ between makers:

* XLA: code for AVX2; matrix products by Eigen, because XNNPACK inspects the processor regardless of settings.
* oneDNN: kernels for AVX2, and always on, because TensorFlow's default turns it on only with AVX-512.
* OpenBLAS and numpy, which probes use: kernels for AVX2.
* 1/sqrt: see `training/roots.py`.

Eigen still splits some products by the size of the first-level data cache, which changes how gradients of some wide
layers are rounded (docs/running-sweeps.md says which). We know of no setting that fixes that size.

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
"""What portable numerics set in a worker's environment, replacing earlier values."""

UNSUPPORTED = "this processor lacks AVX2 or FMA, so runs use its native numerics"


def environment(base: Mapping[str, str], numerics: Numerics) -> dict[str, str]:
    """The environment of a worker of these numerics, made from the environment `base` of its parent.

    Native keeps the user's own settings of the libraries and removes those of a portable parent. On a processor that
    does not support portable numerics both choices are native.
    """
    own = dict(base)
    if base.get(VARIABLE) == "portable":
        own = {name: value for name, value in base.items() if PORTABLE.get(name) != value}
    return own | (PORTABLE if numerics == "portable" and supported() else {VARIABLE: "native"})


def in_force() -> Numerics | None:
    """The numerics of this process, by its environment; None if none were chosen."""
    if all(os.environ.get(name) == value for name, value in PORTABLE.items()):
        return "portable"
    return "native" if VARIABLE in os.environ else None


@cache
def supported() -> bool:
    """Whether this processor has what portable numerics need: AVX2 and FMA."""
    return {"avx2", "fma"} <= processor_flags()


@cache
def processor_flags() -> frozenset[str]:
    """The instruction sets of this processor, as Linux names them; empty on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return frozenset()
    return frozenset(next((line.partition(":")[2] for line in lines if line.startswith("flags")), "").split())
