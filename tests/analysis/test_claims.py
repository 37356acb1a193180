import math
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_study.analysis.check import check
from bn_study.analysis.claims import verdict, verdicts
from bn_study.analysis.measures import parse
from bn_study.analysis.settings import comparable, parse_selector
from bn_study.analysis.stats import holm
from bn_study.analysis.verdict import Row, combined, verdicts_table
from bn_study.errors import UsageError
from bn_study.plan.experiment import Cell, Claim, Experiment, Grid, Tune, Tuned

STEPS = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
PATH = {"path_length": {"site": "layer1/pre", "quantiles": [15, 50, 85], "start": 0, "end": 100, "relative": False}}
LOSS = {"final": {"metric": "test/loss"}}
ACCURACY = {"final": {"metric": "test/accuracy"}}
PLAIN = [12.0, 12.4, 11.8, 12.2, 12.1, 11.9, 12.3, 12.0]
NORMED = [10.1, 10.3, 9.9, 10.2, 9.8, 10.4, 10.0, 10.2]


def experiment(claims, tune=None, norms=("none", "batch"), rates=(0.1, 1.0, 10.0), seeds=8, changed=(), twin=False):
    def cells(numbers):
        for norm in norms:
            for rate in rates:
                for seed in numbers:
                    placement = {"placement": "before"} if norm == "batch" else {}
                    config = {
                        "dataset": {"name": "digits"},
                        "norm": {"name": norm} | placement,
                        "optimizer": {"name": "sgd", "learning_rate": rate},
                        "seed": seed,
                        "steps": 8192,
                        "probe": {"curves": {"images": 100}},
                    }
                    yield Cell(config, {})
                    if twin:
                        yield Cell(config | {"batch_size": 7}, {})

    grids = {"speed": Grid("speed", {}, tuple(cells(range(seeds)))), "select": Grid("select", {}, tuple(cells([100])))}
    tunes = {name: Tune(**entry) for name, entry in (tune or {}).items()}
    stated = {name: Claim(**{"grid": "speed"} | entry) for name, entry in claims.items()}
    return Experiment("x", "", "", grids, tunes, stated, {}, "", tuple(changed))


def claim(**changes):
    return {
        "measure": STEPS,
        "level": {"digits": 0.9},
        "contrast": {"norm=none": 1, "norm=batch": -1},
        "at": {"optimizer.learning_rate": 0.1},
        "test": "superiority",
        "margin": 0.5,
    } | changes


def table(one, name, values, diverged=(), **columns):
    """Runs of the grid: values is {(norm, rate): [a scaled value a seed]}; diverged: (norm, seed)."""
    measure = parse(one.claims[name].measure)
    rows = []
    for cell in one.grids["speed"].cells:
        flat = cell.settings
        series = values.get((flat["norm"], flat["optimizer.learning_rate"]), [])
        if flat["seed"] < len(series):
            value = series[flat["seed"]]
            status = "diverged" if (flat["norm"], flat["seed"]) in diverged else "complete"
            label = measure.label(one.claims[name].level.get("digits"))
            facts = {"run": f"run{len(rows)}", "grids": "speed", "status": status, "classes": 10}
            facts |= {"commit": "a" * 40, "dirty": False, "measured": label}
            facts["stated"] = " ".join(f"{key}:{value}" for key, value in one.stated().items())
            rows.append(flat | facts | {label: 2**value if measure.scale == "log2" else value} | columns)
    return pd.DataFrame(rows)


def judge(values, claim_=None, diverged=(), tuned=None, **others):
    one = experiment({"it": claim_ or claim()}, **others)
    return verdict("it", one, table(one, "it", values, diverged), tuned or {})


def two(plain, normed):
    return {("none", 0.1): plain, ("batch", 0.1): normed}


def test_differences_that_were_equal_before_rounding_are_no_t_test():
    """Two seeds, each with one image of 360 more: nine digits of the accuracies make the differences unequal."""
    accuracies = ([0.972222222, 0.969444444], [0.969444444, 0.966666667])
    found = judge(two(*accuracies), claim(measure=ACCURACY, margin=0.001), seeds=2)
    assert len(set(np.subtract(*accuracies))) == 2
    assert found.low == found.high == found.estimate and found.p == 0.5 and found.outcome == "open"


