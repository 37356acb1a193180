"""Calibration of the cost estimate: trains each kind of run without a comparable stored run for about a second.

    python -m bn_study.sweep.calibration FOLDER [--sample ROWS TABLE] [EXPERIMENT] [OVERRIDE ...]

It writes short runs to a store in FOLDER; only their timings are used. It is a process of its own, because it imports
TensorFlow, whose threads must be set before that.
"""

import time
from dataclasses import replace
from pathlib import Path

from bn_study.plan.spec import Part, RunSpec
from bn_study.store import provenance
from bn_study.store.store import Store
from bn_study.sweep import child
from bn_study.sweep.cost import to_train, unpriced
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status
from bn_study.sweep.timings import stored
from bn_study.training.train import Programs

FIRST, MOST = 60, 3000
"""Steps of a first short run, which shows how many steps take a second; and the upper limit of steps."""


def shortened(spec: RunSpec, steps: int) -> RunSpec:
    """The same run with fewer steps, in which every probe is evaluated a few times."""
    probes = tuple(Part(probe.name, dict(probe.args) | {"every": None}) for probe in spec.probes)
    return replace(spec, steps=steps, probes=probes, schedule=dict(spec.schedule) | {"points": 6, "first": 10})


def main(arguments: list[str]) -> int:
    folder, *words = arguments
    request, store, programs = Request.parse(words), Store(Path(folder)), Programs()
    store.prepare()
    study, threads = request.study, request.settings.threads
    runs = to_train(request.experiment, plan_status(request.experiment, study.store))
    here = provenance.circumstances(study.home, words) | {"status": "complete", "threads": threads}
    start = {"worker": {"seconds": provenance.age(), "count": 1}}
    for spec in unpriced(runs, stored(study.store, runs, threads, here["device"]["name"])):
        steps = FIRST
        for _ in range(2):
            short, clock = shortened(spec, steps), time.monotonic()
            trained = programs.train(short, lambda step, state: None, None)
            origin = here | {
                "seconds": time.monotonic() - clock,
                "timing": start | trained.timing,
                "peak_memory": provenance.peak_memory(),
            }
            store.publish(short, trained.records, trained.vectors, origin)
            training = trained.timing.get("training")
            if not training:  # the run diverged in its first chunk
                break
            steps = max(FIRST + 1, min(MOST, round(training["count"] / training["seconds"])))
            start = {}
    return 0


if __name__ == "__main__":
    child.run(main)
