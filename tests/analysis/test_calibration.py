"""How often verdicts err: simulated experiments through the function that judges the real ones.

The margin δ is 1 throughout, and every experiment is drawn by a fixed generator. 500 experiments tell a rate of 5% to
±1.9 points, too coarse for the limits here, so there are two halves: `rule` is the rule of docs/verdicts.md in a few
lines of numpy; it must agree with `claims.verdict` on every experiment that both see (500 a setting in the slow test),
and gives the rates of a hundred thousand, which docs/verdicts.md shows.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from bn_study.analysis.claims import verdict
from bn_study.analysis.measures import parse
from bn_study.plan.experiment import Cell, Claim, Experiment, Grid

SEEDS = 8
MANY, EXPERIMENTS, FEW = 100_000, 500, 25
WIDE = 10.0  # a standard deviation next to which the margin is nothing, so that it cannot keep errors away
LEVEL = 0.05

Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]


@dataclass(frozen=True)
class Setting:
    """What is simulated: `draw` gives paired differences of the given shape.

    effect: their true mean. censored: the arms of which a quarter of the values lies beyond the length of the runs.
    """

    words: str
    test: str
    draw: Draw
    effect: float = 0.0
    contexts: int = 1
    censored: Literal["", "slower", "both"] = ""
    seeds: int = SEEDS
    says: str = "generally"


def normal(mean: float, deviation: float) -> Draw:
    return lambda random, shape: random.normal(mean, deviation, shape)


def student(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return WIDE * random.standard_t(3, shape) / math.sqrt(3)


def skewed(sign: int, deviation: float) -> Draw:
    """Centerd log-normal values, skewed to the side of `sign`; their logarithm has standard deviation 1."""

    def draw(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        centerd = random.lognormal(0, 1, shape) - math.exp(0.5)
        return sign * deviation * centerd / math.sqrt((math.e - 1) * math.e)

    return draw


def at(mean: float, draw: Draw) -> Draw:
    return lambda random, shape: mean + draw(random, shape)


def between(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """The difference between two log-normal values."""
    first, second = random.lognormal(0, 1, (2, *shape))
    return WIDE * (first - second) / math.sqrt(2 * (math.e - 1) * math.e)


def equal(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    return np.zeros(shape)


def coarse(random: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Steps on a grid: differences of -10, 0 and 10, so that all seeds may be equal."""
    return WIDE * random.integers(-1, 2, shape)


