"""How a verdict was reached: the value of each arm and seed, the differences, and the rule that decided."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich import box
from rich.console import Group
from rich.table import Table
from rich.text import Text

from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import as_selector
from bn_study.analysis.verdict import Row, Verdict
from bn_study.plan.experiment import Claim, Experiment, Tuned
from bn_study.report import words


@dataclass(frozen=True)
class Trace:
    """One context of a claim. columns and rows: a table with a row per seed, in the measure's units and scale.

    lines: tuned values, gates and the estimate; the last line is the rule that decided.
    """

    context: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[str]


def traces(
    experiment: Experiment, name: str, verdicts: Mapping[str, Verdict], tuned: Mapping[str, Tuned]
) -> list[Trace]:
    """A trace for each context of a claim. verdicts: all of the experiment, because a claim may be another's gate."""
    claim = experiment.claims[name]
    chosen = [line for tuning in experiment.tuning(claim) if tuning in tuned for line in _chosen(tuning, tuned[tuning])]
    return [_trace(claim, row, verdicts, chosen) for row in verdicts[name].rows]


def shown(verdict: Verdict, traces: list[Trace]) -> Group:
    """A verdict and its traces for the terminal."""
    rule = f"{verdict.test}, margin {verdict.margin:g}; stated: {words.stated(verdict)}"
    parts: list[Text | Table] = [
        Text(f"{verdict.claim}: {words.outcome(verdict)}; {verdict.reason}"),
        Text(f"{verdict.measure}; {rule}"),
    ]
    for trace in traces:
        parts.append(Text(f"\n{trace.context}" if trace.context else ""))
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
        for column in trace.columns:
            table.add_column(Text(column), justify="right")
        for row in trace.rows:
            table.add_row(*map(Text, row))
        parts += [table, *map(Text, trace.lines)]
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
    replaced = ["* censored or imputed: see the reason"] if row.replaced else []
    outcome = f"mean {words.interval(row)} (95%), p {words.probability(row.p)} after Holm, {row.n} seeds"
    return Trace(
        row.context,
        columns,
        rows,
        [*replaced, *chosen, *_gates(claim, row, verdicts), outcome, words.decided(row)],
    )


def _value(value: float, replaced: bool) -> str:
    nothing = "diverged" if replaced else "no value"
    return (nothing if value != value else f"{rounded(value):.6g}") + ("*" if replaced else "")


def _chosen(name: str, entry: Tuned) -> Iterator[str]:
    for arm, choice in entry.chosen.items():
        named, values = as_selector(zip(entry.per, arm, strict=True)), as_selector(choice.items())
        edge = ", at the edge of its grid" if arm in entry.at_edge else ""
        yield f"tuned {name}: {f'{named}: ' if named else ''}{values}{edge}"


def _gates(claim: Claim, row: Row, verdicts: Mapping[str, Verdict]) -> list[str]:
    return [f"gate {name} {verdicts[name].told_in(row.context)}" for name in claim.gates]