def test_a_clear_difference_is_supported():
    found = judge(two(PLAIN, NORMED))
    differences = np.subtract(PLAIN, NORMED)
    assert found.outcome == "supported" and found.n == 8 and found.replaced == 0
    assert found.estimate == pytest.approx(differences.mean())
    assert found.low < found.estimate < found.high and found.p < 1e-5
    assert found.stated == "a" * 10
    assert found.measure == "log2 steps_to(level=0.9,metric=test/accuracy)"


@pytest.mark.parametrize(
    ("normed", "outcome", "reason"),
    [
        ([value + 3 for value in NORMED], "reversed", "reversed: interval below 0"),
        ([value + 0.01 * (-1) ** seed for seed, value in enumerate(PLAIN)], "small", "small: 90% interval within"),
        ([value - 0.4 - 0.02 * (-1) ** seed for seed, value in enumerate(PLAIN)], "small", "within ±0.5, above 0"),
        ([value - 0.45 - 0.2 * (-1) ** seed for seed, value in enumerate(PLAIN)], "open", "below the margin"),
        ([value - 1 - 3 * (-1) ** seed for seed, value in enumerate(PLAIN)], "open", "contains 0"),
    ],
)
def test_other_outcomes(normed, outcome, reason):
    found = judge(two(PLAIN, normed))
    assert found.outcome == outcome and reason in found.reason


def test_equivalence_and_noninferiority():
    same = two(PLAIN, [value + 0.05 * (-1) ** seed for seed, value in enumerate(PLAIN)])
    assert judge(same, claim(test="equivalence")).outcome == "supported"
    assert judge(two(PLAIN, NORMED), claim(test="equivalence")).outcome == "reversed"
    assert judge(same, claim(test="noninferiority")).outcome == "supported"
    assert judge(two(PLAIN, NORMED), claim(test="noninferiority")).outcome == "reversed"


def test_a_threshold_is_one_arm_and_a_constant():
    found = judge({("none", 0.1): PLAIN}, claim(contrast={"norm=none": 1, "constant": -11}))
    assert found.estimate == pytest.approx(np.mean(PLAIN) - 11) and found.outcome == "supported"


def test_weights_make_interactions():
    values = {("none", 0.1): PLAIN, ("batch", 0.1): NORMED, ("none", 1.0): NORMED, ("batch", 1.0): NORMED}
    arms = {"norm=none optimizer.learning_rate=0.1": 1, "norm=batch optimizer.learning_rate=0.1": -1}
    arms |= {"norm=none optimizer.learning_rate=1": -0.5, "norm=batch optimizer.learning_rate=1.0": 0.5}
    found = judge(values, claim(contrast=arms, at={}))
    assert found.estimate == pytest.approx(np.subtract(PLAIN, NORMED).mean()) and found.n == 8


# --- values that are missing ------------------------------------------------------------------------------------------


def test_a_level_not_reached_counts_with_the_length_and_p_is_the_sign_flips():
    found = judge(two([math.nan, math.nan, *PLAIN[2:]], NORMED))
    assert found.estimate == pytest.approx(np.subtract([13, 13, *PLAIN[2:]], NORMED).mean())
    assert found.replaced == 2 and found.p == pytest.approx(2 / 2**8) and found.outcome == "supported"
    assert "2 of 8 runs did not reach the level in norm=none (censored at their length)" in found.reason


def test_a_diverged_runs_accuracy_is_chance():
    values = two([0.9] * 8, [0.95 + 0.001 * seed for seed in range(8)])
    wanted = claim(measure=ACCURACY, contrast={"norm=batch": 1, "norm=none": -1}, margin=0.02)
    found = judge(values, wanted, diverged=[("none", 0), ("none", 1), ("none", 2)])
    assert found.estimate == pytest.approx((sum(0.95 + 0.001 * s for s in range(8)) - 3 * 0.1 - 5 * 0.9) / 8)
    assert "3 of 8 runs diverged in norm=none (imputed as chance)" in found.reason and found.replaced == 3


