"""A verdict on changed settings beside that of the committed evidence, in three sentences: both, and why they differ.

The reasons are what the runs of the two do not have in common; no run says which of them matters.
"""

from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import pandas as pd

from bn_study.analysis.measures import parse
from bn_study.analysis.scopes import listed
from bn_study.analysis.settings import as_selector, comparable, rank, rows_of_grids, setting_names, written
from bn_study.analysis.verdict import VARIES, Row, Verdict
from bn_study.plan.experiment import Claim, Experiment, Tuned
from bn_study.report import words

NULL: tuple[Hashable, ...] = (None,)
"""The values of a setting that has no column, because it is null in every run."""


@dataclass(frozen=True)
class Judgment:
    """A claim as it was judged on some runs. runs, tuned: of the whole experiment."""

    claim: Claim
    verdict: Verdict
    runs: pd.DataFrame
    tuned: Mapping[str, Tuned]


def sentences(experiment: Experiment, here: Judgment, there: Judgment) -> list[str]:
    """What came out here, what came out in the evidence, and what the runs of the two do not have in common."""
    name = here.verdict.claim
    first = f"Here {name} {_found(here)}."
    second = f"In the committed evidence it {_found(there)}."
    changes = [*_settings(here, there), *_level(here, there), *_tuned(experiment.tuning(here.claim), here, there)]
    same = here.verdict.outcome == there.verdict.outcome
    if not changes:
        third = "Both were judged on the same settings and seeds."
    else:
        lead = "The outcome is the same, although" if same else "They differ because"
        third = f"{lead} other runs were judged, with {listed(changes)}; a verdict holds for the settings of its runs."
    return [first, second, third]


def _found(one: Judgment) -> str:
    """The outcome and the effect: `is supported: norm=batch needs ...; norm=none 963, norm=batch 78.2; 8 seeds`."""
    verdict = one.verdict
    if len(verdict.rows) != 1 or verdict.estimate != verdict.estimate:
        outcome = verdict.outcome if verdict.outcome == VARIES else f"is {verdict.outcome}"
        return f"{outcome}: {verdict.reason.removeprefix(f'{verdict.outcome}: ')}"
    effect = words.effect(one.claim, verdict) or f"the estimate is {words.interval(verdict)}"
    return "; ".join(
        [f"is {words.outcome(verdict)}: {effect}", *_arms(one.claim, verdict.rows[0]), f"{verdict.n} seeds"]
    )


def _arms(claim: Claim, row: Row) -> Iterator[str]:
    """The mean of each arm in the measure's own unit, the geometric one on a logarithmic scale."""
    scale = parse(claim.measure).scale
    means = [(arm.selector, pd.Series(arm.values, dtype=float).mean()) for arm in row.pairs.values]
    shown = [f"{name} {_number(words.BASES[scale] ** mean if scale else mean)}" for name, mean in means]
    if shown:
        yield ", ".join(shown)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else words.number(value)


def _settings(here: Judgment, there: Judgment) -> Iterator[str]:
    """`steps=3000 instead of 15000` for each setting that differs; of another part its name only, not its options."""
    ours, theirs = (_values(one) for one in (here, there))
    tuned = {name for one in here.tuned.values() for choice in one.chosen.values() for name in choice}
    pairs = {name: (ours.get(name, NULL), theirs.get(name, NULL)) for name in ours | theirs if name not in tuned}
    changed = {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}
    for name, (own, other) in changed.items():
        if not any(name.startswith(f"{part}.") for part in changed):
            yield f"{name}={_set(own)} instead of {_set(other)}"


def _values(one: Judgment) -> dict[str, tuple[Hashable, ...]]:
    """Each setting of the claim's runs, and the seeds -> its values in order."""
    rows = rows_of_grids(one.runs, one.claim.grids)
    names = [name for name in (*setting_names(rows), "seed") if name in one.runs and not name.startswith("probe")]
    return {name: tuple(sorted({comparable(value) for value in rows[name]}, key=rank)) for name in names}


def _set(values: tuple[Hashable, ...]) -> str:
    return ",".join(map(written, values))


def _level(here: Judgment, there: Judgment) -> Iterator[str]:
    """The level that is to be reached, if it depends on the data set."""
    ours, theirs = (
        [written(one.claim.level[name]) for name in map(str, _values(one)["dataset"]) if name in one.claim.level]
        for one in (here, there)
    )
    if ours != theirs:
        yield f"a level of {','.join(ours)} instead of {','.join(theirs)}"


def _tuned(names: Iterable[str], here: Judgment, there: Judgment) -> Iterator[str]:
    """Other tuned values, by arm."""
    for name in names:
        if name not in here.tuned or name not in there.tuned:
            continue
        ours, theirs = here.tuned[name], there.tuned[name]
        for arm, choice in ours.chosen.items():
            for factor, value in choice.items():
                other = theirs.chosen.get(arm, {}).get(factor)
                if other is not None and comparable(other) != comparable(value):
                    of = as_selector(zip(ours.per, arm, strict=True))
                    yield f"a tuned {factor} of {written(value)} instead of {written(other)} ({of})"
