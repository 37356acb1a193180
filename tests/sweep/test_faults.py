"""Whatever is killed, the same command finishes the sweep, every run is there once, and its records are the same.

Processes, signals, store and leases are real; training is a stand-in (standin.py) but for the tests that say so.
"""

import contextlib
import itertools
import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from standin import FOUR, PAIR, TINY, Stage, children, lone

VICTIMS = ("worker", "parent", "both")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """`undisturbed(*words)` -> tables of a sweep that nobody disturbs."""
    known = {}

    def tables(*words):
        if words not in known:
            stage = Stage(tmp_path_factory.mktemp("undisturbed"))
            assert stage.run(*words) == 0, stage.said()
            known[words] = stage.tables()
        return known[words]

    return tables


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def finish(stage, words, expected):
    """The same command finishes: what is there afterwards is what an undisturbed sweep leaves."""
    assert stage.run(*words) == 0, stage.said()
    stage.settle()
    assert stage.tables() == expected
    assert stage.leftovers() == {}


@pytest.mark.parametrize("victim", VICTIMS)
@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_killed_at_any_write_it_loses_nothing(tmp_path, undisturbed, victim, stride):
    """Every write point of two runs with three checkpoints each, the first one's and the last one's among them."""
    expected = undisturbed(*PAIR)
    for at in itertools.count(1, stride):
        stage = Stage(tmp_path / str(at))
        code = stage.run(*PAIR, STANDIN_KILL=f"{victim} {at}")
        if not os.path.exists(stage.environment["STANDIN_KILLED"]):
            assert code == 0 and at > 50
            return
        assert code == (0 if victim == "worker" else -signal.SIGKILL), stage.said()
        finish(stage, PAIR, expected)


@pytest.mark.parametrize(
    "seed", [pytest.param(seed, marks=[pytest.mark.slow] if seed >= 8 else []) for seed in range(45)]
)
def test_killed_at_random_times_it_loses_nothing(stage, undisturbed, seed):
    random = np.random.default_rng(seed)
    for _ in range(random.integers(1, 4)):
        process = stage.start(*FOUR, STANDIN_PACE="0.02")
        for _ in range(random.integers(1, 3)):
            process.join(random.uniform(0.02, 0.5))
            kill(random.choice(VICTIMS), process.pid, random)
        if process.exitcode is None:
            stage.end(process)
    finish(stage, FOUR, undisturbed(*FOUR))


def kill(victim, parent, random):
    workers = children(parent)
    if victim != "worker":
        signal_to(parent)
    if victim != "parent" and workers:
        for worker in [random.choice(workers)] if victim == "worker" else workers:
            signal_to(int(worker))


def signal_to(pid):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


REAL = ("norm=none,batch", "model.dropout=0.2", "seed=range(2)", "steps=4000", "workers=2", "checkpoint=0.3")


@pytest.fixture(scope="module")
def trained(home, tmp_path_factory):
    """`trained(stage)` starts a call that really trains; and the tables of such a sweep that nobody disturbs."""

    def start(stage):
        return subprocess.Popen(
            [sys.executable, "-m", "bn_study", "run", *REAL],
            env=os.environ | stage.environment | {"PYTHONPATH": str(home)},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
        )  # fmt: skip

    stage = Stage(tmp_path_factory.mktemp("trained"))
    said, _ = start(stage).communicate(timeout=300)
    assert "4 trained, 4 of 4 done" in said
    return start, stage.tables()


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(5))
def test_real_training_killed_at_a_random_time_loses_nothing(stage, trained, seed):
    start, expected = trained
    random = np.random.default_rng(seed)
    store = stage.store()
    store.prepare()
    drawn = random.integers(1, 12_000)  # of 16,000 steps: a time would come after the end on a fast machine
    process = start(stage)
    stage.wait(lambda: 4000 * len(store.ids()) + sum(one.step for one in store.leases().holders()) >= drawn)
    kill(VICTIMS[seed % 3], process.pid, random)
    process.communicate(timeout=300)
    again = start(stage)
    said, _ = again.communicate(timeout=300)
    assert again.returncode == 0, said
    assert stage.tables() == expected and stage.leftovers() == {}


