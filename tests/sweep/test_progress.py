"""What is said of a sweep under way: from the store and its leases, whoever trains."""

import pandas as pd
import pytest

from bn_study.store.store import Store
from bn_study.study import Study
from bn_study.sweep import progress as module
from bn_study.sweep import status
from bn_study.sweep.call import Call
from bn_study.sweep.progress import Progress
from bn_study.sweep.request import Request

EMPTY = pd.DataFrame({"step": [0], "name": [""], "site": [""], "value": [0.0]})
REQUEST = ["steps=1000", "seed=range(4)"]


@pytest.fixture
def call(home, tmp_path):
    Store(tmp_path / "runs").prepare()
    return Call("abc", Request.parse(REQUEST, Study(home, tmp_path)))


@pytest.fixture
def clock(monkeypatch):
    """`clock.now` is the time."""

    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    made = Clock()
    monkeypatch.setattr(module, "time", made)
    return made


def test_the_line_counts_runs_and_its_time_left_settles(call, clock):
    progress = Progress(call)
    runs = [run.spec for run in progress.plan.runs]
    assert progress.line(clock.now, []).startswith("0/4 runs · 4 left · 0 steps/s") and "starting" in progress.line(
        1, []
    )
    clock.now += 30  # workers import and compile, which tells nothing about the speed
    assert "starting" in progress.line(clock.now, [])
    for number, left in enumerate(("30s left", "20s left", "10s left")):
        clock.now += 10
        call.study.store.publish(runs[number], EMPTY, EMPTY, {"status": "complete"})
        assert progress.line(clock.now, []).endswith(left)
    call.study.store.publish(runs[3], EMPTY, EMPTY, {"status": "diverged"})
    assert "4/4 runs · 0 left" in progress.line(clock.now, []) and "1 diverged" in progress.line(clock.now, [])


def test_the_table_shows_who_trains_what(call):
    progress = Progress(call)
    run = progress.plan.runs[1].spec
    with call.study.store.leases().take(run.id, "another") as lease:
        lease.note(250)
        table = progress.table(progress.leases.holders())
        assert table.row_count == 1
        cells = [next(iter(column.cells)) for column in table.columns]
        assert cells[1:] == [run.id, "250", "1,000", "25%"]
        assert "0/4 runs" in progress.line(progress.started + 10, progress.leases.holders())
    assert progress.table(progress.leases.holders()).row_count == 0


def test_failures_are_counted_and_no_terminal_gets_a_line_a_minute(call, clock, capsys):
    progress = Progress(call)
    assert progress.live is None
    call.study.store.fail(progress.plan.runs[0].spec.id, call.id, "failed", "ValueError: no")
    with progress:
        for _ in range(150):
            progress.update()
            clock.now += 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 3 and all("1 failed" in line for line in lines)  # two minutes, and the end


TUNED = """
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids:
  report: {norm: [none, batch], optimizer.learning_rate: rate, seed: range(8)}
  select: {norm: [none, batch], optimizer.learning_rate: [0.1, 1], seed: [100]}
tune:
  rate: {grid: select, factors: [optimizer.learning_rate], per: [norm], best: min,
    score: {final: {metric: validation/loss}}}
claims: {}
"""


def test_the_last_line_of_a_sweep_never_says_that_something_waits(make_study, tmp_path, clock, capsys, monkeypatch):
    """An arm's last selection run is published while another arm is tuned; later lines are a minute apart."""
    study = make_study(tmp_path / "study", tuned=TUNED)
    study.store.prepare()
    request = Request.parse(["tuned"], study)
    records = EMPTY.assign(name="validation/loss")

    def publish(runs):
        for run in runs:
            study.store.publish(run.spec, records, EMPTY.iloc[:0], {"status": "complete", "classes": 10, "stated": {}})

    progress = Progress(Call("abc", request))
    selection = progress.plan.missing
    last = [run for run in selection if run.spec.norm.name == "none"][-1]
    real = status.planned

    def planned(experiment, store, kept=None):
        found = real(experiment, store, kept)
        publish([last] if not store.done(last.spec.id) else [])
        return found

    with progress:
        publish([run for run in selection if run is not last])
        clock.now += 60
        with monkeypatch.context() as patch:
            patch.setattr(status, "planned", planned)
            progress.update()
        publish(status.plan_status(request.experiment, study.store).missing)
        clock.now += 1
        progress.update()
    first, end = capsys.readouterr().err.splitlines()
    assert "waiting for tuning" in first
    assert "20/20 runs · 0 left" in end and "waiting" not in end and end.endswith("nothing left")
