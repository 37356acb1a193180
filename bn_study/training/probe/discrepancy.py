"""How far a normalizer's output in inference differs from its output in training, because the statistics differ."""

from collections.abc import Iterator

import keras
import numpy as np

from bn_study.plan.declared import Observed, Record
from bn_study.plan.types import Count
from bn_study.training.compiled import Compiled
from bn_study.training.data import Data
from bn_study.training.distribution import unit_moments
from bn_study.training.evaluation import Evaluation
from bn_study.training.network import Network

STILL = 0.01
"""The smallest standard deviation of the output that differences are divided by; below it a unit counts as constant."""


def records(seen: Observed, *, images: Count, batches: Count) -> Iterator[Record]:
    """Three numbers and one vector over units for each normalizer that has statistics."""
    for site in seen.normalizers:
        yield Record("discrepancy/unit_output", site, vector=True)
        for name in ("output", "estimate_spread"):
            yield Record(f"discrepancy/{name}", site, low=0)
        yield Record("discrepancy/variance_ratio", site, low=1)


def record(
    network: Network, evaluation: Evaluation, *, images: Count, batches: Count
) -> Iterator[tuple[str, str, float | np.ndarray]]:
    """Pass fixed training batches of the training batch size through the network in training and in inference mode.

    Inference uses the moving averages as training left them. Training mode is the normalizer's own, with dropout and
    noise off. For each normalizer that has statistics, at `layer<i>/norm` (`input/norm` on the network's input):

    * vector `discrepancy/unit_output`, per unit: mean of |output in training - output in inference| over all examples,
      in units of the standard deviation of the output in inference, which is taken to be at least 0.01;
    * `discrepancy/output`: its mean over units (Ioffe 2017 is about this difference);
    * `discrepancy/estimate_spread`: mean over units of that difference's standard deviation over all examples, in the
      same units: how much statistics that change from batch to batch move an output, without its constant bias;
    * `discrepancy/variance_ratio`: mean over units of max(v/w, w/v), where v is the moving variance and w the variance
      of the normalizer's input on `images` test examples in inference mode (Li et al. 2019), each plus epsilon, as the
      normalizer divides by it. Dropout before the normalizer moves it away from 1.

    A feature map counts as one unit, and all calls of a layer count as examples; where they have statistics of their
    own, as at each time step, `variance_ratio` compares them call by call. A network without such normalizers
    yields nothing.
    """
    if not network.normalizers:
        return
    part = evaluation.evaluator.slice("train", batches * evaluation.batch_size)
    count = max(len(part) // evaluation.batch_size, 1)
    batches_of_inputs = [part.inputs[first::count][: evaluation.batch_size] for first in range(count)]
    in_training, in_inference = evaluation.evaluator.once(_normalized)
    training, inference = ([look(inputs) for inputs in batches_of_inputs] for look in (in_training, in_inference))
    shown = in_inference(evaluation.evaluator.slice("test", images).inputs)
    for layer in network.normalizers:
        site = layer.name.replace("_norm", "/norm")
        known = np.concatenate([_flat(one[layer.name][1]) for one in inference])
        difference = np.concatenate([_flat(one[layer.name][1]) for one in training]) - known
        unit = np.maximum(known.std(axis=0, dtype=np.float64), STILL)
        outputs = abs(difference).mean(axis=0, dtype=np.float64) / unit
        yield "discrepancy/unit_output", site, outputs
        yield "discrepancy/output", site, outputs.mean()
        yield "discrepancy/estimate_spread", site, (difference.std(axis=0, dtype=np.float64) / unit).mean()
        calls = np.split(np.asarray(shown[layer.name][0]), len(layer.statistics))
        moving = np.concatenate([variance for _, variance in layer.statistics]) + layer.epsilon
        each = len(layer.statistics[0][1].shape) > 1  # of pixels apart
        variances = [one.var(axis=0, dtype=np.float64) if each else unit_moments(one)[1] for one in calls]
        real = np.concatenate(variances) + layer.epsilon
        yield "discrepancy/variance_ratio", site, np.maximum(moving / real, real / moving).mean()


def _flat(values) -> np.ndarray:
    return np.asarray(values).reshape(-1, values.shape[-1])


def _normalized(network: Network, data: Data) -> tuple[Compiled, Compiled]:
    """inputs -> what enters and leaves each normalizer, in training and in inference."""

    def in_training(inputs):
        with keras.StatelessScope(), network.as_training():  # what one batch stores is not for the next
            return network.normalized(inputs)

    return Compiled(in_training), Compiled(network.normalized)
