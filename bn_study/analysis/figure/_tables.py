"""What figures are drawn from, which of its runs a figure shows, and what is to be said about them."""

import hashlib
import json
import math
from collections.abc import Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bn_study.analysis.arms import left_open
from bn_study.analysis.rounding import rounded
from bn_study.analysis.settings import RESULTS, comparable, lacks, rank, where, written
from bn_study.analysis.stats import CONFIDENCE
from bn_study.analysis.tables import HASH
from bn_study.plan import declared, parts

NOTES = {
    "cifar10_jpeg": "CIFAR-10's images after one JPEG round trip, which is not CIFAR-10",
    "digits": "scikit-learn's 1,797 images of 8×8 pixels, which is not MNIST",
}
"""What a reader might take a data set for, and should not."""


@dataclass(frozen=True)
class Tables:
    """The tables of an experiment, as `tables.read_csv` gives them back (see `runs_table` and `curves_table`).

    verdicts: see `verdicts_table`; and `quantity` and `contrast`, what a claim measures and compares, in words.
    """

    runs: pd.DataFrame
    curves: pd.DataFrame
    verdicts: pd.DataFrame = field(default_factory=pd.DataFrame)

    @cached_property
    def by_name(self) -> dict[tuple[str, str], pd.DataFrame]:
        """The curves by run (the digits that end its id) and name, in order of steps."""
        return dict(list(self.curves.sort_values("step", kind="stable").groupby(["run", "name"])))


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


def curve(tables: Tables, run: str, name: str, site: str | None = None) -> pd.DataFrame:
    """One record of a run over its steps: columns step, value, unit. site: None where it was recorded at one alone."""
    found = tables.by_name.get((run[-HASH:], name), tables.curves.iloc[:0])
    return (found if site is None else found[found["site"] == site])[["step", "value", "unit"]]


def on_the_way(line: pd.DataFrame, row: Mapping[str, Any]) -> pd.DataFrame:
    """A curve without the run's last step, where accuracy is of the whole split and not of some fixed examples."""
    return line[line["step"] < row["steps"]]


def mean_curve(lines: Iterable[pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """The mean of runs' curves, a point a step: step, value, low and high of its interval, n runs.

    The mean is rounded, so that what is looked for in it (where it reaches a level) is found alike on every machine.
    """
    means = pd.concat(list(lines)).groupby("step")["value"].agg(["mean", "std", "count"])
    for step, mean, deviation, count in means.itertuples():
        low, high = interval(mean, deviation, count)
        yield {"step": step, "value": rounded(mean), "low": low, "high": high, "n": count}


def interval(mean: float, deviation: float, count: int) -> tuple[float, float]:
    """95 % Student-t interval of a mean; NaN with one value."""
    if count < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + CONFIDENCE) / 2, count - 1) * deviation / math.sqrt(count)
    return mean - half, mean + half


