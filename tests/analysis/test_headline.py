"""The answers to parts and statements, each branch by cases made by hand; Welch's test by scipy and by permutation."""

import itertools
import math

import numpy as np
import pytest
from scipy import stats as scipy_stats

from bn_study.analysis import interaction, scopes
from bn_study.analysis.headline import Answer, Case, part, statement

NAN = math.nan


def case(outcome, mean=NAN, error=0.2, unit="", exact=False, claim="x.y", n=8, **scope):
    """A case whose interval is that of a standard error; without a mean it has no numbers."""
    half = error * float(scipy_stats.t.ppf(0.975, n - 1)) if n > 1 else NAN
    return Case(claim, "", outcome, mean, mean - half, mean + half, n, scope, unit, exact)


def word(cases, factors=("network", "data"), **options):
    return part(cases, factors, **options).word


# --- parts ------------------------------------------------------------------------------------------------------------


def test_without_cases_it_is_not_tested_and_with_blocked_ones_only_it_is_open():
    assert word([]) == "not tested"
    assert word([case("blocked", 2), case("blocked", 0)]) == "open"


def test_blocked_cases_never_enter():
    cases = [case("supported", 2, network="A"), case("blocked", -3, network="B"), case("blocked", 0, network="C")]
    found = part(cases, ["network"])
    assert (found.word, found.cases) == ("holds", (cases[0],))


@pytest.mark.parametrize(
    ("outcomes", "plain", "hedged"),
    [
        ("supported supported", "holds", "holds"),
        ("supported open", "holds", "holds"),  # half are decided
        ("supported open missing", "open", "holds"),
        ("supported small", "holds in part", "holds"),
        ("small reversed", "does not hold", "does not hold"),
        ("small open", "does not hold", "does not hold"),
        ("small open open", "open", "open"),
        ("open", "open", "open"),
        ("missing", "open", "open"),
    ],
)
def test_the_word_by_outcomes_where_no_factor_is_stated(outcomes, plain, hedged):
    cases = [case(outcome) for outcome in outcomes.split()]
    assert word(cases, ()) == plain
    assert word(cases, (), hedge="can") == hedged


def test_it_depends_on_the_factor_that_separates_supported_from_other_cases():
    cases = [case("supported", 2, network="A", data=data) for data in ("at m", "at n")]
    cases += [case("small", 0.1, network="B", data="at m"), case("reversed", -1, network="B", data="at n")]
    found = part(cases, ["data", "network"])
    assert (found.word, found.factors, found.afterwards) == ("depends", ("network",), ())
    assert found.p < 0.05


def test_a_factor_that_separates_but_does_not_differ_significantly_is_none():
    cases = [case("supported", 1.1, 0.4, network="A"), case("small", 0.3, 0.4, network="B")]
    assert word(cases) == "holds in part"


def test_a_significant_factor_that_does_not_separate_is_none():
    cases = [case("supported", mean, network="A", data=data) for mean, data in ((9, "m"), (2, "n"))]
    cases += [case("supported", 2, network="B", data="m"), case("small", 0.1, network="B", data="m")]
    assert word(cases, ["network"]) == "holds in part"


def test_a_pair_of_factors_if_neither_separates_alone():
    cases = [
        case(
            "supported" if (net, data) == ("A", "m") else "small",
            2.0 * ((net, data) == ("A", "m")),
            network=net,
            data=data,
        )
        for net, data in itertools.product("AB", "mn")
    ]
    assert part(cases, ["network", "data"]).factors == ("network", "data")
    assert part(cases, ["data", "network"]).factors == ("data", "network")
    assert word(cases, ["network"]) == "holds in part"


def test_a_pair_needs_both_of_its_factors_to_matter():
    """The effects differ by network alone, so the pair that separates has nothing to show for the data."""
    cases = [
        case("supported", 2.0, network="A", data="m"),
        case("small", 1.9, network="A", data="n"),
        case("small", 0.1, network="B", data="m"),
        case("small", 0.0, network="B", data="n"),
    ]
    assert word(cases) == "holds in part"


