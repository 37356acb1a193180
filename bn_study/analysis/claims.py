"""Runs + a claim -> Verdict: what was found, with the interval and a reason in words.

docs/verdicts.md explains the rules. Each context (a combination of values of the claim's context factors) has its own
verdict; verdict.py combines them.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

from bn_study.analysis import context, contrast
from bn_study.analysis.arms import Arm, ambiguous, arms, contexts, in_context, narrowed, points, tuning_keys
from bn_study.analysis.context import Context
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.settings import as_selector, cells_table, comparable, rows_of_grids, written
from bn_study.analysis.stated import UNKNOWN, Firsts, attached_later, stated
from bn_study.analysis.stats import RULE
from bn_study.analysis.verdict import Row, Verdict, combined
from bn_study.plan.experiment import Claim, Experiment, Factors, Tuned

_Tuning = tuple[str, str, str | None]
"""A factor, the name of its tuning, and the grid that takes its values from there; None: the claim does."""


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
    table = rows_of_grids(runs, claim.grids)
    cells = cells_table([experiment.grids[grid] for grid in claim.grids])
    fixed = {factor: value for factor, value in claim.at.items() if value not in list(experiment.tune)}
    planned = arms(cells, claim.contrast, fixed, None)
    found = arms(table, claim.contrast, claim.at, tuned) if _tuned(claim, experiment, tuned) else []
    gates = {one: verdict(one, experiment, runs, tuned, sanity) for one in claim.gates}
    absent = [arm.selector for arm in planned if arm.rows.empty]
    places, tails = contexts(planned, claim.contexts), not experiment.sanity_check
    tunings = _tunings(claim, experiment)
    if absent or not places:
        what = absent or claim.contexts
        rows: tuple[Row, ...] = (Row("", "missing", f"no run of the plan has {' or '.join(what)}"),)
    else:
        judged = [
            _opened(claim, measure, experiment, planned, one)
            or _context(claim, measure, planned, found, one, _gate(gates, one, sanity), tuned, tunings, tails=tails)
            for one in places
        ]
        rows = context.rows(claim, judged)
    levels = [claim.level.get(dataset) for dataset in sorted(set(cells["dataset"]))]
    words = " | ".join(dict.fromkeys(measure.words(level) for level in levels))
    used = pd.concat([arm.rows for arm in found]).drop_duplicates("run") if found else pd.DataFrame()
    tested = experiment.stated_hash(name)
    attached = firsts.statements.get(name, ())
    later = attached_later(name, tested, attached, used, firsts)
    when, rule = stated(name, tested, used, firsts), firsts.rules.get(tested, RULE)
    whole = _verdict(name, claim, words, rows, when, later, rule)
    return replace(whole, statements=tuple(key for key in attached if ":" not in key))


def _tunings(claim: Claim, experiment: Experiment) -> list[_Tuning]:
    """The tunings whose values the claim's runs have: those that it names, and those that its grids name."""
    named = [(factor, value, None) for factor, value in claim.at.items() if value in list(experiment.tune)]
    of_grids = [
        (factor, name, grid)
        for grid in claim.grids
        for cell in experiment.grids[grid].cells
        for factor, name in cell.waits.items()
    ]
    return [*named, *dict.fromkeys(of_grids)]


def _tuned(claim: Claim, experiment: Experiment, tuned: Mapping[str, Tuned]) -> bool:
    return all(value in tuned for value in claim.at.values() if value in list(experiment.tune))


def _gate(gates: Mapping[str, Verdict], place: Factors, sanity: str) -> str:
    """Why a claim's gates fail in a context, or "". A gate without that context must hold as a whole."""
    here = as_selector(place.items())
    failed = [f"the gate {name} {gate.told_in(here)}" for name, gate in gates.items() if not gate.holds_in(here)]
    return ", ".join(filter(None, [sanity, *failed]))


def _opened(
    claim: Claim, measure: Measure, experiment: Experiment, planned: list[Arm], place: Factors
) -> Context | None:
    """The verdict is missing in a context where overrides give a setting several values but the claim needs one."""
    if not experiment.changed:
        return None
    tuned = [factor for factor, value in claim.at.items() if value in list(experiment.tune)]
    cells = {arm.selector: narrowed(arm, place).drop(columns=tuned, errors="ignore") for arm in planned}
    reason = "; ".join(
        filter(None, (ambiguous(selector, rows, measure.over_factor) for selector, rows in cells.items()))
    )
    return Context(as_selector(place.items()), "", missing=reason) if reason else None


def _context(
    claim: Claim,
    measure: Measure,
    planned: list[Arm],
    found: list[Arm],
    place: Factors,
    gate: str,
    tuned: Mapping[str, Tuned],
    tunings: Sequence[_Tuning],
    *,
    tails: bool,
) -> Context:
    name = as_selector(place.items())
    waits = [arm.waits for arm in found if arm.waits]
    if waits or not found:
        entries = [value for value in claim.at.values() if isinstance(value, str) and value not in tuned]
        waiting = "; ".join(waits) or f"waits for the tuning {' and '.join(map(repr, entries))}"
        return Context(name, "", missing=waiting)
    values, absent, edges = [], [], []
    for plan, arm in zip(planned, found, strict=True):
        rows = in_context(arm, place, measure.over_factor)
        wanted = set(points(narrowed(plan, place), measure.over_factor))
        if not wanted:
            return Context(name, "", missing=f"no run of the plan has {arm.selector} here")
        lost = wanted - set(points(rows, measure.over_factor))
        if lost:
            named = ", ".join(map(str, sorted({seed for seed, _ in lost})))
            seeds = f" (seed {named})" if len(lost) < len(wanted) else ""
            absent.append(f"{len(lost)} of {len(wanted)} runs of {arm.selector}{seeds}")
        edges += [one for one in _edges(arm.selector, rows, tuned, tunings) if one not in edges]
        values.append(contrast.values(arm, rows, measure, claim.level))
    return context.measured(
        name, claim, values,
        missing=f"{' and '.join(absent)} are missing" if absent else "",
        gate=", ".join(filter(None, [gate, *edges])),
        tails=tails,
    )  # fmt: skip


def _edges(
    selector: str, rows: pd.DataFrame, tuned: Mapping[str, Tuned], tunings: Sequence[_Tuning]
) -> list[str]:  # fmt: skip
    """The tuned values of an arm that lie at an edge of the tuning grid, in words."""
    reasons = []
    for factor, name, grid in tunings:
        own = rows if grid is None else rows_of_grids(rows, [grid])
        if name in tuned and len(own):
            entry = tuned[name]
            edges = {tuple(comparable(one) for one in key) for key in entry.at_edge}
            marked = own[[key in edges for key in tuning_keys(own, entry)]]
            for chosen in dict.fromkeys(map(written, marked[factor] if len(marked) else ())):
                reasons.append(f"the tuned {factor}={chosen} of {selector} is at the edge of its grid")
    return list(dict.fromkeys(reasons))


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
        p_raw=only.p_raw if only else math.nan,
    )
