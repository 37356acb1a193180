"""Weight decay against PyTorch's optimizers, and with momentum against its formula, on the same gradients."""

import numpy as np
import pytest
import tensorflow as tf

from bn_study.training import loss
from bn_study.training.batches import of_run
from bn_study.training.program import Program
from bn_study.training.train import Programs

RATE, DECAY = 0.05, 0.3
CHOICES = {
    "sgd": (("optimizer=sgd",), lambda torch, groups: torch.optim.SGD(groups, lr=RATE)),
    "adam": (
        ("optimizer=adam", "optimizer.beta_2=0.99", "optimizer.epsilon=1e-12"),
        lambda torch, groups: torch.optim.AdamW(groups, lr=RATE, betas=(0.9, 0.99), eps=1e-12),
    ),
}


def gradients(program, data, rows):
    """Of one batch's loss, as a training step computes them."""
    with tf.GradientTape() as tape:
        outputs = program.network.model(data.train.inputs[rows], training=True)
        value = tf.reduce_mean(loss.per_example(data)(tf.constant(data.train.targets[rows]), outputs))
    return [np.asarray(one) for one in tape.gradient(value, program.network.model.trainable_variables)]


def built(specify, *words):
    """A run's settings, its program with all its data, and the data."""
    spec = specify(
        "model.widths=[8]", "model.activation=tanh", "model.initializer=glorot", "norm=batch", "steps=4",
        f"optimizer.learning_rate={RATE}", *words,
    )  # fmt: skip
    data = Programs().data(spec.dataset)
    return spec, Program(spec, data, (tf.constant(data.train.stored), tf.constant(data.train.targets))), data


def test_with_momentum_it_is_decoupled_and_follows_the_rate(specify):
    """w ← (1 - λη)w, m ← μm - ηg, w ← w + μm - ηg: Loshchilov & Hutter 2019 (arXiv 1711.05101, Alg. 1) with Nesterov's
    momentum. PyTorch's SGD couples decay and momentum, so it is no reference. g is the gradient before the decay.
    """
    spec, program, data = built(
        specify, "optimizer=momentum", "optimizer.momentum=0.9", "optimizer.nesterov=true",
        f"optimizer.weight_decay={DECAY}", "optimizer.weight_decay_on=kernels",
    )  # fmt: skip
    variables = program.network.model.trainable_variables
    weights = [one.numpy().astype(float) for one in variables]
    moments = [np.zeros_like(one) for one in weights]
    order = of_run(spec, data.train)
    for step, rate in enumerate([RATE, 2 * RATE, RATE / 3, RATE / 10]):
        rows = order.rows(step, 1)
        for place, gradient in enumerate(gradients(program, data, rows[0])):
            weights[place] *= 1 - DECAY * rate * (variables[place].name == "kernel")
            moments[place] = 0.9 * moments[place] - rate * gradient
            weights[place] += 0.9 * moments[place] - rate * gradient
        program.advance(rows, np.float32([rate]), None)
        for mine, expected in zip(variables, weights, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-5, err_msg=mine.path)


@pytest.mark.parametrize("on", ["null", "kernels"])
@pytest.mark.parametrize("name", CHOICES)
def test_weight_decay_is_that_of_pytorch(specify, name, on):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    words, make = CHOICES[name]
    spec, program, data = built(specify, *words, f"optimizer.weight_decay={DECAY}", f"optimizer.weight_decay_on={on}")
    variables = program.network.model.trainable_variables
    theirs = [torch.tensor(one.numpy(), requires_grad=True) for one in variables]
    decays = [on == "null" or one.name == "kernel" for one in variables]
    assert len(set(decays)) == (1 if on == "null" else 2)
    groups = [{"params": [one], "weight_decay": DECAY * flag} for one, flag in zip(theirs, decays, strict=True)]
    optimizer = make(torch, groups)
    order = of_run(spec, data.train)
    for step in range(spec.steps):
        rows = order.rows(step, 1)
        for mine, gradient in zip(theirs, gradients(program, data, rows[0]), strict=True):
            mine.grad = torch.tensor(gradient)
        optimizer.step()
        program.advance(rows, np.float32([RATE]), None)
        for mine, other in zip(variables, theirs, strict=True):
            np.testing.assert_allclose(mine, other.detach(), rtol=1e-4, atol=1e-5, err_msg=mine.path)
