"""A run that was interrupted and went on equals the run that was not, bit for bit."""

import errno
import io
import os
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest

from bn_study.store import checkpoint
from bn_study.store.checkpoint import Checkpoint, Unusable
from bn_study.store.store import Store
from bn_study.sweep.run import set_damaged_aside
from bn_study.training import program
from bn_study.training.train import Programs, train

FALLS = ["optimizer.decay_at=[0.5]", "optimizer.decay_factor=0.3"]
MODELS = {
    "mlp": ["model=mlp", "model.widths=[12,9]", "steps=300", *FALLS],
    "cnn": ["model=cnn", "model.blocks=[[3],[4]]", "model.dense=[7]", "steps=130", *FALLS],
    "lstm": [
        "model=recurrent", "model.cell=lstm", "model.units=[6]", "model.normalize=hidden_to_hidden",
        "model.statistics=step", "steps=130", *FALLS,
    ],
    "resnet": [
        "model=resnet", "model.filters=[3,4]", "model.blocks=1", "steps=130", "optimizer.warm_up=0.1",
        "optimizer.cosine=true", "optimizer.nesterov=true", "optimizer.weight_decay=0.01",
        "optimizer.weight_decay_on=kernels", "dataset.flip=true", "dataset.shift=1",
    ],
}  # fmt: skip
NORMS = {
    "none": ["norm=none"], "before": ["norm=batch"], "after": ["norm=batch", "norm.placement=after"],
    "ghost": ["norm=ghost_batch"], "noise": ["norm=noise"], "noisy": ["norm=noisy_batch"],
    "frozen": ["norm=frozen_batch", "norm.warm_up=50"],
    "renorm": ["norm=batch_renorm", "norm.warm_up=20", "norm.r_steps=150", "classes_per_batch=4"],
}  # fmt: skip
COMBINATIONS = [  # every pair of optimizer, dropout, normalizer and model is in one of them
    ("sgd", 0, "none", "mlp"),
    ("sgd", 0.3, "before", "cnn"),
    ("sgd", 0.3, "after", "mlp"),
    ("momentum", 0.3, "none", "cnn"),
    ("momentum", 0, "before", "mlp"),
    ("momentum", 0, "after", "cnn"),
    ("adam", 0, "none", "cnn"),
    ("adam", 0.3, "before", "mlp"),
    ("adam", 0.3, "after", "mlp"),
]
OTHERS = [
    ("sgd", 0.3, "renorm", "mlp"),
    ("sgd", 0, "noisy", "mlp"),
    ("sgd", 0, "frozen", "mlp"),
    ("sgd", 0, "noise", "cnn"),
    ("sgd", 0, "ghost", "cnn"),
    ("adam", 0, "before", "lstm"),
    ("momentum", 0, "before", "resnet"),
]
"""What has a state of its own: a counter of steps, random numbers, statistics for each time step, a rate that rises and
falls.
"""
QUICK = COMBINATIONS[0], COMBINATIONS[3], OTHERS[0]


def overrides(optimizer, dropout, norm, model):
    return [
        "dataset=digits", "batch_size=32", "seed=4", "probe=[curves,activations]", "optimizer.learning_rate=0.01",
        f"optimizer={optimizer}", *MODELS[model], *NORMS[norm], f"model.dropout={dropout}",
    ]  # fmt: skip


@pytest.fixture
def short_stretches(monkeypatch):
    """Python is awake every seven steps, so that there are many places to stop at."""
    monkeypatch.setattr(program, "CHUNK", {True: 7, False: 7})


class Interrupted(Exception):
    pass


def outcome(trained, programs):
    """Everything that a run leaves, as bytes: records, vectors, where it diverged, every variable."""
    values = [np.asarray(one).tobytes() for one in trained.vectors["value"]]
    tables = trained.records.to_csv(), trained.vectors.drop(columns="value").to_csv(), values
    exact = trained.records["value"].to_numpy().tobytes()
    return tables, exact, trained.diverged_at, {key: one.tobytes() for key, one in programs.start_state().items()}


class Kept(Programs):
    """Programs whose variables can be read after training."""

    def start_state(self):
        return self._program[1].state()


def interrupted_at(step, spec, programs, path, start):
    """Train from a state until `step` is reached or passed, write the checkpoint; the step it was written at."""
    reached = []

    def between(now, state):
        if now >= step:
            reached.append(now)
            checkpoint.save(path, spec, Checkpoint(state(), []))
            raise Interrupted

    with pytest.raises(Interrupted):
        train(spec, programs, between, start)
    return reached[0]


def test_the_combinations_cover_every_pair():
    for one in range(4):
        for other in range(one):
            pairs = {(row[one], row[other]) for row in COMBINATIONS}
            assert len(pairs) == len({row[one] for row in COMBINATIONS}) * len({row[other] for row in COMBINATIONS})


@pytest.mark.parametrize(
    "combination",
    [pytest.param(row, marks=[] if row in QUICK else [pytest.mark.slow]) for row in COMBINATIONS + OTHERS],
    ids=lambda row: "-".join(map(str, row)),
)
def test_interrupted_at_ten_random_steps_it_equals_the_run_that_was_not(
    specify, tmp_path, short_stretches, combination
):
    spec = specify(*overrides(*combination))
    programs = Kept()
    expected = outcome(train(spec, programs, lambda step, state: None, None), programs)
    assert len(expected[0][2]) > 10 and expected[2] is None
    path = tmp_path / "run.npz"
    steps = sorted(
        np.random.default_rng((COMBINATIONS + OTHERS).index(combination)).integers(1, spec.steps - 7, 10).tolist()
    )
    state, reached = None, 0
    for step in steps:
        if step > reached:  # else the stretch before it went past it
            reached = interrupted_at(step, spec, programs, path, state)
            state = checkpoint.load(path, spec).state
            assert int(state["step"]) == reached
    assert outcome(train(spec, programs, lambda step, state: None, state), programs) == expected


