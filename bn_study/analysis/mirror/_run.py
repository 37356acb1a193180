"""The run that a mirror exports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from bn_study.plan.spec import RunSpec
from bn_study.store.stored_run import StoredRun

Row = tuple[int, str, str, Any]
"""Step, name, site and value of a record."""


@dataclass(frozen=True)
class Run:
    """A run and its records so far.

    experiment: the name that groups it. settings: flat, by dotted name. scalars: by step and name, such as
    `test/accuracy`; a site follows the name, as in `activation/std/layer1/pre`. histograms: by step and name, counts
    (n,) and edges (n + 1,). status: complete, diverged or running.
    """

    id: str
    experiment: str
    settings: Mapping[str, Any]
    scalars: Mapping[int, Mapping[str, float]]
    histograms: Mapping[int, Mapping[str, tuple[np.ndarray, np.ndarray]]]
    status: str
    diverged_at: int | None

    @property
    def tags(self) -> list[str]:
        return [self.experiment, *(str(self.settings[key]) for key in ("norm", "model", "dataset"))]

    @property
    def last(self) -> dict[str, float]:
        """The last value of every record."""
        return {name: value for step in sorted(self.scalars) for name, value in self.scalars[step].items()}


def of(stored: StoredRun, experiment: str) -> Run:
    """A stored run. Raises DamagedRun."""
    about = stored.provenance
    scalars, vectors = (table.itertuples(index=False, name=None) for table in (stored.records, stored.vectors))
    recorded = _scalars(scalars), _histograms(vectors)
    return Run(stored.id, experiment, _given(stored.spec["settings"]), *recorded, about["status"], about["diverged_at"])


def under_way(spec: RunSpec, state: Mapping[str, np.ndarray], experiment: str) -> Run:
    """A run from its checkpoint (store/checkpoint.py). Its status is `running`."""
    ends = np.cumsum(state["vectors/length"])[:-1]
    values = {
        "scalars": state["scalars/value"].tolist(),
        "vectors": np.split(state["vectors/value"], ends) if len(state["vectors/length"]) else [],
    }
    scalars, vectors = (
        zip(*(state[f"{kind}/{name}"].tolist() for name in ("step", "name", "site")), values[kind], strict=True)
        for kind in ("scalars", "vectors")
    )
    recorded = _scalars(scalars), _histograms(vectors)
    return Run(spec.id, experiment, _given(spec.settings), *recorded, "running", None)


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value is not None}


def _scalars(rows: Iterable[Row]) -> dict[int, dict[str, float]]:
    found: dict[int, dict[str, float]] = {}
    for step, name, site, value in rows:
        found.setdefault(int(step), {})[_name(name, site)] = float(value)
    return found


def _name(name: str, site: str) -> str:
    return f"{name}/{site}" if site else name


def _histograms(rows: Iterable[Row]) -> dict[int, dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Histograms, from the vectors that are counts and edges of the same values."""
    vectors = {(int(step), name, site): np.asarray(value, float) for step, name, site, value in rows}
    found: dict[int, dict[str, tuple[np.ndarray, np.ndarray]]] = {}
    for (step, name, site), counts in vectors.items():
        edges = vectors.get((step, name.replace("/histogram", "/edges"), site))
        if name.endswith("/histogram") and edges is not None:
            found.setdefault(step, {})[_name(name, site)] = counts, edges
    return found
