"""The unit of a claim's effect in words, and effects in that unit: `times fewer steps`, `points of accuracy`.

Logarithms become ratios and shares become percent. Of a claim that compares a value with a constant the value is shown.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from bn_study.analysis.arms import CONSTANT
from bn_study.analysis.measures import Measure, is_accuracy, parse
from bn_study.analysis.rounding import rounded
from bn_study.plan.experiment import Claim
from bn_study.report import words

RECORDS = {
    "activation/std": "spread of the values", "discrepancy/estimate_spread": "spread of the estimates",
    "gradient/delta": "size of the gradient", "saturation/derivative": "slope of the activation",
    "saturation/entropy": "bits of entropy of the values", "identity/bias_control": "difference that the bias makes",
}  # fmt: skip
"""Records in words; others are shown with spaces for underscores."""
SHARES = ("saturation/share", "identity/outside_unit_interval")
"""Records that are shares of values, which are shown in percent."""
FACTORS = {"model.initializer_scale": "initial weights", "optimizer.learning_rate": "learning rate"}
ARMS = {
    "norm=none": "the plain net", "norm=batch": "the net with batch normalization",
    "norm=ghost_batch": "batch normalization in groups", "norm=batch_renorm": "Batch Renormalization",
    "norm=stopped_batch": "batch normalization with statistics as constants",
    "norm=frozen_batch": "batch normalization with frozen statistics",
    "norm=per_activation": "batch normalization of each activation",
    "norm=layer": "layer normalization", "norm=instance": "instance normalization", "norm=group": "group normalization",
    "norm=rms": "root mean square normalization", "norm=dyt": "dynamic tanh",
}  # fmt: skip
"""Arms in words, by what a contrast distinguishes; others are shown as they are."""


@dataclass(frozen=True)
class Unit:
    """How an effect on the measure's scale is shown: `of` gives a coordinate, `value` the number shown there.

    label: the unit in words. factor: multiplies the effect. base: of the logarithm, whose powers are shown; 0.0 for
    none. constant, sign: the effect is sign · value + constant, and the value is shown.
    """

    label: str
    factor: float = 1.0
    base: float = 0.0
    constant: float = 0.0
    sign: float = 1.0

    def of(self, effect: float) -> float:
        """The coordinate of an effect: for a ratio its logarithm, so that axes are logarithmic."""
        return self.factor * (effect - self.constant) * self.sign

    def value(self, coordinate: float) -> float:
        """The number that a reader sees at a coordinate."""
        return self.base**coordinate if self.base else coordinate


def unit(claim: Claim) -> Unit:
    """The unit of the claim's effects."""
    measure = parse(claim.measure)
    weights = [weight for selector, weight in claim.contrast.items() if selector != CONSTANT]
    constant = claim.contrast.get(CONSTANT, 0.0) if len(weights) == 1 else 0.0
    sign = weights[0] if len(weights) == 1 and abs(weights[0]) == 1 else 1.0
    base = words.BASES[measure.scale] if measure.scale is not None else 0.0
    if base:
        return Unit(_ratio(claim, measure), 1.0, base, constant, sign)
    label, factor = _amount(claim, measure)
    return Unit(label, factor, 0.0, constant, sign)


def _ratio(claim: Claim, measure: Measure) -> str:
    """Of a measure on a logarithmic scale."""
    steps = measure.replacement == "length" and measure.over is None
    noun = "steps" if steps else _noun(measure)
    weights = sorted(claim.contrast.values()) if CONSTANT not in claim.contrast else []
    if weights == [-0.5, -0.5, 1]:
        middle = "halfway between the others"
        return f"times as many steps as {middle}" if steps else f"{noun}: times that {middle}"
    if weights == [-1, 0.5, 0.5]:
        less, more = ("fewer steps", "more") if steps else (f"smaller {noun}", "larger")
        return f"times {less} than halfway between the others (below 1: {more})"
    if weights == [-1, 1]:
        other = next(selector for selector, weight in claim.contrast.items() if weight == -1)
        return "times fewer steps (below 1: more)" if steps else f"{noun}: times that of {_arm(claim, other)}"
    return f"ratio of ratios of {noun}" if weights == [-1, -1, 1, 1] else f"times the {noun}"


