"""Replication: train committed rows again on this machine and compare them.

Replicas have their own store, results/local/replications/<numerics>/<trainer>/runs, so an interrupted call resumes.
<trainer> identifies the code, the libraries and the processor, so replicas of other ones are not mixed in. The summary
is results/replications/<processor>.csv, one file per kind of processor. With device=gpu the processor is the GPU.
"""

import hashlib
import platform
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis import claims, csv_files, replication, tables, tune
from bn_study.analysis.asked import asked
from bn_study.analysis.replication import Replication
from bn_study.errors import UsageError
from bn_study.plan import numerics, parts
from bn_study.plan.call_settings import CallSettings
from bn_study.plan.experiment import Experiment
from bn_study.plan.renamed import EXPERIMENTS
from bn_study.report import sanity_checks
from bn_study.store import provenance
from bn_study.store.replacing import changing
from bn_study.store.store import Store
from bn_study.study import Study
from bn_study.sweep import cost, placement
from bn_study.sweep import run as sweep
from bn_study.sweep.call import Call
from bn_study.sweep.request import Request
from bn_study.sweep.sample import Sample
from bn_study.sweep.status import plan_status, planned

FOLDER = "replications"
LIBRARIES = ("tensorflow", "keras", "numpy")


@dataclass(frozen=True)
class Processor:
    """What trains replicas. stem: for file names. name: for readers. kind: its vectors, or what a GPU can compute."""

    stem: str
    name: str
    kind: str


@dataclass(frozen=True)
class Replicated:
    """A replicated experiment. committed: its table. missing: the number of sampled rows that could not be trained.

    verdicts: the committed and the replica's outcome of each claim whose runs were all trained again.
    """

    experiment: str
    processor: Processor
    numerics: str
    committed: pd.DataFrame
    rows: Replication
    missing: int
    verdicts: dict[str, tuple[str, str]]

    @property
    def same(self) -> int:
        """The number of verdicts that are the same."""
        return sum(old == new for old, new in self.verdicts.values())

    @property
    def differs(self) -> bool:
        return self.rows.differs


def table_of(study: Study, name: str) -> Path:
    """The table of an experiment's committed runs. Raises UsageError if there is none."""
    path = study.results / name / "runs.csv"
    if not path.is_file():
        raise UsageError(f"{name}: {path} does not exist; only committed rows can be trained again")
    return path


def replica_of(request: Request, sample: Sample) -> Request:
    """The request for the sample's rows, with the results folder where replicas are kept. Its device is settled."""
    trainer = _trainer(processor(request), versions())
    results = request.study.results / "local" / FOLDER / _numerics(request.settings) / trainer
    return replace(request, study=Study(request.study.home, results)).narrowed(sample)


def _numerics(settings: CallSettings) -> str:
    """The numerics that workers use on this machine."""
    portable = settings.numerics == "portable" and settings.device == "cpu" and numerics.supported()
    return "portable" if portable else "native"


@cache
def _trainer(trains: Processor, libraries: str) -> str:
    """Ten hex digits that identify everything except settings that decides a run's numbers."""
    digest = hashlib.sha256(repr((trains, libraries)).encode())
    for one in (provenance.PACKAGE / name for name in provenance.CODE):
        for path in sorted(one.rglob("*.py")) if one.is_dir() else [one] if one.suffix == ".py" else []:
            digest.update(path.read_bytes())
    return digest.hexdigest()[:10]


def told(request: Request, sample: Sample, calibrate: bool) -> Iterator[tuple[str, str]]:
    """The price of the sample's missing rows; see `cost.told`."""
    replica = replica_of(request, sample)
    return cost.told(Call("plan", replica), plan_status(replica.experiment, replica.study.store), calibrate)


def train(request: Request, sample: Sample) -> sweep.Outcome:
    """Train the sample's missing rows. Raises UsageError for another launcher than local and inline."""
    launcher = request.settings.launcher.name
    here = [name for name in parts.names("launcher") if parts.declared("launcher", name, "HERE")]
    if launcher not in here:
        raise UsageError(f"launcher={launcher}: replicate trains with launcher={' or '.join(here)}")
    if request.settings.mirror is not None:
        raise UsageError("mirror: replicas are not mirrored; leave it out")
    replica = replica_of(request, sample)
    store = replica.study.store
    store.prepare()
    store.tidy()
    damaged = sweep.set_damaged_aside(plan_status(replica.experiment, store).runs, store)
    for warning in damaged + _check_data(replica):
        print(f"warning: {warning}", file=sys.stderr)
    return sweep.run(replica)


def lacks_data(request: Request, sample: Sample) -> str:
    """Why the data of the sample's rows cannot be used here, in a line; "" if they can."""
    replica = replica_of(request, sample)
    try:
        _check_data(replica)
    except UsageError as error:
        return str(error)
    return ""


def _check_data(replica: Request) -> list[str]:
    return sweep.check_data(cost.to_train(replica.experiment, plan_status(replica.experiment, replica.study.store)))


