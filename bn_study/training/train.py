"""The training loop: train to the next measuring point, run the probes, write their records.

It is fast because the data are in memory, and a chunk of steps is one call of a compiled `while` loop over batches that
were gathered by index (program.py). Python runs only between chunks. Runs of one architecture share the compiled loop.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import tensorflow as tf

from bn_study.plan import parts
from bn_study.plan.schedule import measuring_points
from bn_study.plan.spec import Part, RunSpec
from bn_study.store.book import Book, read
from bn_study.store.checkpoint import State, Unusable
from bn_study.training import batches, gpu
from bn_study.training.batches import learning_rates
from bn_study.training.data import Data
from bn_study.training.evaluation import Evaluation, Evaluator
from bn_study.training.program import Program, shared
from bn_study.training.stopwatch import Stopwatch

Between = Callable[[int, Callable[[], State]], None]


@dataclass
class Trained:
    """The result of a run. diverged_at: the step whose loss was not finite, or None. timing: see Stopwatch."""

    records: pd.DataFrame
    vectors: pd.DataFrame
    diverged_at: int | None
    timing: dict[str, dict[str, float]]


@dataclass
class Programs:
    """Cache of the last compiled program and the last data set. Raises UsageError without the GPU that is asked for."""

    _data: tuple[Part, Data, tuple[tf.Tensor, tf.Tensor]] | None = None
    _program: tuple[str, Program, Evaluator] | None = None

    def __post_init__(self) -> None:
        gpu.prepare()

    def data(self, dataset: Part) -> Data:
        return self._loaded(dataset)[0]

    def _loaded(self, dataset: Part) -> tuple[Data, tuple[tf.Tensor, tf.Tensor]]:
        """The data set, and its training split as tensors."""
        if self._data is None or self._data[0] != dataset:
            self._data = self._program = None  # free them first: two at once would need twice the memory
            data: Data = parts.call("dataset", dataset)
            self._data = dataset, data, (tf.constant(data.train.stored), tf.constant(data.train.targets))
        return self._data[1:]

    def has(self, spec: RunSpec) -> bool:
        return self._program is not None and self._program[0] == shared(spec)

    def program(self, spec: RunSpec) -> str:
        """The name of a run's program; runs with the same name share it."""
        return shared(spec)

    def facts(self, spec: RunSpec) -> dict[str, Any]:
        """Facts about the data for readers of the results."""
        data = self.data(spec.dataset)
        return {"classes": data.classes, "fingerprint": data.fingerprint, "warnings": list(data.warnings)}

    def train(self, spec: RunSpec, between: Between, state: State | None) -> Trained:
        """See `train`."""
        return train(spec, self, between, state)

    def start(self, spec: RunSpec) -> tuple[Program, Evaluator]:
        """The program of a run, with all variables initialized for it."""
        data, tensors = self._loaded(spec.dataset)
        if self._program is not None and self.has(spec):
            self._program[1].reset(spec, data)
        else:
            self._program = None
            program = Program(spec, data, tensors)
            self._program = shared(spec), program, Evaluator(program.network, data)
        return self._program[1:]


def train(spec: RunSpec, programs: Programs, between: Between, state: State | None) -> Trained:
    """Train one run and measure it on the way.

    between: called between chunks of steps with the number of steps taken and a function that returns the state of
        the run. state: such a state, from which to continue; None to start the run.
    Raises Unusable if the state is not one of this run, and whatever `between` raises.
    """
    watch = Stopwatch(compiled=programs.has(spec))
    with watch("starting"):
        program, evaluator = programs.start(spec)
    data = programs.data(spec.dataset)
    order, augmentation = batches.of_run(spec, data.train), data.augmentation
    step, diverged_at, book = 0, None, Book()
    if state is not None:
        step, diverged_at, book = _restored(state, program)
    for point, probes in measuring_points(spec):
        if point < step:
            continue  # measured before the state was taken
        while step < point and diverged_at is None:
            count = min(point - step, program.chunk)
            with watch("training", count):
                changes = order.changes(step, count, augmentation) if augmentation else None
                taken, loss = program.advance(order.rows(step, count), learning_rates(spec, step, count), changes)
            step += taken
            diverged_at = None if math.isfinite(loss) else step
            between(step, partial(_state, step, diverged_at, book, program))
        final = step == spec.steps
        evaluation = Evaluation(evaluator, spec.batch_size, spec.schedule["reestimate"], step, final)
        if final and step and diverged_at is None and not math.isfinite(evaluation.training_loss()):
            diverged_at = step  # at the last update, after which training computes no loss
        if diverged_at is not None:
            break
        for probe in probes:
            with watch(f"{'final' if final else 'measuring'}/{probe.name}", once=final):
                for name, site, value in parts.call("probe", probe, program.network, evaluation):
                    book.write(step, name, site, value)
    return Trained(*book.tables(), diverged_at, watch.timing())


def _state(step: int, diverged_at: int | None, book: Book, program: Program) -> State:
    """All that the loop carries from one chunk to the next, as plain arrays."""
    loop = {"step": np.array(step), "diverged_at": np.array(-1 if diverged_at is None else diverged_at)}
    return program.state() | loop | dict(book.arrays())


def _restored(state: State, program: Program) -> tuple[int, int | None, Book]:
    """Load a state into the program. Returns its step, diverged_at and book."""
    try:
        program.restore(state)
        diverged_at = int(state["diverged_at"])
        return int(state["step"]), None if diverged_at < 0 else diverged_at, read(state)
    except (KeyError, ValueError, TypeError) as error:
        raise Unusable(f"a checkpoint that does not fit the run: {error}") from error
