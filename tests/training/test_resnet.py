"""The residual network against PyTorch with the same weights, in training and in inference."""

import os
import subprocess
import sys
from contextlib import nullcontext

import numpy as np
import pytest
import tensorflow as tf
from closeness import close

from bn_study.errors import UsageError
from bn_study.training.layers import Scalar
from bn_study.training.program import build_network
from bn_study.training.train import Programs

FILTERS, BLOCKS, SIZE, GROUPS = (4, 6), 2, 8, 2
SMALL = (f"model.filters={list(FILTERS)}".replace(" ", ""), f"model.blocks={BLOCKS}")
CASES = [
    ("batch", False, "projection", "null"), ("batch", False, "padding", "null"), ("batch", True, "projection", "null"),
    ("batch", True, "padding", "null"), ("batch", False, "padding", "skip_init"),
    ("batch", True, "projection", "skip_init"), ("group", False, "projection", "null"),
    ("group", True, "padding", "null"), ("layer", False, "projection", "null"), ("none", False, "projection", "null"),
    ("none", True, "padding", "null"), ("none", False, "projection", "skip_init"),
    ("none", False, "projection", "fixup"),
]  # fmt: skip


def built(specify, *words):
    spec = specify("model=resnet", "dataset=digits", *words)
    return build_network(spec, Programs().data(spec.dataset))


def in_pytorch(torch, layers, norm, preactivated, shortcut, training, learned):
    """The network as the papers draw it, written with PyTorch's functions, in float64.

    layers: name -> a layer of ours. learned: gets the path of each variable -> PyTorch's leaf for it.
    """
    functional = torch.nn.functional

    def leaf(variable):
        learned[variable.path] = torch.tensor(variable.numpy(), dtype=torch.float64, requires_grad=True)
        return learned[variable.path]

    def convolved(x, name, stride=1):
        kernel = leaf(layers[name].kernel).permute(3, 2, 0, 1)
        bias = leaf(layers[name].bias) if layers[name].use_bias else None
        return functional.conv2d(x, kernel, bias, stride=stride, padding=kernel.shape[-1] // 2)

    def normalized(x, name):
        if norm == "none":
            return x
        one = layers[f"{name}_norm"]
        gamma, beta = leaf(one.gamma), leaf(one.beta)
        if norm in ("group", "layer"):
            return functional.group_norm(x, GROUPS if norm == "group" else 1, gamma, beta, eps=one.epsilon)
        mean, variance = (torch.tensor(value.numpy()).double() for value in (one.moving_mean, one.moving_variance))
        return functional.batch_norm(x, mean, variance, gamma, beta, training=training, eps=one.epsilon)

    def scaled(x, name):
        return leaf(layers[f"{name}_factor"].factor) * x if f"{name}_factor" in layers else x

    def shortened(x, name, width):
        if shortcut == "projection":
            projected = convolved(x, name, stride=2)
            return projected if preactivated else normalized(projected, name)
        return functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, 0, width - x.shape[1]))

    def forward(images):
        stream = convolved(torch.tensor(images.transpose(0, 3, 1, 2)).double(), "layer1")
        if not preactivated:
            stream = functional.relu(normalized(stream, "layer1"))
        layer = 2
        for stage, width in enumerate(FILTERS):
            for block in range(BLOCKS):
                halved = bool(stage) and not block
                entering = functional.relu(normalized(stream, f"layer{layer - 1}")) if preactivated else stream
                branch = normalized(convolved(entering, f"layer{layer}", 2 if halved else 1), f"layer{layer}")
                branch = convolved(functional.relu(branch), f"layer{layer + 1}")
                if halved:
                    from_ = entering if shortcut == "projection" else stream
                    stream = shortened(from_, f"shortcut{layer + 1}", width)
                if not preactivated:
                    branch = normalized(branch, f"layer{layer + 1}")
                stream = stream + scaled(branch, f"layer{layer + 1}")
                stream = stream if preactivated else functional.relu(stream)
                layer += 2
        if preactivated:
            stream = functional.relu(normalized(stream, f"layer{layer - 1}"))
        output = layers["output"]
        weights = (leaf(value) for value in (output.kernel, output.bias))
        return functional.linear(stream.mean(dim=(2, 3)), *weights)

    return forward


