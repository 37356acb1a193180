"""The price of a plan against runs whose cost is known because it is made up."""

import json

import pytest

from bn_study.sweep.cost import price
from bn_study.sweep.timings import Known


@pytest.fixture
def known(specify):
    """`known("norm=batch", step=0.1)` -> a stored run of those settings whose every step took so long."""

    def known(*overrides, step=0.01, look=0.5, final=2.0, compiling=5.0, worker=7.0, rest=1.0, memory=10, size=1200):
        spec = specify(*overrides)
        timing = {
            "worker": {"seconds": worker, "count": 1},
            "compiling": {"seconds": compiling, "count": 1},
            "training": {"seconds": step * 90, "count": 90},
            "measuring/curves": {"seconds": look * 11, "count": 11},
            "final/curves": {"seconds": final, "count": 1},
        }
        spent = sum(one["seconds"] for name, one in timing.items() if name != "worker")
        return Known(json.loads(json.dumps(spec.settings)), timing, spent + rest, memory, size)

    return known


def test_a_price_is_steps_looks_starts_and_the_rest(specify, known):
    """100 steps, 12 looks on the way (of 12 points the last is final, and step 0 is one more), and the end."""
    runs = [specify("steps=100", f"seed={seed}") for seed in range(4)]
    answer = price(runs, [known("steps=100", "seed=9")], workers=2)
    each = 100 * 0.01 + 12 * 0.5 + 2.0 + 1.0
    assert answer.seconds == pytest.approx(7.0 + (4 * each + 2 * 5.0) / 2)
    assert answer.memory == 20 and answer.disk == 4 * 13 * 100
    assert (answer.unknown, answer.unmeasured, answer.sources, answer.workers) == (0, set(), 1, 2)


def test_one_long_run_cannot_be_shared(specify, known):
    runs = [specify("steps=100000"), specify("steps=0", "seed=1")]
    assert price(runs, [known()], workers=2).seconds > 1000


def test_the_nearest_runs_decide_and_other_sizes_do_not_count(specify, known):
    fast, slow = known("norm=none", step=0.001), known("norm=batch", step=1.0)
    plain, normalized = specify("norm=none", "seed=5"), specify("norm=batch", "seed=5")
    assert price([normalized], [fast, slow], 1).seconds > 1000 > price([plain], [fast, slow], 1).seconds
    assert price([normalized], [fast], 1).seconds < 1000, "another normalizer's is better than none"
    wide = specify("model.widths=[500,500]")
    assert price([wide], [fast, slow], 1).seconds is None and price([wide], [fast, slow], 1).unknown == 1
    assert price([specify("batch_size=61")], [fast], 1).unknown == 1
    assert price([specify("dataset.subset=100")], [fast], 1).unknown == 1
    assert price([specify("optimizer.learning_rate=3", "model.dropout=0.5")], [fast], 1).unknown == 0


def test_a_probe_that_nobody_measured_is_named(specify, known):
    answer = price([specify("probe=[curves,activations]")], [known()], 1)
    assert answer.unmeasured == {"activations"} and answer.seconds is not None


def test_nothing_missing_costs_nothing_and_nothing_known_is_said(specify, known):
    assert price([], [known()], 2).seconds is None and price([], [known()], 2).unknown == 0
    answer = price([specify()], [], 2)
    assert (answer.seconds, answer.memory, answer.disk, answer.unknown) == (None, None, None, 1)
