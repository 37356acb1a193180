"""Instance normalization (Ulyanov, Vedaldi & Lempitsky 2016, arXiv 1607.08022)."""

from typing import Literal

from keras import ops

from bn_study.plan.types import Positive
from bn_study.training.normalizer import Normalizer
from bn_study.training.per_example import PerExampleNormalization

STATISTICS = False
"""Whether it keeps moving averages, so that inference has a choice of statistics."""


class InstanceNormalization(PerExampleNormalization):
    """Normalize each feature map of each image by itself.

    After a fully connected layer a feature is one value, which would always become 0: there only gamma and beta act.
    """

    def call(self, inputs, training=False):
        if len(inputs.shape) > 2:
            return super().call(inputs)
        outputs = inputs if self.gamma is None else inputs * self.gamma
        return ops.add(outputs, 0.0) if self.beta is None else outputs + self.beta


def layer(
    name: str,
    seed: int,
    *,
    placement: Literal["before", "after"],
    epsilon: Positive,
    center: bool,
    scale: bool,
) -> Normalizer:
    """Each feature map of each image by its pixels."""
    return InstanceNormalization(
        name=name, placement=placement, groups=None, epsilon=epsilon, center=True, gamma=scale, beta=center
    )
