"""Whether there is an effect of at least the margin."""

from bn_study.analysis.stats import SIGNIFICANCE, Estimate, Finding, beyond, small, tailed, unclear
from bn_study.plan.types import Positive

AGAINST = "low"
EVERY_SEED = False
WORDS = "superiority by "
CAPTION = "A claim of superiority asks for an effect beyond the margin"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the effect is at least the margin. Small: surely less. Reversed: surely below 0. p: Holm-adjusted."""
    side = beyond(effect, 0)
    if side == "above" and effect.mean >= margin and p <= SIGNIFICANCE:
        reason = f"mean {effect.mean:.3g} reaches the margin {margin:g}, interval above 0"
        return Finding("supported", reason, stands="larger")
    if less := small(effect, margin):
        return less
    if side == "below" and p <= SIGNIFICANCE:
        return Finding("reversed", "reversed: interval below 0", stands="smaller")
    reasons = [unclear(effect, 0, "0")]
    if p > SIGNIFICANCE:
        reasons.append(f"p {p:.2g} after Holm is above {SIGNIFICANCE:g}")
    if effect.mean < margin:
        reasons.append(f"mean {effect.mean:.3g} below the margin {margin:g}")
    return Finding("open", ", ".join(filter(None, [*reasons, tailed(effect, margin)])))
