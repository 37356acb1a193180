"""Runs + a claim -> Verdict: what was found, with the interval and a reason in words.

The README summarizes the rules. Each context (a combination of values of the claim's context factors) has its own
verdict; verdict.py combines them.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pandas as pd

from bn_study.analysis import contrast
from bn_study.analysis.arms import CONSTANT, Arm, ambiguous, arms, contexts, in_context, narrowed, points, tuning_keys
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.settings import cells_table, comparable, of_grids, written
from bn_study.analysis.stated import UNKNOWN, Firsts, attached_later, stated
from bn_study.analysis.stats import RULE, Estimate, Finding, decide, estimate, holm
from bn_study.analysis.verdict import NO_PAIRS, Pairs, Row, Verdict, combined
from bn_study.plan import parts
from bn_study.plan.experiment import Claim, Experiment, Factors, Tuned

NO_EFFECT = estimate([], replaced=False)


@dataclass(frozen=True)
class _Context:
    """One context before its Row: the effect with missing values imputed against the claim, and in its favor.

    pairs: what each arm contributed, by seed, and the paired differences that count against the claim.
    """

    name: str
    note: str
    replaced: int = 0
    against: Estimate = NO_EFFECT
    favor: Estimate = NO_EFFECT
    missing: str = ""
    gate: str = ""
    censored: str = ""
    undefined: str = ""
    pairs: Pairs = NO_PAIRS


def verdicts(
    experiment: Experiment,
    runs: pd.DataFrame,
    tuned: Mapping[str, Tuned],
    sanity: str = "",
    firsts: Firsts = UNKNOWN,
) -> dict[str, Verdict]:
    """The verdict on every claim of an experiment, in the order of the experiment file."""
    return {name: verdict(name, experiment, runs, tuned, sanity, firsts) for name in experiment.claims}


def verdict(
    name: str,
    experiment: Experiment,
    runs: pd.DataFrame,
    tuned: Mapping[str, Tuned],
    sanity: str = "",
    firsts: Firsts = UNKNOWN,
) -> Verdict:
    """The verdict on one claim.

    runs: the table of `tables.runs_table`. If it lacks runs that the grid asks for, the verdict is `missing`.
    tuned: what the tuning entries chose. A gate is another claim of the experiment, which must hold.
    sanity: why a failed sanity check (report/sanity_checks.py) rules out any verdict, or "".
    firsts: when claims were stated and runs trained; it affects only `stated`.
    Raises UsageError if the claim leaves a factor of its grid open. If overrides may have opened the factor, the
    verdict is `missing` instead.
    """
    claim, measure = experiment.claims[name], parse(experiment.claims[name].measure)
    table = of_grids(runs, claim.grids)
    cells = cells_table([experiment.grids[grid] for grid in claim.grids])
    fixed = {factor: value for factor, value in claim.at.items() if value not in list(experiment.tune)}
    planned = arms(cells, claim.contrast, fixed, None)
    found = arms(table, claim.contrast, claim.at, tuned) if _tuned(claim, experiment, tuned) else []
    gates = {one: verdict(one, experiment, runs, tuned, sanity) for one in claim.gates}
    absent = [arm.selector for arm in planned if arm.rows.empty]
    places = contexts(planned, claim.contexts)
    if absent or not places:
        what = absent or claim.contexts
        rows: tuple[Row, ...] = (Row("", "missing", f"no run of the plan has {' or '.join(what)}"),)
    else:
        judged = [
            _opened(claim, measure, experiment, planned, one)
            or _context(claim, measure, planned, found, one, _gate(gates, one, sanity), tuned)
            for one in places
        ]
        rows = _rows(claim, judged)
    levels = [claim.level.get(dataset) for dataset in sorted(set(cells["dataset"]))]
    words = " | ".join(dict.fromkeys(measure.words(level) for level in levels))
    used = pd.concat([arm.rows for arm in found]).drop_duplicates("run") if found else pd.DataFrame()
    tested = experiment.stated_hash(name)
    attached = firsts.statements.get(name, ())
    later = attached_later(name, tested, attached, used, firsts)
    when, rule = stated(name, tested, used, firsts), firsts.rules.get(tested, RULE)
    whole = _verdict(name, claim, words, rows, when, later, rule)
    return replace(whole, statements=tuple(key for key in attached if ":" not in key))


def _tuned(claim: Claim, experiment: Experiment, tuned: Mapping[str, Tuned]) -> bool:
    return all(value in tuned for value in claim.at.values() if value in list(experiment.tune))


def _gate(gates: Mapping[str, Verdict], context: Factors, sanity: str) -> str:
    """Why a claim's gates fail in a context, or "". A gate without that context must hold as a whole."""
    here = _name(context)
    failed = [f"the gate {name} {gate.told_in(here)}" for name, gate in gates.items() if not gate.holds_in(here)]
    return ", ".join(filter(None, [sanity, *failed]))


