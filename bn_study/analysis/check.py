"""Find errors in an experiment's claims, tuning and figures before anything is trained."""

from collections.abc import Iterable, Mapping

import pandas as pd

from bn_study.analysis import check_claim, sense
from bn_study.analysis.arms import left_open
from bn_study.analysis.measures import parse
from bn_study.analysis.planned_records import check_needed, planned
from bn_study.analysis.settings import GRID, as_selector, cells_table, comparable
from bn_study.analysis.shown import named, named_grids
from bn_study.analysis.tabled import grids_table, known_factor
from bn_study.analysis.tune import supposed
from bn_study.errors import Faults, UsageError
from bn_study.plan import parts, promised
from bn_study.plan.expand import arm_of
from bn_study.plan.experiment import Experiment, Factors, Tune


def check(experiment: Experiment, faults: Faults | None = None) -> None:
    """Raises UsageError with a line for each error: the file, the claim, tuning entry or figure, and what is wrong.

    faults: collects the errors instead of raising them. Everything is checked of the experiment as its file states it.
    Overrides may remove an arm, and the verdict is then `missing`, so with them only measures and levels are checked.
    """
    told = Faults() if faults is None else faults
    if experiment.unchanged is not None:
        _check(experiment.unchanged, told, strict=True)
    _check(experiment, told, strict=not experiment.changed)
    if faults is None:
        told.finish()


def _check(experiment: Experiment, faults: Faults, *, strict: bool) -> None:
    file = f"experiments/{experiment.name}.yaml"
    for name, figure in experiment.figures.items():
        if experiment.unread.isdisjoint(_named(figure)):
            with faults.at(file, f"figures.{name}"):
                _check_figure(name, figure, experiment, strict)
    if not (experiment.tune or experiment.claims):
        return
    cells = {name: cells_table([grid]) for name, grid in experiment.grids.items()}
    broken = {*experiment.unread}
    for name, entry in experiment.tune.items():
        if broken.isdisjoint(_depends(experiment, entry.grids)):
            _check_tune(name, experiment, cells, faults, (file, f"tune.{name}"), strict=strict)
        if not set(entry.grids) <= set(experiment.grids):
            broken.add(f"tune.{name}")
    for name, claim in experiment.claims.items():
        needed = _depends(experiment, claim.grids, [str(one) for one in claim.at.values()])
        if broken.isdisjoint({*needed, *(f"claims.{one}" for one in claim.gates)}):
            check_claim.check_claim(name, experiment, cells, faults, (file, f"claims.{name}"), strict=strict)


def _named(figure: Factors) -> set[str]:
    """The grids and claims that a figure's options name, as in `Experiment.unread`."""
    grids = [*named_grids(figure), *named(figure.get("beside"))]
    return {*(f"grids.{one}" for one in grids), *(f"claims.{one}" for one in named(figure.get("claims")))}


def _depends(experiment: Experiment, grids: Iterable[str], tunings: Iterable[str] = ()) -> set[str]:
    """The grids and tunings that an entry of the file needs, as in `Experiment.unread`, however indirectly."""
    found: set[str] = set()
    left = {*(f"grids.{one}" for one in grids), *(f"tune.{one}" for one in tunings)}
    while left:
        found |= left
        names = [one.partition(".")[2] for one in left if one.startswith("grids.")]
        waits = experiment.awaited(one for one in names if one in experiment.grids)
        chosen = [one.partition(".")[2] for one in left if one.startswith("tune.")]
        own = (f"grids.{grid}" for one in chosen if one in experiment.tune for grid in experiment.tune[one].grids)
        left = {*(f"tune.{one}" for one in waits), *own} - found
    return found


