"""Headlines: the answer to a statement, computed from the outcomes of the claims that answer it directly.

docs/verdicts.md (From verdicts to a statement's answer) explains the rule to readers. In full:

The answer to a *part* (`part`) uses its cases, one per context of its claims. Supported, small and reversed cases are
decided; open and missing ones are not. Blocked cases never enter. The first line that applies decides:

1. no case was listed: `not tested`. All are blocked: `open`.
2. hedge "can", and a case is supported: `holds`.
3. fewer than half of the cases are decided: `open`.
4. no case is supported: `does not hold`.
5. a set F of scope factors separates the cases and is significant: `depends`.
6. all decided cases are supported: `holds`. Otherwise: `holds in part`.

A *candidate* is one scope factor, or two, each with at least two values among the cases; a factor that a case has no
value of is none. It *separates* if there are supported and other cases, but no combination of its values has both; a
pair counts only if neither of its factors separates alone. Its p must be at most 0.05 after Holm over all candidates of
its size that can be tested, whether they separate or not. F is the smallest separating candidate that is significant;
among those of the same size the one with the smallest p before Holm, then the first in the order of the factors (of
pairs: of their first factors, then of the second). "Other" cases are small, reversed and open ones. If that gives no F,
open ones are left out: other cases are small and reversed ones. Missing cases are neither. Pairs are no candidates if
no case is small or reversed.

The p of a candidate tests whether true effects differ, in all cases that have an interval, open ones included:

- A case has mean `estimate` and standard error s = (high - low) / 2 / t(.975, n - 1) with n - 1 degrees of freedom; s
  is 0 if it is at most 1e-8 of the mean. A case without finite numbers or with n < 2 does not enter. The k cases of one
  value are pooled: the mean of their estimates, with the squared standard error (sum(s²) + sum(s)²) / 2k² (they share
  seeds: a correlation of one half) and the fewest degrees of freedom of any.
- One factor: Welch's analysis of variance (1951) of the pooled means of its values (`interaction.differ`).
- A pair (A, B) must show that each of its factors matters: for each value of B that has two or more values of A, p of
  Welch's analysis of variance over these values; the smallest, times the number of such values of B; the same for B
  given A; p is the larger of both (an intersection-union test), and there is none if A or B cannot be tested.
- Only cases of one unit (see `Case`) are compared. With several units p is the number of units that can be tested
  times the smallest p among those that have both supported and other cases (Bonferroni), and 1 if there are none such.
- Exact cases are certain and units of their own: p of such a unit is 0 if the candidate separates its supported cases
  from its small and reversed ones, else 1.

The *statement* (`statement`) combines its parts; exact parts count as effects. The first line that applies decides:

1. no part was tested: `not tested`.
2. the effects hold, hold in part or depend, and a mechanism does not hold: `cause`.
3. as in 2, and all mechanisms are open or not tested: the word of the effects, but `holds in part` instead of `holds`,
   because the cause must not hide behind it; it adds that the cause is open or not tested.
4. effects were tested and are open: `open`.
5. otherwise all parts, combined as below.

Combined: `not tested` if no part was; `open` if fewer than half of the tested parts are decided; then of the decided
parts: all hold: `holds`, or `holds in part` if a part is open or not tested, which must not be hidden; all do not hold:
`does not hold`; all hold or depend, on at most two factors together: `depends`; anything else: `holds in part`.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from bn_study.analysis import scopes
from bn_study.analysis.interaction import Mean, differ, from_interval, pooled
from bn_study.analysis.rounding import rounded
from bn_study.analysis.stats import SIGNIFICANCE, holm

DECIDED = ("supported", "small", "reversed")
SAID = {
    "supported": "holds", "small above 0": "small (in the stated direction)", "small": "small",
    "small below 0": "small (in the opposite direction)", "reversed": "reversed", "open": "open",
    "missing": "not run yet",
}  # fmt: skip
"""The outcomes of a case in the words of a sentence, in their order there; small ones with the sign of the effect."""
AFTERWARDS, BOTH_AFTERWARDS = " (seen afterwards)", " (both seen afterwards)"
"""What follows a factor that was stated after the runs, and two of them."""


@dataclass(frozen=True)
class Case:
    """One context of a claim that answers a part directly.

    claim, context: as in verdicts.csv. outcome: an `Outcome`. estimate, low, high: mean and 95% interval on the
    measure's scale, NaN where there is none. n: paired seeds. scope: scope factor -> value in words. unit: measure with
    its options, but for the step, and contrast; only numbers of one unit can be compared. exact: whether every seed was
    tested by itself.
    """

    claim: str
    context: str
    outcome: str
    estimate: float
    low: float
    high: float
    n: int
    scope: Mapping[str, str]
    unit: str = ""
    exact: bool = False


@dataclass(frozen=True)
class Answer:
    """The answer to a part.

    word: holds, holds in part, depends, does not hold, open or not tested. factors: what it depends on. afterwards:
    those of them that were stated after the runs. p: Holm's p of the factors. cases: those that count (not blocked).
    """

    word: str
    factors: tuple[str, ...] = ()
    afterwards: tuple[str, ...] = ()
    p: float = math.nan
    cases: tuple[Case, ...] = ()


@dataclass(frozen=True)
class Headline:
    """The answer to a statement. word: as shown. kind: a part's word, `cause` or `not testable`. text: one sentence."""

    word: str
    kind: str
    text: str