def test_another_measure_of_a_diverged_run_is_the_worst_value_for_the_claim():
    plain, normed = [2.0 + 0.1 * seed for seed in range(8)], [1.0 + 0.01 * seed for seed in range(8)]
    found = judge(two(plain, normed), claim(measure=LOSS), diverged=[("none", 7), ("batch", 0)])
    by_hand = np.subtract([*plain[:7], 1.01], [2.6, *normed[1:]])
    assert found.estimate == pytest.approx(by_hand.mean()) and found.replaced == 2
    loss = judge(two(plain, normed), claim(measure=LOSS, test="noninferiority"), diverged=[("none", 7), ("batch", 0)])
    by_hand = np.subtract([*plain[:7], 2.6], [1.01, *normed[1:]])
    assert loss.estimate == pytest.approx(by_hand.mean())


def test_a_stand_in_refutes_nothing():
    plain, normed = [2.0] * 8, [1.0 + 0.01 * seed for seed in range(8)]
    lost = [("none", seed) for seed in range(8)]
    found = judge(two(plain, normed), claim(measure=LOSS), diverged=lost)
    assert found.outcome == "open" and "more than half of the runs of norm=none" in found.reason
    reversed_ = two([0.0, 0.01] * 4, [1.0, 1.02] * 4)
    assert judge(reversed_, claim(measure=LOSS)).outcome == "reversed"
    found = judge(reversed_, claim(measure=LOSS), diverged=lost[5:])
    assert found.outcome == "open" and "depends on the values imputed" in found.reason


def imputed(plain, normed, lost, test="difference", margin=0.5):
    """A claim about the mean loss of the plain minus the normalized net, with some runs diverged."""
    return judge(two(plain, normed), claim(measure=LOSS, test=test, margin=margin), diverged=lost)


def test_a_difference_is_judged_by_the_imputed_values_nearest_to_none():
    plain, normed = [2.0 + 0.1 * seed for seed in range(8)], [1.0 + 0.01 * seed for seed in range(8)]
    lost = [("none", 7), ("batch", 0)]
    nearest = np.subtract([*plain[:7], 1.01], [2.6, *normed[1:]])
    assert imputed(plain, normed, lost).estimate == pytest.approx(nearest.mean())
    assert imputed(normed, plain, [("batch", 7), ("none", 0)]).estimate == pytest.approx(-nearest.mean())
    few = imputed(plain, normed, [("none", 7)])
    nearest = np.subtract([*plain[:7], 1.0], normed)
    assert few.estimate == pytest.approx(nearest.mean())
    assert few.outcome == "open" and "allows for a long tail" in few.reason  # one seed of eight shows nothing


def test_a_difference_that_imputed_values_can_turn_is_none():
    """They can make the mean 0, so it is 0; that is not enough for `small`, which must hold at either end."""
    plain, normed = [1.0 + 0.1 * (-1) ** seed for seed in range(8)], [1.0 + 0.11 * (-1) ** seed for seed in range(8)]
    lost = [(norm, seed) for norm in ("none", "batch") for seed in (0, 1, 2)]
    found = imputed([*plain[:3], 5.0, *plain[4:]], [*normed[:3], 5.0, *normed[4:]], lost)
    assert found.estimate == pytest.approx(0, abs=1e-9) and found.outcome == "open"
    assert imputed(plain, normed, []).outcome == "small"
    assert imputed(plain, normed, [("none", 0)]).outcome == "small"  # whatever stands in for one run
    equal = imputed([*plain[:3], 5.0, *plain[4:]], [*normed[:3], 5.0, *normed[4:]], lost, test="equivalence")
    assert equal.outcome == "open" and abs(equal.estimate) > 1  # against equivalence counts the other end


