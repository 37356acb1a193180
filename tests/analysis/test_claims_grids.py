"""Claims on several grids, numbers over a factor, exact tests, gates by context: against sums by hand."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bn_study.analysis.check import check
from bn_study.analysis.claims import verdict, verdicts
from bn_study.analysis.measures import parse
from bn_study.errors import UsageError
from bn_study.plan.experiment import Cell, Claim, Experiment, Grid, Tune, Tuned

LOSS = {"final": {"metric": "test/loss"}}
ACCURACY = {"final": {"metric": "test/accuracy"}}
RATES = (0.01, 0.1, 1.0, 10.0)
SEEDS = range(6)  # the fewest with which a sign-flip test is significant


def config(norm="none", rate=0.1, seed=0, **changes):
    found = {"dataset": {"name": "digits"}, "norm": {"name": norm}, "optimizer": {"name": "sgd", "learning_rate": rate}}
    return found | {"seed": seed, "steps": 100, "probe": {"curves": {"images": 100}}} | changes


def claim(**changes):
    stated = {"measure": LOSS, "contrast": {"norm=none": 1, "norm=batch": -1}, "grid": "one"}
    return stated | {"test": "superiority", "margin": 0.5} | changes


def experiment(claims, grids, **options):
    """grids: name -> configurations."""
    found = {name: Grid(name, {}, tuple(Cell(one, {}) for one in cells)) for name, cells in grids.items()}
    tune = {name: Tune(**entry) for name, entry in options.pop("tune", {}).items()}
    return Experiment(
        "x", "", "", found, tune, {name: Claim(**one) for name, one in claims.items()}, {}, "", (), **options
    )


def table(one, value, diverged=lambda flat: False, there=lambda flat: True):
    """A row for each run of the grids, however many ask for it. value: what every measure is, by the run's settings."""
    labels = {parse(entry.measure).label(entry.level.get("digits")) for entry in one.claims.values()}
    asking = {}
    for grid in one.grids.values():
        for cell in grid.cells:
            asking.setdefault(repr(cell.config), (cell.settings, []))[1].append(grid.name)
    rows = []
    for number, (flat, names) in enumerate(asking.values()):
        if there(flat):
            facts = {"run": f"run{number}", "grids": " ".join(names), "classes": 10, "commit": "a" * 40, "dirty": False}
            facts["status"] = "diverged" if diverged(flat) else "complete"
            facts["stated"] = " ".join(f"{key}:{text}" for key, text in one.stated().items())
            rows.append(flat | facts | dict.fromkeys(labels, value(flat)))
    return pd.DataFrame(rows)


def both(rate=0.1, seeds=SEEDS, **changes):
    return [config(norm, rate, seed, **changes) for norm in ("none", "batch") for seed in seeds]


def loss(flat):
    """Falls with normalization, by more at the smaller rate; a little different with every seed."""
    gain = {0.01: 3.0, 0.1: 2.0}.get(flat["optimizer.learning_rate"], 1.0)
    return 5 + 0.01 * flat["seed"] ** 2 - (gain + 0.02 * flat["seed"]) * (flat["norm"] == "batch")


def differences(rate):
    runs = [
        {"optimizer.learning_rate": rate, "norm": norm, "seed": seed} for norm in ("none", "batch") for seed in SEEDS
    ]
    values = [loss(one) for one in runs]
    return np.subtract(values[: len(SEEDS)], values[len(SEEDS) :])


# --- several grids ----------------------------------------------------------------------------------------------------


TWO = {"one": both(0.01), "two": both(0.1)}


def test_each_grid_is_a_context():
    one = experiment({"it": claim(grid=["one", "two"], contexts=["grid"])}, TWO)
    check(one)
    found = verdict("it", one, table(one, loss), {})
    assert [row.context for row in found.rows] == ["grid=one", "grid=two"] and found.outcome == "supported"
    for row, rate in zip(found.rows, (0.01, 0.1), strict=True):
        wanted = differences(rate)
        interval = stats.t.interval(0.95, len(SEEDS) - 1, wanted.mean(), stats.sem(wanted))
        assert (row.estimate, row.low, row.high) == pytest.approx((wanted.mean(), *interval))