def test_three_factors_are_too_many():
    cases = [
        case(
            "supported" if sum(map(int, key)) % 2 else "small",
            2.0 * (sum(map(int, key)) % 2),
            **dict(zip("abc", key, strict=True)),
        )
        for key in itertools.product("01", repeat=3)
    ]
    assert word(cases, ["a", "b", "c"]) == "holds in part"


def test_of_two_factors_the_one_with_the_smaller_p_and_of_equal_ones_the_first():
    cases = [case("supported", 2, network="A", data="m"), case("small", 0, network="B", data="n")]
    assert part(cases, ["network", "data"]).factors == ("network",)
    assert part(cases, ["data", "network"]).factors == ("data",)
    cases += [case("supported", 2.1, network="C", data="m")]
    assert part(cases, ["data"]).p < part(cases, ["network"]).p  # one mean of two contexts differs more surely
    assert part(cases, ["network", "data"]).factors == ("data",)


def test_open_cases_count_as_not_supported_where_that_gives_an_answer():
    """Where the effect is known to be smaller, `holds` would hide it; where it is not, an open case decides nothing."""
    supported = [case("supported", 3, network="A", data=data) for data in "mn"]
    smaller = [case("open", 0.6, network="B", data=data) for data in "mn"]
    assert part([*supported, *smaller], ["network", "data"]).factors == ("network",)
    similar = [case("open", 2.4, 0.9, network="B", data=data) for data in "mn"]
    assert word([*supported, *similar]) == "holds"
    found = part(
        [*supported, case("open", 1.9, 0.9, network="A", data="o"), case("small", 0, network="B", data="m")],
        ["network"],
    )
    assert (found.word, found.factors) == ("depends", ("network",))  # with the open one A would not be of one kind


def test_holm_counts_every_candidate_that_can_be_tested():
    cases = [case("supported", 2.0, 0.5, network="A"), case("small", 0.0, 0.5, network="B")]
    single = part(cases, ["network"]).p
    assert single == pytest.approx(2 * scipy_stats.t.sf(2 / math.hypot(0.5, 0.5), 14))
    more = [Case(**{**vars(one), "scope": one.scope | {"data": data}}) for one in cases for data in "mn"]
    assert part(more, ["network", "data"]).p > part(more, ["network"]).p


def test_a_factor_that_a_case_has_no_value_of_is_none():
    cases = [case("supported", 2, network="A"), case("small", 0, network="B"), case("small", 0)]
    assert word(cases) == "holds in part"


def test_numbers_of_different_units_are_not_compared():
    cases = [case("supported", 2, unit="steps", network="A"), case("small", 0, unit="points", network="B")]
    assert word(cases) == "holds in part"
    cases += [case("small", 0, unit="steps", network="B"), case("supported", 2, unit="points", network="A")]
    assert part(cases, ["network"]).factors == ("network",)


def test_a_unit_without_both_kinds_gives_no_significance():
    """Effects that differ among the supported cases of one unit say nothing about the split in another."""
    cases = [case("supported", mean, 0.01, unit="steps", network=net) for mean, net in ((2, "A"), (9, "B"))]
    cases += [
        case("supported", 1.1, 0.4, unit="points", network="A"),
        case("small", 0.3, 0.4, unit="points", network="B"),
    ]
    assert word(cases, ["network"]) == "holds in part"


def test_exact_cases_differ_for_certain():
    cases = [
        case("supported", 0.0, 0, exact=True, n=1, network="A"),
        case("reversed", 1e-3, 0, exact=True, n=1, network="B"),
    ]
    found = part(cases, ["network"])
    assert (found.factors, found.p) == (("network",), 0.0)


def test_without_an_interval_there_is_no_interaction():
    cases = [case("supported", 2, n=1, network="A"), case("small", 0, n=1, network="B")]
    assert word(cases) == "holds in part"


# --- the rule, written anew from the docstring ------------------------------------------------------------------------


