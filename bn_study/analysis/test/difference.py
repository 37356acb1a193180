"""Whether there is an effect of at least the margin, in either direction."""

from bn_study.analysis.stats import SIGNIFICANCE, Estimate, Finding, small
from bn_study.plan.types import Positive

AGAINST = "near"
EVERY_SEED = False
WORDS = "a difference of "
CAPTION = "one of difference for one beyond it in either direction"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the effect is at least the margin, whatever its sign. Small: surely less. p: Holm-adjusted."""
    clear = effect.low > 0 or effect.high < 0
    if clear and abs(effect.mean) >= margin and p <= SIGNIFICANCE:
        side = "above" if effect.low > 0 else "below"
        return Finding("supported", f"mean {effect.mean:.3g} reaches the margin {margin:g}, interval {side} 0")
    if less := small(effect, margin):
        return less
    reasons = []
    if not clear:
        reasons.append("the interval contains 0")
    if p > SIGNIFICANCE:
        reasons.append(f"p {p:.2g} after Holm is above {SIGNIFICANCE:g}")
    if abs(effect.mean) < margin:
        reasons.append(f"mean {effect.mean:.3g} is within the margin ±{margin:g}")
    return Finding("open", ", ".join(reasons))
