"""The nonlinearities of hidden layers: Keras' functions by name, and what probes need to know of each.

The names are committed, so that a name is checked and a probe's records are known without importing Keras; a test
compares them with Keras. `glu` is left out because it halves the units, `threshold` because it needs numbers.
"""

from typing import Literal

Name = Literal[
    "celu", "elu", "exponential", "gelu", "hard_shrink", "hard_sigmoid", "hard_silu", "hard_tanh", "leaky_relu",
    "linear", "log_sigmoid", "log_softmax", "mish", "relu", "relu6", "selu", "sigmoid", "silu", "soft_shrink",
    "softmax", "softplus", "softsign", "sparse_plus", "sparse_sigmoid", "sparsemax", "squareplus", "tanh",
    "tanh_shrink",
]  # fmt: skip
ALIASES = {"hard_swish": "hard_silu", "swish": "silu"}
"""Keras' second names, which are refused: a run, a claim and a tuning name a nonlinearity by the first."""
RANGES = {
    "hard_sigmoid": (0.0, 1.0), "hard_tanh": (-1.0, 1.0), "relu6": (0.0, 6.0), "sigmoid": (0.0, 1.0),
    "softsign": (-1.0, 1.0), "sparse_sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0),
}  # fmt: skip
"""Ranges of those that are bounded: only these saturate."""
STEEPEST = {
    "celu": 1.0, "elu": 1.0, "gelu": 1.128904, "hard_shrink": 1.0, "hard_sigmoid": 1 / 6, "hard_silu": 1.5,
    "hard_tanh": 1.0, "leaky_relu": 1.0, "log_sigmoid": 1.0, "mish": 1.088495, "relu": 1.0, "relu6": 1.0,
    "selu": 1.758099, "sigmoid": 0.25, "silu": 1.099839, "soft_shrink": 1.0, "softplus": 1.0, "softsign": 1.0,
    "sparse_plus": 1.0, "sparse_sigmoid": 0.5, "squareplus": 1.0, "tanh": 1.0, "tanh_shrink": 1.0,
}  # fmt: skip
"""The largest slope of each that has one, so that a share of it can be told.

The others are `linear`, whose slope never changes, `exponential`, and those that mix the units of a layer.
"""