def rule(cases, factors):
    """The word and the factors of a part without a hedge."""
    cases = [one for one in cases if one.outcome != "blocked"]
    yes = [one for one in cases if one.outcome == "supported"]
    no = [one for one in cases if one.outcome in ("small", "reversed")]
    if 2 * len(yes + no) < len(cases) or not cases:
        return "open", ()
    if not yes:
        return "does not hold", ()
    usable = [f for f in factors if all(f in one.scope for one in cases) and len({one.scope[f] for one in cases}) > 1]
    candidates = [(f,) for f in usable] + [tuple(pair) for pair in itertools.combinations(usable, 2)]
    undecided = [one for one in cases if one.outcome == "open"]
    for others, size in itertools.product((no + undecided, no), (1, 2) if no else (1,)):
        raw = {one: rule_p(cases, one, yes, others) for one in candidates if len(one) == size}
        order = sorted((p, one) for one, p in raw.items() if p is not None)
        steps = [(len(order) - rank) * p for rank, (p, _) in enumerate(order)]
        holm = {one: max(steps[: rank + 1]) for rank, (_, one) in enumerate(order)}
        found = [one for one in raw if holm.get(one, 1) <= 0.05 and apart(one, yes, others)]
        found = [one for one in found if size == 1 or not any(apart((f,), yes, others) for f in one)]
        if found:
            return "depends", min(found, key=lambda one: raw[one])
    return ("holds in part" if no else "holds"), ()


def key(one, factors):
    return tuple(one.scope[f] for f in factors)


def apart(factors, yes, no):
    left, right = {key(one, factors) for one in yes}, {key(one, factors) for one in no}
    return bool(left and right) and not left & right


def rule_p(cases, candidate, yes, others):
    every, split = [], []
    for unit in {one.unit for one in cases}:
        among = [one for one in cases if one.unit == unit]
        sides = [within(among, f, [g for g in candidate if g != f]) for f in candidate]
        if None not in sides:
            every.append(max(sides))
            if any(one in yes for one in among) and any(one in others for one in among):
                split.append(max(sides))
    return min(1, len(every) * min(split, default=1)) if every else None


def within(cases, factor, given):
    """Welch's test by scipy, on samples that are made to have the pooled means, errors and degrees of freedom."""
    found = []
    for value in {key(one, given) for one in cases}:
        groups = []
        for level in {one.scope[factor] for one in cases if key(one, given) == value}:
            own = [one for one in cases if one.scope[factor] == level and key(one, given) == value and one.n > 1]
            if own:
                errors = np.array([(one.high - one.low) / 2 / scipy_stats.t.ppf(0.975, one.n - 1) for one in own])
                error = math.sqrt((errors**2).sum() + errors.sum() ** 2) / math.sqrt(2) / len(own)
                shape = np.arange(min(one.n for one in own), dtype=float)
                shape -= shape.mean()
                groups.append(np.mean([one.estimate for one in own]) + shape * error / scipy_stats.sem(shape))
        if len(groups) > 1:
            found.append(scipy_stats.f_oneway(*groups, equal_var=False).pvalue)
    return min(1, len(found) * min(found)) if found else None


def test_many_random_parts_get_the_answer_of_the_rule():
    random = np.random.default_rng(11)
    words = set()
    for _ in range(120):
        shape = [(2, 2), (3, 2), (2, 2, 2), (3, 3)][random.integers(4)]
        scopes_ = [dict(zip("abc", map(str, one), strict=False)) for one in itertools.product(*map(range, shape))]
        effect = {one: random.choice([0.0, 2.0], p=[0.6, 0.4]) for one in itertools.product("012", repeat=2)}
        cases = []
        for scope in scopes_:
            true = effect[scope["a"], "0"] if random.random() < 0.8 else effect[scope["a"], scope["b"]]
            outcome = "supported" if true else random.choice(["small", "reversed"])
            outcome = random.choice([outcome, "open", "missing", "blocked"], p=[0.75, 0.15, 0.05, 0.05])
            mean, error = true + 0.3 * random.normal(), float(random.uniform(0.2, 0.6))
            cases.append(
                case(
                    outcome,
                    mean,
                    error,
                    unit=str(random.integers(2)) * (len(shape) > 2),
                    n=int(random.integers(1, 9)),
                    **scope,
                )
            )
        found = part(cases, "abc")
        if {one.outcome for one in cases} != {"blocked"}:
            assert (found.word, found.factors) == rule(cases, "abc")
        words.add((found.word, len(found.factors)))
    assert words >= {
        ("open", 0),
        ("does not hold", 0),
        ("holds", 0),
        ("holds in part", 0),
        ("depends", 1),
        ("depends", 2),
    }


