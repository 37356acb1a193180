"""Exact facts about batch normalization as numbers that are compared with a tolerance."""

from collections.abc import Iterator

from bn_study.errors import UsageError
from bn_study.plan.declared import Observed, Record
from bn_study.training.evaluation import Evaluation
from bn_study.training.identities import bias, elsewhere, standardization, statistics
from bn_study.training.identities.case import Case
from bn_study.training.network import Network

OF_NORMALIZER = (
    standardization.moments,
    standardization.shape,
    standardization.value_range,
    standardization.in_inference,
    standardization.in_training,
    bias.outputs,
    bias.gradients,
    bias.trajectory,
    statistics.per_unit,
    statistics.shift_equivariance,
    statistics.undone,
    statistics.scaled_weights,
    statistics.moving_variance,
)
OF_ANYTHING = (standardization.centred_scaling, elsewhere.standard_normal, elsewhere.code_samples)


ANYTHING = (
    "centred_scaling_negative", "tanh_saturation", "tanh_derivative", "sigmoid_derivative", "sample_parses",
    "sample_output_rank", "sample_mlp_rank",
)  # fmt: skip
NORMALIZED = (
    "mean", "std", "skewness", "kurtosis", "bimodal_kurtosis_gap", "outside_unit_interval", "inference_formula",
    "inference_affine", "inference_alone", "training_mates", "bias_output", "bias_inference", "bias_gradient",
    "bias_control", "bias_trajectory", "map_statistics", "map_count", "unit_statistics", "unit_count", "undone",
    "scale_output", "scale_gradient",
)  # fmt: skip
"""Of them a network with images has `map_...`, any other `unit_...`."""


def records(seen: Observed) -> Iterator[Record]:
    """The facts of anything, and those of batch normalization where the network has it."""
    for name in ANYTHING:
        yield Record(f"identity/{name}")
    if seen.norm != "batch" or not seen.normalizers:
        return
    for name in NORMALIZED:
        if name == "outside_unit_interval":
            yield Record(f"identity/{name}", low=0, high=1)
        else:
            yield Record(f"identity/{name}")
    for site in ("training", "inference"):
        yield Record("identity/shift_equivariance", site)
    for site in ("m=2", "m=4", "m=16"):
        yield Record("identity/moving_variance", site)


def record(network: Network, evaluation: Evaluation) -> Iterator[tuple[str, str, float]]:
    """Yield `identity/<fact>`: the largest error of a fact, 0 if it is exact, on the harness' own layers.

    They are checked on the network's first batch normalization (variants of it have facts of their own; without one
    only what needs none is told) and its real input for a fixed training batch, on fresh layers with its options, and
    on synthetic batches of a fixed random stream. Errors are in the units of the output, which are about 1, or relative
    (marked *).

    Standardization, in training: `mean` - beta, `std` / |gamma| - sqrt(variance/(variance+epsilon)); `skewness` and
    `kurtosis` of output - of input, for two heaps. In inference: `inference_formula`*, `inference_affine`* (a blend's
    output is the outputs' blend), `inference_alone`* (without batch mates).
    Bias before the normalizer: `bias_output`*, `bias_inference`*, `bias_gradient` (|dL/db| / |dL/dW|),
    `bias_trajectory`* (kernels after 200 steps of SGD with and without it).
    Statistics: `map_statistics`* and `map_count` (entries too many) of feature maps, `unit_...` of units;
    `shift_equivariance`* of feature maps (sites `training`, `inference`); `undone`* by gamma and beta; `scale_output`*
    and `scale_gradient`* for weights a tenth to ten times as large (ask for a small epsilon); `moving_variance`* at
    `m=2`, `m=4`, `m=16` against (m-1)/m of the true one (statistical error below 0.5%).
    Standard normal values: `tanh_saturation`, `tanh_derivative`, `sigmoid_derivative`, as `saturation` reports them.

    And numbers that are no errors, which show what is not so: `bimodal_kurtosis_gap`, about 2 (|excess kurtosis| of
    normalized heaps, 0 for a standard normal); `outside_unit_interval`, a share of outputs; `centred_scaling_negative`,
    a share of (x-mean)/(max-min); `training_mates`, the change of an example's output with its batch mates;
    `bias_control`, as `bias_gradient` with a tanh before the normalizer; `sample_parses`, 0; `sample_output_rank`, 4,
    and `sample_mlp_rank`, 3, of classifiers that should have 2.
    """
    case = Case(network, evaluation)
    if case.has_layer and evaluation.batch_size < 2:
        raise UsageError("probe=identities needs a batch_size of at least 2: one example has no deviation")
    for fact in (*(OF_NORMALIZER if case.has_layer else ()), *OF_ANYTHING):
        for name, site, value in fact(case):
            yield f"identity/{name}", site, value
