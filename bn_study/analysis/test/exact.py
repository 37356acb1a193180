"""Whether every seed lies within a tolerance of 0."""

from bn_study.analysis.stats import Estimate, Finding
from bn_study.plan.types import Positive

AGAINST = "far"
EVERY_SEED = True
WORDS = "zero within ±"
CAPTION = "an exact one for every seed within it"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: no seed is further from 0 than the tolerance. Reversed: one is. The mean does not matter."""
    if effect.largest <= margin:
        return Finding("supported", f"every seed within the tolerance {margin:g}; the largest is {effect.largest:.2g}")
    return Finding("reversed", f"reversed: {effect.largest:.3g} in one seed, the tolerance is {margin:g}")
