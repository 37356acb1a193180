"""Find errors in an experiment's claims, tuning and figures before anything is trained."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pandas as pd

from bn_study.analysis.arms import CONSTANT, Arm, arms, contexts, left_open, narrowed, points
from bn_study.analysis.measures import Measure, parse
from bn_study.analysis.over import LOGARITHMIC, Over
from bn_study.analysis.planned_records import check_needed, planned
from bn_study.analysis.settings import GRID, cells_table, comparable, parse_selector, where, written
from bn_study.errors import UsageError
from bn_study.plan import parts
from bn_study.plan.experiment import Claim, Experiment, Factors, Tune


def check(experiment: Experiment) -> None:
    """Raises UsageError that names the experiment file and the claim, tuning entry or figure.

    Measures and levels are always checked. Arms, contexts and tuned factors are looked up in the grids only if no
    override changed the experiment, because an override may remove an arm; the verdict is then `missing`.
    """
    for name, figure in experiment.figures.items():
        with _place(experiment, f"figures.{name}"):
            _check_figure(name, figure, experiment, strict=not experiment.changed)
    if not (experiment.tune or experiment.claims):
        return
    cells = {name: cells_table([grid]) for name, grid in experiment.grids.items()}
    for name, entry in experiment.tune.items():
        with _place(experiment, f"tune.{name}"):
            _check_tune(entry, cells, strict=not experiment.changed)
            _check_records(parse(entry.score), entry.grids, experiment)
            _check_waits(name, experiment, [])
    for name, claim in experiment.claims.items():
        with _place(experiment, f"claims.{name}"):
            _check_claim(name, claim, experiment, cells, strict=not experiment.changed)
            _check_records(parse(claim.measure), claim.grids, experiment)


@contextmanager
def _place(experiment: Experiment, entry: str) -> Iterator[None]:
    try:
        yield
    except UsageError as error:
        raise UsageError(f"experiments/{experiment.name}.yaml: {entry}: {error}") from None


def _check_figure(name: str, figure: Factors, experiment: Experiment, strict: bool) -> None:
    """Check the options that every figure shares (grid, grids, beside, claims, factor) and the records it reads."""
    kind = str(figure.get("kind"))
    part = parts.checked("figure", kind, {key: one for key, one in figure.items() if key != "kind"}, f"figures.{name}")
    options = part.args
    grids = [*(options.get("grids") or []), *(options.get("beside") or [])]
    grids += [options["grid"]] if "grid" in options else []
    for what, names, known in (
        ("grid", grids, experiment.grids),
        ("claim", options.get("claims") or [], experiment.claims),
    ):
        for one in names:
            if one not in known:
                raise UsageError(parts.unknown(what, str(one), known))
    if strict:
        check_needed(kind, parts.call("figure", part).needs(), planned(experiment, grids))
    if strict and "factor" in options:
        cells = {one: cells_table([experiment.grids[one]]) for one in options["grids"]}
        _known_factor(options["factor"], _grids(options["grids"], cells))


def _check_tune(entry: Tune, cells: Mapping[str, pd.DataFrame], strict: bool) -> None:
    table = _grids(entry.grids, cells)
    measure = parse(entry.score)
    if measure.over is not None:
        raise UsageError("the score of a tuning is a number of one run; it takes no `over`")
    _check_levels(measure, entry.level, table)
    tested = [value for value in measure.args.values() if isinstance(value, str) and value.startswith("test/")]
    if tested:
        raise UsageError(f"the score looks at {tested[0]}; tuning may only see validation data")
    if not strict:
        return
    if not entry.factors:
        raise UsageError("no factors to tune; name at least one")
    for factor in (*entry.factors, *entry.per):
        _known_factor(factor, table)
    for _, rows in table.groupby([_column(table, one) for one in (*entry.factors, *entry.per)], sort=False):
        left = [one for one in left_open(rows) if one != GRID]
        if left:
            names = " or ".join(left)
            grids = " and ".join(entry.grids)
            raise UsageError(f"the grid {grids} has several runs of one arm and seed; name {names} in `per`")


def _check_claim(
    name: str, claim: Claim, experiment: Experiment, cells: Mapping[str, pd.DataFrame], strict: bool
) -> None:
    table, grids = _grids(claim.grids, cells), " and ".join(claim.grids)
    measure = parse(claim.measure)
    _check_levels(measure, claim.level, table)
    _check_gates(name, experiment, [])
    selectors = [one for one in claim.contrast if one != CONSTANT]
    if not selectors:
        raise UsageError("the contrast names no arm; give a weight to a selector, such as norm=batch: 1")
    for selector in selectors:
        parse_selector(selector)
    if not any(claim.contrast[one] for one in selectors):
        raise UsageError("the contrast gives no arm a weight other than 0")
    if "seed" in claim.contexts:
        raise UsageError("contexts: seeds are the replicates of a claim, not contexts of it")
    for entry in experiment.tuning(claim):
        _check_seeds(entry, experiment, cells, table)
    if not strict:
        return
    fixed = {factor: value for factor, value in claim.at.items() if value not in list(experiment.tune)}
    for selector in selectors:
        for factor in parse_selector(selector):
            _known_factor(factor, table)
        if where(table, parse_selector(selector)).empty:
            raise UsageError(f"no cell of the grid {grids} has {selector}")
    for factor in (*claim.contexts, *claim.at):
        _known_factor(factor, table)
    tuned = {factor: entry for factor, entry in claim.at.items() if factor not in fixed}
    for factor, entry in tuned.items():
        if factor not in experiment.tune[entry].factors:
            choices = ", ".join(experiment.tune[entry].factors)
            raise UsageError(f"at: the tuning {entry} chooses {choices}, not {factor}")
    found = arms(table, claim.contrast, fixed, None)
    for arm in found:
        if arm.rows.empty:
            raise UsageError(f"no cell of the grid {grids} has {arm.selector} at {_words(fixed)}")
    if measure.over is not None:
        _check_over(measure.over, claim, table, found)
    for context in contexts(found, claim.contexts):
        for arm in found:
            _check_arm(arm, context | dict.fromkeys(tuned), measure.over_factor)


def _check_over(over: Over, claim: Claim, table: pd.DataFrame, arms: list[Arm]) -> None:
    factor = over.factor
    _known_factor(factor, table)
    if factor in claim.at or factor in claim.contexts:
        raise UsageError(f"over: {factor} is held in `at` or `contexts`; it has to have several values")
    for arm in arms:
        values = {comparable(one) for one in arm.rows[factor]}
        numbers = [one for one in values if isinstance(one, (int, float))]
        if len(numbers) < len(values):
            raise UsageError(f"over: {factor} is not a number in every cell of {arm.selector}")
        if len(numbers) < 2:
            raise UsageError(f"over: {arm.selector} has one value of {factor}; give the grid several")
        if over.take in LOGARITHMIC and min(numbers) <= 0:
            raise UsageError(f"over: {over.take} takes the logarithm of {factor}, which must be above 0")


def _check_arm(arm: Arm, context: dict[str, Any], over: str | None) -> None:
    """A context must have one cell for each seed (and value of `over`). A value that tuning will choose is None."""
    named = {key: value for key, value in context.items() if value is not None}
    rows = narrowed(arm, named)
    if rows.empty:
        raise UsageError(f"{arm.selector} has no cell in the context {_words(named)}")
    free = [key for key, value in context.items() if value is None and key in rows]
    left = [one for one in left_open(rows.drop(columns=free), over) if one not in free]
    if left:
        raise UsageError(f"{arm.selector} has several runs of one seed; name {' or '.join(left)} in `at` or `contexts`")
    if len(set(points(rows, over))) < len(rows) and not free:
        raise UsageError(f"{arm.selector} has several equal cells of one seed")


def _check_seeds(entry: str, experiment: Experiment, cells: Mapping[str, pd.DataFrame], table: pd.DataFrame) -> None:
    shared = {*_grids(experiment.tune[entry].grids, cells)["seed"]} & {*table["seed"]}
    if shared:
        raise UsageError(f"seed {min(shared)} both tunes {entry} and is reported; give the grids different seeds")


def _check_gates(name: str, experiment: Experiment, path: list[str]) -> None:
    if name in path:
        raise UsageError(f"gates run in a circle: {' -> '.join([*path, name])}")
    for gate in experiment.claims[name].gates:
        if gate not in experiment.claims:
            raise UsageError(f"gates: {parts.unknown('claim', gate, experiment.claims)}")
        _check_gates(gate, experiment, [*path, name])


def _check_waits(name: str, experiment: Experiment, path: list[str]) -> None:
    if name in path:
        raise UsageError(f"tunings wait for each other in a circle: {' -> '.join([*path, name])}")
    for entry in sorted(experiment.awaited(experiment.tune[name].grids)):
        _check_waits(entry, experiment, [*path, name])


def _check_levels(measure: Measure, level: Mapping[str, float], table: pd.DataFrame) -> None:
    missing = {str(one) for one in table["dataset"]} - set(level)
    if measure.needs_level and missing:
        raise UsageError(f"{measure.name} has no level for {', '.join(sorted(missing))}; add it to `level`")


def _check_records(reader: Measure, grids: Sequence[str], experiment: Experiment) -> None:
    """Check that grids record what a measure reads. An override may remove records; their values are then missing."""
    check_needed(reader.name, reader.needs(), planned(experiment, grids), names_only=bool(experiment.changed))


def _grids(names: list[str], cells: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    for name in names:
        if name not in cells:
            raise UsageError(parts.unknown("grid", name, cells))
    return cells[names[0]] if len(names) == 1 else pd.concat([cells[name] for name in names], ignore_index=True)


def _known_factor(factor: str, table: pd.DataFrame) -> None:
    if factor not in table:
        raise UsageError(parts.unknown("setting", factor, table))


def _column(table: pd.DataFrame, factor: str) -> pd.Series:
    return table[factor].map(lambda value: repr(comparable(value)))


def _words(factors: Mapping[str, Any]) -> str:
    return " ".join(f"{key}={written(value)}" for key, value in factors.items())