@pytest.mark.parametrize(("norm", "preactivated", "shortcut", "branch"), CASES)
def test_outputs_and_gradients_equal_those_of_pytorch(specify, norm, preactivated, shortcut, branch):
    torch = pytest.importorskip("torch", reason="PyTorch, for comparison only, is not installed")
    network = built(
        specify, f"norm={norm}", *([f"norm.groups={GROUPS}"] if norm == "group" else []), *SMALL,
        f"model.preactivated={preactivated}", f"model.shortcut={shortcut}", f"model.branch={branch}",
    )  # fmt: skip
    random = np.random.default_rng(0)
    images = random.normal(size=(16, SIZE, SIZE, 1)).astype(np.float32)
    for variable in network.model.variables:
        if variable.name in ("gamma", "moving_variance"):
            variable.assign(random.uniform(0.5, 2, variable.shape))
        elif variable.name in ("beta", "moving_mean", "bias"):
            variable.assign(random.normal(size=variable.shape))
        elif variable.name == "kernel" and branch == "fixup":  # the last one of a branch is 0 at the start
            variable.assign_add(random.normal(0, 0.3, size=variable.shape))
    layers = {layer.name: layer for layer in network.model.layers}
    factors = [layer.factor for layer in layers.values() if isinstance(layer, Scalar)]
    assert len(factors) == (len(FILTERS) * BLOCKS if branch in ("skip_init", "fixup") else 0)
    for factor in factors:
        assert factor.numpy() == (1 if branch == "fixup" else 0)
        factor.assign(random.uniform(0.5, 2))
    assert (("shortcut7" in layers), ("shortcut7_norm" in layers)) == (
        shortcut == "projection", shortcut == "projection" and not preactivated
    )  # fmt: skip
    weights = random.normal(size=(16, 10)).astype(np.float32)
    for training in (False, True):
        with network.as_training() if training else nullcontext(), tf.GradientTape() as tape:
            ours = network.model(images, training=False)
            total = tf.reduce_sum(ours * weights)
        learned = {}
        theirs = in_pytorch(torch, layers, norm, preactivated, shortcut, training, learned)(images)
        close(ours, theirs.detach())
        (theirs * torch.tensor(weights)).sum().backward()
        variables = {one.path: one for one in network.model.trainable_variables}
        gradients = tape.gradient(total, {path: one.value for path, one in variables.items()})
        for path, ours in gradients.items():
            close(ours, learned[path].grad, path)


@pytest.mark.parametrize("preactivated", [False, True])
@pytest.mark.parametrize(("norm", "branch"), [("batch", "zero_gamma"), ("none", "skip_init"), ("none", "fixup")])
def test_branches_start_at_zero(specify, norm, branch, preactivated):
    network = built(specify, *SMALL, f"norm={norm}", f"model.branch={branch}", f"model.preactivated={preactivated}")
    with network.as_training():
        seen = network.observed(np.random.default_rng(1).normal(size=(16, SIZE, SIZE, 1)).astype(np.float32))
    if preactivated and norm == "batch":  # the stream itself is no site
        assert not np.any(seen["layer3/linear"]) and np.any(seen["layer2/linear"])
    else:
        np.testing.assert_array_equal(seen["layer3/pre"], seen["layer1/linear" if preactivated else "layer1/out"])


def test_fixup_shrinks_the_first_kernels_of_branches_and_clears_the_last(specify):
    plain, fixup = (
        {layer.name: layer.kernel.numpy() for layer in built(specify, *SMALL, f"model.branch={branch}").linear}
        for branch in ("null", "fixup")
    )
    for name, kernel in fixup.items():
        factor = {"layer1": 1.0, "shortcut7": 1.0, "output": 0.0}.get(name)
        if factor is None:  # layers 2, 4, 6 and 8 begin one of the four branches
            factor = 0.0 if int(name.removeprefix("layer")) % 2 else 0.5
        np.testing.assert_allclose(kernel, factor * plain[name], rtol=1e-6, err_msg=name)


def test_three_stages_have_six_times_the_blocks_and_two_layers(specify):
    for blocks in (1, 3):
        assert len(built(specify, f"model.blocks={blocks}", "model.shortcut=padding").linear) == 6 * blocks + 2
    projecting = built(specify, "model.blocks=1").linear
    assert [one.name for one in projecting if one.name.startswith("shortcut")] == ["shortcut5", "shortcut7"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("model.filters=[8,4]", "model.shortcut=padding"), r"model.filters=\[8, 4\]: padding cannot make fewer"),
        (("norm=none", "model.branch=zero_gamma"), "model.branch=zero_gamma needs a normalizer that learns gamma"),
        (("norm=batch", "norm.placement=after", "model.branch=zero_gamma"), "zero_gamma: set norm.placement=before"),
        (("dataset=toy_regression",), "model=resnet needs images"),
    ],
)
def test_what_cannot_be_built_is_refused(specify, words, said):
    with pytest.raises(UsageError, match=said):
        built(specify, *words)


def test_few_filters_train(home, tmp_path):
    """In a process of its own: a strided 1x1 convolution of few channels would end it, or write elsewhere."""
    words = [
        "dataset=digits", "model=resnet", "model.filters=[3,4,8]", "model.blocks=1", "norm=batch", "steps=6",
        "launcher=inline",
    ]  # fmt: skip
    place = {"BN_STUDY_HOME": str(home), "BN_STUDY_RESULTS": str(tmp_path), "PYTHONPATH": str(home)}
    answer = subprocess.run(
        [sys.executable, "-m", "bn_study", "run", *words], env=os.environ | place, capture_output=True, text=True
    )
    assert answer.returncode == 0 and "1 trained, 1 of 1 done" in answer.stdout, answer.stdout + answer.stderr