NULL = {
    "normal": Setting("no effect, normal", "superiority", normal(0, WIDE)),
    "student": Setting("no effect, Student's t with 3 degrees of freedom", "superiority", student),
    "between": Setting("no effect, difference of log-normal values", "superiority", between),
    "left": Setting("no effect, log-normal with the tail against the claim", "superiority", skewed(-1, WIDE)),
    "left_16": Setting(
        "no effect, log-normal with the tail against the claim, 16 seeds", "superiority", skewed(-1, WIDE), seeds=16
    ),
    "right": Setting("no effect, log-normal with the tail in the claim's favor", "superiority", skewed(1, WIDE)),
    "right_16": Setting(
        "no effect, log-normal with the tail in the claim's favor, 16 seeds", "superiority", skewed(1, WIDE), seeds=16
    ),
    "left_narrow": Setting(
        "no effect, log-normal with the tail against the claim, standard deviation δ", "superiority", skewed(-1, 1)
    ),
    "quarter": Setting(
        "no effect, a quarter of the slower arm censored", "superiority", normal(0, WIDE), censored="slower"
    ),
    "both": Setting("no effect, a quarter of both arms censored", "superiority", normal(0, WIDE), censored="both"),
    "coarse": Setting("no effect, values on a coarse grid", "superiority", coarse),
    "equal": Setting("no effect, all values equal", "superiority", equal),
    "difference": Setting("no effect, normal", "difference", normal(0, WIDE)),
    "difference_left": Setting("no effect, log-normal", "difference", skewed(-1, WIDE)),
}
POWER = {
    "superiority": Setting("effect 2δ, standard deviation δ", "superiority", normal(2, 1), 2),
    "contexts": Setting(
        "effect 3δ, standard deviation δ, all of three contexts", "superiority", normal(3, 1), 3, 3, says="always"
    ),
    "equivalence": Setting("no effect, standard deviation δ/3", "equivalence", normal(0, 1 / 3)),
    "noninferiority": Setting("no effect, standard deviation δ/2", "noninferiority", normal(0, 0.5)),
    "small": Setting("no effect, standard deviation δ/3", "superiority", normal(0, 1 / 3)),
}
COST = {  # what the allowance for a long tail costs where the values are normal
    "contexts": Setting("effect 2δ, standard deviation δ, all of three contexts", "superiority", normal(2, 1), 2, 3),
    "equivalence": Setting("no effect, standard deviation δ/2", "equivalence", normal(0, 0.5)),
    "equivalence_16": Setting("no effect, standard deviation δ/2, 16 seeds", "equivalence", normal(0, 0.5), seeds=16),
}
MARGIN = {
    "equivalence": Setting("effect δ, standard deviation δ/2", "equivalence", normal(1, 0.5), 1),
    "noninferiority": Setting("effect δ, standard deviation δ/2", "noninferiority", normal(1, 0.5), 1),
    "equivalence_tail": Setting(
        "effect δ, standard deviation δ/2, log-normal, tail outward", "equivalence", at(1, skewed(1, 0.5)), 1
    ),
    "noninferiority_tail": Setting(
        "effect δ, standard deviation δ/2, log-normal, tail outward", "noninferiority", at(1, skewed(1, 0.5)), 1
    ),
    "superiority_tail": Setting(
        "effect -δ, standard deviation δ/2, log-normal with the tail outward",
        "superiority",
        at(-1, skewed(-1, 0.5)),
        -1,
    ),
}
WRONG = {"superiority": "small", "equivalence": "supported", "noninferiority": "supported"}
"""What is wrong at the margin."""
SETTINGS = {
    **{f"null-{name}": one for name, one in NULL.items()},
    **{f"power-{name}": one for name, one in POWER.items()},
    **{f"cost-{name}": one for name, one in COST.items()},
    **{f"margin-{name}": one for name, one in MARGIN.items()},
}


@dataclass(frozen=True)
class Sample:
    """Values of both arms, (experiments, contexts, seeds), on a log₂ scale; `length`: where an arm's values end."""

    none: np.ndarray
    batch: np.ndarray
    length: tuple[float, float]

    @property
    def lost(self) -> np.ndarray:
        """Whether a value lies beyond the length of the runs, (2, experiments, contexts, seeds)."""
        return np.stack([self.none > self.length[0], self.batch > self.length[1]])

    @property
    def differences(self) -> np.ndarray:
        return np.minimum(self.none, self.length[0]) - np.minimum(self.batch, self.length[1])


def sample(setting: Setting, count: int) -> Sample:
    """Arms that share what a seed is worth, and differ by what the setting draws."""
    random = np.random.default_rng(20_240_101)
    shape = (count, setting.contexts, setting.seeds)
    shared, difference = random.normal(0, WIDE, shape), setting.draw(random, shape)
    sigma = math.hypot(WIDE, WIDE / 2)  # of shared ± difference/2, where the quarter is cut off
    length = stats.norm.ppf(0.75, scale=sigma)
    ends = (length if setting.censored else np.inf, length if setting.censored == "both" else np.inf)
    return Sample(shared + difference / 2, shared - difference / 2, ends)


# --- the rule, written anew -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Answer:
    """(experiments, contexts) each."""

    outcome: np.ndarray
    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    p: np.ndarray