def compare(request: Request, sample: Sample) -> Replicated:
    """Compare the trained rows of the sample with the committed ones. Raises UsageError if none is trained."""
    study, experiment, replica = request.study, request.experiment, replica_of(request, sample)
    store = replica.study.store
    committed = tables.read_runs(sample.table)
    plan = plan_status(replica.experiment, store).runs
    again = tables.runs_table(plan, store, asked(experiment))
    if again.empty:
        raise UsageError(f"{experiment.name}: nothing has been trained again; `bn-study replicate` does it")
    judged = replication.judge(experiment, committed, again)
    verdicts = _verdicts(study, experiment, sample, store)
    return Replicated(
        experiment.name, processor(replica), _numerics(replica.settings), committed, judged, len(plan) - len(again),
        verdicts,
    )  # fmt: skip


def _verdicts(study: Study, experiment: Experiment, sample: Sample, store: Store) -> dict[str, tuple[str, str]]:
    """Committed and new outcome of each claim whose runs, and those of its gates, were all trained again.

    Both use the committed tuned values.
    """
    committed = tables.read_runs(sample.table)
    nowhere = Store(sample.table.parent / "no store")
    plan, _ = planned(experiment, nowhere, committed)
    stored = set(store.ids())
    complete = {
        grid for grid in experiment.grids if all(run.spec.id in stored for run in plan if grid in run.grids)
    }  # fmt: skip

    def whole(name: str) -> bool:
        claim = experiment.claims[name]
        return complete.issuperset(claim.grids) and all(map(whole, claim.gates))

    full = [name for name in experiment.claims if whole(name)]
    if not full:
        return {}
    measures = asked(experiment)
    tuned = tune.choose(experiment, tables.runs_table(plan, nowhere, measures, committed))
    again = tables.runs_table([run for run in plan if run.spec.id in stored], store, measures)
    sanity = "" if experiment.sanity_check else sanity_checks.sanity(study)
    old, new = (claims.verdicts(experiment, runs, tuned, sanity) for runs in (committed, again))
    return {name: (old[name].outcome, new[name].outcome) for name in full}


# --- the summary of this processor ------------------------------------------------------------------------------------


def write(study: Study, replicated: list[Replicated]) -> Path:
    """Enter experiments into the table of the processor, which is the same for all of them.

    They replace older rows with the same numerics.
    """
    path = study.results / FOLDER / f"{replicated[0].processor.stem}.csv"
    rows = pd.DataFrame([_row(one) for one in replicated])
    with changing(path):  # two calls that end together must not lose each other's rows
        if path.is_file() and path.stat().st_size:
            before = csv_files.read_csv(path).replace({"experiment": EXPERIMENTS})
            keys = set(zip(rows["experiment"], rows["numerics"], strict=True))
            kept = [key not in keys for key in zip(before["experiment"], before["numerics"], strict=True)]
            rows = pd.concat([before[kept], rows])
        csv_files.write_csv(rows.sort_values(["numerics", "experiment"]), path)
    return path


def _row(one: Replicated) -> dict[str, Any]:
    commits = sorted({str(commit)[:10] for commit in one.committed["commit"]})
    return {
        "processor": one.processor.name,
        "instructions": one.processor.kind,
        "numerics": one.numerics,
        "versions": versions(),
        "experiment": one.experiment,
        "evidence": " ".join(commits),
        "rows": len(one.rows.rows),
        **{outcome: one.rows.count(outcome) for outcome in ("identical", "agrees", "differs", "untold")},
        "shifted": " ".join(shift.label for shift in one.rows.shifts),
        "verdicts": len(one.verdicts),
        "verdicts_same": one.same,
    }


def versions() -> str:
    """The versions of Python and of the libraries that train."""
    libraries = (f"{name} {metadata.version(name)}" for name in LIBRARIES)
    return " ".join([f"python {platform.python_version()}", *libraries])


def instruction_set() -> str:
    """The widest vectors of this processor: avx512, avx2, avx or sse42; the architecture's name if it is not x86."""
    flags = numerics.processor_flags()
    names = {"avx512f": "avx512", "avx2": "avx2", "avx": "avx", "sse4_2": "sse42"}
    return next((name for flag, name in names.items() if flag in flags), platform.machine())


def processor(request: Request) -> Processor:
    """What trains a request: the GPU, or the CPU by maker, family, model and widest vectors."""
    if gpus := placement.gpus(request):
        gpu, kind = gpus[0], f"compute capability {gpus[0].compute_capability}"
        return Processor(re.sub(r"\W+", "-", f"{gpu.name} {kind}".lower()), f"{gpu.name}, driver {gpu.driver}", kind)
    family, name = _cpu()
    return Processor(f"{family}-{instruction_set()}", name, instruction_set())


def _cpu() -> tuple[str, str]:
    """Maker, family and model, in a form for file names and in one for readers."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        text = ""
    fields = dict(re.findall(r"^([\w ]+?)\s*: (.+)$", text.partition("\n\n")[0], flags=re.MULTILINE))
    if "vendor_id" not in fields:
        return platform.machine(), platform.machine()
    maker = {"AuthenticAMD": "amd", "GenuineIntel": "intel"}.get(fields["vendor_id"], fields["vendor_id"].lower())
    numbers = f"family {fields['cpu family']} model {fields['model']}"
    return f"{maker}-{numbers.replace(' ', '')}".replace("model", "-model"), f"{fields['model name']} ({numbers})"
