"""The loss as a function of all trainable parameters, at one step of training."""

import keras
import tensorflow as tf

from bn_study.training import loss
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


class Surface:
    """The loss of one fixed training batch as a function of the trainable parameters.

    It is computed in training mode without dropout and noise, so a normalizer uses the batch's own statistics at any
    parameters. The network's variables do not change. start: the parameters' current values, one tensor per variable.
    """

    def __init__(self, network: Network, evaluation: Evaluation) -> None:
        self.start = [tf.convert_to_tensor(variable.value) for variable in network.model.trainable_variables]
        self._network = network
        self._part = evaluation.evaluator.slice("train", evaluation.batch_size)
        self._criterion = loss.per_example(evaluation.data)

    def loss(self, values: list[tf.Tensor]) -> tf.Tensor:
        """The batch's mean loss at these values of the parameters."""
        model = self._network.model
        mapping = list(zip(model.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping), self._network.as_training():
            return tf.reduce_mean(self._criterion(self._part.targets, model(self._part.inputs, training=False)))

    def slope(self, values: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """That loss, and its gradient with respect to each value."""
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = self.loss(values)
        return value, tape.gradient(value, values)