def test_nothing_can_stand_in_where_no_run_has_a_value():
    lost = [(norm, seed) for norm in ("none", "batch") for seed in range(8)]
    found = judge(two(PLAIN, NORMED), claim(measure=LOSS), diverged=lost)
    assert found.outcome == "open" and "more than half" in found.reason


def test_a_finished_run_without_a_value_is_no_evidence():
    found = judge(two([math.nan, *PLAIN[1:]], NORMED), claim(measure=LOSS))
    assert found.outcome == "open" and "final has no value in 1 runs of norm=none" in found.reason


def test_missing_runs_are_named():
    found = judge(two(PLAIN[:6], NORMED))
    assert found.outcome == "missing" and "2 of 8 runs of norm=none (seed 6, 7) are missing" in found.reason
    assert found.n == 6 and math.isfinite(found.estimate)
    nothing = experiment({"it": claim()})
    assert verdict("it", nothing, pd.DataFrame(columns=["grids", "seed"]), {}).outcome == "missing"


def test_an_arm_that_an_override_removed_makes_the_verdict_missing():
    found = judge(two(PLAIN, NORMED), norms=("batch",), changed=("norm=batch",))
    assert found.outcome == "missing" and "no run of the plan has norm=none" in found.reason


def test_an_arm_that_a_context_lacks_makes_it_missing():
    one = experiment({"it": claim(at={}, contexts=["optimizer.learning_rate"])}, changed=("norm=batch",))
    cells = one.grids["speed"].cells
    cells = [one for one in cells if "placement" in one.config["norm"] or one.config["optimizer"]["learning_rate"] < 1]
    one.grids["speed"] = Grid("speed", {}, tuple(cells))
    found = verdict("it", one, table(one, "it", three(NORMED, NORMED, NORMED)), {})
    assert [row.outcome for row in found.rows] == ["supported", "missing", "missing"]
    assert "no run of the plan has norm=none here" in found.reason


# --- contexts, tuning, gates ------------------------------------------------------------------------------------------


def three(*normed):
    return {("none", rate): PLAIN for rate in (0.1, 1.0, 10.0)} | {
        ("batch", rate): one for rate, one in zip((0.1, 1.0, 10.0), normed, strict=True)
    }


def test_contexts_have_verdicts_of_their_own_and_p_is_holms():
    worse = [value + 4 for value in NORMED]
    found = judge(three(NORMED, NORMED, worse), claim(at={}, contexts=["optimizer.learning_rate"]))
    assert [row.context for row in found.rows] == [f"optimizer.learning_rate={rate}" for rate in ("0.1", "1", "10")]
    assert [row.outcome for row in found.rows] == ["supported", "supported", "reversed"]
    assert found.outcome == "varies" and found.reason == "2 supported, 1 reversed (optimizer.learning_rate=10)"
    assert not found.holds
    raw = [judge(three(one, one, one)).p for one in (NORMED, NORMED, worse)]
    assert [row.p for row in found.rows] == pytest.approx(holm(raw))
    assert math.isnan(found.estimate) and found.n == 8


def row(outcome, context="c"):
    return Row(context, outcome, "why")


S, N, R, U, B, M = (row(one) for one in ("supported", "small", "reversed", "open", "blocked", "missing"))


@pytest.mark.parametrize(
    ("rows", "outcome"),
    [
        ((S, S, S), "supported"),
        ((S, B, S), "supported"),
        ((S, B, B), "supported"),
        ((N, N, B), "small"),
        ((R, R), "reversed"),
        ((U, U), "open"),
        ((S, S, N), "varies"),
        ((N, R), "varies"),
        ((S, U, B), "varies"),
        ((B, B), "blocked"),
        ((S, M, S), "missing"),
        ((B, M), "missing"),
    ],
)
def test_contexts_have_the_outcome_that_those_which_count_share(rows, outcome):
    assert combined(rows)[0] == outcome


