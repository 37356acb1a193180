"""Sweeps on a real Slurm: the one that scripts/slurm.sh starts for the tests, and no other that happens to be there."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from bn_study.store.store import Store


def cluster():
    """Why the tests cannot run, or None."""
    path = os.environ.get("SLURM_CONF")
    if path is None or "ClusterName=bn-study-test" not in Path(path).read_text():
        return "no test cluster: scripts/slurm.sh install, then scripts/slurm.sh run scripts/test.sh --all"
    return None


pytestmark = [pytest.mark.slow, pytest.mark.skipif(cluster() is not None, reason=str(cluster()))]
LONG = ("norm=none,batch", "seed=range(5)", "steps=20000", "probe=[]")
DEADLINE = 300


@pytest.fixture
def bn_study(home, tmp_path):
    """`bn_study("run", ...)` -> what it said, `bn_study.start(...)` -> the process; in a folder of its own."""
    environment = {"PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": tmp_path / "results"}

    def start(*words):
        return subprocess.Popen(
            [sys.executable, "-m", "bn_study", *words], cwd=tmp_path, text=True, stdin=subprocess.DEVNULL,
            env=os.environ | {key: str(value) for key, value in environment.items()},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def call(*words, code=0):
        process = start(*words)
        said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == code, said
        return said

    call.start = start
    call.store = Store(tmp_path / "results" / "runs")
    yield call
    subprocess.run(["scancel", "--quiet", f"--user={os.getuid()}"], check=True)
    until(lambda: not queue(), "the queue is empty")


def slurm(*words):
    """The words for a sweep on the test cluster, with two workers."""
    return (*words, "launcher=slurm", "launcher.array=2", "launcher.memory=2", "launcher.poll=0.5")


def queue():
    """`{task: state}` of all tasks in the queue."""
    command = ["squeue", "--noheader", "--array", "--format=%i %T"]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    return dict(line.split() for line in lines)


def until(happens, what):
    end = time.monotonic() + DEADLINE
    while not (answer := happens()):
        assert time.monotonic() < end, f"not within {DEADLINE} s: {what}; {queue()}"
        time.sleep(0.2)
    return answer


def steps(store):
    """How far the runs under way are."""
    return {holder.run: holder.step for holder in store.leases().holders()}


def tables(store):
    return {run: store.read(run).records for run in store.ids()}


def same(one, other):
    assert list(one) == list(other)
    for run in one:
        pd.testing.assert_frame_equal(one[run], other[run], check_exact=True)


def test_a_sweep_of_twelve_runs_completes_with_the_same_numbers_as_here(bn_study, home, tmp_path):
    words = ("norm=none,batch", "seed=range(6)", "steps=300")
    said = bn_study("run", *slurm(*words))
    assert "12 trained, 12 of 12 done" in said
    on_cluster = tables(bn_study.store)
    assert len(on_cluster) == 12
    about = bn_study.store.read(next(iter(on_cluster))).provenance
    assert about["environment"]["SLURM_ARRAY_JOB_ID"] and about["threads"] == 1
    assert "0 to train" in bn_study("run", *slurm(*words))
    bn_study.store.root.rename(tmp_path / "cluster")
    bn_study("run", *words)
    same(on_cluster, tables(bn_study.store))


def test_a_failed_run_does_not_end_the_others(bn_study):
    """Four poolings do not fit images of 8x8."""
    said = bn_study(
        "run", *slurm("model=mlp,cnn", "model.blocks=[[2],[2],[2],[2]]", "seed=range(3)", "steps=50"), code=1
    )
    assert "3 trained, 3 of 6 done" in said and said.count("failed: none-cnn-digits") == 3 and "fewer blocks" in said
    assert "continue with: bn-study run" in said


def test_left_seen_again_and_cancelled_nothing_is_lost(bn_study, tmp_path):
    said = bn_study("run", "--detach", *slurm(*LONG))
    assert "goes on" in said and "bn-study status norm=none,batch" in said and "bn-study cancel" in said
    until(lambda: len([step for step in steps(bn_study.store).values() if step]) == 2, "both workers train")
    before = steps(bn_study.store)
    said = bn_study("status", *LONG)
    assert "of 10 runs done" in said and "2 running" in said and len(re.findall("(?m)^vm|^[a-z0-9-]+ [0-9]+ ", said))
    for run in before.keys() & steps(bn_study.store).keys():  # others ended or began meanwhile
        assert run in said

    # a worker that is killed: the other one and the watch of a second call finish what it had
    victim = sorted(queue())[0]
    subprocess.run(["scancel", victim], check=True)
    until(lambda: victim not in queue(), "the worker has gone")
    watch = bn_study.start("run", *slurm(*LONG))
    for line in watch.stdout:
        if line.startswith("watching Slurm job"):
            break
    assert len({task.partition("_")[0] for task in queue()}) <= 1, "the second call watches, and submits nothing"

    # canceled: the workers stop in good order, nobody submits anew, the watch ends
    said = bn_study("cancel", *LONG)
    assert "told to stop" in said and "continue with: bn-study run" in said
    until(lambda: not queue(), "the queue is empty")
    said, _ = watch.communicate(timeout=DEADLINE)
    assert watch.returncode == 3 and "canceled" in said, said
    assert "no longer in the queue" in bn_study("status", *LONG)
    assert not list((bn_study.store.root / ".failed").iterdir())
    assert "no job of adhoc is in the queue" in bn_study("cancel", *LONG)

    # and the same command finishes
    done = len(bn_study.store.ids())
    assert done < 10
    assert f"{10 - done} trained, 10 of 10 done" in bn_study("run", *slurm(*LONG))
    disturbed = tables(bn_study.store)
    bn_study.store.root.rename(tmp_path / "disturbed")
    bn_study("run", *LONG)
    same(disturbed, tables(bn_study.store))


def test_ctrl_c_leaves_the_workers_at_work(bn_study):
    watch = bn_study.start("run", *slurm("steps=20000", "probe=[]"))
    until(lambda: sum(steps(bn_study.store).values()), "a worker trains")
    watch.send_signal(signal.SIGINT)
    said, _ = watch.communicate(timeout=DEADLINE)
    assert watch.returncode == 3 and "goes on" in said and "bn-study status" in said
    until(lambda: len(bn_study.store.ids()) == 1, "the run is done")


def test_a_worker_that_reaches_its_time_limit_goes_on_where_it_was(bn_study):
    """One minute, and told to stop some forty seconds before. A checkpoint is written for no other reason here."""
    words = ("steps=250000", "probe=[]", "checkpoint=1000", "launcher.time=1", "launcher.grace=40")
    watch = bn_study.start("run", *slurm(*words))
    (job,) = until(queue, "a worker is queued")
    until(lambda: sum(steps(bn_study.store).values()), "it trains")
    restarts = 0
    while watch.poll() is None:
        if queue().get(job) == "PENDING":  # Slurm would let it wait for two minutes; some seconds are needed
            assert not bn_study.store.ids()
            restarts += not subprocess.run(["scontrol", "update", f"JobId={job}", "StartTime=now+4"]).returncode
            until(lambda: watch.poll() is not None or queue().get(job) == "RUNNING", "it runs again")
        time.sleep(0.2)
    said, _ = watch.communicate()
    assert watch.returncode == 0 and restarts and "1 trained, 1 of 1 done" in said, said
    (run,) = bn_study.store.ids()
    timing = bn_study.store.read(run).provenance["timing"]  # of a last stretch alone it says how long it compiled
    assert timing.get("training", {"count": 0})["count"] < 240000, "it began where the checkpoint was"
    assert not list((bn_study.store.root / ".failed").iterdir())


def test_what_slurm_refuses_is_said_in_a_line(bn_study):
    said = bn_study("run", *slurm("launcher.partition=nowhere"), code=2)
    assert said.count("\n") <= 4 and "Invalid partition name" in said and "Traceback" not in said
    said = bn_study("run", *slurm("launcher.time=soon"), code=2)
    assert "launcher.time=soon" in said
    said = bn_study("run", *slurm("launcher.extra.token=abc"), code=2)
    assert "looks like a secret" in said and "abc" not in said
    assert "--detach" in bn_study("run", "--detach", "steps=1", code=2)
