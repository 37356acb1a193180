"""How much the step of one layer changes what the other layers' steps do (Santurkar et al. 2018, Def. 2.1)."""

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Positive
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network
from bn_study.training.surface import Surface


def records(seen: Observed, *, step_size: Positive, displacement: Positive) -> Iterator[Record]:
    """Two numbers at each layer but the first, and one of the network, for each way of measuring a step."""
    layers = [one for one in seen.sites if one.endswith("/linear")]
    for kind in ("", "relative_"):
        for site in (*layers[1:], "output/linear"):
            yield Record(f"coupling/{kind}cosine", site, low=-1, high=1)
            yield Record(f"coupling/{kind}change", site, low=0)
        yield Record(f"coupling/{kind}interaction", low=0)


def record(
    network: Network, evaluation: Evaluation, *, step_size: Positive, displacement: Positive
) -> Iterator[tuple[str, str, float]]:
    """Take a step of plain gradient descent in some layers only, on one fixed batch of the training batch size.

    Training mode, with dropout and noise off. A layer's step moves its Wx+b and its normalizer. At each layer but the
    first, G is the gradient by its kernel, and G' the same after all earlier layers took their step. Yield

    * `coupling/cosine`: of the angle between G and G'; 0 where either vanishes;
    * `coupling/change`: ‖G - G'‖ / ‖G‖; 0 where G vanishes;
    * `coupling/interaction`, of the network: |D - Σ D_l| / Σ |D_l|, where D is the change of the loss when all layers
      take their step and D_l when layer l alone does; 0 if layers do not matter to each other;

    and the same with `relative_` before the last part of the name for a step of length displacement · ‖θ‖, because
    weights before a normalizer can be scaled freely, which changes the effect of a given step size.
    """
    surface = Surface(network, evaluation)
    length, size = surface.lengths()
    for kind, rate in (("", step_size), ("relative_", displacement * size / length if length else 0.0)):
        for name, site, value in _coupled(network, surface, rate):
            yield f"coupling/{kind}{name}", site, value


def _coupled(network: Network, surface: Surface, rate: float) -> Iterator[tuple[str, str, float]]:
    places = _places(network)
    for place, layer in enumerate(network.linear[1:], 2):
        before = surface.gradient(layer.kernel)
        after = surface.gradient_after_each(rate * (places < place), layer.kernel)
        lengths = float(tf.norm(before)), float(tf.norm(after))
        cosine = float(tf.reduce_sum(before * after)) / (lengths[0] * lengths[1]) if all(lengths) else 0.0
        yield "cosine", f"{layer.name}/linear", min(max(cosine, -1.0), 1.0)  # rounding may leave the range
        yield "change", f"{layer.name}/linear", float(tf.norm(before - after)) / lengths[0] if lengths[0] else 0.0
    start = surface.loss_after_each(rate * (places < 0))
    alone = [surface.loss_after_each(rate * (places == place)) - start for place in np.unique(places)]
    together = surface.loss_after_each(rate * (places >= 0)) - start
    total = sum(abs(one) for one in alone)
    yield "interaction", "", abs(together - sum(alone)) / total if total else 0.0


def _places(network: Network) -> np.ndarray:
    """To which layer each trainable variable belongs, (variables,): 0 for a normalizer on the input, 1 for layer 1."""
    order = {"input": 0} | {layer.name: place for place, layer in enumerate(network.linear, 1)}
    found = {id(one): order[layer.name.partition("_")[0]]
             for layer in network.model.layers for one in layer.trainable_variables}  # fmt: skip
    return np.array([found[id(one)] for one in network.model.trainable_variables])
