"""The examples and the learning rate of each training step, as functions of the run and the step alone."""

from dataclasses import dataclass

import numpy as np

from bn_study.errors import UsageError
from bn_study.plan.spec import RunSpec
from bn_study.training.data import Augmentation, Data, Split


def drawn_changes(augmentation: Augmentation, seed: int, epoch: int, examples: int) -> np.ndarray:
    """How each example is changed in an epoch: int32, (examples, 3): mirrored or not (1, 0), pixels down, pixels right.

    A function of (seed, epoch, example), so every arm sees the same images.
    """
    random = np.random.Generator(np.random.PCG64([seed, epoch, 1]))
    mirrored = random.integers(0, 2, (examples, 1)) * augmentation.flip
    moved = random.integers(-augmentation.shift, augmentation.shift + 1, (examples, 2))
    return np.concatenate([mirrored, moved], axis=1).astype(np.int32)


class Batches:
    """The batch order: each epoch is a permutation drawn from (seed, epoch); an incomplete last batch is left out."""

    def __init__(self, seed: int, examples: int, batch_size: int) -> None:
        self.seed = seed
        self.examples = examples
        self.batch_size = batch_size
        self.per_epoch = examples // batch_size
        self._epoch: tuple[int, np.ndarray] | None = None
        self._drawn: tuple[int, np.ndarray] | None = None

    def rows(self, start: int, count: int) -> np.ndarray:
        """Indices into the training split for steps start .. start + count - 1: int32, (count, batch_size)."""
        return np.stack([self._batch(step) for step in range(start, start + count)])

    def changes(self, start: int, count: int, augmentation: Augmentation) -> np.ndarray:
        """How the examples of these steps are augmented: int32, (count, batch_size, 3), see `drawn_changes`."""
        return np.stack([self._changed(step, augmentation) for step in range(start, start + count)])

    def _changed(self, step: int, augmentation: Augmentation) -> np.ndarray:
        epoch = step // self.per_epoch
        if self._drawn is None or self._drawn[0] != epoch:
            self._drawn = epoch, drawn_changes(augmentation, self.seed, epoch, self.examples)
        return self._drawn[1][self._batch(step)]

    def _batch(self, step: int) -> np.ndarray:
        epoch, position = divmod(step, self.per_epoch)
        if self._epoch is None or self._epoch[0] != epoch:
            order = self._order(np.random.Generator(np.random.PCG64([self.seed, epoch])))
            self._epoch = epoch, order.astype(np.int32)
        return self._epoch[1][position * self.batch_size : (position + 1) * self.batch_size]

    def _order(self, random: np.random.Generator) -> np.ndarray:
        """The examples of an epoch, batch after batch."""
        return random.permutation(self.examples)


class ClassBatches(Batches):
    """Batches that are not i.i.d.: each holds a few classes, drawn anew, in equal shares (Ioffe 2017, Sec. 4.3).

    The number of batches of an epoch stays the same. Within an epoch each class yields its examples in shuffled order,
    and is shuffled again when they are used up; the batch in which that happens may hold an example twice. Within a
    batch the classes alternate, so that groups of consecutive examples, as in `ghost_batch`, also hold equal shares.
    """

    def __init__(self, seed: int, labels: np.ndarray, batch_size: int, classes: int) -> None:
        """labels: (examples,). classes: number of classes in a batch; batch_size is a multiple of it."""
        super().__init__(seed, len(labels), batch_size)
        self.members = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        self.classes = classes

    def _order(self, random: np.random.Generator) -> np.ndarray:
        shape = self.per_epoch, len(self.members)
        drawn = random.random(shape).argsort(axis=1)[:, : self.classes]
        share = self.batch_size // self.classes
        rows = np.empty((self.per_epoch, share, self.classes), int)
        for label, members in enumerate(self.members):
            batch, column = np.nonzero(drawn == label)
            times = -(-len(batch) * share // len(members))
            shuffled = [random.permutation(members) for _ in range(times)]
            rows[batch, :, column] = np.concatenate([members[:0], *shuffled])[: len(batch) * share].reshape(-1, share)
        return rows.ravel()


def of_run(spec: RunSpec, train: Split) -> Batches:
    """The batches of a run, drawn from its training split."""
    if spec.classes_per_batch is None:
        return Batches(spec.seed, len(train), spec.batch_size)
    return ClassBatches(spec.seed, train.targets, spec.batch_size, spec.classes_per_batch)


@dataclass(frozen=True)
class Contents:
    """Numbers of examples of a training split: of all, and of each class that occurs (None for a regression)."""

    examples: int
    classes: np.ndarray | None


def contents(data: Data) -> Contents:
    """The contents of the training split."""
    classes = None if data.classes is None else np.unique(data.train.targets, return_counts=True)[1]
    return Contents(len(data.train), classes)


def check(spec: RunSpec, train: Contents) -> None:
    """Raises UsageError if the run's batches cannot be drawn from this split."""
    size, group, name = spec.batch_size, spec.norm.args.get("group_size"), spec.dataset.name
    classes = spec.classes_per_batch
    if size > train.examples:
        raise UsageError(
            f"batch_size={size}: dataset={name} has {train.examples} training examples here; "
            "give a batch of at most that many"
        )
    if group is not None and size % group:
        raise UsageError(not_in_groups(group, size))
    if classes is None:
        return
    if train.classes is None:
        raise UsageError(f"classes_per_batch={classes}: dataset={name} has no classes; give null")
    if classes > len(train.classes):
        raise UsageError(
            f"classes_per_batch={classes}: dataset={name} has {len(train.classes)} classes here; give at most that many"
        )
    if size % classes:
        raise UsageError(
            f"classes_per_batch={classes}: batch_size={size} is no multiple of it, so the shares cannot be equal; "
            "give a number that divides the batch"
        )
    if size // classes > train.classes.min():
        raise UsageError(
            f"classes_per_batch={classes}: a share of {size // classes} examples is more than the rarest class of "
            f"dataset={name} has, {train.classes.min()}; give a smaller batch_size or more classes"
        )


def not_in_groups(group_size: int, batch_size: int) -> str:
    """The message for a batch size that is no multiple of a normalizer's group size."""
    return (
        f"norm.group_size={group_size}: batch_size={batch_size} is no multiple of it; "
        "give a size that divides the batch, or another batch_size"
    )


def learning_rates(spec: RunSpec, start: int, count: int) -> np.ndarray:
    """float32, (count,): the learning rate of each step from `start` on.

    It is multiplied by decay_factor for every fraction of the run in decay_at that has passed. It rises linearly over
    the first fraction warm_up of the run (Goyal et al. 2017, Sec. 2.2), and with cosine falls from there to nearly 0 as
    half a cosine (Loshchilov & Hutter 2017, Eq. 5, without restarts).
    """
    options = spec.optimizer.args
    steps = np.arange(start, start + count)
    passed = sum((steps >= fraction * spec.steps).astype(int) for fraction in options["decay_at"])
    rates = options["learning_rate"] * options["decay_factor"] ** np.asarray(passed) * np.ones(count)
    warm = (options.get("warm_up") or 0.0) * spec.steps
    if warm:
        rates = rates * np.minimum((steps + 1) / warm, 1)
    if options.get("cosine"):
        rates = rates * (1 + np.cos(np.pi * np.maximum(steps - warm, 0) / (spec.steps - warm))) / 2
    return rates.astype(np.float32)