def test_twenty_processes_train_each_of_200_runs_once(stage):
    words = (*TINY, "seed=range(200)", "steps=5")
    stage.store().prepare()
    processes = [stage.start(f"call{number}", *words, target=lone) for number in range(20)]
    assert [stage.end(process) for process in processes] == [0] * 20, stage.said()
    assert len(stage.tables()) == 200
    assert sorted(stage.lines("trained")) == sorted(stage.tables())
    assert stage.leftovers() == {}


def test_two_calls_at_once_share_the_work(stage, undisturbed):
    calls = [stage.start(*FOUR, STANDIN_PACE="0.02") for _ in range(2)]
    assert [stage.end(process) for process in calls] == [0, 0], stage.said()
    assert sorted(stage.lines("trained")) == sorted(stage.tables())
    assert stage.tables() == undisturbed(*FOUR) and stage.leftovers() == {}


def test_a_stopped_owner_on_another_host_is_replaced_once_and_discards_its_work(stage, undisturbed):
    if subprocess.run(["unshare", "--uts", "true"], capture_output=True).returncode:
        pytest.skip("this process may not have a UTS namespace of its own")
    words = (*TINY, "seed=3", "steps=200", "heartbeat_timeout=0.5")
    stage.store().prepare()
    owner = stage.start("first", *words, target=lone, STANDIN_HOST="first", STANDIN_PACE="0.05")
    leases = stage.store().leases()
    stage.wait(lambda: any(holder.step for holder in leases.holders()))
    (holder,) = leases.holders()
    assert (holder.host, holder.call, holder.here) == ("first", "first", False)
    others = [stage.start(f"second{one}", *words, target=lone, STANDIN_HOST="second") for one in range(4)]
    stage.wait(lambda: len(stage.lines("workers")) == 5)
    heard = next(iter(leases.holders())).step
    stage.wait(lambda: next(iter(leases.holders())).step >= heard + 75)  # past the heartbeat timeout: the owner lives
    assert stage.lines("trained") == [] and next(iter(leases.holders())).host == "first"
    os.kill(owner.pid, signal.SIGSTOP)
    assert [stage.end(process) for process in others] == [0] * 4, stage.said()
    (run_id,) = stage.lines("trained")
    published = os.stat(stage.root / run_id)
    assert stage.store().read(run_id).provenance["call"].startswith("second")
    os.kill(owner.pid, signal.SIGCONT)
    assert stage.end(owner) == 0 and "another worker has taken the run over" in stage.said()
    assert stage.lines("trained") == [run_id] and os.stat(stage.root / run_id) == published
    assert list(stage.tables().values()) == list(undisturbed(*words).values()) and stage.leftovers() == {}


def test_bad_runs_are_named_and_take_no_other_with_them(stage):
    words = (*TINY, "seed=range(23)", "steps=20", "workers=2", "timeout=1")
    fate = '{"3": "raise", "8": "exit", "13": "hang"}'
    assert stage.run(*words, STANDIN_FATE=fate) == 1
    said = stage.said()
    assert "20 trained, 20 of 23 done" in said and "continue with: bn-study run" in said
    assert len(stage.tables()) == 20 and sorted(stage.lines("trained")) == sorted(stage.tables())
    for kind, seed, reason in (
        ("failed", 3, "ValueError: this run cannot be trained"),
        ("crashed", 8, "its worker ended with exit code 0"),
        ("timeout", 13, "it took longer than timeout=1 seconds"),
    ):
        (line,) = [line for line in said.splitlines() if line.startswith(f"{kind}: ")]
        assert f"-s{seed}-" in line and reason in line
    kept = {path.parent.name.split("-")[3]: path.read_text() for path in stage.root.glob(".failed/*/*.txt")}
    assert "Traceback" in kept["s3"] and "_suffer" in kept["s13"], "where it failed and where it hung"
    stage.folder.joinpath("trained.txt").unlink()
    assert stage.run(*words, STANDIN_FATE=fate) == 1
    assert stage.lines("trained") == [] and "23 runs, 3 to train" in stage.said()
    assert stage.run(*words) == 0 and len(stage.lines("trained")) == 3 and stage.leftovers() == {}


