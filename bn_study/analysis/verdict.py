"""Verdicts: how a claim's contexts are combined, and the table of the results."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import pandas as pd

from bn_study.analysis.contrast import Values
from bn_study.analysis.rounding import rounded_table
from bn_study.analysis.stats import RULE, Outcome


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

    estimate, low, high: mean effect and 95 % interval on the measure's scale. p: Holm's, NaN in a context that does not
    count.
    n: paired seeds. replaced: runs whose missing value is censored or imputed. gated: a gate failed, so that the
    context does not count. reversed: the effect is against the claim's direction.
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
    gated: bool = False
    reversed: bool = False
    pairs: Pairs = field(default=NO_PAIRS, compare=False, repr=False)


@dataclass(frozen=True)
class Verdict:
    """What the runs say about a claim. The numbers are those of the one context, NaN where there are several.

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
    outcome: Outcome
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

    def outcome_in(self, context: str) -> Outcome:
        """The outcome in a context, with its factors in any order; the whole claim's if it has no such context."""
        here = sorted(context.split())
        return next((row.outcome for row in self.rows if sorted(row.context.split()) == here), self.outcome)


def verdicts_table(found: Mapping[str, Verdict]) -> pd.DataFrame:
    """A row per claim, context "", followed by a row per context where there are several; numbers are rounded."""
    rows = []
    for one in found.values():
        head = {"claim": one.claim, "statements": " ".join(one.statements)}
        tail = {"says": one.says, "test": one.test, "margin": one.margin, "measure": one.measure, "stated": one.stated}
        tail["attached_later"] = " ".join(f"{name}:{commit}" for name, commit in one.attached_later.items())
        numbers = ("outcome", "estimate", "low", "high", "p", "n", "replaced", "reason")
        parts = [("", one)] + ([(row.context, row) for row in one.rows] if len(one.rows) > 1 else [])
        for context, part in parts:
            rows.append(head | {"context": context} | {key: getattr(part, key) for key in numbers} | tail)
    columns = (
        "claim statements context outcome estimate low high p n replaced reason says test margin measure stated "
        "attached_later"
    )
    return rounded_table(pd.DataFrame(rows, columns=columns.split()))


def aggregate(says: str, rows: tuple[Row, ...]) -> tuple[Outcome, str]:
    """The combined outcome of the contexts, and why.

    Contexts whose gates failed do not count; with fewer than half left the claim is inconclusive.
    always: supported if every context is, contradicted by one. can: supported by one, contradicted if every context is.
    generally: supported by two thirds without a reversed one, contradicted once two thirds are out of reach, because
    more than a third are contradicted.
    """
    missing = [row for row in rows if row.outcome == "missing"]
    if missing:
        first = missing[0]
        return "missing", f"{len(missing)} of {len(rows)} contexts are missing; {first.context}: {first.reason}"
    counting = [row for row in rows if not row.gated]
    failed = [row for row in rows if row.gated]
    total = len(counting)
    if total < len(rows) / 2:
        first = failed[0]
        return "inconclusive", f"gates failed in {len(failed)} of {len(rows)} contexts; {first.context}: {first.reason}"
    gated = f"; gates failed in {len(failed)} more ({', '.join(row.context for row in failed)})" if failed else ""
    count = {outcome: sum(row.outcome == outcome for row in counting) for outcome in ("supported", "contradicted")}
    supported, contradicted = count["supported"], count["contradicted"]
    against = [row for row in counting if row.reversed]
    words = [f"supported in {supported} of {total} contexts"]
    if contradicted:
        where = ", ".join(row.context for row in counting if row.outcome == "contradicted")
        words.append(f"contradicted in {contradicted} ({where})" + (f", reversed in {len(against)}" if against else ""))
    if supported + contradicted < total:
        words.append(f"inconclusive in {total - supported - contradicted}")
    reason = "; ".join(words) + gated
    holds = {
        "always": supported == total,
        "generally": 3 * supported >= 2 * total and not against,
        "can": supported > 0,
    }
    fails = {"always": contradicted > 0, "generally": 3 * contradicted > total, "can": contradicted == total}
    return ("supported" if holds[says] else "contradicted" if fails[says] else "inconclusive"), reason
