"""For each line of the table in docs/adding-a-part.md: its files, nothing else, are added to a copy and used."""

import re

import pytest

from bn_study.plan import parts

RUN = ("run", "model.widths=[8]", "seed=0", "steps=20", "launcher=inline")
FILES = {
    "data set": {
        "bn_study/training/dataset/moons.py": '''
"""Two interleaving half circles."""

import numpy as np

from bn_study.plan.types import Count, NonNegative
from bn_study.training.data import Data, Split
from bn_study.training.files import digest

TASK = "classification"
NOTE = ""


def load(*, train: Count, validation: Count, test: Count, noise: NonNegative) -> Data:
    """Inputs (n, 2) and their half circle, 0 or 1."""
    drawn = []
    for number, count in enumerate((train, validation, test)):
        random = np.random.default_rng(number)
        side, angle = random.integers(0, 2, count), random.uniform(0, np.pi, count)
        place = np.stack([side + np.cos(angle) * (1 - 2 * side), side / 2 + np.sin(angle) * (1 - 2 * side)], axis=1)
        drawn += [(place + random.normal(0, noise, place.shape)).astype(np.float32), side.astype(np.int32)]
    splits = [Split(x, y) for x, y in zip(drawn[::2], drawn[1::2], strict=True)]
    return Data(*splits, classes=2, fingerprint=digest(drawn))
''',
        "conf/dataset/moons.yaml": "name: moons\ntrain: 600\nvalidation: 100\ntest: 100\nnoise: 0.1\n",
    },
    "probe": {
        "bn_study/training/probe/kernels.py": f'''
"""How large the weights are."""

from collections.abc import Iterator

import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


def records(seen: Observed, *, order: Count) -> Iterator[Record]:
    """The norm of each layer."""
    for site in (*seen.sites, "output/linear"):
        if site.endswith("/linear"):
            yield Record("kernels/norm", site)


def {parts.FUNCTIONS["probe"].rpartition("/")[2]}(
    network: Network, evaluation: Evaluation, *, order: Count
) -> Iterator[tuple[str, str, float]]:
    """Yield `kernels/norm` of each layer, of this order."""
    for number, layer in enumerate(network.linear, 1):
        yield "kernels/norm", f"layer{{number}}/linear", float(np.linalg.norm(layer.kernel.numpy().ravel(), order))
''',
        "conf/probe/kernels.yaml": "# @package probe.kernels\nevery: null\norder: 2\n",
    },
    "measure": {
        "bn_study/analysis/measure/best.py": '''
"""The largest value of a metric."""

from bn_study.analysis.needed import Needed
from bn_study.analysis.recorded import points
from bn_study.store.stored_run import StoredRun


def measure(run: StoredRun, *, metric: str) -> float:
    """The largest recorded value."""
    return float(points(run, metric)[1].max())


def needs(*, metric: str) -> list[Needed]:
    """The metric."""
    return [Needed(metric)]
'''
    },
    "verdict test": {
        "bn_study/analysis/test/majority.py": '''
"""Whether the mean effect is on the claim's side, without an interval: no test to be relied on."""

from bn_study.analysis.stats import Estimate, Finding
from bn_study.plan.types import Positive

AGAINST = "low"
EVERY_SEED = False
WORDS = "a mean above "
CAPTION = "one of majority for a mean above it"


def decide(effect: Estimate, p: float, *, margin: Positive) -> Finding:
    """Supported: the mean is above the margin. Reversed: it is not."""
    if effect.mean > margin:
        return Finding("supported", "the majority rules")
    return Finding("reversed", "the majority rules otherwise")
'''
    },
    "figure": {
        "bn_study/analysis/figure/seeds.py": '''
"""Which seeds there are."""

from dataclasses import dataclass

import pandas as pd
from matplotlib.figure import Figure

from bn_study.analysis.needed import Needed
from bn_study.analysis.settings import rows_of_grids
from bn_study.analysis.shown import Tables
from bn_study.analysis.tables import Curve


@dataclass(frozen=True)
class Drawing:
    """grid: whose runs are shown."""

    grid: str

    def needs(self) -> list[Needed]:
        """It reads no records."""
        return []

    def curves(self, runs: pd.DataFrame) -> dict[str, list[Curve]]:
        """It shows no records."""
        return {}

    def data(self, tables: Tables) -> pd.DataFrame:
        """The seed of each run."""
        return rows_of_grids(tables.runs, [self.grid])[["run", "seed"]]

    def caption(self, data: pd.DataFrame, tables: Tables) -> str:
        """What is shown."""
        return f"The seeds of {len(data)} runs."

    def draw(self, data: pd.DataFrame, tables: Tables) -> Figure:
        """A dot for each run."""
        figure = Figure()
        figure.add_subplot().plot(data["seed"], "o")
        return figure
'''
    },
    "mirror": {
        "bn_study/analysis/mirror/summary.py": '''
"""A line of text for each run."""

from pathlib import Path

from bn_study.analysis.mirror._run import Run
from bn_study.plan.types import Natural

LOOK = "cat {folder}/*.txt"


def export(run: Run, folder: Path, *, digits: Natural) -> Path:
    """Write `<folder>/<id>.txt`: the last loss, with so many digits."""
    path = folder / f"{run.id}.txt"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{run.scalars[max(run.scalars)]['test/loss']:.{digits}f}")
    return path
''',
        "conf/mirror/summary.yaml": "name: summary\ndigits: 3\n",
    },
    "launcher": {
        "bn_study/sweep/launcher/announced.py": '''
"""One child process that does all the work, after a word of greeting."""

import os
import subprocess

from bn_study.sweep import child
from bn_study.sweep.call import Call, Ending
from bn_study.sweep.progress import Progress

HERE = True
TIMEOUT = False
WORKERS = None


def run(call: Call, progress: Progress, *, greeting: str) -> Ending:
    """Greet and train."""
    print(f"{greeting}, {call.experiment.name}", flush=True)
    command = [*child.PYTHON, "-m", "bn_study.sweep.worker", call.id, str(os.getpid()), *call.request.worker_words]
    with progress:
        subprocess.run(command, env=call.environment(0) | child.environment(), check=True)
    return Ending()
''',
        "conf/launcher/announced.yaml": "name: announced\ngreeting: Hello\n",
    },
    "verb": {
        "bn_study/cli/verb/count.py": '''
"""Count the stored runs."""

import argparse

ORDER = 35
REQUEST = False


def arguments(parser: argparse.ArgumentParser) -> None:
    """It has no flags."""


def command(options: argparse.Namespace) -> int:
    from bn_study.study import locate

    print(f"{len(locate().store.ids())} runs are stored")
    return 0
'''
    },
    "optimizer that Keras has": {
        "conf/optimizer/nadam.yaml": "name: nadam\nkeras: Nadam\nlearning_rate: 0.01\nbeta_1: 0.9\nbeta_2: 0.999\n"
        "epsilon: 1.0e-7\ndecay_at: []\ndecay_factor: 0.1\n",
    },
    "experiment with its claims": {
        "experiments/tiny.yaml": """
question: Does batch normalization help within twenty steps?
base: {model.widths: [8], steps: 20}
grids: {main: {norm: [none, batch], seed: [0, 1]}}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    grid: main
    test: equivalence
    margin: 0.99
"""
    },
}
USER = ("run", "user", "launcher=inline"), "4 trained, 4 of 4 done"
COMMANDS = {  # the commands that use the part, each with what it says or writes
    "data set": [((*RUN, "dataset=moons", "norm=batch"), "1 trained, 1 of 1 done")],
    "probe": [
        ((*RUN, "norm=batch", "probe=[curves,kernels]"), "1 trained, 1 of 1 done"),
        (("show", "RUN"), r"kernels/norm +layer1/linear"),
    ],
    "measure": [USER, (("report", "user"), r"best\(metric=test/accuracy\)")],
    "verdict test": [USER, (("report", "user"), "the majority rules")],
    "figure": [USER, (("report", "user"), r"The seeds of 4 runs\.")],
    "mirror": [
        ((*RUN, "norm=batch"), "1 trained"),
        (("export", "summary", *RUN[1:], "norm=batch", "mirror=summary", "mirror.digits=2"), r"cat .*/summary/\*.txt"),
    ],
    "launcher": [
        ((*RUN[:-1], "norm=batch", "launcher=announced", "launcher.greeting=Hi"), r"Hi, adhoc\n(.*\n)*1 trained"),
    ],
    "verb": [(("--help",), r"run .*\n +count +Count the stored runs.\n +status"), (("count",), "0 runs are stored")],
    "optimizer that Keras has": [((*RUN, "optimizer=nadam", "norm=batch"), "1 trained, 1 of 1 done")],
    "experiment with its claims": [
        (("run", "tiny", "launcher=inline"), "4 trained, 4 of 4 done"),
        (("report", "tiny"), "better"),
    ],
}
ELSEWHERE = ("normalizer", "model")
"""Tried by tests/test_readme.py, and by the tests of the layers' figures."""


