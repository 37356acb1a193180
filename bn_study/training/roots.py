"""1/sqrt(x) that is the same on every processor.

Compilers replace 1/sqrt(x), even inside a quotient, by the processor's approximation (x86: rsqrtps), which differs
between makers and models. A separate root and a separate quotient are correctly rounded everywhere (IEEE 754). Native
numerics keep the approximation.
"""

from typing import Any

from keras import ops

from bn_study.plan import numerics


def reciprocal_root(x: Any) -> Any:
    """Elementwise 1/sqrt(x) of a tensor of positive floats."""
    return ops.sqrt(x) / x if numerics.in_force() == "portable" else ops.rsqrt(x)