def test_the_reason_counts_the_outcomes_and_names_where():
    found = ("supported", "small", "supported", "open", "blocked", "small", "supported")
    rows = [row(one, f"grid={letter}") for one, letter in zip(found, "abcdefg", strict=True)]
    tally = "3 supported, 2 small (grid=b, grid=f), 1 open (grid=d); 1 blocked (grid=e)"
    assert combined(rows) == ("varies", tally)
    shared = [row("small", "grid=a"), row("small", "grid=b"), row("blocked", "grid=c")]
    assert combined(shared) == ("small", "2 small; 1 blocked (grid=c)")
    blocked = [row("blocked", "grid=a"), row("blocked", "grid=b")]
    assert combined(blocked) == ("blocked", "2 of 2 contexts are blocked; grid=a: why")
    assert combined([row("supported"), row("missing", "grid=b")])[1] == "1 of 2 contexts are missing; grid=b: why"


@pytest.mark.parametrize(
    ("rows", "holds"),
    [
        ((S, S, S), "always generally can"),
        ((S,), "always generally can"),
        ((S, S, U), "generally can"),
        ((S, S, N), "generally can"),
        ((S, S, R), "can"),
        ((S, U, U), "can"),
        ((S, N, N), "can"),
        ((N, R, U), ""),
        ((S, S, B), "always generally can"),
        ((S, B), "always generally can"),
        ((S, B, B), ""),
        ((B, B), ""),
        ((S, S, M), ""),
    ],
)
def test_whether_a_claim_holds_is_what_it_says(rows, holds):
    template = judge(two(PLAIN, NORMED))
    verdicts_ = {says: replace(template, says=says, rows=rows) for says in ("always", "generally", "can")}
    assert [says for says, one in verdicts_.items() if one.holds] == holds.split()


RATE = {
    "rate": {
        "grid": "select",
        "factors": ["optimizer.learning_rate"],
        "per": ["norm"],
        "level": {"digits": 0.9},
        "score": {"steps_to": {"metric": "validation/accuracy"}},
        "best": "min",
    }
}


def tuned(plain, normed, edge=()):
    choices = {("none",): {"optimizer.learning_rate": plain}, ("batch",): {"optimizer.learning_rate": normed}}
    return {"rate": Tuned(("norm",), choices, frozenset(edge))}


def test_each_arm_stands_at_its_tuned_value():
    values = {("none", 1.0): PLAIN, ("batch", 10.0): NORMED, ("none", 0.1): NORMED}
    at = claim(at={"optimizer.learning_rate": "rate"})
    found = judge(values, at, tune=RATE, tuned=tuned(1, 10.0))
    assert found.estimate == pytest.approx(np.subtract(PLAIN, NORMED).mean()) and found.outcome == "supported"


def test_runs_at_a_tuned_value_that_are_not_there_are_missing():
    at = claim(at={"optimizer.learning_rate": "rate"})
    found = judge({("none", 1.0): PLAIN}, at, tune=RATE, tuned=tuned(1.0, 10.0))
    assert found.outcome == "missing" and found.reason == "8 of 8 runs of norm=batch are missing"


def test_a_tuned_value_at_the_edge_fails_the_gate():
    values = {("none", 1.0): PLAIN, ("batch", 10.0): NORMED}
    at = claim(at={"optimizer.learning_rate": "rate"})
    found = judge(values, at, tune=RATE, tuned=tuned(1.0, 10.0, edge=[("batch",)]))
    assert found.outcome == "blocked" and math.isfinite(found.estimate) and math.isnan(found.p)
    assert "the tuned optimizer.learning_rate=10 of norm=batch is at the edge of its grid" in found.reason


@pytest.mark.parametrize("chosen", [{}, {"rate": Tuned(("norm",), {}, frozenset())}])
def test_before_tuning_a_verdict_waits(chosen):
    found = judge(two(PLAIN, NORMED), claim(at={"optimizer.learning_rate": "rate"}), tune=RATE, tuned=chosen)
    assert found.outcome == "missing" and "waits for the tuning 'rate'" in found.reason