def rule(setting: Setting, found: Sample) -> Answer:
    values, lost, seeds = found.differences, found.lost, setting.seeds
    mean, error = values.mean(-1), values.std(-1, ddof=1) / math.sqrt(seeds)
    low, high = (mean + sign * stats.t.ppf(0.975, seeds - 1) * error for sign in (-1, 1))
    low90, high90 = (mean + sign * stats.t.ppf(0.95, seeds - 1) * error for sign in (-1, 1))
    flipped = lost.any((0, -1)) | (np.ptp(values, axis=-1) == 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        p = 2 * stats.t.sf(np.abs(mean / error), seeds - 1)
    p[flipped] = sign_flips(values[flipped])
    order = np.argsort(p, axis=-1)
    steps = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    np.put_along_axis(p, order, np.minimum(np.maximum.accumulate(steps, axis=-1), 1), -1)
    above = {limit: (low > limit) & firm(values - limit) for limit in (-1, 0, 1)}
    below = {limit: (high < limit) & firm(limit - values) for limit in (-1, 0, 1)}
    within = (low90 > -1) & (high90 < 1) & firm(values + 1) & firm(1 - values)
    never = np.zeros_like(within)
    supported, small, reversed_ = {
        "superiority": (above[0] & (mean >= 1) & (p <= LEVEL), within, below[0] & (p <= LEVEL)),
        "difference": ((above[0] | below[0]) & (np.abs(mean) >= 1) & (p <= LEVEL), within, never),
        "equivalence": (within, never, above[1] | below[-1]),
        "noninferiority": (below[1], never, above[1]),
    }[setting.test]
    outcome = np.select([supported, small, reversed_], ["supported", "small", "reversed"], "open")
    none, batch = lost.any(-1)  # the steps of a run that is cut off are larger than its length
    outcome[none & ~((outcome == "supported") & (setting.test == "superiority"))] = "open"
    outcome[batch & ~((outcome == "reversed") & (setting.test == "superiority"))] = "open"
    return Answer(outcome, mean, low, high, p)


def firm(values: np.ndarray) -> np.ndarray:
    """Whether the mean is above 0 with a long tail, too: by Hall's statistic, or three half-lengths of the interval."""
    seeds, mean, deviation = values.shape[-1], values.mean(-1), values.std(-1, ddof=1)
    with np.errstate(divide="ignore", invalid="ignore"):
        size, skewness = mean / deviation, ((values - mean[..., None]) ** 3).mean(-1) / values.std(-1) ** 3
        bent = size + skewness * size**2 / 3 + skewness**2 * size**3 / 27 + skewness / (6 * seeds)
    root = math.sqrt(seeds)
    clear = (root * bent > stats.t.ppf(0.995, seeds - 1)) | (root * size > 3 * stats.t.ppf(0.975, seeds - 1))
    return np.where(np.ptp(values, axis=-1) == 0, values[..., 0] > 0, clear)


def sign_flips(values: np.ndarray) -> np.ndarray:
    """The share of the 2⁸ sign flips that give a mean at least as far from zero. values: (any, seeds)."""
    signs = np.array(list(product([-1, 1], repeat=SEEDS))) if len(values) else np.empty((1, values.shape[-1]))
    parts = np.array_split(values, len(values) // 10_000 + 1)
    means = [np.abs(part @ signs.T) for part in parts]
    observed = [np.abs(part.sum(-1, keepdims=True)) for part in parts]
    return np.concatenate([(one >= other - 1e-9).mean(-1) for one, other in zip(means, observed, strict=True)])


def supported(setting: Setting, answer: Answer) -> np.ndarray:
    """Whether a claim is: every context, or the only one."""
    return (answer.outcome == "supported").all(-1)


def covered(setting: Setting, answer: Answer) -> float:
    return ((answer.low <= setting.effect) & (setting.effect <= answer.high)).mean()


# --- the same through the verdict function ----------------------------------------------------------------------------


class Harness:
    """An experiment with one claim, and its table of runs, in which only the measured values change."""

    def __init__(self, setting: Setting, length: tuple[float, float]) -> None:
        rates = [10.0**index for index in range(setting.contexts)]
        # far from overflow in either direction, whatever is drawn: a length of 2**12 stands for `length`
        self.shift = 12 - length[0] if setting.censored else 0.0
        self.measure = {"steps_to": {"metric": "test/accuracy"}, "scale": "log2"}
        if not setting.censored:
            self.measure = {"final": {"metric": "test/loss"}}
        cells = [
            Cell(
                {
                    "dataset": {"name": "digits"},
                    "norm": {"name": norm},
                    "optimizer": {"name": "sgd", "learning_rate": rate},
                    "seed": seed,
                    "steps": 2**12,
                },
                {},
            )
            for norm in ("none", "batch")
            for rate in rates
            for seed in range(setting.seeds)
        ]
        claim = Claim(
            says=setting.says,
            measure=self.measure,
            level={"digits": 0.9},
            contrast={"norm=none": 1, "norm=batch": -1},
            contexts=["optimizer.learning_rate"],
            grid="all",
            test=setting.test,
            margin=1,
        )
        grids = {"all": Grid("all", {}, tuple(cells))}
        self.experiment = Experiment("x", "", "", grids, {}, {"it": claim}, {}, "", ())
        measure = parse(self.measure)
        self.label = measure.label(0.9)
        facts = {"grids": "all", "status": "complete", "classes": 10, "commit": "a" * 40, "dirty": False}
        facts |= {"stated": f"it:{self.experiment.stated()['it']}", "measured": self.label}
        rows = [cell.settings | facts | {"run": f"run{index}"} for index, cell in enumerate(cells)]
        self.runs = pd.DataFrame(rows, dtype=object)  # of one type, which is several times as fast to select from

    def table(self, found: Sample, index: int) -> pd.DataFrame:
        values = np.concatenate([found.none[index].ravel(), found.batch[index].ravel()])
        if self.measure.get("scale"):
            values = np.where(found.lost[:, index].ravel(), np.nan, 2 ** (values + self.shift))
        return self.runs.assign(**{self.label: values})


def judged(setting: Setting, count: int) -> tuple[list[str], Answer]:
    """The verdicts on claims, and what was found in each context."""
    found = sample(setting, count)
    harness = Harness(setting, found.length)
    verdicts = [verdict("it", harness.experiment, harness.table(found, index), {}) for index in range(count)]
    columns = ("outcome", "estimate", "low", "high", "p")
    parts = [np.array([[getattr(row, key) for row in one.rows] for one in verdicts]) for key in columns]
    return [one.outcome for one in verdicts], Answer(*parts)


def compare(setting: Setting, count: int) -> tuple[list[str], Answer]:
    """What the verdict function says of the experiments, which must be what the rule says."""
    outcomes, mine = judged(setting, count)
    other = rule(setting, sample(setting, count))
    np.testing.assert_array_equal(mine.outcome, other.outcome)
    for key in ("mean", "low", "high"):
        np.testing.assert_allclose(getattr(mine, key), getattr(other, key), rtol=1e-6, atol=1e-9)
    # a mean near 0 is below the rounding of its own flips, so p near 1 depends on the order of sums
    np.testing.assert_allclose(np.minimum(mine.p, 0.9), np.minimum(other.p, 0.9), rtol=1e-6, atol=1e-9)
    assert [one == "supported" for one in outcomes] == list(supported(setting, other))
    return outcomes, mine


@pytest.mark.parametrize("name", SETTINGS)
def test_the_verdict_is_what_the_rule_says(name):
    compare(SETTINGS[name], FEW)


@pytest.mark.slow
@pytest.mark.parametrize("name", SETTINGS)
def test_many_experiments(name):
    """The limits with two standard errors of what so many experiments can tell; the next tests have them exactly."""
    setting = SETTINGS[name]
    outcomes, answer = compare(setting, EXPERIMENTS)
    rate = outcomes.count("supported") / EXPERIMENTS
    limit = 0.055 if name.startswith("margin") else 0.05
    print(f"{name}: {rate:.1%} supported, {covered(setting, answer):.1%} covered")
    if name.startswith("power"):
        assert (rate if name != "power-small" else outcomes.count("small") / EXPERIMENTS) >= 0.8
    elif not name.startswith("cost"):
        assert rate <= limit + 2 * math.sqrt(limit * (1 - limit) / EXPERIMENTS)
    if setting.draw.__qualname__.startswith("normal.") and not setting.censored:
        assert 0.93 <= covered(setting, answer) <= 0.97


# --- rates of many experiments, by the rule ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def answers():
    return {name: rule(setting, sample(setting, MANY)) for name, setting in SETTINGS.items()}


@pytest.mark.parametrize("name", NULL)
def test_no_effect_is_supported_or_reversed_in_at_most_a_twentieth(answers, name):
    outcome = answers[f"null-{name}"].outcome
    assert supported(NULL[name], answers[f"null-{name}"]).mean() <= 0.05
    assert (outcome == "reversed").mean() <= 0.05


def test_a_long_tail_would_fool_the_t_interval_alone(answers):
    """Which is why there is more to the rule: of eight values three samples in ten have not drawn the tail at all."""
    assert 0.16 <= (answers["null-left"].low > 0).mean() <= 0.18
    assert 0.16 <= (answers["null-right"].high < 0).mean() <= 0.18


@pytest.mark.parametrize("name", POWER)
def test_what_is_there_is_found(answers, name):
    outcome = answers[f"power-{name}"].outcome
    right = "small" if name == "small" else "supported"
    assert (outcome == right).all(-1).mean() >= 0.8


@pytest.mark.parametrize("name", MARGIN)
def test_at_the_margin(answers, name):
    assert (answers[f"margin-{name}"].outcome == WRONG[MARGIN[name].test]).mean() <= 0.055


def test_intervals_cover(answers):
    for name in ("null-normal", "power-superiority", "power-equivalence", "margin-equivalence"):
        assert covered(SETTINGS[name], answers[name]) == pytest.approx(0.95, abs=0.005), name
    assert 0.95 <= covered(SETTINGS["null-student"], answers["null-student"]) <= 0.97


def test_the_page_shows_these_rates(answers, home):
    """docs/verdicts.md holds this table. With several contexts an outcome is that of all of them."""
    outcomes = ("supported", "small", "reversed")
    rows = [
        f"| simulated | test | {' | '.join(outcomes)} | open | 95% interval covers |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, setting in SETTINGS.items():
        rates = [(answers[name].outcome == one).all(-1).mean() for one in outcomes]
        rates += [1 - sum(rates), covered(setting, answers[name])]
        shown = " | ".join("< 0.1%" if 0 < round(one, 9) < 0.001 else f"{100 * one:.1f}%" for one in rates)
        rows.append(f"| {setting.words} | {setting.test} | {shown} |")
    table = "\n".join(rows)
    print(table)
    assert table in (home / "docs" / "verdicts.md").read_text()


# --- what must not matter ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("censored", ["", "slower", "both"])
def test_the_order_of_rows_and_of_seeds_does_not_matter(censored):
    setting = replace(COST["contexts"], censored=censored)
    random, found = np.random.default_rng(7), sample(setting, 40)
    harness = Harness(setting, found.length)
    grid = harness.experiment.grids["all"]
    backwards = replace(harness.experiment, grids={"all": replace(grid, cells=grid.cells[::-1])})
    for index in range(40):
        table = harness.table(found, index)
        first = verdict("it", harness.experiment, table, {})
        rows = table.sample(frac=1, random_state=index)
        assert verdict("it", harness.experiment, rows, {}) == first
        assert replace(verdict("it", backwards, rows, {}), stated=first.stated) == first
        names = random.permutation(SEEDS)
        other = verdict("it", harness.experiment, table.assign(seed=[names[one] for one in table["seed"]]), {})
        assert (other.outcome, [row.outcome for row in other.rows]) == (
            first.outcome,
            [row.outcome for row in first.rows],
        )
        for mine, theirs in zip(other.rows, first.rows, strict=True):
            np.testing.assert_allclose(
                [mine.estimate, mine.low, mine.high, mine.p], [theirs.estimate, theirs.low, theirs.high, theirs.p]
            )
