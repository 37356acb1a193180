"""The data of a run: training, validation and test split, in memory."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Scale:
    """How stored bytes become a network's inputs: (byte - offset) / divisor, in float32.

    offset, divisor: float32, one of each, or one for each feature of vectors.
    """

    offset: np.ndarray
    divisor: np.ndarray

    def __call__(self, stored: Any) -> Any:
        """stored: bytes as a float32 array or tensor."""
        return (stored - self.offset) / self.divisor


@dataclass(frozen=True)
class Split:
    """Examples in a fixed order.

    stored: what is kept in memory: the inputs as float32, or a quarter of that, bytes (uint8) with their scale.
    targets: int32 class labels (n,), or float32 values (n, outputs) for regression.
    """

    stored: np.ndarray
    targets: np.ndarray
    scale: Scale | None = None

    def __len__(self) -> int:
        return len(self.stored)

    @property
    def inputs(self) -> np.ndarray:
        """float32, (n, height, width, channels) for images, (n, features) otherwise."""
        return self.stored if self.scale is None else self.scale(self.stored.astype(np.float32))

    def slice(self, count: int) -> "Split":
        """`count` examples spread evenly over the split, always the same ones; all of them if there are fewer.

        They are spread because files are often ordered: the first half of MNIST's test images is the easier half.
        """
        if count >= len(self):
            return self
        chosen = np.linspace(0, len(self) - 1, count).astype(int)
        return replace(self, stored=self.stored[chosen], targets=self.targets[chosen])


@dataclass(frozen=True)
class Augmentation:
    """How training images are changed each time they are drawn; measuring sees them as they are.

    flip: whether half of them are mirrored, left for right. shift: up to how many pixels they move along each axis;
    what comes in from outside is 0.
    """

    flip: bool
    shift: int


@dataclass(frozen=True)
class Data:
    """What a data set's `load` returns.

    classes: number of classes, or None for regression.
    fingerprint: SHA-256 over the source's raw content, before splitting and scaling.
    warnings: one line each, for readers of the results.
    augmentation: of training images; None for none.
    feature_factors: float32, the factor of each pixel or feature, in the shape of an input; None where all are 1.
    """

    train: Split
    validation: Split
    test: Split
    classes: int | None
    fingerprint: str
    warnings: tuple[str, ...] = ()
    augmentation: Augmentation | None = None
    feature_factors: np.ndarray | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.stored.shape[1:]

    @property
    def outputs(self) -> int:
        """Outputs that a network needs: one for each class, or for each number of a regression's target."""
        return self.classes or self.train.targets.shape[1]
