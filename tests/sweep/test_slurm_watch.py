"""What a watch does about what Slurm's queue says, and a task about a signal; the queue is made up, the clock, too."""

import contextlib
import os
import signal
from types import SimpleNamespace

import pytest

from bn_study.sweep.launcher import slurm

RUNS = [SimpleNamespace(job="7", lives=True, state="RUNNING")]
GONE = []
OPTIONS = "array", "parallel", "partition", "account", "time", "grace", "requeue", "cpus", "gres", "memory", "extra"


class Shown(contextlib.nullcontext):
    def update(self):
        pass


@pytest.fixture
def watch(monkeypatch, tmp_path):
    """`watch(looks, done)`: watch job 7 while the queue is these and so many runs are done, each time one looks.

    Returns how it ended, None if it still watched at the last look, and after which looks it submitted another array.
    """
    now = [0.0]
    job = slurm.Submission(tmp_path / "call", {"ids": ["7"]})
    call = SimpleNamespace(id="call", detach=False, study=SimpleNamespace(store=None))

    def watched(looks, done):
        queues, counts, seen, submitted = iter(looks), iter(done), [], []
        monkeypatch.setattr(slurm, "queued", lambda: seen.append(next(queues)) or seen[-1])
        monkeypatch.setattr(slurm, "_done", lambda _: next(counts))
        monkeypatch.setattr(slurm, "submit", lambda *_: submitted.append(len(seen)) or job)
        ending = None
        with contextlib.suppress(StopIteration):
            ending = slurm.run(call, Shown(), poll=5.0, **dict.fromkeys(OPTIONS))
        return ending, submitted

    clock = SimpleNamespace(monotonic=lambda: now[0], sleep=lambda seconds: now.__setitem__(0, now[0] + seconds))
    monkeypatch.setattr(slurm, "clock", clock)
    monkeypatch.setattr(slurm, "submissions", lambda _: [job])
    monkeypatch.setattr(slurm, "left", lambda _: True)
    return watched


def test_one_look_that_misses_a_requeued_job_means_nothing(watch):
    assert watch([RUNS, GONE, RUNS, GONE, RUNS], [0, 3]) == (None, [])


def test_an_array_that_is_gone_is_submitted_again_as_long_as_runs_are_trained(watch):
    ending, submitted = watch([RUNS, GONE, GONE, RUNS, GONE, GONE, GONE], [0, 3, 3])
    assert submitted == [3] and "ended early" in ending.remarks[0] and not ending.left


def test_a_queue_that_does_not_answer_tells_nothing(watch):
    assert watch([GONE, None, GONE, None], [0, 3]) == (None, [])


@pytest.mark.parametrize(
    ("states", "canceled"),
    [
        ({"CANCELLED"}, True),
        ({"CANCELLED", "FAILED", "COMPLETED"}, True),  # one had ended before somebody canceled the rest
        ({"CANCELLED", "TIMEOUT"}, False),  # one was canceled, and time ended the rest
        ({"FAILED"}, False),
        (set(), False),
    ],
)
def test_an_array_that_somebody_canceled_is_told_from_one_that_ended(states, canceled):
    assert slurm.was_canceled(states) == canceled


def test_a_task_that_is_told_to_stop_while_it_plans_is_queued_again(monkeypatch):
    requeued = []
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)}
    monkeypatch.setattr(slurm.Request, "parse", lambda _: os.kill(os.getpid(), signal.SIGUSR2))
    signal.signal(signal.SIGUSR2, lambda number, _: requeued.append(number))
    try:
        slurm.Task("call", (), None, {})()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert requeued == [signal.SIGUSR2]