def _check_figure(name: str, figure: Factors, experiment: Experiment, strict: bool) -> None:
    """Check the options that figures share (grids, claims, settings, lists) and the records it reads."""
    kind = str(figure.get("kind"))
    part = parts.checked("figure", kind, {key: one for key, one in figure.items() if key != "kind"}, f"figures.{name}")
    options = part.args
    grids = [*named_grids(options), *(options.get("beside") or [])]
    for what, names, known in (
        ("grid", grids, experiment.grids),
        ("claim", options.get("claims") or [], experiment.claims),
    ):
        for one in names:
            if one not in known:
                raise UsageError(parts.unknown(what, str(one), known))
    for option in ("grid", "grids", "metrics", "records", "sites"):
        if options.get(option) == []:
            raise UsageError(f"{option}: the list is empty; give at least one")
    if not strict:
        return
    if grids:
        table = grids_table(grids, {one: cells_table([experiment.grids[one]]) for one in grids})
        for option in ("by", "color", "panels", "factor"):
            named = options.get(option) or []
            for factor in [named] if isinstance(named, str) else named:
                known_factor(factor, table)
    check_needed(kind, parts.call("figure", part).needs(), planned(experiment, grids))


def _check_tune(
    name: str,
    experiment: Experiment,
    cells: Mapping[str, pd.DataFrame],
    faults: Faults,
    place: tuple[str, str],
    *,
    strict: bool,
) -> None:
    entry = experiment.tune[name]
    table = measure = None
    with faults.at(*place):
        table = grids_table(entry.grids, cells)
    with faults.at(*place):
        measure = parse(entry.score)
    if table is None or measure is None:
        return
    with faults.at(*place):
        if measure.over is not None:
            raise UsageError("the score of a tuning is a number of one run; it takes no `over`")
        seen = [one.name for one in measure.needs() if not one.name.startswith(("train/", "validation/"))]
        if seen:  # most probes look at test images
            raise UsageError(f"the score looks at {seen[0]}; tuning may only see train/ and validation/ metrics")
    with faults.at(*place):
        sense.check_levels(measure, entry.level, table)
    if strict:
        with faults.at(*place):
            _check_factors(entry, table)
        with faults.at(*place):
            _check_arms(name, experiment)
    with faults.at(*place):
        check_claim.check_records(measure, entry.grids, experiment, strict=strict)
        runs = promised.distinct(cell for grid in entry.grids for cell in experiment.grids[grid].cells)
        sense.check_scored(entry, measure, runs, faults, place, strict=strict)
    with faults.at(*place):
        _check_waits(name, experiment, [])


def _check_factors(entry: Tune, table: pd.DataFrame) -> None:
    if not entry.factors:
        raise UsageError("no factors to tune; name at least one")
    for factor in (*entry.factors, *entry.per):
        known_factor(factor, table)
    for _, rows in table.groupby([_column(table, one) for one in (*entry.factors, *entry.per)], sort=False):
        left = [one for one in left_open(rows) if one != GRID]
        if left:
            names = " or ".join(left)
            grids = " and ".join(entry.grids)
            raise UsageError(f"the grid {grids} has several runs of one arm and seed; name {names} in `per`")


def _check_arms(name: str, experiment: Experiment) -> None:
    """Raises UsageError for cells that would wait forever, because the tuning does not have their arm."""
    entry, offered = experiment.tune[name], supposed(experiment)[name].chosen
    for grid in experiment.grids.values():
        for cell in grid.cells:
            if name in cell.waits.values() and (arm := arm_of(entry, cell.settings)) not in offered:
                what = as_selector(zip(entry.per, arm, strict=True)) or "any value"
                raise UsageError(
                    f"the grid {grid.name} waits for {what}, which {' and '.join(entry.grids)} does not train; add it "
                    "there, spelled alike, or leave it out of `per`"
                )


def _check_waits(name: str, experiment: Experiment, path: list[str]) -> None:
    if name in path:
        raise UsageError(f"tunings wait for each other in a circle: {' -> '.join([*path, name])}")
    for entry in sorted(experiment.awaited(experiment.tune[name].grids)):
        if entry in experiment.tune:
            _check_waits(entry, experiment, [*path, name])


def _column(table: pd.DataFrame, factor: str) -> pd.Series:
    return table[factor].map(lambda value: repr(comparable(value)))
