"""On how many kinds of processor the evidence has been seen: what `bn-study replicate` wrote, a line for each.

Read are results/replications/*.csv, one for each kind of processor, in which an experiment has a row for each numerics.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bn_study.analysis import csv_files

COUNTS = ("rows", "identical", "agrees", "differs", "untold", "verdicts", "verdicts_same")


@dataclass(frozen=True)
class Seen:
    """Rows trained again on one kind of processor in one kind of numerics, over all experiments.

    counts: by the names of COUNTS. shifted: experiments of which a measure moved to one side.
    """

    processor: str
    instructions: str
    numerics: str
    experiments: int
    counts: dict[str, int]
    shifted: tuple[str, ...]

    @property
    def cells(self) -> list[str]:
        """Of a table with the heads HEADS."""
        verdicts = f"{self.counts['verdicts_same']} of {self.counts['verdicts']}" if self.counts["verdicts"] else ""
        found = [str(self.counts[name]) for name in COUNTS[:5]]
        return [self.processor, self.instructions, self.numerics, str(self.experiments), *found, verdicts]


HEADS = (
    *("processor", "vectors", "numerics", "experiments", "rows", "identical", "agree", "differ", "outside"),
    "verdicts the same",
)


def read(results: Path) -> list[Seen]:
    """A line for each kind of processor and numerics, by file."""
    found = []
    for path in sorted((results / "replications").glob("*.csv")):
        for (name, vectors, numerics), rows in csv_files.read_csv(path).groupby(
            ["processor", "instructions", "numerics"]
        ):
            counts = {key: int(rows[key].sum()) for key in COUNTS}
            shifted = tuple(str(one) for one in rows["experiment"][rows["shifted"].notna() & (rows["shifted"] != "")])
            found.append(Seen(str(name), str(vectors), str(numerics), len(rows), counts, shifted))
    return found


def table(found: Sequence[Seen]) -> str:
    """As Markdown."""
    lines = [HEADS, ["---"] * len(HEADS), *(one.cells for one in found)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def said(found: Sequence[Seen]) -> str:
    """How many kinds of processor there are, in a sentence."""
    kinds = len({(one.processor, one.instructions) for one in found})
    if not kinds:
        return "No committed row has been trained again on another machine yet; `bn-study replicate --all` does it."
    return (
        f"Committed rows were trained again on {kinds} kind{'s' if kinds != 1 else ''} of processor "
        "(`bn-study replicate`; docs/verdicts.md says what *agrees* means):"
    )
