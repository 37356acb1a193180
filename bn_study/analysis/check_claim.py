"""Find errors in one claim before anything is trained: its names, its arms, and whether its verdict means anything."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from bn_study.analysis import sense
from bn_study.analysis.arms import CONSTANT, Arm, arms, contexts, left_open, narrowed, points
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.over import LOGARITHMIC, Over, place
from bn_study.analysis.planned_records import check_needed, planned
from bn_study.analysis.settings import as_selector, comparable, lacks, parse_selector, where, written
from bn_study.analysis.tabled import grids_table, known_factor
from bn_study.errors import Faults, UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Cell, Claim, Experiment


def check_claim(
    name: str,
    experiment: Experiment,
    cells: Mapping[str, pd.DataFrame],
    faults: Faults,
    place: tuple[str, str],
    *,
    strict: bool,
) -> None:
    """Tell `faults` all that is wrong with a claim. cells: a table for each grid. strict: look at its arms too."""
    claim = experiment.claims[name]
    table = measure = found = None
    with faults.at(*place):
        table = grids_table(claim.grids, cells)
    with faults.at(*place):
        measure = parse(claim.measure)
    with faults.at(*place):
        _check_gates(name, experiment, [])
    with faults.at(*place):
        _selectors(claim)
        found = _arms(claim, experiment, table) if table is not None and strict else None
    weighed = False
    with faults.at(*place):
        sense.check_weights(claim)
        weighed = True
    if table is None:
        return
    for entry in experiment.tuning(claim):
        with faults.at(*place):
            _check_seeds(entry, experiment, cells, table)
    if measure is None:
        return
    recorded = False
    with faults.at(*place):
        sense.check_levels(measure, claim.level, table)
    with faults.at(*place):
        check_records(measure, claim.grids, experiment, strict=strict)
        recorded = True
    if found is None:
        return
    planned_cells = [cell for grid in claim.grids for cell in experiment.grids[grid].cells]
    with faults.at(*place):
        if measure.over is not None:
            _check_over(measure.over, claim, table, found)
        if recorded and weighed:
            with faults.at(*place):
                sense.check_foregone(claim, measure, found, planned_cells)
        _check_contexts(claim, measure, experiment, found, planned_cells, faults, place, recorded=recorded)


def check_records(reader: Measure, grids: Sequence[str], experiment: Experiment, *, strict: bool) -> None:
    """Check that grids record what a measure reads. An override may remove records; their values are then missing."""
    check_needed(reader.name, reader.needs(), planned(experiment, grids), names_only=not strict)


def _selectors(claim: Claim) -> list[str]:
    selectors = [one for one in claim.contrast if one != CONSTANT]
    if not selectors:
        raise UsageError("the contrast names no arm; give a weight to a selector, such as norm=batch: 1")
    for selector in selectors:
        parse_selector(selector)
    if not any(claim.contrast[one] for one in selectors):
        raise UsageError("the contrast gives no arm a weight other than 0")
    if "seed" in claim.contexts:
        raise UsageError("contexts: seeds are the replicates of a claim, not contexts of it")
    return selectors


def _arms(claim: Claim, experiment: Experiment, table: pd.DataFrame) -> list[Arm]:
    """The arms of a claim. Raises UsageError for a name that the grids lack, and for an arm without cells."""
    grids = " and ".join(claim.grids)
    fixed = {factor: value for factor, value in claim.at.items() if value not in list(experiment.tune)}
    for selector in _selectors(claim):
        settings = parse_selector(selector)
        for factor in settings:
            known_factor(factor, table)
        if where(table, settings).empty:
            lacking = [factor for factor, value in settings.items() if where(table, {factor: value}).empty]
            there = [f"; {factor} is {' or '.join(dict.fromkeys(map(written, table[factor])))}" for factor in lacking]
            raise UsageError(f"no cell of the grid {grids} has {selector}{''.join(there)}")
    for factor in (*claim.contexts, *claim.at):
        known_factor(factor, table)
    for factor, entry in claim.at.items():
        if factor not in fixed and factor not in experiment.tune[entry].factors:
            choices = ", ".join(experiment.tune[entry].factors)
            raise UsageError(f"at: the tuning {entry} chooses {choices}, not {factor}")
    found = arms(table, claim.contrast, fixed, None)
    for arm in found:
        if arm.rows.empty:
            raise UsageError(f"no cell of the grid {grids} has {arm.selector} at {as_selector(fixed.items())}")
    for factor in (*claim.at, *claim.contexts):
        if all(lacks(arm.rows, factor) for arm in found) and not (factor in claim.at and factor not in fixed):
            raise UsageError(f"{factor} is an option that no arm has, so it holds nothing; leave it out")
    return found


def _check_contexts(
    claim: Claim,
    measure: Measure,
    experiment: Experiment,
    found: list[Arm],
    cells: Sequence[Cell],
    faults: Faults,
    place: tuple[str, str],
    *,
    recorded: bool,
) -> None:
    """Check the arms in each context. cells: those of the table, in its order; `recorded`: whether names are right."""
    tuned = [factor for factor, value in claim.at.items() if value in list(experiment.tune)]
    places = []
    for context in contexts(found, claim.contexts):
        held = context | dict.fromkeys(tuned)
        places.append([_check_arm(arm, held, measure.over_factor) for arm in found])
    with faults.at(*place):
        for rows in places:
            sense.check_paired(claim, found, rows, cells)
    if not recorded:
        return
    with faults.at(*place):
        sense.check_recorded(measure, found, cells)
        runs = sense.named_runs(found, cells)
        with faults.at(*place):
            sense.check_window(measure, runs, cut=claim.cut_window)
            for rows in places:
                sense.check_alike(measure, found, rows, cells)
        with faults.at(*place):
            sense.check_level_reach(measure, claim.level, [spec for _, spec in runs])


def _check_over(over: Over, claim: Claim, table: pd.DataFrame, arms: list[Arm]) -> None:
    factor = over.factor
    known_factor(factor, table)
    if factor == "seed":
        raise UsageError("over: seed: an effect is taken for each seed; name a setting")
    if factor in claim.at or factor in claim.contexts:
        raise UsageError(f"over: {factor} is held in `at` or `contexts`; it has to have several values")
    for arm in arms:
        values = {comparable(one) for one in arm.rows[factor]}
        places = {place(factor, one) for one in arm.rows[factor]}
        if len(values) < 2:
            raise UsageError(f"over: {arm.selector} has one value of {factor}; give the grid several")
        if len(places) < len(values):
            raise UsageError(
                f"over: {arm.selector} has several values of {factor} of the same length; "
                "a list counts as its length, so give each length once"
            )
        if over.take in LOGARITHMIC and min(places) <= 0:
            raise UsageError(f"over: {over.take} takes the logarithm of {factor}, which must be above 0")


def _check_arm(arm: Arm, context: dict[str, Any], over: str | None) -> pd.DataFrame:
    """The arm's rows in a context, which must have one cell for each seed (and value of `over`).

    A value that tuning will choose is None.
    """
    named = {key: value for key, value in context.items() if value is not None}
    rows = narrowed(arm, named)
    if rows.empty:
        raise UsageError(f"{arm.selector} has no cell in the context {as_selector(named.items())}")
    free = [key for key, value in context.items() if value is None and key in rows]
    left = [one for one in left_open(rows.drop(columns=free), over) if one not in free]
    if left:
        raise UsageError(f"{arm.selector} has several runs of one seed; name {' or '.join(left)} in `at` or `contexts`")
    if len(set(points(rows, over))) < len(rows) and not free:
        raise UsageError(f"{arm.selector} has several equal cells of one seed")
    return rows


def _check_seeds(entry: str, experiment: Experiment, cells: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> None:
    shared = {*grids_table(experiment.tune[entry].grids, cells)["seed"]} & {*table["seed"]}
    if shared:
        raise UsageError(f"seed {min(shared)} both tunes {entry} and is reported; give the grids different seeds")


def _check_gates(name: str, experiment: Experiment, path: list[str]) -> None:
    if name in path:
        raise UsageError(f"gates run in a circle: {' -> '.join([*path, name])}")
    for gate in experiment.claims[name].gates:
        if gate not in experiment.claims:
            raise UsageError(f"gates: {parts.unknown('claim', gate, experiment.claims)}")
        _check_gates(gate, experiment, [*path, name])
