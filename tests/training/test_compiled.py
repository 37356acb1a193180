"""A compiled function of a probe has the bits of the same operations one by one, and training is compiled as before."""

import numpy as np
import pytest
import tensorflow as tf

from bn_study.training.compiled import Compiled
from bn_study.training.probe import discrepancy, gradients, landscape, one_step
from bn_study.training.surface import Surface

PROBES = {
    discrepancy: {"images": 60, "batches": 3},
    gradients: {},
    landscape: {"step_sizes": [0.1, 3.0], "displacements": [0.01, 0.5]},
    one_step: {"rates": [0.01, 1.0, 100.0], "limit": 10.0},
}
NETWORKS = {
    "mlp none": ["norm=none", "model.widths=[12,9]"],
    "mlp batch": ["norm=batch", "model.widths=[12,9]", "model.activation=tanh"],
    "mlp ghost": ["norm=ghost_batch", "norm.group_size=4", "model.widths=[12,9]", "model.dropout=0.3"],
    "cnn batch": ["norm=batch", "model=cnn", "model.blocks=[[3],[4]]", "model.dense=[5]"],
}


@pytest.mark.parametrize("overrides", NETWORKS.values(), ids=NETWORKS)
def test_probes_record_the_same_bits_compiled_as_not(looked_at, overrides, monkeypatch):
    network, evaluation = looked_at(*overrides, "steps=3", "batch_size=20")

    def records():
        return [
            (name, site, np.asarray(value).tobytes())
            for probe, options in PROBES.items()
            for name, site, value in probe.record(network, evaluation, **options)
        ]

    records()
    compiled = records()
    evaluation.evaluator._made.clear()
    monkeypatch.setattr(Compiled, "__call__", lambda self, *tensors: self._function(*tensors))
    assert records() == compiled


def test_a_function_is_compiled_at_its_second_call():
    traced = []
    double = Compiled(lambda x: (traced.append(tf.executing_eagerly()), 2 * x)[1])
    assert [float(double(tf.constant(one))) for one in (1.0, 2.0, 3.0)] == [2, 4, 6]
    assert traced == [True, False]


def test_other_functions_are_optimized_as_before(looked_at):
    before = tf.config.optimizer.get_experimental_options()
    network, evaluation = looked_at("norm=batch", "steps=0", "model.widths=[6]")
    for _ in range(2):
        Surface(network, evaluation)
    assert tf.config.optimizer.get_experimental_options() == before
    with pytest.raises(ZeroDivisionError):
        broken = Compiled(lambda x: x if tf.executing_eagerly() else 1 / 0)
        broken(tf.constant(1.0)), broken(tf.constant(1.0))
    assert tf.config.optimizer.get_experimental_options() == before
