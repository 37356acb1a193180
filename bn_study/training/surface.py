"""The loss as a function of all trainable parameters, at one moment of training."""

import keras
import tensorflow as tf

from bn_study.training import loss
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network


class Surface:
    """The loss of one fixed batch of training examples, of training's size, over the trainable parameters.

    In training mode but for dropout and noise, which are off: a normaliser uses the batch's own statistics, wherever
    the parameters are. The network keeps its own. start: the parameters' values as they are, one tensor a variable.
    """

    def __init__(self, network: Network, evaluation: Evaluation) -> None:
        self.start = [tf.convert_to_tensor(variable.value) for variable in network.model.trainable_variables]
        self._network = network
        self._part = evaluation.evaluator.slice("train", evaluation.batch_size)
        self._criterion = loss.per_example(evaluation.data)

    def loss(self, values: list[tf.Tensor]) -> tf.Tensor:
        """The batch's mean loss if the parameters had these values."""
        model = self._network.model
        mapping = list(zip(model.trainable_variables, values, strict=True))
        with keras.StatelessScope(state_mapping=mapping), self._network.as_training():
            return tf.reduce_mean(self._criterion(self._part.targets, model(self._part.inputs, training=False)))

    def slope(self, values: list[tf.Tensor]) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """That loss, and its gradient by each of the values."""
        with tf.GradientTape() as tape:
            tape.watch(values)
            value = self.loss(values)
        return value, tape.gradient(value, values)
