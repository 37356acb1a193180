"""The comparison of first and fresh seeds, in folders with hand-written verdicts."""

import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import pandas as pd
import pytest

from bn_study.analysis import csv_files
from bn_study.report import fresh_seeds

HEAD = ["claim", "context", "outcome", "estimate", "low", "high", "n", "test", "margin", "measure", "stated"]
FIRST = [
    ("faster", "", "varies", None, None, None, 8),
    ("faster", "grid=a", "supported", 1.0, 0.5, 1.5, 8),
    ("faster", "grid=b", "supported", 1.0, 0.9, 1.1, 8),
    ("faster", "grid=c", "open", None, None, None, 8),
    ("deeper", "", "small", 0.1, 0.0, 0.2, 8),
]
AGAIN = [
    ("faster", "", "varies", None, None, None, 8),
    ("faster", "grid=a", "open", 0.4, -0.1, 0.9, 8),  # 0.6 apart, less than the root of 0.5^2 + 0.5^2
    ("faster", "grid=b", "reversed", -1.0, -1.1, -0.9, 8),
    ("faster", "grid=c", "small", 0.1, 0.0, 0.2, 8),
    ("deeper", "", "small", 0.15, 0.05, 0.25, 16),
]


@pytest.fixture
def results(tmp_path):
    write(tmp_path, FIRST, range(8))
    return tmp_path


def write(results, verdicts, seeds, margin=0.5):
    folder = results / "depth"
    folder.mkdir(exist_ok=True)
    rows = [(*row, "superiority", margin, "final(metric=test/accuracy)", "post hoc") for row in verdicts]
    csv_files.write_csv(pd.DataFrame(rows, columns=HEAD), folder / "verdicts.csv")
    csv_files.write_csv(runs(seeds), folder / "runs.csv")


def runs(seeds):
    return pd.DataFrame({"run": [f"s{seed}" for seed in seeds], "seed": list(seeds)})


def again(results, verdicts, seeds, **options):
    """What `report` does when other runs have replaced those of the folder."""
    earlier = fresh_seeds.verdicts_of(results / "depth")
    write(results, verdicts, seeds, **options)
    fresh_seeds.keep(results, "depth", earlier, runs(seeds))
    return fresh_seeds.update(results, results)


def test_outcomes_are_counted_and_explained(results):
    assert again(results, AGAIN, range(1000, 1008)) == [results / fresh_seeds.FILE]
    assert fresh_seeds.sentence(results) == (
        "1 experiment was trained again with seeds that nothing had used before: 1 of 2 claims came out the same in "
        "every context (1 of 4 outcomes), and 1 turned from supported to reversed or back."
    )
    changed = {
        row["context"]: (row["first_outcome"], row["outcome"], row["because"]) for row in fresh_seeds.changed(results)
    }
    assert changed == {
        "grid=a": ("supported", "open", fresh_seeds.CHANCE),
        "grid=b": ("supported", "reversed", fresh_seeds.APART),
        "grid=c": ("open", "small", fresh_seeds.UNKNOWN),
    }
    table = csv_files.read_csv(results / fresh_seeds.FILE)
    assert list(table["first_n"]) == [8] * 5 and list(table["n"]) == [8, 8, 8, 8, 16]
    assert set(table["first_stated"]) == {"post hoc"}


@pytest.mark.slow
def test_experiments_that_are_reported_at_once_all_keep_their_first_evidence(results):
    earlier = fresh_seeds.verdicts_of(results / "depth")
    names = [f"depth{number}" for number in range(8)]
    with ProcessPoolExecutor(4, multiprocessing.get_context("spawn")) as processes:
        list(processes.map(fresh_seeds.keep, *zip(*((results, one, earlier, runs([9])) for one in names), strict=True)))
    table = csv_files.read_csv(results / fresh_seeds.FILE)
    assert sorted(table["experiment"]) == sorted(len(FIRST) * names)


def test_exact_facts_are_counted_apart(results):
    again(results, AGAIN, range(1000, 1008))
    table = csv_files.read_csv(results / fresh_seeds.FILE)
    table.loc[table["claim"] == "deeper", "first_test"] = "exact"
    csv_files.write_csv(table, results / fresh_seeds.FILE)
    sentence = fresh_seeds.sentence(results)
    assert "0 of 1 claims came out the same in every context (0 of 3 outcomes)" in sentence
    assert sentence.endswith("Of the outcomes that are exact facts, 1 of 1 are the same.")


def test_seeds_that_overlap_are_no_fresh_evidence(results):
    assert again(results, AGAIN, range(7, 15)) == []
    assert fresh_seeds.sentence(results) == "" and fresh_seeds.changed(results) == []


def test_the_first_evidence_stays_when_seeds_are_replaced_once_more(results):
    again(results, AGAIN, range(1000, 1008))
    again(results, FIRST, range(2000, 2008))
    assert fresh_seeds.changed(results) == []
    again(results, AGAIN, range(3000, 3008), margin=0.1)
    assert {row["because"] for row in fresh_seeds.changed(results)} == {fresh_seeds.CHANGED}
    sentence = fresh_seeds.sentence(results)
    assert "0 of 0 outcomes" in sentence and "4 more are not counted" in sentence
    again(results, [row for row in AGAIN if row[0] != "deeper"], range(4000, 4008))
    assert fresh_seeds.GONE in {row["because"] for row in fresh_seeds.changed(results)}
