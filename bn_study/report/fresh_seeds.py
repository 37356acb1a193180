"""Does a verdict come out the same with other seeds? results/replications/fresh_seeds.csv.

Runs are deterministic, so training the same seeds again is no new evidence. When an experiment's runs are replaced by
runs that share no seed with them, the verdicts on the earlier ones are kept here as the first evidence.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis import csv_files
from bn_study.store.replacing import changing

FILE = Path("replications") / "fresh_seeds.csv"
KEYS = ["experiment", "claim", "context"]
FIRST = ["outcome", "estimate", "low", "high", "n", "test", "margin", "measure", "stated"]
"""Columns of verdicts.csv that are kept of the first evidence, as `first_outcome` and so on."""
FRESH = ["outcome", "estimate", "low", "high", "n"]
GONE, CHANGED, BLOCKED, UNKNOWN, CHANCE, APART = (
    "there is no verdict now",
    "the claim was changed",
    "one of them is blocked",
    "one of them has no estimate",
    "chance: their intervals allow the same value",
    "the estimates differ by more than chance",
)
"""Why an outcome is not the same, in the order in which they are tried."""


@dataclass(frozen=True)
class Earlier:
    """What an experiment's folder says before it is reported again."""

    seeds: frozenset[int]
    verdicts: pd.DataFrame


def verdicts_of(folder: Path) -> Earlier | None:
    """The seeds and verdicts in an experiment's folder, if it has both."""
    paths = [folder / name for name in ("runs.csv", "verdicts.csv")]
    if not all(path.is_file() for path in paths):
        return None
    runs, verdicts = map(csv_files.read_csv, paths)
    return Earlier(frozenset(runs["seed"]), verdicts)


def keep(results: Path, experiment: str, earlier: Earlier | None, runs: pd.DataFrame) -> None:
    """Keep an experiment's earlier verdicts as its first ones, if `runs`, which replace theirs, have other seeds.

    The first evidence stays: seeds that are replaced once more change nothing.
    """
    if earlier is None or earlier.seeds & set(runs["seed"]):
        return
    first = earlier.verdicts[["claim", "context", *FIRST]].rename(columns={name: f"first_{name}" for name in FIRST})
    first.insert(0, "experiment", experiment)
    with changing(results / FILE):  # experiments are reported in parallel, and all of them write this table
        known = _read(results)
        if experiment not in set(known["experiment"]):
            _write(results, pd.concat([known, first]) if len(known) else first)


def update(results: Path, to: Path) -> list[Path]:
    """Write the table with today's verdicts to the results folder `to`; returns the files, none without a table."""
    known = _read(results)
    if known.empty:
        return []
    firsts = known[[*KEYS, *(f"first_{name}" for name in FIRST)]]
    today = {name: _verdicts(results / name) for name in dict.fromkeys(firsts["experiment"])}
    rows = [_compared(row, today[row["experiment"]]) for row in firsts.to_dict("records")]
    (to / FILE).parent.mkdir(parents=True, exist_ok=True)
    return [_write(to, pd.DataFrame(rows))]


def sentence(results: Path) -> str:
    """How many claims and outcomes came out the same, from the table alone; "" without one. Exact facts are apart."""
    outcomes = _outcomes(results)
    if outcomes.empty:
        return ""
    compared = outcomes[~outcomes["because"].isin([CHANGED, GONE])]
    tested = compared[compared["first_test"] != "exact"]
    facts = compared[compared["first_test"] == "exact"]["same"]
    claims = tested.groupby(["experiment", "claim"])["same"].all()
    number, same = compared["experiment"].nunique(), int(tested["same"].sum())
    both = zip(tested["first_outcome"], tested["outcome"], strict=True)
    turned = sum({*pair} == {"supported", "reversed"} for pair in both)
    were = "experiment was" if number == 1 else "experiments were"
    other = len(outcomes) - len(compared)
    same_facts = f"{int(facts.sum())} of {len(facts)}"
    exact = f" Of the outcomes that are exact facts, {same_facts} are the same." if len(facts) else ""
    apart = f" {other} more are not counted, because their claims were changed or dropped." if other else ""
    return (
        f"{number} {were} trained again with seeds that nothing had used before: {int(claims.sum())} of {len(claims)} "
        f"claims came out the same in every context ({same} of {len(tested)} outcomes), and {turned or 'none'} turned "
        f"from supported to reversed or back.{exact}{apart}"
    )


def changed(results: Path) -> list[dict[str, Any]]:
    """The outcomes that are not the same, as rows of the table."""
    outcomes = _outcomes(results)
    if outcomes.empty:
        return []
    other = outcomes[~outcomes["same"].astype(bool)]
    return other.assign(context=other["context"].map(_text)).to_dict("records")


def _outcomes(results: Path) -> pd.DataFrame:
    """The rows of contexts, and of claims without several contexts."""
    table = _read(results)
    if table.empty or "same" not in table:
        return pd.DataFrame()
    contexts = table["context"].map(_text)
    pairs = list(zip(table["experiment"], table["claim"], strict=True))
    several = {pair for pair, context in zip(pairs, contexts, strict=True) if context}
    return table[[bool(context) or pair not in several for context, pair in zip(contexts, pairs, strict=True)]]


def _read(results: Path) -> pd.DataFrame:
    path = results / FILE
    return csv_files.read_csv(path) if path.is_file() and path.stat().st_size else pd.DataFrame(columns=KEYS)


def _write(results: Path, table: pd.DataFrame) -> Path:
    csv_files.write_csv(table, results / FILE)
    return results / FILE


def _verdicts(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    path = folder / "verdicts.csv"
    table = csv_files.read_csv(path).to_dict("records") if path.is_file() else []
    return {(row["claim"], _text(row["context"])): row for row in table}


def _compared(first: dict[str, Any], today: dict[tuple[str, str], dict[str, Any]]) -> dict[str, Any]:
    fresh = today.get((first["claim"], _text(first["context"])))
    cells = {name: fresh[name] if fresh else None for name in FRESH}
    same = fresh is not None and fresh["outcome"] == first["first_outcome"]
    because = _because(first, fresh)
    return first | cells | {"same": same, "because": because if not same or because == CHANGED else ""}


def _because(first: dict[str, Any], fresh: dict[str, Any] | None) -> str:
    if fresh is None or fresh["outcome"] == "missing":
        return GONE
    if any(fresh[name] != first[f"first_{name}"] for name in ("test", "margin", "measure")):
        return CHANGED
    if "blocked" in (fresh["outcome"], first["first_outcome"]):
        return BLOCKED
    apart = abs(fresh["estimate"] - first["first_estimate"])
    wide = math.hypot(fresh["high"] - fresh["low"], first["first_high"] - first["first_low"]) / 2
    return UNKNOWN if math.isnan(apart) or math.isnan(wide) else APART if apart > wide else CHANCE


def _text(cell: Any) -> str:
    return "" if cell is None or cell != cell else str(cell)