def part(
    cases: Sequence[Case], factors: Sequence[str], hedge: str = "", afterwards: Collection[str] = frozenset()
) -> Answer:
    """The answer to a part from its cases. factors: its stated scope factors, in order. hedge: "" or "can"."""
    counting = tuple(case for case in cases if case.outcome != "blocked")
    if not counting:
        return Answer("open" if cases else "not tested")
    found = tuple(case for case in counting if case.outcome in DECIDED)
    supported = sum(case.outcome == "supported" for case in found)
    if hedge == "can" and supported:
        return Answer("holds", cases=counting)
    if 2 * len(found) < len(counting):
        return Answer("open", cases=counting)
    if not supported:
        return Answer("does not hold", cases=counting)
    chosen, p = _factors(counting, factors)
    late = tuple(factor for factor in chosen if factor in afterwards)
    word = "depends" if chosen else "holds" if supported == len(found) else "holds in part"
    return Answer(word, chosen, late, p, counting)


def _told(case: Case) -> str:
    """The outcome of a case, a small effect with its sign where its interval is clear of 0. A key of SAID."""
    if case.outcome != "small" or not (case.low > 0 or case.high < 0):
        return case.outcome
    return "small above 0" if case.low > 0 else "small below 0"


def _factors(cases: Sequence[Case], factors: Sequence[str]) -> tuple[tuple[str, ...], float]:
    """The smallest candidate that separates and is significant, with its adjusted p; () and NaN if there is none."""
    usable = [
        factor
        for factor in dict.fromkeys(factors)
        if all(factor in case.scope for case in cases) and len({case.scope[factor] for case in cases}) > 1
    ]
    # All candidates are tested, on all of their values. Testing only the split that the outcomes show, or adjusting for
    # the separating candidates alone, would use the same differences twice and find dependences in noise.
    # A pair has hardly more than one case for each combination of values, so it would separate any open case: it is no
    # candidate unless a case is small or reversed.
    sizes = (1, 2) if any(case.outcome in DECIDED[1:] for case in cases) else (1,)
    for others in ((*DECIDED[1:], "open"), DECIDED[1:]):
        for size in sizes:
            candidates = list(combinations(usable, size))
            p_values = [rounded(_p(cases, candidate, others)) for candidate in candidates]
            tested = zip(candidates, p_values, holm(p_values), strict=True)
            found = [one for one in tested if one[2] <= SIGNIFICANCE and _minimal(cases, one[0], others)]
            if found:
                candidate, _, p = min(found, key=lambda one: one[1])
                return candidate, rounded(p)
    return (), math.nan


def _minimal(cases: Sequence[Case], candidate: Sequence[str], others: Collection[str]) -> bool:
    """Whether the candidate separates and no factor of a pair does so alone."""
    alone = [[factor] for factor in candidate] if len(candidate) > 1 else []
    return _separates(cases, candidate, others) and not any(_separates(cases, one, others) for one in alone)


def _separates(cases: Sequence[Case], candidate: Sequence[str], others: Collection[str]) -> bool:
    """Whether supported cases and those of the other outcomes both occur, but in no combination of values together."""
    holds, fails = (
        {tuple(case.scope[factor] for factor in candidate) for case in cases if case.outcome in outcomes}
        for outcomes in (("supported",), others)
    )
    return bool(holds) and bool(fails) and not holds & fails


def _p(cases: Sequence[Case], candidate: tuple[str, ...], others: Collection[str]) -> float:
    """p of a candidate over all units, NaN if it cannot be tested."""
    units: dict[tuple[str, bool], list[Case]] = {}
    for case in cases:
        units.setdefault((case.unit, case.exact), []).append(case)
    tested, deciding = 0, []
    for (_, exact), among in units.items():
        p = float(not _separates(among, candidate, DECIDED[1:])) if exact else _p_of_unit(among, candidate)
        if math.isnan(p):
            continue
        tested += 1
        outcomes = {case.outcome for case in among}
        if "supported" in outcomes and outcomes & set(others):
            deciding.append(p)
    return min(1.0, tested * min(deciding)) if deciding else 1.0 if tested else math.nan