def test_a_claim_whose_gate_is_not_supported_is_blocked():
    gate = claim(contrast={"norm=batch": 1, "norm=none": -1})
    one = experiment({"gate": gate, "it": claim(gates=["gate"])})
    found = verdicts(one, table(one, "it", two(PLAIN, NORMED)), {})
    assert found["gate"].outcome == "reversed"
    assert found["it"].outcome == "blocked" and found["it"].reason == "the gate gate is reversed"


def test_an_arm_without_the_option_takes_part_in_every_context():
    found = judge(two(PLAIN, NORMED), claim(contexts=["norm.placement"]))
    assert found.outcome == "supported" and found.rows[0].context == "norm.placement=before"


def test_a_factor_left_open_is_an_error():
    with pytest.raises(UsageError, match=r"name optimizer\.learning_rate in `at` or `contexts`"):
        judge(three(NORMED, NORMED, NORMED), claim(at={}))


def test_a_factor_that_an_override_opened_makes_the_verdict_missing():
    changed = ("optimizer.learning_rate=0.1,1,10",)
    at_all = three(NORMED, NORMED, NORMED)
    found = judge(at_all, claim(at={}), changed=changed)
    assert found.outcome == "missing" and "name optimizer.learning_rate in `at` or `contexts`" in found.reason
    # the plan decides, not which of its runs happen to be there
    assert judge(two(PLAIN, NORMED), claim(at={}), changed=changed).outcome == "missing"
    one = experiment({"it": claim(), "open": claim(at={}), "closed": claim(gates=["open"])}, changed=changed)
    check(one)
    verdicts_ = verdicts(one, table(one, "it", at_all), {})
    assert [one.outcome for one in verdicts_.values()] == ["supported", "missing", "blocked"]


def test_a_tuned_factor_stays_closed_when_an_override_sweeps_it():
    chosen = {(norm,): {"optimizer.learning_rate": 1.0} for norm in ("none", "batch")}
    options = {"tuned": {"rate": Tuned(("norm",), chosen, frozenset())}, "tune": RATE}
    at, runs = claim(at={"optimizer.learning_rate": "rate"}), three(NORMED, NORMED, NORMED)
    assert judge(runs, at, **options, changed=("optimizer.learning_rate=0.1,1,10",)).outcome == "supported"
    found = judge(runs, at, **options, twin=True, changed=("batch_size=7,60",))
    assert found.outcome == "missing" and "name batch_size in" in found.reason


# --- when it was stated -----------------------------------------------------------------------------------------------


def test_when_a_claim_was_stated():
    one = experiment({"it": claim()})
    runs = table(one, "it", two(PLAIN, NORMED))
    later = runs.assign(commit=["b" * 40, *runs["commit"][1:]])
    assert verdict("it", one, later, {}).stated == f"{'a' * 10}..{'b' * 10}"
    assert verdict("it", one, runs.assign(dirty=True), {}).stated == f"{'a' * 10} (uncommitted changes)"
    assert verdict("it", one, runs.assign(stated="other:1"), {}).stated == "post hoc"
    changed = experiment({"it": claim(margin=0.4)})
    assert verdict("it", changed, runs, {}).stated == "post hoc"


def test_the_table_has_the_claim_first_and_then_its_contexts():
    one = experiment({"it": claim(at={}, contexts=["optimizer.learning_rate"]), "single": claim()})
    found = verdicts_table(verdicts(one, table(one, "it", three(NORMED, NORMED, NORMED)), {}))
    wanted = "claim statements context outcome estimate low high p p_raw n"
    assert list(found)[:10] == wanted.split() and {"reason", "stated"} <= set(found)
    assert holm(found["p_raw"].iloc[1:4].tolist()) == pytest.approx(found["p"].iloc[1:4].tolist())
    assert found["p_raw"].iloc[4] == found["p"].iloc[4] and math.isnan(found["p_raw"].iloc[0])
    assert found["claim"].tolist() == ["it"] * 4 + ["single"] and found["context"].iloc[[0, 4]].tolist() == ["", ""]


# --- what is known to be wrong beforehand -----------------------------------------------------------------------------


