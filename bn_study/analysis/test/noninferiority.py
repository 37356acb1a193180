"""Whether a loss stays below the margin."""

from bn_study.analysis.stats import Estimate, Finding
from bn_study.plan.types import Positive

AGAINST = "high"
EVERY_SEED = False
WORDS = "a loss below "
CAPTION = "one of non-inferiority for a loss below it"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the interval lies below the margin (a positive difference is a loss). Reversed: it lies above."""
    if effect.high < margin:
        return Finding("supported", f"interval below the margin {margin:g}")
    if effect.low > margin:
        return Finding("reversed", f"reversed: interval above the margin {margin:g}")
    return Finding("open", f"the interval contains the margin {margin:g}")
