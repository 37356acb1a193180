"""Measures as a claim or a tuning states them: a part of `measure/` by name, its arguments, and a scale."""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from bn_study.analysis import arguments
from bn_study.analysis.needed import Needed
from bn_study.analysis.over import Over, parse_over
from bn_study.analysis.reach import Reach
from bn_study.analysis.recorded import diverged
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.spec import Part
from bn_study.store.stored_run import StoredRun

SCALES: dict[str, Callable[[float], float]] = {"log2": math.log2, "log10": math.log10}


@dataclass(frozen=True)
class Measure:
    """A checked measure: its name, its arguments except the level, and the scale of its contrasts.

    over: how the runs of a seed over one factor are combined into one number; the scale then applies to that number.
    """

    name: str
    args: Mapping[str, Any]
    scale: str | None
    over: Over | None = None

    @property
    def needs_level(self) -> bool:
        """Whether a claim has to give a level, for the measure or for the number over a factor."""
        return self._takes_level or (self.over is not None and self.over.needs_level)

    @property
    def over_factor(self) -> str | None:
        """The factor in which the runs of a seed differ, if the measure is a number over one."""
        return self.over.factor if self.over is not None else None

    @property
    def _takes_level(self) -> bool:
        return arguments.takes_level(parts.function("measure", self.name))

    @property
    def replacement(self) -> Literal["length", "chance", "worst"]:
        """What replaces the missing value of a run.

        length: the run's steps, a censored time; a measure that counts steps declares it. chance: 1 / classes, imputed
        for an accuracy. worst: an extreme of the finite values of either arm, imputed where there is no natural floor.
        """
        declared = getattr(parts.find("measure", self.name), "REPLACEMENT", None)
        if declared is not None:
            return declared
        return "chance" if is_accuracy(str(self.args.get("metric", ""))) else "worst"

    def label(self, level: float | None) -> str:
        """The canonical column name, without the scale: `steps_to(level=0.95,metric=test/accuracy)`. Has no spaces."""
        args = dict(self.args) | ({"level": float(level)} if self._takes_level and level is not None else {})
        return f"{self.name}({','.join(f'{key}={_word(args[key])}' for key in sorted(args))})"

    def of(self, run: StoredRun, level: float | None) -> float:
        """The unscaled value. It is NaN for a diverged run, whatever the run recorded; it is imputed later."""
        if diverged(run):
            return math.nan
        args = {**self.args, **({arguments.LEVEL: level} if self._takes_level else {})}
        return parts.call("measure", Part(self.name, args), run)

    def needs(self) -> list[Needed]:
        """The records that it reads from a run."""
        return parts.find("measure", self.name).needs(**self.args)

    def reach(self, records: Sequence[Reach], steps: Sequence[int]) -> Reach:
        """The unscaled values that it can take; see measure/__init__.py."""
        found = getattr(parts.find("measure", self.name), "reach", None)
        return found(records, steps, **self.args) if found is not None and len(records) and len(steps) else Reach()

    @property
    def rises(self) -> bool:
        """Whether it asks for a record at or above a level."""
        return getattr(parts.find("measure", self.name), "RISES", False)

    def words(self, level: float | None) -> str:
        """The whole measure with its scale, for a reader."""
        return " ".join(filter(None, [self.scale, self.over.words() if self.over else "", self.label(level)]))

    def scaled(self, value: float) -> float:
        """The value on the measure's scale; NaN if the scale is logarithmic and the value has no logarithm."""
        if self.scale is None or math.isnan(value):
            return value
        return SCALES[self.scale](value) if value > 0 else math.nan


def is_accuracy(metric: str) -> bool:
    """Whether a metric is a share of right answers: `test/accuracy`, `train/accuracy_moving`; not a loss of it."""
    name = metric.rpartition("/")[2]
    return name.startswith("accuracy") and not name.endswith("_lost")


def parse(spec: Mapping[str, Any]) -> Measure:
    """`{steps_to: {metric: test/accuracy}, scale: log2}` as a Measure. Raises UsageError for what is wrong with it."""
    names = [key for key in spec if key not in ("scale", "over")]
    if len(names) != 1:
        raise UsageError(f"a measure is one name with its arguments, and perhaps a scale; found {names or 'no name'}")
    name, scale = names[0], spec.get("scale")
    if name not in parts.names("measure"):
        raise UsageError(parts.unknown("measure", name, parts.names("measure")))
    if scale is not None and str(scale) not in SCALES:
        raise UsageError(parts.unknown("scale", str(scale), SCALES))
    if not isinstance(spec[name] or {}, Mapping):
        raise UsageError(f"the arguments of {name} must be a mapping, not {spec[name]!r}")
    args = arguments.checked(name, parts.function("measure", name), spec[name] or {})
    over = parse_over(spec["over"]) if spec.get("over") is not None else None
    return Measure(name, args, scale, over)


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{','.join(_word(one) for one in value)}]"
    if isinstance(value, dict):
        return f"{{{','.join(f'{key}:{_word(value[key])}' for key in sorted(value))}}}"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return re.sub(r"\s+", "_", str(value))
