"""How the launcher of this machine judges a worker that ended, without a process."""

from types import SimpleNamespace

import pytest

from bn_study.store.lease import Holder
from bn_study.store.store import Store
from bn_study.sweep.launcher import local


@pytest.fixture
def worker(tmp_path):
    store = Store(tmp_path / "runs")
    store.prepare()
    call = SimpleNamespace(id="call", study=SimpleNamespace(store=store), timeout=None)
    made = local._Worker(call, 0)
    made.log, made.run = tmp_path / "log", None
    made.log.write_text("")
    made.process = SimpleNamespace(pid=42, poll=lambda: 0)
    return made


def test_a_worker_that_released_its_run_since_the_last_look_did_not_die_of_it(worker):
    held = {42: Holder("a-run", "host", 42, "call", 5, True)}
    worker.store.fail("a-run", "call", "failed", "ValueError: the reason", usage=True)
    assert not worker.lives(held, worker.store.leases())
    assert worker.store.failed("a-run", "call").line == "ValueError: the reason"


@pytest.mark.parametrize(("code", "words"), [(3, "exit code 3"), (-9, "by SIGKILL"), (-40, "by signal 40")])
def test_how_a_worker_ended(code, words):
    assert local._how(code).endswith(words)
