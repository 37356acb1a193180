"""Losses and gradients along the gradient, against a quadratic in closed form and against PyTorch."""

import numpy as np
import pytest

from bn_study.training.probe import landscape

RATES, DISPLACEMENTS = [0.01, 0.1, 0.5], [1e-3, 1e-2, 0.3]


def look(network, evaluation):
    found = landscape.record(network, evaluation, step_sizes=RATES, displacements=DISPLACEMENTS)
    return {name.removeprefix("landscape/"): value for name, _, value in found}


def expected(start, look_at):
    """What a plain loop finds; look_at: parameters, a flat array -> loss and flat gradient."""
    _, gradient = look_at(start)
    found = {}
    relative = [one * np.linalg.norm(start) / np.linalg.norm(gradient) for one in DISPLACEMENTS]
    for kind, etas, lengths in (
        ("", RATES, [eta * np.linalg.norm(gradient) for eta in RATES]),
        ("relative_", relative, [one * np.linalg.norm(gradient) for one in DISPLACEMENTS]),
    ):
        losses, changes = [], []
        for eta in etas:
            value, there = look_at(start - eta * gradient)
            losses.append(value)
            changes.append(np.linalg.norm(there - gradient))
        found |= {
            f"{kind}loss_low": min(losses),
            f"{kind}loss_high": max(losses),
            f"{kind}loss_range": max(losses) - min(losses),
            f"{kind}predictiveness_low": min(changes),
            f"{kind}predictiveness_high": max(changes),
            f"{kind}smoothness": max(np.array(changes) / lengths),
        }
    return found


def test_a_step_after_which_nothing_is_finite_makes_no_landscape_look_smooth(looked_at):
    """It lies between two others here, where Python's `max` would pass over it."""
    network, evaluation = looked_at("steps=0", "dataset=toy_regression", "model.widths=[]", "batch_size=10")
    rates = [0.01, 3e38, 0.5]
    found = landscape.record(network, evaluation, step_sizes=rates, displacements=DISPLACEMENTS)
    found = {name.removeprefix("landscape/"): value for name, _, value in found}
    assert not np.isfinite([found["loss_high"], found["loss_range"], found["smoothness"]]).any()
    assert np.isfinite([found["loss_low"], found["relative_loss_high"]]).all()


def test_a_quadratic_has_a_closed_form(looked_at):
    network, evaluation = looked_at(
        "steps=0", "dataset=toy_regression", "model.widths=[]", "batch_size=10", "model.initializer_bias=0.3"
    )
    part = evaluation.data.train.slice(10)
    x = np.concatenate([part.inputs.astype(float), np.ones((10, 1))], axis=1)
    start = np.array([network.linear[0].kernel.numpy()[0, 0], network.linear[0].bias.numpy()[0]], float)

    def look_at(weights):
        error = x @ weights - part.targets[:, 0]
        return np.mean(error**2), 2 * x.T @ error / 10

    found = look(network, evaluation)
    for name, value in expected(start, look_at).items():
        assert found[name] == pytest.approx(value, rel=2e-3), name
    hessian = 2 * x.T @ x / 10  # along g the gradient of a quadratic changes by ηHg, whatever η is
    gradient = look_at(start)[1]
    beta = np.linalg.norm(hessian @ gradient) / np.linalg.norm(gradient)
    assert found["smoothness"] == pytest.approx(beta, rel=2e-3)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_a_perceptron_is_as_pytorch_has_it(looked_at, norm):
    torch = pytest.importorskip("torch")
    network, evaluation = looked_at(
        "steps=0", f"norm={norm}", "model.widths=[9,8]", "model.activation=tanh", "batch_size=20"
    )
    part = evaluation.data.train.slice(20)
    variables = network.model.trainable_variables
    shapes = [tuple(one.shape) for one in variables]
    ends = np.cumsum([one.numpy().size for one in variables])
    inputs = torch.tensor(part.inputs.reshape(20, -1), dtype=torch.float64)
    targets = torch.tensor(part.targets, dtype=torch.long)
    names = [one.path for one in variables]

    def look_at(flat):
        leaf = torch.tensor(flat, requires_grad=True)
        pieces = torch.tensor_split(leaf, ends[:-1].tolist())
        found = {name: piece.reshape(shape) for name, piece, shape in zip(names, pieces, shapes, strict=True)}
        values = inputs
        for layer in ("layer1", "layer2"):
            values = values @ found[f"{layer}/kernel"].T + found.get(f"{layer}/bias", 0.0)
            if norm == "batch":
                gamma, beta = found[f"{layer}_norm/gamma"], found[f"{layer}_norm/beta"]
                values = torch.nn.functional.batch_norm(values, None, None, gamma, beta, training=True, eps=1e-3)
            values = torch.tanh(values)
        logits = values @ found["output/kernel"].T + found["output/bias"]
        value = torch.nn.functional.cross_entropy(logits, targets)
        value.backward()
        return value.item(), leaf.grad.numpy()

    start = np.concatenate([one.numpy().astype(float).ravel() for one in variables])
    found = look(network, evaluation)
    for name, value in expected(start, look_at).items():
        assert found[name] == pytest.approx(value, rel=5e-3, abs=1e-6), name
