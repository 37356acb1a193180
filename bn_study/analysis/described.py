"""Describe the runs that a figure or a report shows: their data, networks and budget."""

import hashlib
from collections.abc import Mapping

import pandas as pd

from bn_study.analysis.settings import comparable, rank, written
from bn_study.analysis.shown import hidden
from bn_study.analysis.tables import HASH
from bn_study.plan import parts


def run_set(runs: pd.DataFrame) -> str:
    """A short name for a set of runs, for a caption: the hash of their ids."""
    return hashlib.sha256("\n".join(sorted(runs["run"])).encode()).hexdigest()[:HASH]


def described(runs: pd.DataFrame) -> str:
    """What a caption must say about the runs: data, seeds, budget, rates, network, and how many diverged."""
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
    """`mnist binarized at 0.5`, with the data set's note on how it could be mistaken."""
    names = ", ".join(f"{name} ({note(name)})" if note(name) else name for name in _values(runs, "dataset"))
    values = _values(runs, "dataset.binarize")
    return names + (f" binarized at {', '.join(values)}" if values else "")


def note(dataset: str) -> str:
    """What a reader could mistake a data set for, as the data set's file declares it."""
    return parts.declared("dataset", dataset, "NOTE") if dataset in parts.names("dataset") else ""


def shown_of_several(fixed: Mapping[str, str]) -> list[str]:
    """A caption's sentence on the settings at which runs were chosen (`shown.select`), if there were several."""
    values = " ".join(f"{key}={value}" for key, value in fixed.items())
    return [f"Shown of several: the runs with {values}."] if fixed else []


def limits(runs: pd.DataFrame) -> str:
    """How many runs diverged, and to which networks the other results are limited."""
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


def _values(runs: pd.DataFrame, setting: str) -> list[str]:
    """The different values of a setting, sorted, as a user would write them."""
    found = {comparable(value): value for value in runs.get(setting, []) if comparable(value) is not None}
    return [written(value) for value in sorted(found.values(), key=rank)]
