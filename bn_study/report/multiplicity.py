"""How many decisions of all claims together may be accidents, and how many claims count twice.

Holm's adjustment in a verdict covers the contexts of one claim. Here all rows that test for an effect are one family.
That is information: it changes no outcome.
"""

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scipy.stats import false_discovery_control

from bn_study.analysis.sensitivity import DIRECTIONAL
from bn_study.analysis.stats import SIGNIFICANCE, holm
from bn_study.analysis.verdict import Row

if TYPE_CHECKING:
    from bn_study.report.board import Evidence, Tested

DECIDED = ("supported", "reversed")


@dataclass(frozen=True)
class Multiplicity:
    """Counts over all claims and contexts that are neither missing nor blocked. Rows: `experiment/claim context`.

    directional: rows that test for an effect; decisions: those of them that are supported or reversed. fails_rate: the
    decisions that fail Benjamini-Hochberg's procedure at 5%; fails_holm: those that fail Holm's over all rows. claims:
    all; sanity: those that state what is known to hold; repeated: claims all of whose differences an earlier claim has,
    up to their sign, each with that claim. rows: all; equal: rows in which all seeds are equal.
    """

    directional: int
    decisions: int
    fails_rate: tuple[str, ...]
    fails_holm: tuple[str, ...]
    claims: int
    sanity: int
    repeated: Mapping[str, str]
    rows: int
    equal: tuple[str, ...]


def multiplicity(evidence: Sequence["Evidence"]) -> Multiplicity:
    """The counts over all claims of all experiments. p is the one before Holm's adjustment within a claim.

    Benjamini & Hochberg 1995 bounds the expected share of false decisions, Holm 1979 the chance of any. A row without p
    (verdicts.csv of before it had the column p_raw, or a context with one seed) is in no family.
    """
    rows = [(one, row) for each in evidence for one in each.tested for row in _counting(one)]
    family = [(one, row) for one, row in rows if one.claim.test in DIRECTIONAL and not math.isnan(row.p_raw)]
    p = [row.p_raw for _, row in family]
    rates = false_discovery_control(p).tolist() if p else []
    decided = [row.outcome in DECIDED for _, row in family]

    def failing(adjusted: Sequence[float]) -> tuple[str, ...]:
        triples = zip(family, decided, adjusted, strict=True)
        return tuple(_name(*one) for one, decision, value in triples if decision and value > SIGNIFICANCE)

    return Multiplicity(
        directional=len(family),
        decisions=sum(decided),
        fails_rate=failing(rates),
        fails_holm=failing(holm(p)),
        claims=sum(len(one.tested) for one in evidence),
        sanity=sum(len(one.tested) for one in evidence if one.sanity_check),
        repeated=_repeated([one for each in evidence for one in each.tested]),
        rows=len(rows),
        equal=tuple(_name(*one) for one in rows if _equal(one[1])),
    )


def paragraph(found: Multiplicity) -> str:
    """The counts as a Markdown paragraph and a list."""
    rate, any_ = len(found.fails_rate), len(found.fails_holm)
    text = (
        f"{found.decisions} of {found.directional} rows that test for an effect are supported or reversed. If all of "
        f"them are one family, {rate} of the decisions fail Benjamini–Hochberg's procedure at 5%, which bounds the "
        f"expected share of false ones, and {any_} fail Holm's, which bounds the chance of any. Outcomes are adjusted "
        f"within a claim only, and claims that share runs err together."
    )
    items = [
        f"{found.claims} claims, {found.claims - found.sanity} without sanity checks",
        f"{len(found.repeated)} claims repeat the differences of another one{_listed(_pairs(found.repeated))}",
        f"{len(found.equal)} of {found.rows} rows have the same difference in all seeds",
        f"fail Benjamini–Hochberg: {rate}{_listed(found.fails_rate)}",
        f"fail Holm over all rows: {any_}{_listed(found.fails_holm)}",
    ]
    return "\n".join([text, "", *(f"- {one}" for one in items)]) + "\n"


def _counting(one: "Tested") -> Iterator[Row]:
    for row in one.contexts or (one.verdict,):
        if row.outcome not in ("missing", "blocked"):
            yield row


def _name(one: "Tested", row: Row) -> str:
    return f"{one.experiment}/{one.name} {row.context}".strip()


def _equal(row: Row) -> bool:
    return row.n > 1 and row.low == row.high


def _repeated(claims: Sequence["Tested"]) -> dict[str, str]:
    """Claims whose every row has the measure, estimate and interval of rows of earlier claims, up to the sign.

    Nine digits agree only if the differences do. Rows in which all seeds are equal say nothing here.
    """
    earlier: dict[tuple[object, ...], str] = {}
    found = {}
    for one in claims:
        keys = [_key(one, row) for row in _counting(one) if not _equal(row) and not math.isnan(row.low)]
        name = f"{one.experiment}/{one.name}"
        if keys and all(key in earlier for key in keys):
            found[name] = earlier[keys[0]]
        for key in keys:
            earlier.setdefault(key, name)
    return found


def _key(one: "Tested", row: Row) -> tuple[object, ...]:
    ends = min((row.low, row.high), (-row.high, -row.low))
    return json.dumps(dict(one.claim.measure), sort_keys=True), abs(row.estimate), *ends, row.n


def _pairs(repeated: Mapping[str, str]) -> list[str]:
    return [f"{name} ({other})" for name, other in repeated.items()]


def _listed(names: Sequence[str]) -> str:
    return f": {', '.join(f'`{one}`' for one in names)}" if names else ""
