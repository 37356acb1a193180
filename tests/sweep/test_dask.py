"""Sweeps on a real dask.distributed cluster on loopback: a scheduler and two workers, each a process of its own."""

import importlib.util
import os
import re
import signal
import socket
import subprocess
import sys
import time

import pandas as pd
import pytest

from bn_study.cli.main import main
from bn_study.store.store import Store
from bn_study.sweep.launcher import dask

DEADLINE = 300
TWELVE = ("norm=none,batch", "seed=range(6)", "model.widths=[16]", "steps=20000", "probe=[]", "checkpoint=0.1")


@pytest.fixture
def bn_study(home, tmp_path):
    """`bn_study("run", ...)` -> what it said, `bn_study.start(...)` -> the process; in a folder of its own."""
    places = {"PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": tmp_path / "results"}
    environment = os.environ | {key: str(value) for key, value in places.items()}

    def start(*words, module="bn_study"):
        command = [sys.executable, "-m", module, *words]
        with open(tmp_path / f"{module}.txt", "a") as said:
            process = subprocess.Popen(
                command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, stdout=said, stderr=said,
                start_new_session=True,
            )  # fmt: skip
        started.append(process)
        return process

    def end(process, code=0):
        process.wait(timeout=DEADLINE)
        said = (tmp_path / "bn_study.txt").read_text()
        assert process.returncode == code, said
        (tmp_path / "bn_study.txt").write_text("")
        return said

    def call(*words, code=0):
        return end(start(*words), code)

    started = []
    call.start, call.end, call.store = start, end, Store(tmp_path / "results" / "runs")
    yield call
    for process in started:
        kill(process)


def kill(process):
    """End a process with all its children, at once."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture
def cluster(bn_study):
    """`cluster.scheduler()` and `cluster.worker()` start one; the address stays."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    host, quiet = ("--host", "127.0.0.1"), ("--no-dashboard",)

    class Cluster:
        address = f"tcp://127.0.0.1:{port}"

        def scheduler(self):
            return bn_study.start(*host, "--port", str(port), *quiet, module="distributed.cli.dask_scheduler")

        def worker(self):
            size = ("--nworkers", "1", "--nthreads", "1", "--memory-limit", "0")
            return bn_study.start(self.address, *host, *size, *quiet, module="distributed.cli.dask_worker")

    return Cluster()


def until(happens, what):
    end = time.monotonic() + DEADLINE
    while not (answer := happens()):
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}"
        time.sleep(0.05)
    return answer


def training(store):
    """The runs of which some steps are made, by the process that makes them."""
    return {holder.pid: holder.run for holder in store.leases().holders() if holder.step}


def paused(worker, store):
    """Pause a worker. What is in training, if there are two such runs with a checkpoint each; or let it go on."""
    os.killpg(worker.pid, signal.SIGSTOP)
    found = training(store)
    if len(found) == 2 and all(store.checkpoint(run).is_file() for run in found.values()):
        return found
    os.killpg(worker.pid, signal.SIGCONT)
    return None


def tables(store):
    return {run: store.read(run).records for run in store.ids()}


@pytest.mark.slow
def test_a_worker_killed_and_a_scheduler_restarted_change_nothing(bn_study, cluster, tmp_path):
    """12 runs, each trained once, with the same bits as in one process without a cluster."""
    scheduler, (victim, _) = cluster.scheduler(), [cluster.worker() for _ in range(2)]
    sweep = bn_study.start("run", *TWELVE, "launcher=dask", f"launcher.address={cluster.address}", "launcher.tasks=2")
    before = until(lambda: paused(victim, bn_study.store), "both workers train what can be continued")
    kill(victim)
    until(lambda: before.keys() - training(bn_study.store).keys(), "the worker of the one that was killed has stopped")
    done = len(bn_study.store.ids())
    until(lambda: len(bn_study.store.ids()) > done, "the other one trains on")
    kill(scheduler)
    until(lambda: not training(bn_study.store), "without a scheduler nobody trains")
    assert len(bn_study.store.ids()) < 12 and sweep.poll() is None
    begun = {path.stem for path in bn_study.store.checkpoints()}  # what was near its end was finished instead
    cluster.scheduler()
    cluster.worker()
    said = bn_study.end(sweep)
    assert "12 trained, 12 of 12 done" in said and "gave up" not in said and "failed:" not in said, said
    runs = [bn_study.store.read(run).provenance for run in bn_study.store.ids()]
    assert len(runs) == 12 and len({run["call"] for run in runs}) == 1
    assert begun <= {run for run in bn_study.store.ids() if bn_study.store.read(run).provenance["earlier"]}
    for name in (".new", ".lease", ".failed", ".damaged"):
        folder = bn_study.store.root / name
        assert not folder.is_dir() or not list(folder.iterdir()), name
    disturbed = tables(bn_study.store)
    bn_study.store.root.rename(tmp_path / "disturbed")
    bn_study("run", *TWELVE, "launcher=inline")
    alone = tables(bn_study.store)
    assert list(disturbed) == list(alone)
    for run, records in alone.items():
        pd.testing.assert_frame_equal(disturbed[run], records, check_exact=True)


@pytest.mark.slow
def test_without_an_address_this_machine_works_and_ctrl_c_stops_it(bn_study):
    words = ("norm=none,batch", "steps=100000", "model.widths=[16]", "probe=[]", "launcher=dask", "workers=1")
    sweep = bn_study.start("run", *words)
    until(lambda: training(bn_study.store), "a worker trains")
    os.kill(sweep.pid, signal.SIGINT)
    said = bn_study.end(sweep, code=3)
    assert "stopping after the steps under way" in said and "continue with: bn-study run" in said
    until(lambda: not bn_study.store.leases().holders(), "the worker has stopped")
    assert bn_study.store.checkpoints()
    assert re.search("0 of 2 runs done", bn_study("status", *words))


def test_no_scheduler_is_a_line(study_here, monkeypatch, capsys):
    study = study_here()
    monkeypatch.setattr(dask, "CONNECT", 0.5)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))  # and nobody listens
        address = f"tcp://127.0.0.1:{silent.getsockname()[1]}"
        assert main(["run", "steps=1", "launcher=dask", f"launcher.address={address}"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and f"launcher.address={address}: no scheduler answers there" in said
    assert not study.store.ids()


def test_without_the_package_a_line_names_the_extra(monkeypatch, capsys):
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "distributed" else real(name))
    assert main(["plan", "steps=1", "launcher=dask"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "launcher=dask needs distributed" in said and "bn-study[dask]" in said
