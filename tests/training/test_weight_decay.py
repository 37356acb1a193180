"""Weight decay against PyTorch's optimizers, which get the same gradients."""

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


@pytest.mark.parametrize("on", ["null", "kernels"])
@pytest.mark.parametrize("name", CHOICES)
def test_weight_decay_is_that_of_pytorch(specify, name, on):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    words, make = CHOICES[name]
    spec = specify(
        "model.widths=[8]", "model.activation=tanh", "model.initializer=glorot", "norm=batch", "steps=4",
        f"optimizer.learning_rate={RATE}", *words,
        f"optimizer.weight_decay={DECAY}", f"optimizer.weight_decay_on={on}",
    )  # fmt: skip
    data = Programs().data(spec.dataset)
    program = Program(spec, data, (tf.constant(data.train.stored), tf.constant(data.train.targets)))
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
