"""Which run a worker takes next: by hand, against the best possible order, and what workers do with a real store."""

import heapq
import itertools
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from bn_study.sweep import worker
from bn_study.sweep.call import Call
from bn_study.sweep.order import Free, chosen, lengths
from bn_study.sweep.request import Request
from bn_study.sweep.timings import Known


def free(**runs):
    """`free(a=("plain", 3), b=("norm", 5, True))`: run=(program, length, awaited)."""
    return {run: Free(*one, *([False] if len(one) == 2 else [])) for run, one in runs.items()}


@pytest.mark.parametrize(
    ("runs", "compiled", "used", "share", "expected"),
    [
        (free(a=("p", 3), b=("p", 5), c=("p", 5)), "", (), 9, "b"),  # the longest, the first of equals
        (free(a=("p", 3), b=("q", 5)), "", ("q",), 9, "a"),  # of a program that nobody uses
        (free(a=("q", 3), b=("q", 5)), "", ("q",), 9, "b"),  # or at least the longest
        (free(a=("p", 3), b=("p", 4), c=("q", 5)), "p", (), 9, "b"),  # what it has compiled, while there is time
        (free(a=("p", 3), b=("p", 4), c=("q", 5)), "p", (), 8, "c"),  # 4 + 5 would outlast the sweep
        (free(a=("p", 5), b=("q", 5)), "p", (), 5, "a"),  # an equal run is no reason to compile
        (free(a=("p", 9), b=("q", 1, True)), "p", (), 99, "b"),  # others wait for it
        (free(a=("p", 9), b=("q", 1, True), c=("p", 0.5, True)), "p", (), 99, "c"),
    ],
)
def test_the_rule(runs, compiled, used, share, expected):
    assert chosen(runs, compiled, used, share) == expected


def end_of(runs, workers):
    """The time at which the last of some workers ends that take all these runs by the rule."""
    left, ends = dict(runs), [(0.0, number) for number in range(workers)]
    last, under_way = dict.fromkeys(range(workers), ""), {}
    while left:
        now, number = heapq.heappop(ends)
        under_way.pop(number, None)
        rest = sum(one.length for one in left.values()) + sum(end - now for _, end in under_way.values())
        used = {program for program, _ in under_way.values()}
        run = left.pop(chosen(left, last[number], used, rest / (len(under_way) + 1)))
        last[number], under_way[number] = run.program, (run.program, now + run.length)
        heapq.heappush(ends, (now + run.length, number))
    return max(ends)[0]


@pytest.mark.parametrize("seed", range(12))
def test_the_last_worker_ends_little_later_than_in_the_best_order(seed):
    """Graham 1969: longest first ends by 4/3 - 1/3m of the shortest time possible, found here by trying everything."""
    random = np.random.default_rng(seed)
    workers = 2 + seed % 2
    times = random.integers(1, 20, 7).tolist()
    shares = (np.bincount(who, times, workers).max() for who in itertools.product(range(workers), repeat=len(times)))
    shortest = min(shares)
    assert end_of({str(one): Free("p", time, False) for one, time in enumerate(times)}, workers) <= shortest * (
        4 / 3 - 1 / (3 * workers)
    )


def test_a_few_long_runs_of_a_program_that_comes_late_do_not_keep_one_worker_alone():
    """48 short runs of two programs and three long ones: 163.5 seconds of work for each of two workers."""
    short = {f"{program}{one}": Free(program, 4, False) for program in "ab" for one in range(24)}
    runs = short | {f"c{one}": Free("c", 45, False) for one in range(3)}
    assert end_of(runs, 2) <= 163.5 + 4
    assert end_of(runs, 8) <= 48


def known(spec, seconds):
    timing = {"training": {"seconds": seconds, "count": spec.steps}}
    return Known(spec.settings, timing, seconds, 1, 1)


def test_lengths_are_measured_and_others_follow_from_the_examples(specify):
    mlp, more = specify("steps=100", "batch_size=60", "schedule.points=1"), specify("steps=200", "batch_size=60")
    cnn = specify("model=cnn", "steps=100", "batch_size=30")
    assert lengths([mlp, more, cnn], []) == {mlp.id: 6000, more.id: 12000, cnn.id: 3000}
    assert lengths([mlp, cnn], [known(mlp, 3.0)]) == {mlp.id: pytest.approx(3.0), cnn.id: pytest.approx(1.5)}


TUNED = """
base: {dataset: digits, model.widths: [8], steps: 10, probe: [curves]}
grids:
  other: {norm: [none, batch], steps: 900, seed: [0]}
  tuned: {norm: [none, batch], optimizer.learning_rate: rate, seed: [0, 1]}
  select: {like: tuned, optimizer.learning_rate: [0.1, 0.3], seed: [100]}
tune:
  rate:
    grid: select
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {final: {metric: validation/accuracy}}
    best: max
"""


class Recorder:
    """A trainer that notes what it is given. Its results are what tuning reads."""

    def __init__(self):
        self.trained = []

    def program(self, spec):
        return spec.norm.name

    def facts(self, spec):
        return {"classes": 10, "fingerprint": "", "warnings": []}

    def train(self, spec, between, state):
        kind = "select" if spec.seed == 100 else "other" if spec.steps == 900 else "tuned"
        self.trained.append((kind, spec.norm.name))
        return SimpleNamespace(records=RECORDS, vectors=RECORDS.iloc[:0], diverged_at=None, timing={})


RECORDS = pd.DataFrame({"step": [10], "name": "validation/accuracy", "site": "", "value": [0.5]})


@pytest.fixture
def sweep(make_study, tmp_path):
    """A call on a study with a tuning, and a trainer."""
    study = make_study(tmp_path / "study", tuned=TUNED)
    study.store.prepare()
    return Call("abc", Request.parse(["tuned"], study)), Recorder()


def test_what_a_tuned_value_waits_for_comes_first(sweep):
    call, trainer = sweep
    worker.Worker(call, lambda: False, trainer).work()
    kinds = [kind for kind, _ in trainer.trained]
    assert kinds[:4] == ["select"] * 4 and sorted(kinds[4:]) == ["other"] * 2 + ["tuned"] * 4
    programs = [program for _, program in trainer.trained]
    assert sum(one != other for one, other in itertools.pairwise(programs)) == 2  # two programs, each compiled twice


def test_an_arm_that_is_decided_starts_while_another_worker_selects_the_other(sweep, monkeypatch):
    call, trainer = sweep
    store = call.study.store
    (held, *_) = (
        run.spec for run in worker.plan_status(call.experiment, store).runs
        if run.spec.norm.name == "batch" and run.spec.seed == 100
    )  # fmt: skip
    with store.leases().take(held.id, "another") as lease:
        assert lease is not None
        before = []

        def sleep(seconds):
            if not before:
                before.extend(trainer.trained)
                facts = trainer.facts(held) | {"status": "complete", "commit": "a", "dirty": False, "stated": {}}
                store.publish(held, RECORDS, RECORDS.iloc[:0], facts, lease)

        monkeypatch.setattr(worker, "time", SimpleNamespace(sleep=sleep, monotonic=lambda: 0.0))
        worker.Worker(call, lambda: False, trainer).work()
    assert sorted(before) == sorted(
        [("select", "none")] * 2
        + [("select", "batch")]
        + [("other", "none"), ("other", "batch")]
        + [("tuned", "none")] * 2
    )
    assert [kind for kind, _ in before[:3]] == ["select"] * 3
    assert trainer.trained[len(before) :] == [("tuned", "batch")] * 2