def _opened(
    claim: Claim, measure: Measure, experiment: Experiment, planned: list[Arm], context: Factors
) -> _Context | None:
    """The verdict is missing in a context where overrides give a setting several values but the claim needs one."""
    if not experiment.changed:
        return None
    tuned = [factor for factor, value in claim.at.items() if value in list(experiment.tune)]
    cells = {arm.selector: narrowed(arm, context).drop(columns=tuned, errors="ignore") for arm in planned}
    reason = "; ".join(
        filter(None, (ambiguous(selector, rows, measure.over_factor) for selector, rows in cells.items()))
    )
    return _Context(_name(context), "", missing=reason) if reason else None


def _name(context: Factors) -> str:
    return " ".join(f"{factor}={written(value)}" for factor, value in context.items())


def _context(
    claim: Claim,
    measure: Measure,
    planned: list[Arm],
    found: list[Arm],
    context: Factors,
    gate: str,
    tuned: Mapping[str, Tuned],
) -> _Context:
    name = _name(context)
    waits = [arm.waits for arm in found if arm.waits]
    if waits or not found:
        entries = [value for value in claim.at.values() if isinstance(value, str) and value not in tuned]
        waiting = "; ".join(waits) or f"waits for the tuning {' and '.join(map(repr, entries))}"
        return _Context(name, "", missing=waiting)
    values, absent, edges = [], [], []
    for plan, arm in zip(planned, found, strict=True):
        rows = in_context(arm, context, measure.over_factor)
        wanted = set(points(narrowed(plan, context), measure.over_factor))
        if not wanted:
            return _Context(name, "", missing=f"no run of the plan has {arm.selector} here")
        lost = wanted - set(points(rows, measure.over_factor))
        if lost:
            named = ", ".join(map(str, sorted({seed for seed, _ in lost})))
            seeds = f" (seed {named})" if len(lost) < len(wanted) else ""
            absent.append(f"{len(lost)} of {len(wanted)} runs of {arm.selector}{seeds}")
        edges += [one for one in _edges(claim, arm.selector, rows, tuned) if one not in edges]
        values.append(contrast.values(arm, rows, measure, claim.level))
    note = "; ".join(note for one in values for note in one.notes)
    replaced = sum(len(one.replaced) for one in values)
    unit = "runs" if measure.over is None else "seeds"
    undefined = [f"{one.undefined} {unit} of {one.selector}" for one in values if one.undefined]
    constant = claim.contrast.get(CONSTANT, 0.0)
    down, up = (contrast.differences(values, constant, sign=sign) for sign in (-1, 1))
    against, favor = _ends(claim.test, down, up)
    equal = contrast.resolution(values, logarithmic=measure.scale is not None)
    return _Context(
        name,
        note,
        replaced,
        estimate(against, replaced=replaced > 0, resolution=equal),
        estimate(favor, replaced=replaced > 0, resolution=equal),
        missing=f"{' and '.join(absent)} are missing" if absent else "",
        gate=", ".join(filter(None, [gate, *edges])),
        censored=_censored(claim.test, measure, values),
        undefined=f"{measure.name} has no value in {' and '.join(undefined)}" if undefined else "",
        pairs=Pairs(tuple(values), constant, against),
    )


def _edges(claim: Claim, selector: str, rows: pd.DataFrame, tuned: Mapping[str, Tuned]) -> list[str]:
    """The tuned values of an arm that lie at an edge of the tuning grid, in words."""
    reasons = []
    for factor, value in claim.at.items():
        if isinstance(value, str) and value in tuned and len(rows):
            entry = tuned[value]
            edges = {tuple(comparable(one) for one in key) for key in entry.at_edge}
            if set(tuning_keys(rows, entry)) & edges:
                chosen = written(rows[factor].iloc[0])
                reasons.append(f"the tuned {factor}={chosen} of {selector} is at the edge of its grid")
    return reasons


