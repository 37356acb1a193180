"""Scopes in words: where an answer holds, as a phrase that stays short however many settings there are.

A scope is a mapping from scope factors to values in words, {"network": "ReLU perceptron"}. A value that begins with one
of PREPOSITIONS is used as it stands ("at groups of 2"), any other reads "in the ReLU perceptron".
"""

from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations

Scope = Mapping[str, str]

PREPOSITIONS = (
    "above across after against at before below between beyond by during for from in on over under up with without"
)
LISTED = 4
"""How many places a phrase names before it counts them."""
SHOWN = 3
"""How many it names when it counts them."""


def phrase(value: str) -> str:
    """Where a value holds, in words."""
    first = value.partition(" ")[0]
    if first in PREPOSITIONS.split():
        return value
    return f"in {value}" if first in ("a", "all", "an", "any", "both", "each", "every", "the") else f"in the {value}"


def listed(words: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(words[:-1]), words[-1]] if len(words) > 1 else words)


def names(among: Sequence[Scope], everywhere: Sequence[Scope]) -> tuple[str, ...]:
    """The places of `among` in words: by the fewest factors that tell them from the other scopes, each place once.

    A place that also occurs among the others says in how many of its comparisons, since no factor tells them apart.
    """
    factors = _varying(everywhere) or list(everywhere[0]) or [""]
    others = list(everywhere)
    for one in among:
        others.remove(one)
    subsets = [chosen for size in range(1, len(factors) + 1) for chosen in combinations(factors, size)]
    apart = (one for one in subsets if others and not set(_places(among, one)) & set(_places(others, one)))
    chosen = next(apart, subsets[-1])
    here, there = _places(among, chosen), _places(others, chosen)
    return tuple(_name(place, here, there) for place in dict.fromkeys(here))


def where(among: Sequence[Scope], everywhere: Sequence[Scope]) -> str:
    """`in the A and the B`; all of many: `in all 7 settings`; many of them: `in 5 of 7 settings (in the A, ...)`."""
    found = names(among, everywhere)
    if len(found) <= LISTED:
        return _joined(found)
    if len(among) == len(everywhere):
        return f"in all {len(everywhere)} settings"
    rest = len(found) - SHOWN
    return f"in {len(among)} of {len(everywhere)} settings ({', '.join(found[:SHOWN])} and {rest} more)"


def _varying(scopes: Sequence[Scope]) -> list[str]:
    """The factors of which the scopes have several values, in the order of their first appearance."""
    factors = dict.fromkeys(factor for scope in scopes for factor in scope)
    return [factor for factor in factors if len({scope.get(factor) for scope in scopes}) > 1]


def _places(scopes: Iterable[Scope], factors: Sequence[str]) -> list[tuple[str, ...]]:
    return [tuple(scope[factor] for factor in factors if factor in scope) for scope in scopes]


def _name(place: tuple[str, ...], here: Sequence[tuple[str, ...]], there: Sequence[tuple[str, ...]]) -> str:
    words, count = " ".join(map(phrase, place)), here.count(place)
    counted = f" ({count} of {count + there.count(place)} comparisons)" if place in there else ""
    return (words + counted).strip()


def _joined(words: Sequence[str]) -> str:
    """Listed, with a common preposition said once: `in the A and the B`, `at rate 0.1 and rate 1`."""
    firsts = {word.partition(" ")[0] for word in words}
    first = firsts.pop()
    if firsts or first not in PREPOSITIONS.split() or any(f" {first} " in word for word in words):
        return listed(words)
    return f"{first} {listed([word.removeprefix(first + ' ') for word in words])}"
