"""The run that a mirror exports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from bn_study.analysis.mirror._sweep import Sweep
from bn_study.plan.spec import RunSpec
from bn_study.store.book import Row, read
from bn_study.store.stored_run import StoredRun

Histograms = Literal["none", "few", "all"]
"""Which runs' histograms a mirror exports."""


@dataclass(frozen=True)
class Run:
    """A run and its records so far.

    sweep: the experiment that groups it, seen as a whole. settings: flat, by dotted name, beginning with what varies
    there. scalars: by step and name, such as `test/accuracy`; a site follows the name, as in
    `activation/std/layer1/pre`. histograms: by step and name, counts (n,) and edges (n + 1,). Their site comes first
    and is one word, because viewers group by what is before the first slash: `layer1_pre/activation/histogram`.
    status: complete, diverged or running.
    """

    id: str
    sweep: Sweep
    settings: Mapping[str, Any]
    scalars: Mapping[int, Mapping[str, float]]
    histograms: Mapping[int, Mapping[str, tuple[np.ndarray, np.ndarray]]]
    status: str
    diverged_at: int | None

    @property
    def experiment(self) -> str:
        """The experiment's name."""
        return self.sweep.experiment

    @property
    def name(self) -> str:
        """The arm and the seed: `norm=batch optimizer.learning_rate=3 seed=5`. Only the id is sure to be unique."""
        return self.sweep.name(self.settings)

    def chosen(self, histograms: Histograms) -> Mapping[int, Mapping[str, tuple[np.ndarray, np.ndarray]]]:
        """The histograms that are exported. few: of the smallest reported seed."""
        wanted = histograms == "all" or (histograms == "few" and self.settings.get("seed") in self.sweep.seeds)
        return self.histograms if wanted else {}

    @property
    def varied(self) -> dict[str, Any]:
        """The settings that vary in the experiment, with their values here."""
        names = self.sweep.settings[: self.sweep.varied]
        return {name: self.settings[name] for name in names if name in self.settings}

    @property
    def tags(self) -> list[str]:
        return [self.experiment, *(str(self.settings[key]) for key in ("norm", "model", "dataset"))]

    @property
    def last(self) -> dict[str, float]:
        """The last value of every record."""
        return {name: value for step in sorted(self.scalars) for name, value in self.scalars[step].items()}


def of(stored: StoredRun, sweep: Sweep) -> Run:
    """A stored run. Raises DamagedRun."""
    about = stored.provenance
    scalars, vectors = (table.itertuples(index=False, name=None) for table in (stored.records, stored.vectors))
    recorded = _scalars(scalars), _histograms(vectors)
    settings = sweep.ordered(stored.spec["settings"])
    return Run(stored.id, sweep, settings, *recorded, about["status"], about.get("diverged_at"))


def under_way(spec: RunSpec, state: Mapping[str, np.ndarray], sweep: Sweep) -> Run:
    """A run from its checkpoint (store/checkpoint.py). Its status is `running`."""
    book = read(state)
    recorded = _scalars(book.scalars), _histograms(book.vectors)
    return Run(spec.id, sweep, sweep.ordered(spec.settings), *recorded, "running", None)


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
            place = f"{site.replace('/', '_')}/{name}" if site else name
            found.setdefault(step, {})[place] = counts, edges
    return found