def test_a_run_that_two_grids_ask_for_counts_in_both():
    one = experiment({"it": claim(grid=["one", "two"], contexts=["grid"])}, {"one": both(), "two": both()})
    runs = table(one, loss)
    assert len(runs) == 2 * len(SEEDS) and set(runs["grids"]) == {"one two"}
    found = verdict("it", one, runs, {})
    assert [row.n for row in found.rows] == [len(SEEDS)] * 2 and found.outcome == "supported"
    assert found.rows[0].estimate == found.rows[1].estimate == pytest.approx(differences(0.1).mean())


def test_a_run_of_another_grid_does_not_count():
    one = experiment({"it": claim()}, TWO)
    found = verdict("it", one, table(one, loss), {})
    assert found.n == len(SEEDS) and found.estimate == pytest.approx(differences(0.01).mean())
    part = verdict("it", one, table(one, loss, there=lambda flat: flat["optimizer.learning_rate"] == 0.1), {})
    assert part.outcome == "missing" and "6 of 6 runs of norm=none" in part.reason


def test_a_selector_may_name_a_grid():
    arms = {"grid=one norm=batch": -1, "grid=two norm=none": 1}
    one = experiment({"it": claim(grid=["one", "two"], contrast=arms)}, TWO)
    check(one)
    found = verdict("it", one, table(one, loss), {})
    wanted = [5 + 0.01 * seed**2 - (5 + 0.01 * seed**2 - 3 - 0.02 * seed) for seed in SEEDS]
    assert found.estimate == pytest.approx(np.mean(wanted)) and found.rows[0].context == ""


def test_a_selector_may_name_a_grid_that_shares_its_runs():
    """As with a chosen dropout that happens to be none: one run is both arms, and the difference is exactly 0."""
    arms = {"grid=one norm=none": 1, "grid=two norm=none": -1}
    equal = claim(grid=["one", "two"], contrast=arms, test="equivalence")
    one = experiment({"it": equal}, {"one": both(), "two": both()})
    found = verdict("it", one, table(one, loss), {})
    assert (found.outcome, found.estimate, found.low, found.high) == ("supported", 0, 0, 0)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": ["one", "three"]}, "unknown grid 'three'"),
        (
            {"contrast": {"grid=three norm=none": 1}, "grid": ["one", "two"]},
            "no cell of the grid one and two has grid=three",
        ),
        ({"grid": ["one", "two"]}, "norm=none has several runs of one seed; name grid or optimizer.learning_rate in"),
    ],
)
def test_what_is_wrong_with_grids_is_said_beforehand(changes, message):
    with pytest.raises(UsageError, match=rf"^experiments/x.yaml: claims.it: .*{re.escape(message)}"):
        check(experiment({"it": claim(**changes)}, TWO))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, ""),
        ({"beside": ["two"], "metrics": ["test/accuracy_batch"]}, ""),
        ({"grids": ["one", "three"]}, "unknown grid 'three'"),
        ({"beside": ["three"]}, "unknown grid 'three'"),
        ({"grids": 3}, "figures.drawn.grids=3: should be a valid list"),
        ({"beside": 2}, "figures.drawn.beside=2: should be a valid list"),
        ({"kind": "effects", "claims": True}, "figures.drawn.claims=True: should be a valid list"),
        ({"factor": "optimizer.rate"}, "unknown setting 'optimizer.rate'"),
        ({"kind": "effects", "claims": ["that"]}, "unknown claim 'that'"),
        ({"kind": "effects", "claims": ["it"]}, ""),
    ],
)
def test_what_is_wrong_with_figures_is_said_beforehand(changes, message):
    swept = {"grids": ["one"], "beside": None, "factor": "optimizer.learning_rate", "metrics": ["test/accuracy"]}
    default = {"kind": "over_factor", "descending": False, "usable": None} | swept if "kind" not in changes else {}
    one = replace(experiment({"it": claim()}, TWO), figures={"drawn": default | changes})
    if not message:
        return check(one)
    with pytest.raises(UsageError, match=rf"^experiments/x.yaml: figures.drawn: {re.escape(message)}"):
        check(one)