def test_what_a_compiled_library_said_of_its_end_is_the_reason(stage):
    assert stage.run(*TINY, "seed=0", "steps=20", "workers=1", STANDIN_FATE='{"0": "abort"}') == 1
    assert "its worker ended with exit code 1: Unknown flag in XLA_FLAGS: --no_such\n" in stage.said()


def test_it_stops_at_the_number_of_failures_that_is_allowed(stage):
    words = (*TINY, "seed=range(40)", "steps=20", "workers=1", "--max-failures", "2")
    fate = '{"1": "raise", "2": "raise", "39": "raise"}'
    assert stage.run(*words, STANDIN_FATE=fate, STANDIN_PACE="0.02") == 1
    assert stage.said().count("ValueError") == 2 and 0 < len(stage.tables()) < 37


def test_ctrl_c_once_writes_checkpoints_and_twice_ends_at_once(stage, undisturbed):
    process = stage.start(*FOUR, STANDIN_PACE="0.02", STANDIN_FATE='{"3": "hang"}')
    stage.wait(lambda: len(stage.store().ids()) == 3)
    stage.wait(lambda: any(holder.run.split("-")[3] == "s3" for holder in stage.store().leases().holders()))
    os.kill(process.pid, signal.SIGINT)
    stage.wait(lambda: "stopping" in stage.said())
    assert process.is_alive(), "the hanging run lets nobody stop it politely"
    os.kill(process.pid, signal.SIGINT)
    assert stage.end(process) == 3 and "3 of 4 done" in stage.said() and "continue with" in stage.said()
    finish(stage, FOUR, undisturbed(*FOUR))
    process = Stage(stage.folder / "once")
    call = process.start(*FOUR, STANDIN_PACE="0.1")
    process.wait(lambda: any(holder.step for holder in process.store().leases().holders()))
    os.kill(call.pid, signal.SIGINT)
    assert process.end(call) == 3 and list(process.root.glob(".checkpoint/*.npz"))
    assert not process.leftovers().get(".failed")
    finish(process, FOUR, undisturbed(*FOUR))


def ignores(pid, which):
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        ignored = next(line.split()[1] for line in file if line.startswith("SigIgn:"))
        return int(ignored, 16) >> (which - 1) & 1
    return False


def test_after_ctrl_c_a_run_that_takes_too_long_is_ended_and_no_other_begins(stage):
    process = stage.start(*TINY, "seed=range(6)", "steps=5", "workers=1", "timeout=1", STANDIN_FATE='{"0": "hang"}')
    stage.wait(lambda: any(ignores(holder.pid, signal.SIGTERM) for holder in stage.store().leases().holders()))
    os.kill(process.pid, signal.SIGINT)
    assert stage.end(process) == 3 and stage.tables() == {} and len(stage.lines("workers")) == 1
    assert "longer than timeout=1 seconds" in stage.said()


def test_a_full_disk_is_named_and_costs_only_what_was_not_finished(stage, undisturbed):
    words = (*TINY, "seed=range(2)", "steps=15", "workers=1")
    assert stage.run(*words, STANDIN_FILE_SIZE="1000") == 1
    assert "cannot be written" in stage.said() and "File too large" in stage.said()
    assert "continue with" in stage.said() and stage.tables() == {}
    finish(stage, words, undisturbed(*words))


def test_a_full_file_system_is_named_and_the_sweep_goes_on_when_there_is_room(stage, undisturbed):
    stage.results.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", stage.results], capture_output=True)
    if mounted.returncode:
        pytest.skip("this process may not mount a file system")
    try:
        words = (*TINY, "seed=range(30)", "steps=15", "workers=1")
        assert stage.run(*words) == 1
        assert "No space left on device" in stage.said() and "Traceback" not in stage.said()
        assert 0 < len(stage.tables()) < 30
        before = stage.tables()
        assert stage.run(*words) in (1, 2) and "No space left on device" in stage.said()
        assert stage.tables() == before
        subprocess.run(["mount", "-o", "remount,size=10m", stage.results], check=True)
        finish(stage, words, undisturbed(*words))
    finally:
        subprocess.run(["umount", "-l", stage.results], check=True)