def _arm(claim: Claim, selector: str) -> str:
    """An arm by what the other one does not have."""
    others = [set(one.split()) for one in claim.contrast if one not in (selector, CONSTANT)]
    own = " ".join(word for word in selector.split() if not any(word in other for other in others))
    return ARMS.get(own, own)


def _amount(claim: Claim, measure: Measure) -> tuple[str, float]:
    """The unit of a measure without a scale, and the factor that leads to it."""
    what, factor = _value(measure)
    if measure.over is not None:
        over = FACTORS.get(measure.over.factor, _plain(measure.over.factor))
        if measure.over.take == "usable_decades":
            return f"powers of ten of {over}", 1.0
        taken = {"deviation": "standard deviation over", "area": "mean over"}.get(measure.over.take, measure.over.take)
        return f"{what}, {_plain(taken)} the {over}", factor
    lost = claim.test == "noninferiority" and len(claim.contrast) > 1 and CONSTANT not in claim.contrast
    return f"{what}{' lost (below 0: gained)' if lost else ''}", factor


def _value(measure: Measure) -> tuple[str, float]:
    """What one run's number is, and the factor that leads to it."""
    metrics = [str(measure.args.get("metric", "")), *map(str, measure.args.get("metrics", {}))]
    record = str(measure.args.get("name", ""))
    share = record in SHARES
    noun = "% of the values" if share else RECORDS.get(record, _plain(record))
    factor = 100.0 if share else 1.0
    if all(is_accuracy(metric) for metric in metrics if metric) and any(metrics):
        return "points of accuracy", 100.0
    if measure.name == "depth_slope":
        return (f"{noun}: powers of ten a layer" if measure.args["log"] else f"{noun} a layer"), factor
    if measure.name == "depth_ratio":
        if measure.args["absolute"]:
            return f"{noun}, first and last layer: powers of ten nearer", 1.0
        return f"{noun}: powers of ten from first to last layer", 1.0
    if measure.name == "path_growth":
        return "doublings of the movement a layer", 1.0
    if measure.name == "path_length":
        return ("movement, in widths of the distribution" if measure.args["relative"] else "movement"), 1.0
    return noun or _plain(measure.name), factor


def _noun(measure: Measure) -> str:
    if measure.over is not None:
        return f"{_plain(measure.over.take)} {FACTORS.get(measure.over.factor, _plain(measure.over.factor))}"
    if measure.name.startswith("path"):
        return "movement"
    record = str(measure.args.get("name", measure.name))
    return RECORDS.get(record, _plain(record))


def _plain(name: str) -> str:
    """`unit_mean` of `drift/unit_mean`, as words."""
    return name.rpartition("/")[2].rpartition(".")[2].replace("_", " ")


def spread(one: Unit, effect: Mapping[str, float], largest: float = math.nan) -> str:
    """`2.5 [2.1, 2.9]`: estimate, low and high in the unit, without exponents; the ends in ascending order.

    largest: the largest number beside which it stands, three digits of which are enough; NaN for its own. Ratios always
    have digits of their own.
    """
    mean, *ends = (one.value(one.of(effect[key])) for key in ("estimate", "low", "high"))
    known = [abs(value) for value in (mean, *ends) if math.isfinite(value)]
    if math.isnan(mean):
        return words.NOTHING
    size = max(known) if one.base or math.isnan(largest) else largest
    decimals = max(0, 2 - math.floor(math.log10(size))) if size > 0 else 0
    texts = [plain(value, decimals) for value in (mean, *sorted(ends))]
    return texts[0] if any(map(math.isnan, ends)) else f"{texts[0]} [{texts[1]}, {texts[2]}]"


def plain(value: float, decimals: int) -> str:
    """A number without exponent and without the sign of zero."""
    return f"{round(rounded(value), decimals) + 0.0:,.{decimals}f}"
