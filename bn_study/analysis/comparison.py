"""Compare arms: the mean of one number per run with its interval, and differences between arms, paired by seed."""

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bn_study.analysis import interval
from bn_study.analysis.arms import grouped, label, varying
from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import setting_names
from bn_study.analysis.shown import of_seeds
from bn_study.errors import UsageError
from bn_study.plan import parts

COLUMNS = (
    *("context", "arm", "n", "diverged", "mean", "low", "high"),
    *("against", "pairs", "difference", "difference_low", "difference_high"),
)


@dataclass(frozen=True)
class At:
    """Which recorded number of a run is compared: the last, the best, or the number at a step."""

    metric: str
    site: str
    when: str

    @property
    def needed(self) -> Needed:
        """The record that it reads."""
        return Needed(self.metric, self.site)

    def of(self, curve: pd.DataFrame) -> float:
        """The number that is compared, NaN if the run has none. curve: step and value of its record, sorted by step.

        The best value is the largest; for a loss or an error it is the smallest.
        """
        values = curve["value"].to_numpy(float)
        if not len(values):
            return math.nan
        if self.when == "last":
            return float(values[-1])
        if self.when == "best":
            smaller = any(word in self.metric for word in ("loss", "error"))
            return float(np.nanmin(values) if smaller else np.nanmax(values)) if np.isfinite(values).any() else math.nan
        found = curve.loc[curve["step"] == int(self.when), "value"]
        return float(found.iloc[0]) if len(found) else math.nan


def parsed(metric: str, when: str) -> At:
    """`activation/std@layer3/pre`, `last`, `best` or a step. Raises UsageError for anything else."""
    name, _, site = metric.partition("@")
    if when not in ("last", "best") and not when.isdecimal():
        raise UsageError(f"--at {when}: give last, best or a step")
    return At(name, site, when)


def values(runs: pd.DataFrame, records: pd.DataFrame, at: At) -> pd.Series:
    """The number of each run, by run id; NaN for a run that diverged or recorded none.

    Raises UsageError if no run recorded the metric, or none recorded it at the step.
    """
    own = records[(records["name"] == at.metric) & (records["site"] == at.site)].sort_values("step", kind="stable")
    if own.empty:
        pairs = set(records[["name", "site"]].itertuples(index=False, name=None))
        known = sorted(f"{name}@{site}" if site else name for name, site in pairs)
        asked = f"{at.metric}@{at.site}" if at.site else at.metric
        if not known:
            raise UsageError("the records of these runs are not on this machine; train them with `bn-study run`")
        raise UsageError(parts.unknown("metric", asked, known))
    steps = set(own["step"])
    if at.when.isdecimal() and int(at.when) not in steps:
        nearest = sorted(heapq.nsmallest(3, steps, key=lambda step: abs(step - int(at.when))))
        raise UsageError(
            f"--at {at.when}: no run was measured at this step; the nearest are {', '.join(map(str, nearest))}"
        )
    found = {run: at.of(curve) for run, curve in own.groupby("run")}
    lost = set(runs.loc[runs["status"] == "diverged", "run"])
    return pd.Series({run: math.nan if run in lost else found.get(run, math.nan) for run in runs["run"]}, dtype=float)


def compare(
    runs: pd.DataFrame, numbers: pd.Series, metric: str, by: Sequence[str], against: str | None
) -> pd.DataFrame:
    """A row for each arm in each context, with its difference to a reference arm.

    numbers: of the metric, see `values`. by: the settings that make arms; the options of a part follow the part. All
    other settings that vary, except the seed, make contexts. against: the reference arm, such as `norm=none`; None: the
    first arm. low, high: of the mean's interval (see `interval.of_mean`). difference: arm - against, the mean over the
    seeds that have a number in both, with its 95% t-interval. Diverged runs have no number and are counted. Raises
    UsageError for an unknown setting or arm.
    """
    known = setting_names(runs)
    for factor in by:
        if factor not in known:
            raise UsageError(parts.unknown("setting", factor, known))
    varied = ["norm", *varying(runs)] if runs["norm"].nunique() > 1 else varying(runs)
    varied = [name for name in known if name in varied]
    arms = list(dict.fromkeys([*by, *(name for name in varied if name.partition(".")[0] in by)]))
    others = [name for name in varied if name not in arms]
    contexts = [
        (label(context), {label(values): group for values, group in grouped(own, arms)})
        for context, own in grouped(runs, others)
    ]
    every = list(dict.fromkeys(name for _, found in contexts for name in found))
    if against is not None and not any(_fits(one, against) for one in every):
        raise UsageError(parts.unknown("arm", against, every))
    rows = []
    for context, found in contexts:
        base = _reference(list(found), against)
        for name, group in found.items():
            rows.append(_row(context, name, group, base, found.get(base, group), numbers, metric))
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _fits(arm: str, against: str) -> bool:
    return set(against.split()) <= set(arm.split())


def _reference(arms: list[str], against: str | None) -> str:
    """The arm that others are compared with: the first, or the one that is named whole or by some of its words.

    "" in a context that lacks it.
    """
    if against is None or against in arms:
        return against or arms[0]
    fitting = [one for one in arms if _fits(one, against)]
    if len(fitting) > 1:
        some = ", ".join(map(repr, fitting[:3]))
        raise UsageError(
            f"--against {against!r} fits {len(fitting)} arms ({some}); name one, or leave a setting out of --by"
        )
    return fitting[0] if fitting else ""


def _row(
    context: str,
    name: str,
    arm: pd.DataFrame,
    base: str,
    first: pd.DataFrame,
    numbers: pd.Series,
    metric: str,
) -> Mapping[str, object]:
    own = of_seeds(arm["seed"], numbers[arm["run"]])
    low, high = interval.of_values(own, metric)
    row = {"context": context, "arm": name, "n": len(own), "diverged": int((arm["status"] == "diverged").sum())}
    row |= {"mean": own.mean(), "low": low, "high": high}
    if set(first["run"]) == set(arm["run"]):
        return row
    pairs = (own - of_seeds(first["seed"], numbers[first["run"]])).dropna()
    low, high = interval.of_values(pairs)
    numbers_of = {"difference": pairs.mean(), "difference_low": low, "difference_high": high}
    return row | {"against": base, "pairs": len(pairs)} | numbers_of