def test_one_grid_left_open_is_the_factor_to_name():
    one = experiment({"it": claim(grid=["one", "two"])}, {"one": both(), "two": both()})
    with pytest.raises(UsageError, match="name grid in `at` or `contexts`"):
        check(one)


# --- a number over a factor -------------------------------------------------------------------------------------------


LARGEST = ACCURACY | {"over": {"factor": "optimizer.learning_rate", "take": "largest_usable", "fraction": 0.9}}
RANGE = {"one": [one for rate in RATES for one in both(rate)]}


def larger(**changes):
    largest = {"measure": LARGEST | {"scale": "log10"}, "contrast": {"norm=batch": 1, "norm=none": -1}}
    return claim(**largest | changes)


def usable(limit):
    """An accuracy of about 0.9 up to a rate, by arm and seed, and 0.5 from there on."""

    def accuracy(flat):
        best = 0.9 + 0.01 * flat["seed"]
        return best if flat["optimizer.learning_rate"] <= limit(flat) else 0.5

    return accuracy


def limit(flat):
    plain = 0.1 if flat["seed"] < 3 else 1.0
    return plain * (10 if flat["norm"] == "batch" else 1)


def test_a_seeds_runs_over_a_factor_make_one_number():
    one = experiment({"it": larger()}, RANGE)
    check(one)
    found = verdict("it", one, table(one, usable(limit)), {})
    (pairs,) = [row.pairs for row in found.rows]
    assert [values.values.tolist() for values in pairs.values] == [[0, 0, 0, 1, 1, 1], [-1, -1, -1, 0, 0, 0]]
    assert pairs.differences.tolist() == [1.0] * 6 and found.n == 6 and found.outcome == "supported"
    assert found.measure.startswith("log10 largest_usable(optimizer.learning_rate, fraction 0.9) of final(")


def test_one_missing_rate_of_one_seed_is_named():
    one = experiment({"it": larger()}, RANGE)
    lost = {"norm": "batch", "seed": 2, "optimizer.learning_rate": 10.0}
    found = verdict("it", one, table(one, usable(limit), there=lambda flat: not lost.items() <= flat.items()), {})
    assert found.outcome == "missing" and found.reason == "1 of 24 runs of norm=batch (seed 2) are missing"


def test_a_diverged_run_over_a_factor_counts_with_chance():
    """At chance a rate is not usable; and where every rate of a seed diverges, all are as good."""
    one = experiment(
        {"it": larger(measure=LARGEST, margin=0.05), "area": larger(measure=over("area"), margin=0.05)}, RANGE
    )

    def lost(flat):
        return flat["norm"] == "none" and flat["seed"] == 0 and flat["optimizer.learning_rate"] >= 0.1

    found = verdicts(one, table(one, usable(limit), lost), {})
    values = found["it"].rows[0].pairs.values[1].values
    assert (
        values.tolist() == [0.01, 0.1, 0.1, 1.0, 1.0, 1.0]
        and "3 of 24 runs diverged in norm=none" in found["it"].reason
    )
    assert found["it"].replaced == 0  # nothing stands in: that runs diverge is what the number is about
    plain = found["area"].rows[0].pairs.values[1].values
    assert plain[0] == pytest.approx((0.5 * (0.9 + 0.1) + 0.1 + 0.1) / 3)


def over(take, **args):
    return ACCURACY | {"over": {"factor": "optimizer.learning_rate", "take": take, **args}}


def depths(*widths):
    """Nets of these widths, of which the deeper ones have a smaller rate, as if a tuning had chosen it."""
    nets = [
        config(norm, 1 / len(one), seed, model={"name": "mlp", "widths": one})
        for seed in SEEDS
        for norm in ("none", "batch")
        for one in widths
    ]
    return {"one": nets}


