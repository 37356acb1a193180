"""Which variables a training step changes (`optimizer.trains`).

Frankle, Schwab & Morcos 2021 (Training BatchNorm and Only BatchNorm, arXiv 2003.00152) train gamma and beta alone and,
as a control, as many of the other weights: two random ones of each channel. Everything else stays as initialized.
"""

import math

import keras
import numpy as np
import tensorflow as tf

from bn_study.errors import UsageError
from bn_study.plan import trains
from bn_study.plan.spec import RunSpec
from bn_study.training.layers import Dense, seed_of
from bn_study.training.network import Network


class TrainedVariables:
    """What a step changes of a network.

    variables: those that the optimizer gets. With `trains`
      null: all;
      normalizers: those that normalizers learn, gamma and beta (and the alpha of `dyt`);
      as_many_weights: the kernel of the linear layer right before each normalizer that learns something, of which as
        many single entries are trained as the normalizer would learn. They are random and spread evenly: each unit or
        feature map has as many of its incoming weights as it has values of gamma and beta, all of them if it has fewer.

    The linear layer before a normalizer has its name, but for `_norm`: it is the one of the same hidden layer, with
    either placement, or of the same projection. Raises UsageError where nothing would be trained, and for a normalizer
    without such a layer, because the control would train less than what it is compared with.
    """

    def __init__(self, spec: RunSpec, network: Network) -> None:
        choice = spec.optimizer.args.get("trains")
        learning = {layer.name: layer for layer in network.every_normalizer if layer.trainable_variables}
        self._weights: list[_Weights] = []
        if choice is None:
            self.variables = network.model.trainable_variables
            return
        if not learning:
            raise UsageError(trains.nothing_learned(choice, spec.norm.name))
        if choice == "normalizers":
            self.variables = [variable for layer in learning.values() for variable in layer.trainable_variables]
            return
        linear = {f"{layer.name}_norm": layer for layer in network.linear}
        for name, layer in learning.items():
            if name not in linear:
                raise UsageError(trains.no_weights(name, "leave it out, or name both alike"))
            count = sum(math.prod(variable.shape) for variable in layer.trainable_variables)
            self._weights.append(_Weights(linear[name], count))
        self.variables = [one.layer.kernel for one in self._weights]

    def choose(self, seed: int) -> None:
        """Choose the weights of a run. Its program may have trained those of another seed before."""
        for one in self._weights:
            one.choose(seed)

    def masked(self, gradients: list[tf.Tensor]) -> list[tf.Tensor]:
        """Gradients of `variables`, zero at weights that are not trained."""
        if not self._weights:
            return gradients
        # not a product, which would be NaN where a gradient that does not count is infinite
        return [
            tf.where(one.chosen, gradient, tf.zeros_like(gradient))
            for one, gradient in zip(self._weights, gradients, strict=True)
        ]


class _Weights:
    """Single entries of a layer's kernel. chosen: whether each is trained; a variable, because runs share programs."""

    def __init__(self, layer: keras.layers.Layer, count: int) -> None:
        self.layer = layer
        self.count = count
        self.chosen = tf.Variable(tf.zeros(layer.kernel.shape, tf.bool), trainable=False)

    def choose(self, seed: int) -> None:
        """It depends on the seed and the layer alone; what a smaller count chooses, a larger one chooses, too."""
        shape = self.layer.kernel.shape
        units_first = isinstance(self.layer, Dense)  # the kernels of Keras' own layers have them last
        units = shape[0 if units_first else -1]
        random = np.random.Generator(np.random.PCG64(seed_of(seed, f"{self.layer.name}/trained")))
        each, rest = divmod(self.count, units)  # a rest is what a normalizer learns once, not for each unit
        counts = each + (random.permutation(units) < rest)
        ranks = random.random((units, math.prod(shape) // units)).argsort(axis=1, kind="stable").argsort(axis=1)
        chosen = ranks < counts[:, np.newaxis]
        self.chosen.assign((chosen if units_first else chosen.T).reshape(shape))
