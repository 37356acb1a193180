"""Every statement's answer again, from statements.yaml, experiments/*.yaml and the committed verdicts.csv alone.

The rule is written a second time here, from docs/verdicts.md (From verdicts to a statement's answer), in plain Python:
only scipy's t and F distributions are used. Nothing of the package takes part but the answers that are compared.
"""

import copy
import csv
import functools
import itertools
import json
import math
import random
import re
from dataclasses import replace

import pytest
import yaml
from scipy.stats import f as f_distribution
from scipy.stats import t as t_distribution

from bn_study.plan import statements
from bn_study.report import answers, board

NUMBERS = ("estimate", "low", "high", "n")
OUTCOMES = ("supported", "small", "reversed", "open", "blocked", "missing")
DECIDED = ("supported", "small", "reversed")
# From files to cases


def read_verdicts(results):
    """`experiment.claim` -> its rows."""
    found = {}
    for path in sorted(results.glob("*/verdicts.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                assert row["outcome"] in (*OUTCOMES, "varies"), f"{path}: {row['claim']} is {row['outcome']}"
                found.setdefault(f"{path.parent.name}.{row['claim']}", []).append(row)
    return found


@functools.cache
def claims_of(home, experiment):
    return yaml.safe_load((home / "experiments" / f"{experiment}.yaml").read_text(encoding="utf-8"))["claims"]


def claim_of(home, name):
    """A claim as its experiment has it, with what it takes over from others by `like`."""
    experiment, _, key = name.partition(".")
    claims = claims_of(home, experiment)
    found = dict(claims[key])
    while "like" in found:
        found = {**claims[found.pop("like")], **found}
    return found


def within(selector, context):
    return set(selector.split()) <= set(context.split())


def unit_of(claim):
    """What is measured, whenever, and compared; exact claims are apart."""
    options = {key: value for key, value in claim["measure"].items() if not isinstance(value, dict) or key == "over"}
    ((name, arguments),) = [item for item in claim["measure"].items() if item[0] not in options]
    arguments = {key: value for key, value in arguments.items() if key != "step"}
    weights = sorted((selector, weight) for selector, weight in claim["contrast"].items() if weight)
    return claim["test"] == "exact", repr((name, sorted(arguments.items()), sorted(options.items()), weights))


def cases_of(home, attached, rows):
    """The contexts that an attachment means, blocked ones left aside, and how many it means."""
    if not rows:  # a claim without a verdict
        return [{"outcome": "missing", "scope": {}, "unit": "", **dict.fromkeys(NUMBERS, math.nan)}], 1
    claim = claim_of(home, attached["claim"])
    rows = [row for row in rows if row["context"]] or rows
    selectors = attached.get("contexts", [])
    meant = [row for row in rows if not selectors or any(within(one, row["context"]) for one in selectors)]
    cases = []
    for row in meant:
        if row["outcome"] == "blocked":
            continue
        scope = {}
        for factor, words in attached.get("scope", {}).items():
            words = {"": words} if isinstance(words, str) else words
            scope[factor] = next(one for selector, one in words.items() if within(selector, row["context"]))
        numbers = {key: float(row[key] or "nan") for key in NUMBERS}
        cases.append({"outcome": row["outcome"], "scope": scope, "unit": unit_of(claim), **numbers})
    return cases, len(meant)


# The significance of a set of factors


def mean_of(case):
    """Mean, its variance and degrees of freedom, from the 95% interval; None without one."""
    if not all(map(math.isfinite, (case["estimate"], case["low"], case["high"]))) or not case["n"] >= 2:
        return None
    freedom = case["n"] - 1
    error = (case["high"] - case["low"]) / 2 / t_distribution.ppf(0.975, freedom)
    return case["estimate"], 0.0 if error <= 1e-8 * abs(case["estimate"]) else error**2, freedom


def pooled(means):
    """The mean of means that are correlated by one half."""
    k, variances = len(means), [variance for _, variance, _ in means]
    variance = (sum(variances) + sum(map(math.sqrt, variances)) ** 2) / (2 * k * k)
    return sum(mean for mean, _, _ in means) / k, variance, min(freedom for _, _, freedom in means)


def welch(groups):
    """p of Welch's analysis of variance of means with unequal variances (Biometrika 38, 1951, 330-336)."""
    known = [mean for mean, variance, _ in groups if variance == 0][:1]
    if any(variance == 0 and not math.isclose(m, *known, rel_tol=1e-8, abs_tol=1e-12) for m, variance, _ in groups):
        return 0.0
    others = [group for group in groups if group[1] > 0]
    k = len(others) + len(known)
    if k < 2:
        return 1.0
    weights = [1 / variance for _, variance, _ in others]
    total = math.inf if known else sum(weights)
    center = known[0] if known else sum(w * mean for w, (mean, _, _) in zip(weights, others, strict=True)) / total
    between = sum(w * (mean - center) ** 2 for w, (mean, _, _) in zip(weights, others, strict=True)) / (k - 1)
    spread = sum((1 - w / total) ** 2 / freedom for w, (_, _, freedom) in zip(weights, others, strict=True))
    statistic = between / (1 + 2 * (k - 2) / (k * k - 1) * spread)
    return float(f_distribution.sf(statistic, k - 1, (k * k - 1) / (3 * spread)))


def values(case, factors):
    return tuple(case["scope"][factor] for factor in factors)


def p_of_values(measured, factors):
    """p of Welch's test over the combined values of the factors, None if there are fewer than two."""
    groups = {}
    for case in measured:
        groups.setdefault(values(case, factors), []).append(mean_of(case))
    return welch([pooled(means) for means in groups.values()]) if len(groups) > 1 else None


def p_given(measured, factor, given):
    """p of a factor at some value of another one, by Bonferroni over the values at which it can be tested."""
    slices = {case["scope"][given] for case in measured}
    tested = [p_of_values([case for case in measured if case["scope"][given] == one], [factor]) for one in slices]
    tested = [p for p in tested if p is not None]
    return min(1.0, min(tested) * len(tested)) if tested else None


def p_in_unit(cases, candidate):
    if cases[0]["unit"] and cases[0]["unit"][0]:
        return 0.0 if separates(cases, candidate, ("small", "reversed")) else 1.0
    measured = [case for case in cases if mean_of(case)]
    if len(candidate) == 1:
        return p_of_values(measured, candidate)
    both = [p_given(measured, *candidate), p_given(measured, *reversed(candidate))]
    return None if None in both else max(both)


def p_of(cases, candidate, others):
    """p of a set of factors over all units, None if it can be tested in none."""
    units = {}
    for case in cases:
        units.setdefault(case["unit"], []).append(case)
    tested = {unit: p for unit, own in units.items() if (p := p_in_unit(own, candidate)) is not None}
    both = [p for unit, p in tested.items() if splits(units[unit], others)]
    return min(1.0, min(both) * len(tested)) if both else 1.0 if tested else None


# The answer to a part


def splits(cases, others):
    found = {case["outcome"] for case in cases}
    return "supported" in found and bool(found & set(others))


def separates(cases, candidate, others):
    """Whether there are supported and other cases, and no combination of values has both."""
    groups = {}
    for case in cases:
        groups.setdefault(values(case, candidate), []).append(case)
    return splits(cases, others) and not any(splits(own, others) for own in groups.values())


def holm(found):
    """name -> p, adjusted for all of them."""
    adjusted, least = {}, 0.0
    for place, (name, p) in enumerate(sorted(found.items(), key=lambda item: item[1])):
        least = max(least, min(1.0, p * (len(found) - place)))
        adjusted[name] = least
    return adjusted


def depends_on(cases, factors):
    """The factors that the outcome depends on and their p after Holm; () and nan if there are none."""
    known = [f for f in factors if all(f in case["scope"] for case in cases)]
    known = [f for f in known if len({case["scope"][f] for case in cases}) > 1]
    decided = ("small", "reversed")
    sizes = (1, 2) if any(case["outcome"] in decided for case in cases) else (1,)
    for others, size in itertools.product(((*decided, "open"), decided), sizes):
        candidates = list(itertools.combinations(known, size))
        found = {one: float(f"{p:.9g}") for one in candidates if (p := p_of(cases, one, others)) is not None}
        adjusted = holm(found)
        fitting = [
            one
            for one in found
            if separates(cases, one, others)
            and adjusted[one] <= 0.05
            and (size == 1 or not any(separates(cases, [factor], others) for factor in one))
        ]
        if fitting:
            best = min(fitting, key=lambda one: (found[one], candidates.index(one)))
            return best, adjusted[best]
    return (), math.nan


def answer_to_part(home, name, part, verdicts):
    """Word, factors, those of them that were seen afterwards, and p."""
    claims = part.get("claims", [])
    factors = list(dict.fromkeys(factor for attached in claims for factor in attached.get("scope", {})))
    cases, meant = [], 0
    for attached in claims:
        own, count = cases_of(home, attached, verdicts.get(attached["claim"], []))
        cases, meant = cases + own, meant + count
    outcomes = [case["outcome"] for case in cases]
    decided = [one for one in outcomes if one in DECIDED]
    word, depends, p = "", (), math.nan
    if not meant:
        word = "not tested"
    elif part.get("hedge") == "can" and "supported" in outcomes:
        word = "holds"
    elif not cases or 2 * len(decided) < len(cases):
        word = "open"
    elif "supported" not in decided:
        word = "does not hold"
    else:
        depends, p = depends_on(cases, factors)
        word = "depends" if depends else "holds" if set(decided) == {"supported"} else "holds in part"
    return word, depends, tuple(f for f in depends if seen_afterwards(name, f, claims, verdicts)), p


def seen_afterwards(statement, factor, claims, verdicts):
    """Whether a claim was attached with this factor, or stated at all, after its runs were trained."""
    for row in (row for attached in claims for row in verdicts.get(attached["claim"], [])):
        begin = "|".join(row["statements"].split())  # entries are separated by spaces, but factors have some, too
        later = [entry.rpartition(":")[0] for entry in re.split(f" (?=(?:{begin}):)", row["attached_later"])]
        if row["stated"] == "post hoc" or f"{statement}:{factor}" in later:
            return True
    return False


# The answer to a statement


def combined(found):
    """Kind and factors of several parts, each (word, factors, ...)."""
    words = [one[0] for one in found]
    tested = [word for word in words if word != "not tested"]
    decided = [word for word in tested if word != "open"]
    factors = list(dict.fromkeys(factor for one in found for factor in one[1]))
    if not tested:
        return "not tested", []
    if 2 * len(decided) < len(tested):
        return "open", []
    if set(decided) == {"holds"}:
        return ("holds" if len(decided) == len(words) else "holds in part"), []
    if set(decided) == {"does not hold"}:
        return "does not hold", []
    if set(decided) <= {"holds", "depends"} and len(factors) <= 2:
        return "depends", factors
    return "holds in part", []


def shown(kind, factors, late):
    """A kind in words: `depends on the network (seen afterwards)`."""
    if kind != "depends":
        return kind
    if len(factors) > 1 and late >= set(factors):
        return "depends on " + " and ".join(f"the {one}" for one in factors) + " (both seen afterwards)"
    return "depends on " + " and ".join(f"the {one}{' (seen afterwards)' * (one in late)}" for one in factors)


def answer_to_statement(statement, found):
    """The headline's word and kind. found: part -> its answer."""
    if statement.get("untestable"):
        return "not testable", "not testable"
    effects = [one for key, one in found.items() if statement["parts"][key]["kind"] != "mechanism"]
    causes = [one[0] for key, one in found.items() if statement["parts"][key]["kind"] == "mechanism"]
    late = {factor for one in found.values() for factor in one[2]}
    kind, factors = combined(effects)
    text = f"effect {shown(kind, factors, late)}, the stated cause"
    if kind in ("holds", "holds in part", "depends") and causes:
        if "does not hold" in causes:
            return f"{text} does not{' hold' if kind == 'depends' else ''}", "cause"
        if set(causes) <= {"open", "not tested"}:
            state = "open" if "open" in causes else "not tested"
            return f"{text} is {state}", "holds in part" if kind == "holds" else kind
    if kind != "open":
        kind, factors = combined(list(found.values()))
    return shown(kind, factors, late), kind


# The comparison


@pytest.fixture(scope="module")
def results(home):
    """The committed evidence, whatever an earlier test of this process left in its environment."""
    return home / "results"


@pytest.fixture(scope="module")
def stated(home):
    """The content of statements.yaml: for this test as plain data, for the package as it reads it."""
    plain = yaml.safe_load((home / "statements.yaml").read_text(encoding="utf-8"))["statements"]
    return plain, statements.read(home)


def compared(home, stated, evidence, verdicts):
    """The kinds of all headlines and the words of all parts, after each was found equal in both."""
    plain, content = stated
    given = {one.name: one for one in answers.answers(content, evidence)}
    assert list(given) == list(plain)
    kinds, words = [], []
    for name, statement in plain.items():
        found = {key: answer_to_part(home, name, part, verdicts) for key, part in statement.get("parts", {}).items()}
        for key, (word, factors, late, p) in found.items():
            answer = given[name].parts[key].answer
            assert (answer.word, answer.factors, answer.afterwards) == (word, factors, late), f"{name}.{key}"
            assert answer.p == pytest.approx(p, rel=1e-6, abs=0, nan_ok=True), f"{name}.{key}"
            words.append(word)
        headline = given[name].headline
        assert (headline.word, headline.kind) == answer_to_statement(statement, found), name
        kinds.append(headline.kind)
    return kinds, words


def test_every_answer_follows_from_the_committed_verdicts(home, stated, results):
    kinds, words = compared(home, stated, board.read(home, results), read_verdicts(results))
    assert len(kinds) >= 61 and len(words) > len(kinds)


def changed(rows, draw):
    """The verdicts with other outcomes and effects; some are gone."""
    found = {}
    for name, own in rows.items():
        if draw.random() < 0.03:
            continue
        stated = draw.choice(("post hoc", "1234567890"))
        found[name] = [row | {"stated": stated} for row in own]
        for row in found[name]:
            row["outcome"] = draw.choices(OUTCOMES, (8, 4, 4, 3, 2, 1))[0]
            shift, half = draw.choice((0, 0, 1, 3)), draw.choice((0.0, 0.3, 1.0))
            numbers = {"estimate": shift, "low": shift - half, "high": shift + half, "n": draw.choice((8, 8, 16))}
            if draw.random() < 0.05:
                numbers |= draw.choice(({"n": 1}, {"low": math.nan, "high": math.nan}))
            row |= {key: "" if math.isnan(one) else str(one) for key, one in numbers.items()}
    return found


def of_changed(evidence, rows):
    """The package's evidence with the numbers of these verdicts."""

    def numbers(before, row):
        found = {key: float(row[key] or "nan") for key in ("estimate", "low", "high")}
        return replace(before, outcome=row["outcome"], n=int(row["n"]), **found)

    def with_rows(one, own):
        known = {row["context"]: row for row in own}
        contexts = tuple(numbers(row, known[row.context]) for row in one.contexts)
        return replace(one, verdict=numbers(one.verdict, known[""]), contexts=contexts, stated=own[0]["stated"])

    named = [[(f"{of.experiment}.{one.name}", one) for one in of.tested] for of in evidence]
    return [
        replace(of, tested=tuple(with_rows(one, rows[name]) for name, one in own if name in rows))
        for of, own in zip(evidence, named, strict=True)
    ]


def with_one_untested(home, plain, folder):
    """The statements as they are, but for one that no claim bears on."""
    changed = copy.deepcopy(plain)
    for part in changed["S005-e"]["parts"].values():
        del part["claims"]
    content = yaml.safe_load((home / "statements.yaml").read_text(encoding="utf-8")) | {"statements": changed}
    (folder / "statements.yaml").write_text(json.dumps(content))  # YAML, with quotes around digests like 9456e077
    return changed, statements.read(folder)


def test_answers_to_other_outcomes_follow_as_well(home, stated, results, tmp_path):
    """The committed verdicts take few of the rule's branches; these take all."""
    draw, evidence, rows = random.Random(14), board.read(home, results), read_verdicts(results)
    stated = with_one_untested(home, stated[0], tmp_path)
    kinds, words = set(), set()
    for _ in range(20):
        drawn = changed(rows, draw)
        seen = compared(home, stated, of_changed(evidence, drawn), drawn)
        kinds, words = kinds.union(seen[0]), words.union(seen[1])
    every = {"holds", "holds in part", "depends", "does not hold", "open", "not tested"}
    assert (kinds, words) == (every | {"cause", "not testable"}, every)