def test_a_good_experiment_passes_the_check():
    at = {"optimizer.learning_rate": "rate"}
    check(experiment({"it": claim(), "tuned": claim(at=at), "c": claim(contexts=["norm.placement"])}, RATE))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"measure": {"step_to": {}}}, "did you mean steps_to"),
        ({"level": {"mnist": 0.9}}, "no level for digits"),
        ({"grid": "sped"}, "did you mean speed"),
        ({"contrast": {"norm=btch": 1}}, "no cell of the grid speed has norm=btch; norm is none or batch"),
        ({"contrast": {"nrm=batch": 1}}, "did you mean norm"),
        ({"contrast": {"batch": 1}}, "is not a selector"),
        ({"contrast": {"constant": 1}}, "names no arm"),
        ({"contexts": ["norm.placment"]}, "did you mean norm.placement"),
        ({"at": {"optimizer.learning_rate": 3}}, "has norm=none at optimizer.learning_rate=3"),
        ({"at": {}}, "name optimizer.learning_rate in `at` or `contexts`"),
        ({"at": {"steps": "rate"}}, "chooses optimizer.learning_rate, not steps"),
        ({"gates": ["itt"]}, "did you mean it"),
        ({"gates": ["it"]}, "circle: it -> it"),
        ({"contexts": ["seed"]}, "seeds are the replicates"),
        ({"contrast": {"norm=none": 0, "norm=batch": 0}}, "no arm a weight other than 0"),
    ],
)
def test_a_bad_claim_is_refused_with_its_place(changes, message):
    with pytest.raises(UsageError, match=rf"^experiments/x.yaml: claims.it: .*{re.escape(message)}"):
        check(experiment({"it": claim(**changes)}, RATE))


def test_an_ambiguous_grid_is_refused():
    with pytest.raises(UsageError, match="name batch_size in"):
        check(experiment({"it": claim()}, twin=True))


def test_a_seed_that_tunes_is_not_reported():
    with pytest.raises(UsageError, match="seed 100 both tunes rate and is reported"):
        check(experiment({"it": claim(at={"optimizer.learning_rate": "rate"})}, RATE, seeds=101, rates=(0.1,)))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"score": {"steps_to": {"metric": "test/accuracy"}}}, "the score looks at test/accuracy"),
        ({"score": {"combined": {"metrics": {"test/loss": 1}}}}, "the score looks at test/loss"),
        (
            {"score": {"value": {"name": "saturation/share", "site": "layer1/post", "step": None}}},
            "at saturation/share",
        ),
        ({"level": {}}, "no level for digits"),
        ({"grid": "slect"}, "did you mean select"),
        ({"factors": ["optimizer.learning_rat"]}, "did you mean optimizer.learning_rate"),
        ({"factors": []}, "no factors"),
        ({"per": []}, "name norm in `per`"),
    ],
)
def test_a_bad_tuning_entry_is_refused_with_its_place(changes, message):
    with pytest.raises(UsageError, match=rf"^experiments/x.yaml: tune.rate: .*{re.escape(message)}"):
        check(experiment({}, {"rate": RATE["rate"] | changes}))


def test_an_override_may_remove_an_arm():
    check(experiment({"it": claim()}, norms=("batch",), changed=("norm=batch",)))


# --- selectors --------------------------------------------------------------------------------------------------------


def test_selectors_read_yaml_scalars():
    found = parse_selector("norm=batch norm.placement=before optimizer.learning_rate=1e-3 a=null b=true c=3")
    wanted = {"norm": "batch", "norm.placement": "before", "optimizer.learning_rate": 0.001}
    assert found == wanted | {"a": None, "b": True, "c": 3}


@given(st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
@settings(max_examples=50)
def test_spelling_does_not_matter(value):
    text = "" if value is None else str(value)
    assert comparable(value) == comparable(text)


def test_what_is_one_value():
    assert comparable(3) == comparable(3.0) == comparable("3") and comparable(True) != comparable(1)
    assert comparable(None) == comparable(math.nan) == comparable(pd.NA) == comparable("") is None
    assert comparable([0.1, 1]) == comparable("[0.1,1.0]") and comparable("none") == "none"