def user(row):
    """An experiment that uses a measure, a test or a figure, as a user's would."""
    tiny = FILES["experiment with its claims"]["experiments/tiny.yaml"]
    tiny += "sanity_check: true\n"  # so that its verdicts wait for no other's
    if row == "measure":
        return tiny.replace("{final:", "{best:")
    if row == "figure":
        return f"{tiny}figures: {{all: {{kind: seeds, grid: main}}}}\n"
    return tiny.replace("test: equivalence", "test: majority").replace("margin: 0.99", "margin: 0.5")


def test_every_line_of_the_table_is_tried(home):
    blocks = (home / "docs" / "adding-a-part.md").read_text().split("\n\n")
    table = next(block for block in blocks if block.startswith("| to add |"))
    first = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert sorted(one for line in first for one in line.split(", ")) == sorted({*FILES, *ELSEWHERE})


@pytest.mark.slow
@pytest.mark.parametrize("row", FILES)
def test_a_part_is_used_after_its_files_were_added(copy, tmp_path, row):
    call = copy(
        FILES[row] | ({"experiments/user.yaml": user(row)} if row in ("measure", "verdict test", "figure") else {})
    )
    for words, said in COMMANDS[row]:
        runs = [path.name for path in tmp_path.glob("results/runs/[!.]*")]
        answer = call(*(runs[0] if word == "RUN" else word for word in words))
        answer += "".join(path.read_text() for path in tmp_path.glob("results/user/*.*[vd]"))  # tables and the report
        assert re.search(said, answer), answer