KILLED = """
import sys
from pathlib import Path
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.store import checkpoint
from bn_study.training import program
from bn_study.training.train import Programs, train

home, path, *overrides = sys.argv[1:]
program.CHUNK = {True: 7, False: 7}
spec = expand(compose(Path(home), None, overrides)[0], {})[0][0].spec
train(
    spec, Programs(),
    lambda step, state: checkpoint.save(Path(path), spec, checkpoint.Checkpoint(state(), [])), None,
)
sys.exit("it was meant to be killed")
"""


@pytest.mark.slow
@pytest.mark.parametrize("combination", [COMBINATIONS[5], COMBINATIONS[7]], ids=lambda row: "-".join(map(str, row)))
def test_killed_while_it_writes_checkpoints_it_equals_the_run_that_was_not(
    specify, home, tmp_path, short_stretches, combination
):
    """The kill comes from outside, at no chosen place; a process that did not begin the run ends it."""
    words, path = overrides(*combination), tmp_path / "run.npz"
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, home, path, *words], env=os.environ | {"PYTHONPATH": str(home)}
    )
    spec, programs = specify(*words), Kept()
    expected = outcome(train(spec, programs, lambda step, state: None, None), programs)
    deadline = time.monotonic() + 120
    while not (path.exists() and int(checkpoint.load(path, spec).state["step"]) > spec.steps // 3):
        assert process.poll() is None and time.monotonic() < deadline
    process.kill()
    assert process.wait() == -signal.SIGKILL
    state = checkpoint.load(path, spec).state
    assert outcome(train(spec, programs, lambda step, state: None, state), programs) == expected


def test_stopped_after_the_loss_was_not_finite_it_diverges_at_the_same_step(specify, tmp_path):
    spec = specify(*overrides("sgd", 0, "none", "mlp"), "optimizer.learning_rate=1e6", "model.activation=relu")
    programs = Kept()
    expected = outcome(train(spec, programs, lambda step, state: None, None), programs)
    assert expected[2] is not None
    interrupted_at(expected[2], spec, programs, tmp_path / "run.npz", None)
    state = checkpoint.load(tmp_path / "run.npz", spec).state
    assert outcome(train(spec, programs, lambda step, state: None, state), programs) == expected


def test_a_state_of_another_network_is_unusable(specify, tmp_path):
    spec, other = specify(*overrides(*COMBINATIONS[0])), specify(*overrides(*COMBINATIONS[4]))
    path = tmp_path / "run.npz"
    programs = Programs()
    interrupted_at(20, spec, programs, path, None)
    with pytest.raises(Unusable, match="belongs to another run"):
        checkpoint.load(path, other)
    with pytest.raises(Unusable, match="does not fit"):
        train(other, programs, lambda step, state: None, checkpoint.load(path, spec).state)


def test_a_damaged_checkpoint_is_noticed_wherever_it_is_damaged(specify, tmp_path):
    """Every cut and every flipped bit, of many."""
    spec = specify(*overrides(*COMBINATIONS[0]))
    path = tmp_path / "run.npz"
    random = np.random.default_rng(0)
    state = {"step": np.array(9), "variable/0": random.random(30).astype(np.float32), "scalars/name": np.array(["a"])}
    checkpoint.save(path, spec, Checkpoint(state, [{"until_step": 9}]))
    whole = path.read_bytes()
    assert checkpoint.load(path, spec).history == [{"until_step": 9}]
    for place in range(0, len(whole), 3):
        for damaged in (
            whole[:place],
            whole[:place] + bytes([whole[place] ^ 1 << place % 8]) + whole[place + 1 :],
        ):
            path.write_bytes(damaged)
            with pytest.raises(Unusable):
                checkpoint.load(path, spec)


def test_a_checkpoint_that_cannot_be_read_now_stays_where_it_is(specify, tmp_path, monkeypatch):
    """On a network drive a file that another node has just replaced is stale for a moment."""
    store = Store(tmp_path)
    path = store.checkpoint("run")
    path.parent.mkdir()
    checkpoint.save(path, specify(*overrides(*COMBINATIONS[0])), Checkpoint(None, []))

    def stale(path):
        raise OSError(errno.ESTALE, "Stale file handle")

    monkeypatch.setattr(Path, "read_bytes", stale)
    assert set_damaged_aside([], store) == [] and path.is_file()
    monkeypatch.undo()
    path.write_bytes(b"damaged")
    assert len(set_damaged_aside([], store)) == 1 and not path.is_file()


def test_a_checkpoint_holds_no_pickles(specify, tmp_path):
    spec = specify(*overrides(*COMBINATIONS[1]))
    interrupted_at(20, spec, Programs(), tmp_path / "run.npz", None)
    with zipfile.ZipFile(tmp_path / "run.npz") as file:
        for name in file.namelist():
            assert not np.load(io.BytesIO(file.read(name)), allow_pickle=False).dtype.hasobject
