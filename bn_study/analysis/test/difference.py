"""Whether there is an effect of at least the margin, in either direction."""

from bn_study.analysis.stats import SIGNIFICANCE, Estimate, Finding, beyond, small, tailed, unclear
from bn_study.plan.types import Positive

AGAINST = "near"
EVERY_SEED = False
WORDS = "a difference of "
CAPTION = "one of difference for one beyond it in either direction"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the effect is at least the margin, whatever its sign. Small: surely less. p: Holm-adjusted."""
    side = beyond(effect, 0)
    if side and abs(effect.mean) >= margin and p <= SIGNIFICANCE:
        reason = f"mean {effect.mean:.3g} reaches the margin {margin:g}, interval {side} 0"
        return Finding("supported", reason, stands="larger" if side == "above" else "smaller")
    if less := small(effect, margin):
        return less
    reasons = [unclear(effect, 0, "0")]
    if p > SIGNIFICANCE:
        reasons.append(f"p {p:.2g} after Holm is above {SIGNIFICANCE:g}")
    if abs(effect.mean) < margin:
        reasons.append(f"mean {effect.mean:.3g} is within the margin ±{margin:g}")
    return Finding("open", ", ".join(filter(None, [*reasons, tailed(effect, margin)])))