def _p_of_unit(cases: Sequence[Case], candidate: tuple[str, ...]) -> float:
    means = [(case.scope, from_interval(case.estimate, case.low, case.high, case.n)) for case in cases]
    measured = [(scope, mean) for scope, mean in means if mean is not None]
    if len(candidate) == 1:
        return _within(measured, candidate[0], ())
    first, second = candidate
    both = _within(measured, first, (second,)), _within(measured, second, (first,))
    return math.nan if any(map(math.isnan, both)) else max(both)


def _within(measured: Sequence[tuple[Mapping[str, str], Mean]], factor: str, given: tuple[str, ...]) -> float:
    """p of the factor at some value of the given one: the smallest, times the number of values that can be tested."""
    strata: dict[tuple[str, ...], dict[str, list[Mean]]] = {}
    for scope, mean in measured:
        stratum = strata.setdefault(tuple(scope[one] for one in given), {})
        stratum.setdefault(scope[factor], []).append(mean)
    found = [differ([pooled(among) for among in one.values()]) for one in strata.values() if len(one) > 1]
    return min(1.0, len(found) * min(found)) if found else math.nan


def statement(parts: Mapping[str, tuple[str, Answer]], untestable: str = "") -> Headline:
    """The headline of a statement. parts: its parts in words -> (kind of part, answer). untestable: why nobody can."""
    if untestable:
        return Headline("not testable", "not testable", f"not testable: {untestable}")
    text = _sentences(parts)
    effects = [answer for kind, answer in parts.values() if kind != "mechanism"]
    causes = [answer for kind, answer in parts.values() if kind == "mechanism"]
    word, factors = _combined(effects)
    if causes and word in ("holds", "holds in part", "depends"):
        if any(answer.word == "does not hold" for answer in causes):
            rest = "the stated cause does not" + (" hold" if word == "depends" else "")
            return Headline(f"effect {_shown(word, effects, factors)}, {rest}", "cause", text)
        unknown = {answer.word for answer in causes}
        if unknown <= {"open", "not tested"}:
            state = "not tested" if unknown == {"not tested"} else "open"
            kind = "holds in part" if word == "holds" else word
            return Headline(f"effect {_shown(word, effects, factors)}, the stated cause is {state}", kind, text)
    if not (causes and word == "open"):
        word, factors = _combined([*effects, *causes])
    return Headline(_shown(word, [*effects, *causes], factors), word, text)


def _combined(answers: Sequence[Answer]) -> tuple[str, tuple[str, ...]]:
    """The word of several parts, and what they depend on."""
    tested = [answer for answer in answers if answer.word != "not tested"]
    decided = [answer for answer in tested if answer.word != "open"]
    words = {answer.word for answer in decided}
    if not tested:
        return "not tested", ()
    if 2 * len(decided) < len(tested):
        return "open", ()
    if words == {"does not hold"}:
        return "does not hold", ()
    if words == {"holds"}:
        return ("holds" if len(decided) == len(answers) else "holds in part"), ()
    factors = tuple(dict.fromkeys(factor for answer in decided for factor in answer.factors))
    if words <= {"holds", "depends"} and len(factors) <= 2:
        return "depends", factors
    return "holds in part", ()


def _shown(word: str, answers: Sequence[Answer], factors: Sequence[str]) -> str:
    return f"depends on {_on(answers, factors)}" if word == "depends" else word


def _on(answers: Sequence[Answer], factors: Sequence[str]) -> str:
    late = {factor for answer in answers for factor in answer.afterwards}
    if len(factors) > 1 and late.issuperset(factors):
        return scopes.listed([f"the {factor}" for factor in factors]) + BOTH_AFTERWARDS
    return scopes.listed([f"the {factor}{AFTERWARDS if factor in late else ''}" for factor in factors])


def _sentences(parts: Mapping[str, tuple[str, Answer]]) -> str:
    """What was found where: a clause, or with several parts a sentence for each."""
    if len(parts) < 2:
        return next((_clause(answer, ": ") for _, answer in parts.values()), "not tested")
    clauses = {name.rstrip("."): _clause(answer, "; ") for name, (_, answer) in parts.items()}
    return " ".join(f"{name[:1].upper()}{name[1:]}: {clause}." for name, clause in clauses.items())


def _clause(answer: Answer, after: str) -> str:
    """`depends on the network: holds in the A; small in the B`. after: what stands after the answer."""
    every = [case.scope for case in answer.cases]
    found = {told: [case.scope for case in answer.cases if _told(case) == told] for told in SAID}
    places = [f"{SAID[outcome]} {scopes.where(among, every)}".rstrip() for outcome, among in found.items() if among]
    says = _shown(answer.word, [answer], answer.factors)
    if not places or (answer.word == "does not hold" and places == ["reversed"]):
        return says
    said = answer.word in ("holds", "holds in part") or places[0].startswith(says)
    return ("" if said else says + after) + "; ".join(places)
