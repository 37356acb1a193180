"""A normalizer on the input and nowhere else."""

import numpy as np
import pytest

from bn_study.training.program import build_network
from bn_study.training.train import Programs


@pytest.mark.parametrize(
    ("model", "words"),
    [
        ("mlp", ("model.widths=[5]",)),
        ("cnn", ("model.blocks=[[3]]", "model.dense=[4]")),
        ("resnet", ("model.filters=[3,4]", "model.blocks=1")),
    ],
)
def test_a_normalizer_on_the_input_only_standardizes_what_a_plain_net_gets(specify, model, words):
    """The same initial weights, and no gamma, beta or statistics but the input's."""
    build = [f"model={model}", "dataset=digits", *words]
    plain, only = (
        build_network(spec, Programs().data(spec.dataset))
        for spec in (specify(*build), specify(*build, "norm=batch", "model.normalize_input=only"))
    )
    images = np.random.default_rng(0).normal(3, 5, (40, 8, 8, 1)).astype(np.float32)
    with only.as_training():
        ours = only.model(images, training=False)
    (normalizer,) = only.every_normalizer[:1]
    axes = tuple(range(3))
    standardized = (images - images.mean(axes)) / np.sqrt(images.var(axes) + normalizer.epsilon)
    np.testing.assert_allclose(ours, plain.model(standardized, training=False), rtol=1e-4, atol=1e-5)
    assert [one.name for one in only.normalizers] == ["input_norm"]
    assert len(only.model.trainable_variables) == len(plain.model.trainable_variables) + 2
