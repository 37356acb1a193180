"""Shared by tests of probes."""

import pytest

from bn_study.training.evaluation import Evaluation
from bn_study.training.train import Programs, train


@pytest.fixture(scope="session")
def looked_at(specify):
    """`looked_at("steps=3", "norm=batch")` -> the network after these steps, and what a probe looks at."""

    def looked_at(*overrides):
        spec = specify(*overrides)
        programs = Programs()
        train(spec, programs, lambda step, state: None, None)
        _, program, evaluator = programs._program
        return program.network, Evaluation(evaluator, spec.batch_size, 100, step=spec.steps, final=True)

    return looked_at