# --- Welch's test -----------------------------------------------------------------------------------------------------


def means(samples):
    return [interaction.Mean(one.mean(), one.std(ddof=1) / math.sqrt(len(one)), len(one) - 1) for one in samples]


@pytest.mark.parametrize("sizes", [(8, 8), (5, 9), (8, 8, 8), (4, 7, 16, 8, 8)])
def test_differ_is_the_analysis_of_variance_of_welch(sizes):
    random = np.random.default_rng(len(sizes))
    samples = [random.normal(0.5 * index, 1 + 3 * index, size) for index, size in enumerate(sizes)]
    expected = scipy_stats.f_oneway(*samples, equal_var=False).pvalue
    assert interaction.differ(means(samples)) == pytest.approx(expected)
    scaled = [1e-9 * one for one in samples]
    assert interaction.differ(means(scaled)) == pytest.approx(expected)


def test_differ_of_two_means_is_the_t_test_of_welch_and_near_the_permutation_test():
    random = np.random.default_rng(3)
    one, other = random.normal(0, 1, 8), random.normal(1.2, 2, 8)
    p = interaction.differ(means([one, other]))
    assert p == pytest.approx(scipy_stats.ttest_ind(one, other, equal_var=False).pvalue)

    def statistic(x, y, axis):
        return abs(scipy_stats.ttest_ind(x, y, equal_var=False, axis=axis).statistic)

    shuffled = scipy_stats.permutation_test(
        (one, other), statistic, vectorized=True, alternative="greater", n_resamples=np.inf
    )
    assert p == pytest.approx(shuffled.pvalue, abs=0.04)


def test_its_level_is_kept_where_variances_differ():
    """Share of p <= .05 among equal means with standard deviations 1, 3 and 9; classical analysis of variance errs."""
    random = np.random.default_rng(5)
    draws = random.normal(0, 1, (2000, 3, 8)) * np.array([1.0, 3.0, 9.0])[:, None]
    rate = np.mean([interaction.differ(means(one)) <= 0.05 for one in draws])
    assert rate == pytest.approx(0.05, abs=3 * math.sqrt(0.05 * 0.95 / 2000) + 0.01)


def test_means_without_an_error():
    known, other = interaction.Mean(1.0, 0.0, 7), interaction.Mean(2.0, 0.0, 7)
    assert interaction.differ([known, other]) == 0.0
    assert interaction.differ([known, known]) == interaction.differ([known]) == interaction.differ([]) == 1.0
    sample = np.array([1.2, 3.1, 2.2, 0.4, 2.8, 1.9, 2.5, 1.1])
    expected = scipy_stats.ttest_1samp(sample, 1.0).pvalue
    assert interaction.differ([known, *means([sample]), known]) == pytest.approx(expected)
    nearly = interaction.Mean(1.0, 1e-7, 7)
    third = means([sample + 1])
    limit = interaction.differ([nearly, *means([sample]), *third])
    assert interaction.differ([known, *means([sample]), *third]) == pytest.approx(limit, rel=1e-4)


def test_the_standard_error_is_that_of_the_interval():
    sample = np.array([1.2, 3.1, 2.2, 0.4, 2.8])
    low, high = scipy_stats.ttest_1samp(sample, 0).confidence_interval(0.95)
    found = interaction.from_interval(sample.mean(), low, high, 5)
    assert found.error == pytest.approx(scipy_stats.sem(sample))
    assert found.freedom == 4
    assert interaction.from_interval(1.0, 1.0, 1.0 + 1e-12, 5).error == 0
    assert interaction.from_interval(1.0, NAN, NAN, 1) is None
    assert interaction.from_interval(math.inf, 0, 1, 8) is None