def test_results_made_read_only_midway_are_named_and_nothing_is_lost(stage, undisturbed):
    process = stage.start(*FOUR, STANDIN_PACE="0.02", STANDIN_RIGHTS="none")
    stage.wait(lambda: len(stage.lines("trained")) >= 2)
    folders = [stage.root, *(path for path in stage.root.iterdir() if path.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        assert stage.end(process) == 1
        assert "Permission denied" in stage.said() and "Traceback" not in stage.said()
        assert stage.run(*FOUR, STANDIN_RIGHTS="none") == 2 and "make it writable" in stage.said()
    finally:
        for folder in folders:
            folder.chmod(0o755)
    finish(stage, FOUR, undisturbed(*FOUR))


@pytest.mark.parametrize("name", ["records.parquet", "vectors.parquet", "spec.json", "provenance.json"])
@pytest.mark.parametrize("how", ["truncated", "flipped", "gone"])
def test_a_damaged_run_is_set_aside_and_trained_anew(stage, undisturbed, name, how):
    assert stage.run(*PAIR) == 0
    expected = undisturbed(*PAIR)
    damaged, other = sorted(expected)
    path = stage.root / damaged / name
    content = path.read_bytes()
    if how == "truncated":
        path.write_bytes(content[: len(content) // 2])
    elif how == "flipped":
        path.write_bytes(content[:-40] + bytes([content[-40] ^ 4]) + content[-39:])
    else:
        path.unlink()
    untouched = {one: (os.stat(one), one.read_bytes()) for one in (stage.root / other).iterdir()}
    assert stage.run(*PAIR) == 0
    said = stage.said()
    assert "2 runs, 1 to train" in said and f"{damaged}-0" in said and "warning" in said and "Traceback" not in said
    assert stage.tables() == expected
    assert {one: (os.stat(one), one.read_bytes()) for one in (stage.root / other).iterdir()} == untouched
    assert os.listdir(stage.root / ".damaged") == [f"{damaged}-0"]


def test_a_run_that_is_damaged_during_the_sweep_is_counted_as_such(stage):
    process = stage.start(*FOUR, STANDIN_PACE="0.1")
    stage.wait(lambda: stage.lines("trained") and stage.tables())
    (stage.root / next(iter(stage.tables())) / "provenance.json").write_bytes(b"{")
    assert stage.end(process) == 0
    assert "4 trained, 4 of 4 done, 1 of them damaged (" in stage.said() and "Traceback" not in stage.said()
    assert stage.run(*FOUR) == 0 and "4 runs, 1 to train" in stage.said()


@pytest.mark.parametrize("content", [b"", b'{"host": "som', b"\x00" * 512, b'{"host": 3}'])
def test_a_damaged_lease_is_named_and_keeps_nobody_for_long(stage, undisturbed, content):
    words = (*PAIR, "heartbeat_timeout=0.3")
    (stage.root / ".lease").mkdir(parents=True)
    damaged = sorted(undisturbed(*PAIR))[0]
    (stage.root / ".lease" / f"{damaged}.4").write_bytes(content)
    assert stage.run(*words) == 0
    assert f"{damaged}.4 is damaged" in stage.said()
    assert stage.tables() == undisturbed(*PAIR) and stage.leftovers() == {}


def test_a_damaged_checkpoint_is_set_aside_and_its_run_begins_anew(stage, undisturbed):
    process = stage.start(*PAIR, STANDIN_PACE="0.05")
    stage.wait(lambda: stage.store().checkpoints() or process.exitcode is not None)
    os.kill(process.pid, signal.SIGINT)
    assert stage.end(process) == 3
    (path,) = stage.store().checkpoints()
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 30])
    assert stage.run(*PAIR) == 0
    assert "warning" in stage.said() and path.name in stage.said() and "from the beginning" in stage.said()
    assert stage.tables() == undisturbed(*PAIR) and stage.leftovers() == {".damaged": [f"{path.stem}-0.npz"]}