def end(row: Mapping[str, Any], line: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Where a run ended, if it diverged (run, step), at the last finite value it recorded."""
    if row["status"] == "diverged":
        finite = line["value"][np.isfinite(line["value"])]
        value = float(finite.iloc[-1]) if len(finite) else math.nan
        yield {"run": row["run"], "step": int(row["diverged_at"]), "value": value}


@dataclass(frozen=True)
class Arm:
    """The runs of a grid that differ in nothing but the seed.

    label: what tells it from the grid's other arms, in words of the command line; "" for the only one.
    others: its values of the settings that vary, but for `norm`; None where it has no such option.
    """

    label: str
    norm: str
    others: tuple[Hashable, ...]
    rows: pd.DataFrame


def arms(rows: pd.DataFrame) -> list[Arm]:
    """The arms of a grid's runs, in order of their settings, those without normalisation first."""
    names = varying(rows)
    groups: dict[tuple[Hashable, ...], list[int]] = {}
    for place, values in enumerate(zip(*(map(comparable, rows[one]) for one in ("norm", *names)), strict=True)):
        groups.setdefault(values, []).append(place)
    found = []
    for norm, *others in sorted(groups, key=lambda one: (one[0] != "none", [rank(value) for value in one])):
        own = rows.iloc[groups[norm, *others]].sort_values("seed")
        words = {name: value for name, value in zip(names, others, strict=True) if not _without(rows, own, name)}
        shown = ({"norm": norm} if rows["norm"].nunique() > 1 else {}) | words
        label = " ".join(f"{name}={written(value)}" for name, value in shown.items())
        found.append(Arm(label, str(norm), tuple(others), own))
    return found


def varying(rows: pd.DataFrame) -> list[str]:
    """The settings in which runs differ, but for `norm`, the seed, and what follows from the choice of a part."""
    settings = [name for name in rows if name not in (*RESULTS, "norm") and "(" not in name]
    varied = {name for name in ("norm", *settings) if name in rows and len(set(map(comparable, rows[name]))) > 1}
    return [name for name in settings if name in varied and not _follows(rows, name, varied)]


def _follows(rows: pd.DataFrame, option: str, varied: set[str]) -> bool:
    """Whether the part that an option belongs to varies, and has one value of the option wherever it is chosen."""
    part = option.partition(".")[0]
    if part == option or part not in varied:
        return False
    pairs = set(zip(map(comparable, rows[part]), map(comparable, rows[option]), strict=True))
    return len(pairs) == len({chosen for chosen, _ in pairs})


def _without(rows: pd.DataFrame, own: pd.DataFrame, option: str) -> bool:
    """Whether an arm's part has no such option, rather than the value null of it."""
    part = option.partition(".")[0]
    return part != option and part in rows and lacks(where(rows, {part: own[part].iloc[0]}), option)


def run_set(runs: pd.DataFrame) -> str:
    """A short name for a set of runs, for a caption: the hash of their ids."""
    return hashlib.sha256("\n".join(sorted(runs["run"])).encode()).hexdigest()[:HASH]


def described(runs: pd.DataFrame) -> str:
    """What a caption owes its reader about the runs: data, seeds, budget, rates, network, and how many diverged."""
    if runs.empty:
        return "No run is there yet."
    seeds = runs["seed"].nunique()
    words = [
        data(runs),
        f"{seeds} seed{'s' if seeds > 1 else ''}",
        f"{' or '.join(f'{int(steps):,}' for steps in _values(runs, 'steps'))} steps",
        f"learning rate {' or '.join(_values(runs, 'optimizer.learning_rate')) or 'not stated'}",
        f"batch size {' or '.join(_values(runs, 'batch_size'))}",
    ]
    return f"{'; '.join(words)}. {limits(runs)}"


def data(runs: pd.DataFrame) -> str:
    """`mnist binarised at 0.5`, and what a reader might take the data for, and should not."""
    names = ", ".join(f"{name} ({NOTES[name]})" if name in NOTES else name for name in _values(runs, "dataset"))
    values = _values(runs, "dataset.binarize")
    return names + (f" binarised at {', '.join(values)}" if values else "")


def limits(runs: pd.DataFrame) -> str:
    """How many runs diverged, and for which networks alone the rest holds."""
    lost = int((runs["status"] == "diverged").sum())
    return (
        f"{lost or 'None'} of {len(runs)} runs diverged. "
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


def depth(run: Mapping[str, Any]) -> int:
    """How many hidden layers a run's network has; 0 where its settings do not tell."""
    model = run.get("model")
    if model not in parts.names("model"):
        return 0
    given = {key: run.get(f"model.{key}") for key in parts.parameters("model", model)}
    options = {
        key: json.loads(one) if isinstance(one, str) and one.startswith("[") else one for key, one in given.items()
    }
    return declared.layers(model, options)


def hidden(widths: object) -> list[int]:
    """The widths of the hidden layers, of which a table holds the JSON text; none where a model has no such setting."""
    found = json.loads(widths) if isinstance(widths, str) and widths.startswith("[") else []
    return [int(one) for one in found]


def _values(runs: pd.DataFrame, setting: str) -> list[str]:
    """The different values of a setting, in order, as one would write them."""
    found = {comparable(value): value for value in runs.get(setting, []) if comparable(value) is not None}
    return [written(value) for value in sorted(found.values(), key=rank)]
