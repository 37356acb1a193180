"""Where the time of a sweep went."""

import pytest

from bn_study.sweep import shares


def run(seconds, **timing):
    return {
        "seconds": seconds,
        "timing": {name.replace("_", "/"): {"seconds": value, "count": 1} for name, value in timing.items()},
    }


RUNS = [
    run(10.0, worker=4.0, compiling=1.0, training=6.0, measuring_curves=1.5, final_curves=0.5, starting=0.5),
    run(8.0, training=6.0, measuring_curves=1.0, measuring_drift=1.0),
]


def test_every_second_of_every_worker_is_in_one_share():
    found = shares.shares(RUNS, workers=2, wall=15.0)  # 30 s of workers, of which the runs account for 22
    seconds = {name: share * 30 for name, share in found.items()}
    assert seconds == pytest.approx(
        {
            "training": 12.0, "planning and waiting": 8.0, "starting workers": 4.0, "measuring curves": 3.0,
            "compiling": 1.0, "measuring drift": 1.0, "starting runs": 0.5, "writing": 0.5,
        }
    )  # fmt: skip
    assert next(iter(found)) == "training" and sum(found.values()) == pytest.approx(1)


def test_the_line_names_what_took_a_percent():
    line = shares.line({"training": 0.004, "measuring curves": 0.99, "writing": 0.006})
    assert line == "useful share: training 0% (the rest: measuring curves 99%)"
    assert shares.line({"training": 1.0}) == "useful share: training 100%"


def test_a_clock_that_says_too_little_makes_no_share_negative():
    assert min(shares.shares(RUNS, workers=1, wall=0.0).values()) >= 0


def test_without_a_chunk_that_counts_as_training_the_useful_share_is_nothing():
    found = shares.shares([run(3.0, worker=1.0, compiling=3.0)], workers=1, wall=4.0)
    assert shares.line(found) == "useful share: training 0% (the rest: compiling 75%, starting workers 25%)"
