"""1/sqrt(x) that is the same on every processor.

Compilers make 1/sqrt(x), also where it is part of a quotient, of the processor's approximation (x86: rsqrtps), which
differs between makers and models. A root and a quotient of their own are exactly rounded everywhere (IEEE 754).
Native numerics keep the approximation.
"""

from typing import Any

from keras import ops

from bn_study.plan import numerics


def reciprocal_root(x: Any) -> Any:
    """1/sqrt(x), by element, of a tensor of positive floats."""
    return ops.sqrt(x) / x if numerics.in_force() == "portable" else ops.rsqrt(x)
