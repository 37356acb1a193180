"""The kinds of processor on which the evidence was replicated, from what `bn-study replicate` wrote.

results/replications/ has one CSV file per kind of processor; in it an experiment has one row per numerics. A row counts
as long as its evidence is the committed one: an experiment can be trained anew, with other seeds or another protocol.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from bn_study.analysis import csv_files
from bn_study.report import fresh_seeds

COUNTS = ("rows", "identical", "agrees", "differs", "untold", "verdicts", "verdicts_same")


@dataclass(frozen=True)
class Seen:
    """Rows that one kind of processor trained again in one kind of numerics, over all experiments.

    experiments: the names of those that count. replaced: the names of the others, whose evidence has been replaced
    since. counts: by the names in COUNTS. shifted: the experiments with a shifted measure.
    """

    processor: str
    instructions: str
    numerics: str
    experiments: frozenset[str]
    replaced: frozenset[str]
    counts: dict[str, int]
    shifted: tuple[str, ...]

    @property
    def cells(self) -> list[str]:
        """A table row under HEADS."""
        verdicts = f"{self.counts['verdicts_same']} of {self.counts['verdicts']}" if self.counts["verdicts"] else ""
        counts = [str(self.counts[name]) for name in COUNTS[:5]]
        return [self.processor, self.instructions, self.numerics, str(len(self.experiments)), *counts, verdicts]


HEADS = (
    *("processor", "vectors", "numerics", "experiments", "rows", "identical", "agree", "differ", "outside"),
    "verdicts the same",
)


def read(results: Path) -> list[Seen]:
    """An entry for each kind of processor and numerics, by file."""
    entries = []
    for path in sorted(set((results / "replications").glob("*.csv")) - {results / fresh_seeds.FILE}):
        for (name, vectors, numerics), rows in csv_files.read_csv(path).groupby(
            ["processor", "instructions", "numerics"]
        ):
            held = rows[[_is_committed(results / one.experiment, one.evidence) for one in rows.itertuples()]]
            counts = {key: int(held[key].sum()) for key in COUNTS}
            shifted = tuple(str(one) for one in held["experiment"][held["shifted"].notna() & (held["shifted"] != "")])
            counting = frozenset(held["experiment"])
            others = frozenset(rows["experiment"]) - counting
            entries.append(Seen(str(name), str(vectors), str(numerics), counting, others, counts, shifted))
    return entries


def _is_committed(folder: Path, evidence: str) -> bool:
    """Whether the rows in an experiment's folder are from the commits (abbreviated, with spaces between)."""
    table = folder / "runs.csv"
    return table.is_file() and set(str(evidence).split()) <= set(csv_files.read_csv(table)["commit"].str[:10])


def table(entries: Sequence[Seen]) -> str:
    """A Markdown table with a row per entry."""
    lines = [HEADS, ["---"] * len(HEADS), *(entry.cells for entry in entries)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentence(entries: Sequence[Seen]) -> str:
    """On how many kinds of processor rows were trained again, and how many experiments do not count on any of them."""
    replaced = len(_all(entry.replaced for entry in entries) - _all(entry.experiments for entry in entries))
    do = "s do" if replaced != 1 else " does"
    since = f" {replaced} experiment{do} not count, because the evidence has been replaced since." if replaced else ""
    if not kinds(entries):
        return f"No row of the present evidence has been trained again; `bn-study replicate --all` does it.{since}"
    return f"{in_short(entries)} (`bn-study replicate`; docs/verdicts.md says what *agrees* means).{since}"


def in_short(entries: Sequence[Seen]) -> str:
    """How many experiments have rows that were trained again, and on how many kinds of processor."""
    trained, number = len(_all(entry.experiments for entry in entries)), kinds(entries)
    return (
        f"Rows of {trained} experiment{'s' if trained != 1 else ''} were trained again on {number} "
        f"kind{'s' if number != 1 else ''} of processor"
    )


def _all(names: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*names)


def kinds(entries: Sequence[Seen]) -> int:
    """The number of kinds of processor on which rows of the committed evidence were trained again."""
    return len({(entry.processor, entry.instructions) for entry in entries if entry.experiments})