def test_pooled_means_have_the_variance_of_half_correlated_ones():
    covariance = np.array([[1.0, 1.5], [1.5, 9.0]])  # correlation one half
    found = interaction.pooled([interaction.Mean(1, 1.0, 7), interaction.Mean(3, 3.0, 4)])
    assert (found.value, found.freedom) == (2, 4)
    assert found.error**2 == pytest.approx(covariance.sum() / 4)
    assert interaction.pooled([interaction.Mean(1, 0.5, 7)]) == interaction.Mean(1, 0.5, 7)


# --- statements -------------------------------------------------------------------------------------------------------

ANSWERS = {
    "holds": Answer("holds"),
    "part": Answer("holds in part"),
    "network": Answer("depends", ("network",)),
    "late": Answer("depends", ("network", "rate"), ("rate",)),
    "data": Answer("depends", ("data",)),
    "fails": Answer("does not hold"),
    "open": Answer("open"),
    "untested": Answer("not tested"),
}


def headline(effects, mechanisms=""):
    kinds = [("effect", name) for name in effects.split()] + [("mechanism", name) for name in mechanisms.split()]
    return statement({f"part {index}": (kind, ANSWERS[name]) for index, (kind, name) in enumerate(kinds)})


@pytest.mark.parametrize(
    ("effects", "mechanisms", "kind", "word"),
    [
        ("holds", "", "holds", "holds"),
        ("holds holds", "holds", "holds", "holds"),
        ("holds untested", "", "holds in part", "holds in part"),
        ("holds open", "", "holds in part", "holds in part"),
        ("holds open open", "", "open", "open"),
        ("holds fails", "", "holds in part", "holds in part"),
        ("fails fails", "", "does not hold", "does not hold"),
        ("fails untested", "", "does not hold", "does not hold"),
        ("fails part", "", "holds in part", "holds in part"),
        ("network", "", "depends", "depends on the network"),
        ("late holds", "", "depends", "depends on the network and the rate (seen afterwards)"),
        ("network data", "", "depends", "depends on the network and the data"),
        ("late data", "", "holds in part", "holds in part"),  # on three factors
        ("network fails", "", "holds in part", "holds in part"),
        ("network part", "", "holds in part", "holds in part"),
        ("open", "", "open", "open"),
        ("untested", "", "not tested", "not tested"),
        ("", "", "not tested", "not tested"),
        ("", "holds", "holds", "holds"),
        ("", "fails", "does not hold", "does not hold"),
        ("holds", "fails", "cause", "effect holds, the stated cause does not"),
        ("holds", "holds fails", "cause", "effect holds, the stated cause does not"),
        ("part", "fails", "cause", "effect holds in part, the stated cause does not"),
        ("network", "fails", "cause", "effect depends on the network, the stated cause does not hold"),
        ("holds", "untested", "holds in part", "effect holds, the stated cause is not tested"),
        ("network", "open untested", "depends", "effect depends on the network, the stated cause is open"),
        ("holds", "holds untested", "holds in part", "holds in part"),
        ("holds", "network", "depends", "depends on the network"),
        ("fails", "fails", "does not hold", "does not hold"),
        ("fails", "holds", "holds in part", "holds in part"),
        ("fails", "untested", "does not hold", "does not hold"),
        ("open", "fails", "open", "open"),
        ("untested", "fails", "does not hold", "does not hold"),
        ("untested", "holds", "holds in part", "holds in part"),
    ],
)
def test_the_headline_of_a_statement(effects, mechanisms, kind, word):
    found = headline(effects, mechanisms)
    assert (found.kind, found.word) == (kind, word)


def test_an_exact_part_counts_as_an_effect():
    parts = {"one": ("exact", ANSWERS["holds"]), "two": ("mechanism", ANSWERS["fails"])}
    assert statement(parts).kind == "cause"


def test_what_nobody_can_test():
    found = statement({"one": ("effect", ANSWERS["holds"])}, untestable="the image cannot be read")
    assert (found.word, found.kind, found.text) == (
        "not testable",
        "not testable",
        "not testable: the image cannot be read",
    )


# --- sentences --------------------------------------------------------------------------------------------------------


