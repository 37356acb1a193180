"""What the models of docs/adding-a-part.md compute, against numpy."""

import re
from functools import partial

import numpy as np
import pytest

from bn_study.training.data import Data, Split
from bn_study.training.norm import batch, none

EPSILON = 1e-3
OPTIONS = {"momentum": 0.9, "epsilon": EPSILON, "center": True, "scale": True}
NORMS = {
    "none": none.layer,
    "before": partial(batch.layer, placement="before", **OPTIONS, initial_scale=None),
    "after": partial(batch.layer, placement="after", **OPTIONS, initial_scale=None),
}


def built(home, name, norm, **options):
    """A model of the page, and what its sites see of 12 images in training."""
    page = (home / "docs" / "adding-a-part.md").read_text()
    source = re.search(rf"# bn_study/training/model/{name}\.py\n(.*?)```", page, flags=re.DOTALL)[1]
    model = {}
    exec(source, model)
    images = np.random.default_rng(0).normal(1, 2, (12, 6, 6, 1)).astype(np.float32)
    split = Split(images, np.zeros(12, np.int32))
    network = model["build"](Data(split, split, split, 3, ""), NORMS[norm], 1, **options)
    sites = model["sites"](**options)
    assert list(network.sites) == sites
    with network.as_training():
        seen = network.observed(images, training=False)
    kernels = {one.path.split("/")[-2]: one.numpy().astype(np.float64) for one in network.model.weights
               if one.name == "kernel"}  # fmt: skip
    return images, {site: np.asarray(value, np.float64) for site, value in seen.items()}, kernels


def normalized(z):
    axes = tuple(range(z.ndim - 1))
    return (z - z.mean(axes)) / np.sqrt(z.var(axes) + EPSILON)


def same(z):
    return z


@pytest.mark.parametrize("norm", NORMS)
def test_one_normalizer_serves_all_time_steps(home, norm):
    images, seen, kernels = built(home, "rows", norm, units=[5, 4], activation="tanh")
    enter, leave = normalized if norm == "before" else same, normalized if norm == "after" else same
    sequence = images[..., 0].astype(np.float64)
    for layer in ("layer1", "layer2"):
        product, state, states = sequence @ kernels[layer].T, 0, []
        np.testing.assert_allclose(seen[f"{layer}/linear"], product, rtol=1e-3, atol=1e-3)
        for time in range(sequence.shape[1]):
            back = state @ kernels[f"{layer}_back"].T if time else 0
            pre = enter(product[:, time] + back)
            np.testing.assert_allclose(seen[f"{layer}/pre"][:, time], pre, rtol=2e-3, atol=2e-3)
            state = leave(np.tanh(pre))
            states.append(state)
        sequence = np.stack(states, axis=1)
        np.testing.assert_allclose(seen[f"{layer}/out"], sequence, rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(seen["output"], sequence[:, -1] @ kernels["output"].T, rtol=2e-3, atol=2e-3)


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("norm", NORMS)
def test_a_branch_ends_where_it_is_added_to_the_projection(home, norm, dropout):
    _, seen, kernels = built(
        home, "small_resnet", norm, filters=[3, 4], activation="relu", initializer="he", dropout=dropout,
        dropout_position="before",
    )  # fmt: skip
    enter, leave = normalized if norm == "before" else same, normalized if norm == "after" else same
    shortcut = same if norm == "none" else normalized  # there is no nonlinearity to stand before or after
    entering = seen["layer1/out"]
    for first, last in ((2, 3), (4, 5)):
        projected = entering[:, ::2, ::2] @ kernels[f"shortcut{last}"][0, 0]
        np.testing.assert_allclose(seen[f"shortcut{last}/linear"], projected, rtol=1e-3, atol=1e-4)
        pre = enter(seen[f"layer{last}/linear"]) + shortcut(projected)
        np.testing.assert_allclose(seen[f"layer{last}/pre"], pre, rtol=2e-3, atol=2e-3)
        entering = leave(np.maximum(pre, 0))
        np.testing.assert_allclose(seen[f"layer{last}/out"], entering, rtol=2e-3, atol=2e-3)
        np.testing.assert_allclose(seen[f"layer{first}/pre"], enter(seen[f"layer{first}/linear"]), rtol=2e-3, atol=2e-3)