def _censored(test: str, measure: Measure, values: list[contrast.Values]) -> str:
    """Why censored or imputed values outweigh the measured ones, or "".

    A run's length and chance level are bounds, so one arm may consist of them. The worst value of either arm says
    nothing about the size of an effect: an arm that mostly consists of it would look equal to the other arm. It does
    not show either that a condition on every run holds in this run.
    """
    lost = [one.selector for one in values if len(one.replaced) > len(one.values) / 2]
    if parts.find("test", test).EVERY_SEED and measure.replacement == "worst" and any(one.replaced for one in values):
        return "it must hold in every run, and a diverged one has no value"
    if measure.replacement == "worst" and lost:
        return f"more than half of the runs of {' and '.join(lost)} diverged and have no value"
    if len(lost) < len(values):
        return ""
    whose = {1: "", 2: " of both arms"}.get(len(values), " of every arm")
    what = "did not reach the level" if measure.replacement == "length" else "diverged"
    return f"more than half of the runs{whose} {what}"


def _ends(test: str, down: pd.Series, up: pd.Series) -> tuple[pd.Series, pd.Series]:
    """The differences that count against the claim, and those in its favor. The test says which end is which."""
    far, near = max((up, down), key=lambda one: abs(one.mean())), _nearest(down, up)
    ends = {"low": (down, up), "high": (up, down), "far": (far, near), "near": (near, far)}
    return ends[parts.find("test", test).AGAINST]


def _nearest(down: pd.Series, up: pd.Series) -> pd.Series:
    """The differences between both ends whose mean is nearest to 0: 0 itself if the ends lie on either side of it."""
    low, high = down.mean(), up.mean()
    if low < 0 < high:
        return (high * down - low * up) / (high - low)
    return min((up, down), key=lambda one: abs(one.mean()))


def _rows(claim: Claim, found: list[_Context]) -> tuple[Row, ...]:
    """Adjust p over the contexts that count (Holm), then decide in each context."""
    counting = [one for one in found if not (one.missing or one.gate or one.undefined)]
    against = dict(zip((one.name for one in counting), holm([one.against.p for one in counting]), strict=True))
    favor = dict(zip((one.name for one in counting), holm([one.favor.p for one in counting]), strict=True))
    ends = [(against.get(one.name, math.nan), favor.get(one.name, math.nan)) for one in found]
    return tuple(_row(claim, one, *p) for one, p in zip(found, ends, strict=True))


def _row(claim: Claim, one: _Context, p: float, p_favour: float) -> Row:
    finding = _finding(claim, one, p, p_favour)
    effect = NO_EFFECT if one.undefined else one.against
    return Row(
        one.name,
        finding.outcome,
        "; ".join(filter(None, [finding.reason, one.note])),
        effect.mean,
        effect.low,
        effect.high,
        p,
        effect.n,
        one.replaced,
        one.pairs,
    )


def _finding(claim: Claim, one: _Context, p: float, p_favour: float) -> Finding:
    if one.missing:
        return Finding("missing", one.missing)
    if one.gate:
        return Finding("blocked", ", ".join(filter(None, [one.gate, one.undefined])))
    if one.undefined or one.censored:
        return Finding("open", one.undefined or one.censored)
    finding = decide(claim.test, one.against, p, claim.margin)
    other = decide(claim.test, one.favor, p_favour, claim.margin)
    if finding.outcome in ("small", "reversed") and other.outcome != finding.outcome:
        # A value that was imputed against the claim must not be the reason why the claim is refuted.
        return Finding("open", "the outcome depends on the values imputed for diverged runs")
    return finding


def _verdict(
    name: str, claim: Claim, measure: str, rows: tuple[Row, ...], stated: str, later: Mapping[str, str], rule: int
) -> Verdict:
    only = rows[0] if len(rows) == 1 else None
    outcome, reason = (only.outcome, only.reason) if only else combined(rows)
    return Verdict(
        claim=name,
        statements=(),
        says=claim.says,
        test=claim.test,
        margin=claim.margin,
        measure=measure,
        outcome=outcome,
        reason=reason,
        estimate=only.estimate if only else math.nan,
        low=only.low if only else math.nan,
        high=only.high if only else math.nan,
        p=only.p if only else math.nan,
        n=min(row.n for row in rows),
        replaced=sum(row.replaced for row in rows),
        rows=rows,
        stated=stated,
        attached_later=later,
        rule=rule,
    )
