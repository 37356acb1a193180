"""The data of a run: training, validation and test split, in memory."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Split:
    """Examples in a fixed order.

    inputs: float32, (n, height, width, channels) for images, (n, features) otherwise.
    targets: int32 class labels (n,), or float32 values (n, 1) for regression.
    """

    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.inputs)

    def slice(self, count: int) -> "Split":
        """`count` examples spread evenly over the split, always the same ones; all of them if there are fewer.

        They are spread because files are often ordered: the first half of MNIST's test images is the easier half.
        """
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        return Split(self.inputs[chosen], self.targets[chosen])


@dataclass(frozen=True)
class Data:
    """What a data set's `load` returns.

    classes: number of classes, or None for regression.
    fingerprint: SHA-256 over the source's raw content, before splitting and scaling.
    warnings: one line each, for readers of the results.
    """

    train: Split
    validation: Split
    test: Split
    classes: int | None
    fingerprint: str
    warnings: tuple[str, ...] = ()

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.inputs.shape[1:]