def test_a_list_counts_by_its_length():
    deepest = ACCURACY | {"over": {"factor": "model.widths", "take": "largest_usable", "fraction": 0.9}}
    one = experiment({"it": larger(measure=deepest | {"scale": "log2"})}, depths([8], [8, 8], [8, 8, 8, 8]))
    check(one)
    trains = {"none": 2, "batch": 4}
    runs = table(one, lambda flat: 0.9 if len(flat["model.widths"]) <= trains[flat["norm"]] else 0.5)
    found = verdict("it", one, runs, {})
    assert [values.values.tolist() for values in found.rows[0].pairs.values] == [[2.0] * 6, [1.0] * 6]
    stored = runs.assign(**{"model.widths": [json.dumps(one) for one in runs["model.widths"]]})
    assert verdict("it", one, stored, {}) == found
    with pytest.raises(UsageError, match=r"several values of model\.widths of the same length"):
        check(experiment({"it": larger(measure=deepest)}, depths([8], [9])))


def test_which_of_several_tuned_values_is_at_an_edge():
    """An arm that is taken over a factor has a tuned value at each of its values."""
    deepest = ACCURACY | {"over": {"factor": "model.widths", "take": "largest_usable", "fraction": 0.9}}
    one = experiment(
        {"it": larger(measure=deepest | {"scale": "log2"}, at={"optimizer.learning_rate": "rate"})},
        depths([8], [8, 8], [8, 8, 8, 8]),
        tune={
            "rate": {
                "grid": "one",
                "per": ["norm"],
                "factors": ["optimizer.learning_rate"],
                "score": LOSS,
                "best": "min",
            }
        },
    )
    rates = {
        ((8,) * count, norm): {"optimizer.learning_rate": 1 / count}
        for count in (1, 2, 4)
        for norm in ("none", "batch")
    }
    tuned = {"rate": Tuned(("model.widths", "norm"), rates, frozenset({((8, 8), "none"), ((8, 8, 8, 8), "none")}))}
    reason = verdict("it", one, table(one, lambda flat: 0.9), tuned).reason
    assert "learning_rate=0.5 of norm=none is at the edge" in reason and "learning_rate=0.25 of norm=none is" in reason
    assert "learning_rate=1 of" not in reason and "norm=batch is at" not in reason


def test_what_a_diverged_run_leaves_undefined_is_no_evidence():
    trend = LOSS | {"over": {"factor": "optimizer.learning_rate", "take": "spearman"}}
    one = experiment({"it": claim(measure=trend)}, RANGE)
    lost = {"norm": "none", "seed": 1, "optimizer.learning_rate": 10.0}
    found = verdict("it", one, table(one, loss, lambda flat: lost.items() <= flat.items()), {})
    assert found.outcome == "open" and "final has no value in 1 seeds of norm=none" in found.reason


def test_a_level_reaches_what_is_taken_over_the_factor():
    wide = larger(measure=over("usable_decades"), level={"digits": 0.8}, margin=0.5)
    one = experiment({"it": wide, "high": wide | {"level": {"digits": 0.92}}}, RANGE)
    check(one)
    found = verdicts(one, table(one, usable(limit)), {})
    assert found["it"].estimate == pytest.approx(1) and found["it"].outcome == "supported"
    assert found["high"].estimate == pytest.approx((0 + 0 + 1 + 1 + 1 + 1) / 6)  # of seeds 0 and 1 nothing reaches it
    missing = experiment({"it": wide | {"level": {}}}, RANGE)
    with pytest.raises(UsageError, match="final has no level for digits"):
        check(missing)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"measure": LOSS | {"over": {"factor": "optimizer.rate", "take": "area"}}},
            "unknown setting 'optimizer.rate'",
        ),
        ({"at": {"optimizer.learning_rate": 0.1}}, "over: optimizer.learning_rate is held in `at`"),
        ({"contexts": ["optimizer.learning_rate"]}, "over: optimizer.learning_rate is held in `at`"),
        (
            {"measure": LOSS | {"over": {"factor": "dataset", "take": "area"}}},
            "dataset is digits, neither a number nor a list",
        ),
        ({"measure": LOSS | {"over": {"factor": "steps", "take": "area"}}}, "has one value of steps"),
        ({"measure": LOSS | {"over": {"factor": "seed", "take": "area"}}}, "over: seed: an effect is taken for each"),
    ],
)
def test_what_is_wrong_with_a_factor_is_said_beforehand(changes, message):
    with pytest.raises(UsageError, match=rf"^experiments/x.yaml: claims.it: .*{re.escape(message)}"):
        check(experiment({"it": larger(**changes)}, RANGE))


