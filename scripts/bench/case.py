"""A case of `steps`: the network to train, and the interface of a contestant."""

import itertools
import json
from collections.abc import Callable
from dataclasses import dataclass

from _common import seconds

RATE = 1e-3
STEPS = {"3": 500, "10": 250, "small": 24, "large": 12}
"""Steps per turn, by shape: about a second for the fastest contestant, less than an epoch."""
GPU_STEPS = {"3": 1000, "10": 500, "small": 120, "large": 120}
"""The same on a GPU."""
WIDTH, CLASSES = 100, 10
CNN = {"small": [[16, 16], [32, 32]], "large": [[32, 32], [64, 64]]}
MLP_BATCH, CNN_BATCH = 60, 64
OURS = "ours"


@dataclass(frozen=True)
class Case:
    """A network to train. shape: a depth for an MLP, a name in CNN."""

    model: str
    shape: str
    activation: str
    norm: str

    @property
    def overrides(self) -> list[str]:
        """Overrides of `bn-study run` for this network."""
        placement = [] if self.norm == "none" else [f"norm.placement={self.norm}"]
        words = [f"norm={'none' if self.norm == 'none' else 'batch'}", *placement, f"optimizer.learning_rate={RATE}"]
        words += [f"model={self.model}", f"model.activation={self.activation}", "model.initializer=glorot"]
        words += ["model.initializer_scale=1"]
        if self.model == "mlp":
            widths = ",".join([str(WIDTH)] * int(self.shape))
            return [*words, "dataset=mnist", f"batch_size={MLP_BATCH}", f"model.widths=[{widths}]"]
        blocks = json.dumps(CNN[self.shape]).replace(" ", "")
        words += [f"batch_size={CNN_BATCH}", f"model.blocks={blocks}"]
        return [*words, "dataset=cifar10_jpeg", "dataset.subset=10000"]

    @property
    def flops(self) -> float:
        """Operations of a step: two per multiply-add of the forward pass and of the gradients of weights and inputs."""
        if self.model == "mlp":
            sizes = [784, *[WIDTH] * int(self.shape), CLASSES]
            layers = [inputs * outputs * MLP_BATCH for inputs, outputs in itertools.pairwise(sizes)]
        else:
            layers, side, channels = [], 32, 3
            for block in CNN[self.shape]:
                for filters in block:
                    layers.append(side**2 * 9 * channels * filters * CNN_BATCH)
                    channels = filters
                side //= 2
            layers += [side**2 * channels * 64 * CNN_BATCH, 64 * CLASSES * CNN_BATCH]
        return 2.0 * (3 * sum(layers) - layers[0])  # the gradient of the data is not needed


@dataclass
class Contestant:
    """loss: of one batch in training mode. train: CHECKED_STEPS on given batches. time: seconds per step."""

    loss: Callable[[], float]
    train: Callable[[], None]
    time: Callable[[], float]


def sgemm_peak() -> float:
    """Peak rate of square float32 matrix products, in GFLOP/s."""
    import numpy as np

    best = 0.0
    for size in (512, 768, 1024, 1536, 2048):
        a = np.random.default_rng(0).standard_normal((size, size), np.float32)
        fastest = min(seconds(lambda a=a: a @ a) for _ in range(6))
        best = max(best, 2 * size**3 / fastest / 1e9)
    return best
