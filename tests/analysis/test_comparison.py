"""Arms of a sweep, compared with one of them."""

import pandas as pd
import pytest

from bn_study.analysis import comparison
from bn_study.errors import UsageError

METRIC = "test/accuracy"
RATE = "optimizer.learning_rate"
RUNS = pd.DataFrame(
    [("a", "none", 0.1), ("b", "none", 0.3), ("c", "batch", 0.1), ("d", "batch", 0.3)], columns=["run", "norm", RATE]
).assign(grids="g", seed=0, status="complete")
ACCURACIES = pd.Series([0.2, 0.3, 0.6, 0.8], index=RUNS["run"])


def compared(by, against):
    return comparison.compare(RUNS, ACCURACIES, METRIC, by, against)


def test_the_reference_is_an_arm_of_the_same_context():
    table = compared(["norm"], "norm=none")
    assert table["difference"].dropna().tolist() == pytest.approx([0.4, 0.5])


def test_words_that_fit_one_arm_name_it():
    table = compared(["norm", RATE], f"{RATE}=0.3 norm=none")
    assert set(table["against"].dropna()) == {f"norm=none {RATE}=0.3"}
    assert table["difference"].dropna().tolist() == pytest.approx([-0.1, 0.3, 0.5])


def test_a_context_without_the_reference_has_no_difference():
    only = RUNS[RUNS["run"] != "a"]
    table = comparison.compare(only, ACCURACIES, METRIC, ["norm"], "norm=none")
    assert len(table) == 3 and table["difference"].dropna().tolist() == pytest.approx([0.5])
    with pytest.raises(UsageError, match="unknown arm 'norm=nothing'"):
        comparison.compare(only, ACCURACIES, METRIC, ["norm"], "norm=nothing")


@pytest.mark.parametrize(
    ("against", "words"), [("norm=none", "fits 2 arms"), ("norm=bacht", "unknown arm"), (f"{RATE}=1", "unknown arm")]
)
def test_a_reference_must_be_one_arm(against, words):
    with pytest.raises(UsageError, match=words):
        compared(["norm", RATE], against)