# --- what must hold in every run --------------------------------------------------------------------------------------


def exact(values, diverged=(), **changes):
    one = experiment(
        {"it": claim(contrast={"norm=none": 1}, difference=False, test="exact", margin=0.1, **changes)},
        {"one": [config(seed=seed) for seed in range(len(values))]},
    )
    check(one)
    return verdict("it", one, table(one, lambda flat: values[flat["seed"]], lambda flat: flat["seed"] in diverged), {})


def test_an_exact_claim_holds_if_every_seed_is_within_the_tolerance():
    found = exact([0.01, -0.09, 0.05, 0.1])
    assert found.outcome == "supported" and found.n == 4 and "the largest is 0.1" in found.reason


def test_one_seed_beyond_the_tolerance_is_the_opposite():
    found = exact([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, -0.11])
    assert abs(found.estimate) < 0.02 and found.outcome == "reversed"
    assert found.reason == "reversed: 0.11 in one seed, the tolerance is 0.1"
    assert exact([0.11, -0.11]).outcome == "reversed"  # though their mean is 0


def test_one_seed_is_enough_for_an_exact_claim():
    assert exact([0.05]).outcome == "supported" and exact([0.2]).outcome == "reversed"
    one = experiment({"it": claim()}, {"one": both(seeds=[0])})
    assert verdict("it", one, table(one, loss), {}).outcome == "open"


def test_a_diverged_run_is_no_run_in_which_it_holds():
    found = exact([0.01, 0.02, 0.03], diverged=[1])
    assert found.outcome == "open" and "one without a value does not show that" in found.reason
    worse = exact([0.95, 0.96, 0.97], diverged=[1], measure=ACCURACY, level={})
    assert worse.outcome == "reversed"  # chance is a value
    assert exact([0.01, math.nan]).outcome == "open"


# --- gates ------------------------------------------------------------------------------------------------------------


def gated(**changes):
    """The gate holds in grid one (a gain of 3) and not in grid two (a gain of 2)."""
    shared = {"grid": ["one", "two"], "contexts": ["grid"]}
    gate = claim(margin=2.5, **shared)
    return experiment({"gate": gate, "it": claim(gates=["gate"], **shared | changes)}, TWO)


def test_a_gate_that_fails_in_a_context_closes_that_one_only():
    one = gated()
    found = verdicts(one, table(one, loss), {})
    assert found["gate"].rows[0].outcome == "supported" != found["gate"].rows[1].outcome
    first, second = found["it"].rows
    assert first.outcome == "supported" and math.isfinite(first.p)
    assert second.outcome == "blocked" and "the gate gate is" in second.reason and math.isnan(second.p)
    assert found["it"].outcome == "supported" and found["it"].reason == "1 supported; 1 blocked (grid=two)"
    alone = experiment({"it": claim()}, TWO)
    assert first.p == verdict("it", alone, table(alone, loss), {}).p  # a closed context does not count with Holm


def test_a_gate_with_other_contexts_is_asked_as_a_whole():
    one = gated(grid="one", contexts=[])
    found = verdicts(one, table(one, loss), {})
    assert found["gate"].outcome != "supported"
    assert found["it"].outcome == "blocked" and "the gate gate does not hold over its contexts" in found["it"].reason
    can = experiment({"gate": claim(margin=2.5, says="can", grid=["one", "two"], contexts=["grid"]),
                      "it": claim(gates=["gate"])}, TWO)  # fmt: skip
    assert verdict("it", can, table(can, loss), {}).outcome == "supported"


