"""Whether a loss stays below the margin."""

from bn_study.analysis.stats import Estimate, Finding, beyond, unclear
from bn_study.plan.types import Positive

AGAINST = "high"
EVERY_SEED = False
WORDS = "a loss below "
CAPTION = "one of non-inferiority for a loss below it"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the interval lies below the margin (a positive difference is a loss). Reversed: it lies above."""
    side = beyond(effect, margin)
    if side == "below":
        return Finding("supported", f"interval below the margin {margin:g}", stands="smaller")
    if side == "above":
        return Finding("reversed", f"reversed: interval above the margin {margin:g}", stands="larger")
    return Finding("open", unclear(effect, margin, f"the margin {margin:g}"))
