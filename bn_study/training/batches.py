"""Which examples a training step sees, and at what learning rate: functions of the run and the step alone."""

import numpy as np

from bn_study.plan.spec import RunSpec


class Batches:
    """The batch order: each epoch is a permutation drawn from (seed, epoch); an incomplete last batch is left out."""

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        self.seed = seed
        self.examples = examples
        self.batch_size = batch_size
        self.per_epoch = examples // batch_size
        self._epoch: tuple[int, np.ndarray] | None = None

    def rows(self, start: int, count: int) -> np.ndarray:
        """Indices into the training split for steps start .. start + count - 1: int32, (count, batch_size)."""
        return np.stack([self._batch(step) for step in range(start, start + count)])

    def _batch(self, step: int) -> np.ndarray:
        epoch, position = divmod(step, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = np.random.Generator(np.random.PCG64([self.seed, epoch])).permutation(self.examples)
            self._epoch = epoch, order.astype(np.int32)
        return self._epoch[1][position * self.batch_size : (position + 1) * self.batch_size]


def learning_rates(spec: RunSpec, start: int, count: int) -> np.ndarray:
    """float32, (count,): the learning rate, times decay_factor for every fraction in decay_at that has passed."""
    options = spec.optimizer.args
    steps = np.arange(start, start + count)
    passed = sum((steps >= fraction * spec.steps).astype(int) for fraction in options["decay_at"])
    return (options["learning_rate"] * options["decay_factor"] ** np.asarray(passed) * np.ones(count)).astype(
        np.float32
    )
