"""Verdicts: how a claim's contexts are combined, and the table of the results."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

import pandas as pd

from bn_study.analysis.contrast import Values
from bn_study.analysis.rounding import rounded_table
from bn_study.analysis.stats import RULE, Outcome, signed

VARIES: Literal["varies"] = "varies"
Combined = Outcome | Literal["varies"]
"""What was found over several contexts: the outcome that they share, or `varies`."""


@dataclass(frozen=True)
class Pairs:
    """The data behind the verdict in one context.

    values: each arm's values by seed, on the measure's scale, with the imputed values that do not depend on the end.
    constant: the contrast's constant. differences: the weighted sums by seed, with missing values imputed against the
    claim.
    """

    values: tuple[Values, ...]
    constant: float
    differences: pd.Series


NO_PAIRS = Pairs((), 0.0, pd.Series(dtype=float))


@dataclass(frozen=True)
class Row:
    """The verdict in one context.

    estimate, low, high: mean effect and 95% interval on the measure's scale. p: Holm's, NaN in a context that does not
    count.
    n: paired seeds. replaced: runs whose missing value is censored or imputed. p_raw: p before Holm's adjustment.
    """

    context: str
    outcome: Outcome
    reason: str
    estimate: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p: float = math.nan
    n: int = 0
    replaced: int = 0
    pairs: Pairs = field(default=NO_PAIRS, compare=False, repr=False)
    p_raw: float = math.nan


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim. The numbers are those of the one context, NaN where there are several.

    outcome: what all contexts that count share, else `varies`. Gates and sanity checks ask whether the claim `holds`.
    stated: the commit that stated the claim first, or its date without git; `post hoc` if one of its runs had been
    trained by then; "" if there are no runs. attached_later: the statements that the claim was attached to when its
    runs had been trained, each with the commit. rule: the version of the decision rule when the claim was stated.
    """

    claim: str
    statements: tuple[str, ...]
    says: str
    test: str
    margin: float
    measure: str
    outcome: Combined
    reason: str
    estimate: float
    low: float
    high: float
    p: float
    n: int
    replaced: int
    rows: tuple[Row, ...]
    stated: str
    attached_later: Mapping[str, str] = field(default_factory=dict)
    rule: int = RULE
    p_raw: float = math.nan

    @property
    def holds(self) -> bool:
        """Whether the claim is supported in as many contexts as it says: always, generally or can.

        generally: in two thirds of them, and it is reversed in none. Blocked contexts do not count; if fewer than half
        count, or runs are missing, the claim does not hold.
        """
        counting = _counting(self.rows)
        supported = sum(row.outcome == "supported" for row in counting)
        if any(row.outcome == "missing" for row in self.rows) or 2 * len(counting) < len(self.rows):
            return False
        if self.says == "generally":
            return 3 * supported >= 2 * len(counting) and all(row.outcome != "reversed" for row in counting)
        return supported > 0 if self.says == "can" else supported == len(counting)

    def row_in(self, context: str) -> Row | None:
        """The row of a context, with its factors in any order; None if the claim has no such context."""
        here = sorted(context.split())
        return next((row for row in self.rows if sorted(row.context.split()) == here), None)

    def holds_in(self, context: str) -> bool:
        """Whether the claim is supported in a context; whether it `holds` if it has no such context."""
        row = self.row_in(context)
        return self.holds if row is None else row.outcome == "supported"

    def told_in(self, context: str) -> str:
        """What was found in a context, or over all contexts if it has no such context, as the end of a sentence."""
        row = self.row_in(context)
        if row is None and len(self.rows) > 1:
            return f"{'holds' if self.holds else 'does not hold'} over its contexts"
        return f"is {self.outcome if row is None else row.outcome}"


def verdicts_table(found: Mapping[str, Verdict]) -> pd.DataFrame:
    """A row per claim, context "", followed by a row per context where there are several; numbers are rounded."""
    rows = []
    for one in found.values():
        head = {"claim": one.claim, "statements": " ".join(one.statements)}
        tail = {"says": one.says, "test": one.test, "margin": one.margin, "measure": one.measure, "stated": one.stated}
        tail["attached_later"] = " ".join(f"{name}:{commit}" for name, commit in one.attached_later.items())
        numbers = ("outcome", "estimate", "low", "high", "p", "p_raw", "n", "replaced", "reason")
        parts = [("", one)] + ([(row.context, row) for row in one.rows] if len(one.rows) > 1 else [])
        for context, part in parts:
            rows.append(head | {"context": context} | {key: getattr(part, key) for key in numbers} | tail)
    columns = (
        "claim statements context outcome estimate low high p p_raw n replaced reason says test margin measure stated "
        "attached_later"
    )
    return rounded_table(pd.DataFrame(rows, columns=columns.split()))


def shown(outcome: str, low: float, high: float) -> str:
    """An outcome as readers see it: a small effect has its sign where the interval low..high is clear of 0."""
    return signed(outcome, low, high) if outcome == "small" else outcome


def combined(rows: Sequence[Row]) -> tuple[Combined, str]:
    """The outcome that the contexts share, or `varies`, and a reason that counts the outcomes.

    Blocked contexts do not count. A claim is missing if any of its contexts is.
    """
    for outcome in ("missing", "blocked"):
        found = [row for row in rows if row.outcome == outcome]
        if found and (outcome == "missing" or len(found) == len(rows)):
            return outcome, f"{len(found)} of {len(rows)} contexts are {outcome}; {found[0].context}: {found[0].reason}"
    shared = {row.outcome for row in _counting(rows)}
    tally = {one: [row.context for row in rows if row.outcome == one] for one in get_args(Outcome)}
    texts = {
        one: f"{len(where)} {one}" + ("" if one == "supported" or shared == {one} else f" ({', '.join(where)})")
        for one, where in tally.items()
        if where
    }
    blocked = texts.pop("blocked", "")
    outcome = shared.pop() if len(shared) == 1 else VARIES
    return outcome, "; ".join(filter(None, [", ".join(texts.values()), blocked]))


def _counting(rows: Sequence[Row]) -> list[Row]:
    return [row for row in rows if row.outcome != "blocked"]
