"""How a verdict was reached: what each arm contributed with every seed, the differences, and the rule that decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import written
from bn_study.analysis.verdict import Row, Verdict
from bn_study.plan.experiment import Claim, Experiment, Tuned
from bn_study.report import words


@dataclass(frozen=True)
class Trace:
    """One context of a claim. columns and rows: a table with a row per seed, in the measure's units and scale.

    lines: what else went into the verdict, the rule that decided last.
    """

    context: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[str]


def traces(
    experiment: Experiment, name: str, verdicts: Mapping[str, Verdict], tuned: Mapping[str, Tuned]
) -> list[Trace]:
    """A trace for each context of a claim. verdicts: those of the whole experiment, some of which are its gates."""
    claim = experiment.claims[name]
    chosen = [line for one in experiment.tuning(claim) if one in tuned for line in _chosen(one, tuned[one])]
    return [_trace(claim, row, verdicts, chosen) for row in verdicts[name].rows]


def shown(verdict: Verdict, found: list[Trace]) -> Group:
    """For the terminal."""
    rule = f"{verdict.test}, margin {verdict.margin:g}; stated: {words.stated(verdict)}"
    parts: list[Text | Table] = [
        Text(f"{verdict.claim}: {verdict.outcome}; {verdict.reason}"),
        Text(f"{verdict.measure}; {rule}"),
    ]
    for one in found:
        parts.append(Text(f"\n{one.context}" if one.context else ""))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in one.columns:
            table.add_column(Text(column), justify="right")
        for row in one.rows:
            table.add_row(*map(Text, row))
        parts += [table, *map(Text, one.lines)]
    return Group(*parts)


def _trace(claim: Claim, row: Row, verdicts: Mapping[str, Verdict], chosen: list[str]) -> Trace:
    pairs = row.pairs
    constant = [f"{pairs.constant:+g} constant"] if pairs.constant else []
    columns = ["seed", *(f"{one.weight:+g} {one.selector}" for one in pairs.values), *constant, "difference"]
    rows = [
        [
            str(seed),
            *(_value(one.values.get(seed, float("nan")), seed in one.replaced) for one in pairs.values),
            *([f"{pairs.constant:g}"] if constant else []),
            f"{rounded(difference):.6g}",
        ]
        for seed, difference in pairs.differences.items()
    ]
    replaced = ["* a stand-in: see the reason"] if row.replaced else []
    outcome = f"mean {words.interval(row)} (95 %), p {words.probability(row.p)} after Holm, {row.n} seeds"
    return Trace(
        row.context,
        columns,
        rows,
        [*replaced, *chosen, *_gates(claim, row, verdicts), outcome, f"{row.outcome}: {row.reason}"],
    )


def _value(value: float, replaced: bool) -> str:
    nothing = "diverged" if replaced else "no value"
    return (nothing if value != value else f"{rounded(value):.6g}") + ("*" if replaced else "")


def _chosen(name: str, entry: Tuned) -> Iterator[str]:
    for arm, choice in entry.chosen.items():
        named = " ".join(f"{key}={written(one)}" for key, one in zip(entry.per, arm, strict=True))
        values = " ".join(f"{key}={written(one)}" for key, one in choice.items())
        edge = ", at the edge of its grid" if arm in entry.at_edge else ""
        yield f"tuned {name}: {f'{named}: ' if named else ''}{values}{edge}"


def _gates(claim: Claim, row: Row, verdicts: Mapping[str, Verdict]) -> list[str]:
    return [f"gate {name}: {verdicts[name].outcome_in(row.context)}" for name in claim.gates]