def text(*cases, factors=("network", "data"), **options):
    return statement({"it": ("effect", part(cases, factors, **options))}).text


def test_a_small_effect_is_told_with_its_sign_where_it_is_clear_of_0():
    assert text(case("small", 0.1, 0.01, network="A")) == "does not hold: small (in the stated direction) in the A"
    assert text(case("small", -0.1, 0.01, network="A")) == "does not hold: small (in the opposite direction) in the A"
    assert text(case("small", 0.1, 0.3, network="A")) == "does not hold: small in the A"


def test_a_sentence_names_where_what_was_found():
    a, b = "ReLU perceptron", "convolutional net"
    cases = [
        case("supported", 2, network=a),
        case("supported", 2, network=b),
        case("open", 1.5, 1, network="tanh perceptron"),
    ]
    assert text(*cases) == "holds in the ReLU perceptron and the convolutional net; open in the tanh perceptron"
    cases += [case("small", 0, network="sigmoid perceptron"), case("missing", network="residual net")]
    assert text(*cases) == (
        "depends on the network: holds in the ReLU perceptron and the convolutional net; "
        "small in the sigmoid perceptron; open in the tanh perceptron; not run yet in the residual net"
    )
    assert text(*cases, hedge="can").startswith("holds in the ReLU perceptron")
    assert text(case("small", 0, network=a), case("reversed", -2, network=b)) == (
        "does not hold: small in the ReLU perceptron; reversed in the convolutional net"
    )
    assert text(case("open", 1, 1, network=a)) == "open in the ReLU perceptron"
    assert text(case("supported", 2, network=a), *[case("open", 1, 1, network=one) for one in (b, "X")]) == (
        "open: holds in the ReLU perceptron; open in the convolutional net and the X"
    )


def test_several_parts_have_a_sentence_each():
    parts = {
        "training settles sooner": ("effect", part([case("supported", 2, network="CNN")], ["network"])),
        "because inputs stay put.": ("mechanism", Answer("not tested")),
    }
    assert statement(parts).text == "Training settles sooner: holds in the CNN. Because inputs stay put: not tested."


def test_scopes_are_named_by_the_fewest_factors():
    cases = [
        case("supported" if rate == "at rate 0.1" else "small", 2.0 * (rate == "at rate 0.1"), network=net, rate=rate)
        for net, rate in itertools.product("AB", ("at rate 0.1", "at rate 1"))
    ]
    assert text(*cases, factors=("network", "rate")) == "depends on the rate: holds at rate 0.1; small at rate 1"
    assert text(case("supported", 2, network="A", rate="at rate 1")) == "holds in the A at rate 1"
    cases = [case("supported", 2, place=place) for place in ("in the A", "on B", "C")]
    assert text(*cases) == "holds in the A, on B and in the C"


def test_many_scopes_are_counted():
    settings = [f"at size {size}" for size in range(7)]
    cases = [case("supported", 2, size=one) for one in settings]
    assert text(*cases) == "holds in all 7 settings"
    cases[5:] = [case("open", 1, 0.9, size=one) for one in settings[5:]]
    assert text(*cases) == (
        "holds in 5 of 7 settings (at size 0, at size 1, at size 2 and 2 more); open at size 5 and size 6"
    )


def test_a_scope_with_several_outcomes_says_in_how_many_comparisons():
    cases = [case("supported", 2, network="A"), case("supported", 2, network="A"), case("small", 0, network="A")]
    assert text(*cases) == "holds in the A (2 of 3 comparisons); small in the A (1 of 3 comparisons)"
    assert text(case("supported", 2), case("small", 0)) == "holds (1 of 2 comparisons); small (1 of 2 comparisons)"
    assert text(case("supported", 2)) == "holds"


@pytest.mark.parametrize(
    ("value", "phrase"),
    [
        ("CNN", "in the CNN"),
        ("at rate 1", "at rate 1"),
        ("on MNIST", "on MNIST"),
        ("the CNN", "in the CNN"),
        ("in a net", "in a net"),
    ],
)
def test_a_value_in_words(value, phrase):
    assert scopes.phrase(value) == phrase
