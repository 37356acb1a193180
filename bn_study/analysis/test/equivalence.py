"""Whether there is no effect beyond the margin."""

from bn_study.analysis.stats import Estimate, Finding, beyond, tailed, within
from bn_study.plan.types import Positive

AGAINST = "far"
EVERY_SEED = False
WORDS = "equivalence within ±"
CAPTION = "one of equivalence for one within it"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the 90% interval lies within the margins. Reversed: the 95% interval lies wholly outside."""
    if within(effect, margin):
        return Finding("supported", f"90% interval within ±{margin:g}")
    if beyond(effect, margin) == "above":
        return Finding("reversed", f"reversed: interval wholly outside ±{margin:g}", stands="larger")
    if beyond(effect, -margin) == "below":
        return Finding("reversed", f"reversed: interval wholly outside ±{margin:g}", stands="smaller")
    words = f"90% interval {effect.low90:.3g} to {effect.high90:.3g} is not within ±{margin:g}"
    return Finding("open", tailed(effect, margin) or words)
