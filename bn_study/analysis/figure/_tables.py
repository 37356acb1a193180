"""What figures are drawn from, which of its runs a figure shows, and what is to be said about them."""

import hashlib
import json
from dataclasses import dataclass

import pandas as pd

from bn_study.analysis.contrast import RESULTS, comparable, lacks, left_open, rank, where, written
from bn_study.analysis.tables import HASH

NOTES = {
    "cifar10_jpeg": "CIFAR-10's images after one JPEG round trip, which is not CIFAR-10",
    "digits": "scikit-learn's 1,797 images of 8×8 pixels, which is not MNIST",
}
"""What a reader might take a data set for, and should not."""


@dataclass(frozen=True)
class Tables:
    """The two tables of an experiment, as `tables.read_csv` gives them back (see `runs_table` and `curves_table`)."""

    runs: pd.DataFrame
    curves: pd.DataFrame


def of_grid(runs: pd.DataFrame, grid: str) -> pd.DataFrame:
    """The runs that a grid asks for."""
    return runs[[grid in grids.split() for grids in runs["grids"]]] if len(runs) else runs


def select(runs: pd.DataFrame, grid: str, norms: tuple[str, ...]) -> tuple[pd.DataFrame, dict[str, str]]:
    """The runs of a grid that a figure of these normalisers shows, one a seed and normaliser, in order of both.

    Where the grid has more, because another setting varies as well, those with its first value are shown; the second
    result says which value that is.
    """
    rows = of_grid(runs, grid)
    arms = {norm: where(rows, {"norm": norm}) for norm in norms}
    fixed: dict[str, str] = {}
    while left := [factor for arm in arms.values() for factor in left_open(arm)]:
        factor = left[0]
        first = min((one for arm in arms.values() for one in arm[factor] if comparable(one) is not None), key=rank)
        arms = {norm: arm if lacks(arm, factor) else where(arm, {factor: first}) for norm, arm in arms.items()}
        fixed[factor] = written(first)
    found = [arm.sort_values("seed") for arm in arms.values() if len(arm)]
    return (pd.concat(found) if found else pd.DataFrame(columns=[*RESULTS, "norm", "steps"])), fixed


def curve(tables: Tables, run: str, name: str) -> pd.DataFrame:
    """One record of a run over its steps: columns step, value, unit."""
    curves = tables.curves
    rows = curves[(curves["run"] == run[-HASH:]) & (curves["name"] == name)]
    return rows.sort_values("step")[["step", "value", "unit"]]


def run_set(runs: pd.DataFrame) -> str:
    """A short name for a set of runs, for a caption: the hash of their ids."""
    return hashlib.sha256("\n".join(sorted(runs["run"])).encode()).hexdigest()[:HASH]


def described(runs: pd.DataFrame) -> str:
    """What a caption owes its reader about the runs: data, seeds, budget, rates, network, and how many diverged."""
    if runs.empty:
        return "No run is there yet."
    seeds = runs["seed"].nunique()
    words = [
        ", ".join(f"{name} ({NOTES[name]})" if name in NOTES else name for name in _values(runs, "dataset"))
        + (f" binarised at {', '.join(values)}" if (values := _values(runs, "dataset.binarise")) else ""),
        f"{seeds} seed{'s' if seeds > 1 else ''}",
        f"{' or '.join(f'{int(steps):,}' for steps in _values(runs, 'steps'))} steps",
        f"learning rate {' or '.join(_values(runs, 'optimizer.learning_rate')) or 'not stated'}",
        f"batch size {' or '.join(_values(runs, 'batch_size'))}",
    ]
    lost = int((runs["status"] == "diverged").sum())
    return (
        f"{'; '.join(words)}. {lost or 'None'} of {len(runs)} runs diverged. "
        f"The networks are small ({network(runs)}): what they show holds for these networks only."
    )


def network(runs: pd.DataFrame) -> str:
    """`mlp, 100-100-100 sigmoid units`."""
    widths = [value for value in (hidden(one) for one in _values(runs, "model.widths")) if value]
    layers = " or ".join("-".join(map(str, one)) for one in widths)
    units = [f"{layers} {activation(runs)} units"] if layers else []
    return ", ".join([" or ".join(_values(runs, "model")), *units])


def activation(runs: pd.DataFrame) -> str:
    return " or ".join(_values(runs, "model.activation")) or "nonlinearity"


def hidden(widths: object) -> list[int]:
    """The widths of the hidden layers, of which a table holds the JSON text; none where a model has no such setting."""
    found = json.loads(widths) if isinstance(widths, str) and widths.startswith("[") else []
    return [int(one) for one in found]


def _values(runs: pd.DataFrame, setting: str) -> list[str]:
    """The different values of a setting, in order, as one would write them."""
    found = {comparable(value): value for value in runs.get(setting, []) if comparable(value) is not None}
    return [written(value) for value in sorted(found.values(), key=rank)]