def test_a_gate_with_its_contexts_in_another_order_is_the_same_gate():
    grids = {"one": [one for rate in (0.01, 0.1) for one in both(rate)], "two": both(0.01)}
    shared = {"grid": ["one", "two"]}
    gate = claim(margin=2.5, contexts=["optimizer.learning_rate", "grid"], **shared)
    it = claim(gates=["gate"], contexts=["grid", "optimizer.learning_rate"], **shared)
    one = experiment({"gate": gate, "it": it}, grids)
    found = verdict("it", one, table(one, loss), {})
    closed = {row.context: row.outcome == "blocked" for row in found.rows}
    assert closed == {
        "grid=one optimizer.learning_rate=0.01": False,
        "grid=one optimizer.learning_rate=0.1": True,
        "grid=two optimizer.learning_rate=0.01": False,
    }


def test_a_gate_without_a_value_leaves_its_context_closed():
    one = gated(contexts=["grid"])
    one.claims["gate"] = one.claims["gate"].model_copy(update={"measure": ACCURACY, "margin": 0.1})
    runs = table(one, loss)
    label = "final(metric=test/accuracy)"
    runs.loc[(runs["grids"] == "one") & (runs["seed"] == 0), label] = math.nan
    found = verdict("it", one, runs, {})
    assert [row.outcome == "blocked" for row in found.rows] == [True, False]
    assert "the gate gate is open" in found.rows[0].reason


def test_known_truths_that_did_not_come_out_close_everything():
    one = gated()
    runs = table(one, loss)
    found = verdicts(one, runs, {}, "oracles: mean is reversed")
    assert {verdict.outcome for verdict in found.values()} == {"blocked"}
    for one_verdict in found.values():
        assert all(row.outcome == "blocked" and "oracles: mean is reversed" in row.reason for row in one_verdict.rows)
        assert all(math.isfinite(row.estimate) for row in one_verdict.rows)  # what was measured is shown all the same
    part = table(one, loss, there=lambda flat: flat["seed"] > 0)
    assert verdict("it", one, part, {}, "oracles: mean is reversed").outcome == "missing"


# --- when it was stated -----------------------------------------------------------------------------------------------


def test_an_option_that_came_later_makes_nothing_post_hoc():
    before = experiment({"it": claim()}, TWO)
    later = {name: [one | {"classes_per_batch": None} for one in cells] for name, cells in TWO.items()}
    runs = table(before, loss)
    assert verdict("it", experiment({"it": claim()}, later), runs, {}).stated == "a" * 10
    assert verdict("it", experiment({"it": claim(margin=0.4)}, later), runs, {}).stated == "post hoc"
    used = {name: [one | {"classes_per_batch": 5} for one in cells] for name, cells in TWO.items()}
    assert verdict("it", experiment({"it": claim()}, used), runs, {}).stated == "post hoc"


def test_a_value_at_an_edge_blocks_where_only_the_grid_takes_it_from_its_tuning():
    one = experiment({"it": claim()}, {"one": both(), "other": both()}, tune={
        "rate": {"grid": "other", "per": ["norm"], "factors": ["optimizer.learning_rate"], "score": LOSS, "best": "min"}
    })  # fmt: skip
    waits = {"optimizer.learning_rate": "rate"}
    waiting = Grid("one", {}, tuple(Cell(cell.config, waits) for cell in one.grids["one"].cells))
    one = replace(one, grids=one.grids | {"one": waiting})
    rates = {(norm,): {"optimizer.learning_rate": 0.1} for norm in ("none", "batch")}
    reasons = {
        edge: verdict("it", one, table(one, loss), {"rate": Tuned(("norm",), rates, frozenset(edge))}).reason
        for edge in ((), (("batch",),))
    }
    assert "edge" not in reasons[()]
    assert "the tuned optimizer.learning_rate=0.1 of norm=batch is at the edge of its grid" in reasons[("batch",),]
