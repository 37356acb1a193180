"""The kinds of processor on which the evidence was replicated, from what `bn-study replicate` wrote.

results/replications/ has one CSV file per kind of processor; in it an experiment has one row per numerics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bn_study.analysis import csv_files
from bn_study.report import fresh_seeds

COUNTS = ("rows", "identical", "agrees", "differs", "untold", "verdicts", "verdicts_same")


@dataclass(frozen=True)
class Seen:
    """Rows that one kind of processor trained again in one kind of numerics, over all experiments.

    counts: by the names in COUNTS. shifted: the experiments with a shifted measure.
    """

    processor: str
    instructions: str
    numerics: str
    experiments: int
    counts: dict[str, int]
    shifted: tuple[str, ...]

    @property
    def cells(self) -> list[str]:
        """A table row under HEADS."""
        verdicts = f"{self.counts['verdicts_same']} of {self.counts['verdicts']}" if self.counts["verdicts"] else ""
        counts = [str(self.counts[name]) for name in COUNTS[:5]]
        return [self.processor, self.instructions, self.numerics, str(self.experiments), *counts, verdicts]


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
            counts = {key: int(rows[key].sum()) for key in COUNTS}
            shifted = tuple(str(one) for one in rows["experiment"][rows["shifted"].notna() & (rows["shifted"] != "")])
            entries.append(Seen(str(name), str(vectors), str(numerics), len(rows), counts, shifted))
    return entries


def table(entries: Sequence[Seen]) -> str:
    """A Markdown table with a row per entry."""
    lines = [HEADS, ["---"] * len(HEADS), *(entry.cells for entry in entries)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def sentence(entries: Sequence[Seen]) -> str:
    """The number of kinds of processor, in a sentence."""
    kinds = len({(entry.processor, entry.instructions) for entry in entries})
    if not kinds:
        return "No committed row has been trained again on another machine yet; `bn-study replicate --all` does it."
    return (
        f"Committed rows were trained again on {kinds} kind{'s' if kinds != 1 else ''} of processor "
        "(`bn-study replicate`; docs/verdicts.md says what *agrees* means):"
    )
