"""Whether a claim was stated before its runs were trained: the known dates, and the word for the result.

report/firsts.py reads the dates, from git or from files.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from bn_study.plan.moment import Moment

POST_HOC = "post hoc"
NOT_COMMITTED = "uncommitted"
COMMIT_LENGTH = 10


@dataclass(frozen=True)
class Firsts:
    """When claims and runs appeared first, as far as known.

    stated: by hash of a claim. rules: by hash of a claim, the version of the decision rule when it was stated.
    statements: by claim, what it is attached to: statements, and their scope factors as `S000-a:network`.
    attached: by claim and one of these. trained: by run (its id), settings and seed, whatever the recipe.
    """

    stated: Mapping[str, Moment] = field(default_factory=dict)
    rules: Mapping[str, int] = field(default_factory=dict)
    statements: Mapping[str, Sequence[str]] = field(default_factory=dict)
    attached: Mapping[tuple[str, str], Moment] = field(default_factory=dict)
    trained: Mapping[str, Moment] = field(default_factory=dict)


UNKNOWN = Firsts()
"""For runs and claims about which only the runs' own records are known."""


def stated(name: str, tested: str, runs: pd.DataFrame, firsts: Firsts) -> str:
    """When a claim was stated: its commit, or its date and `no git`; `post hoc` if one of its runs had been trained.

    tested: the claim's hash. runs: its rows of the table of runs; without one there is no answer, "". Where a first
    training or the claim's own date is unknown, the claims that the run was trained with decide.
    """
    if runs.empty:
        return ""
    since = firsts.stated.get(tested)
    for run, claims in zip(runs["run"], runs["stated"], strict=True):
        trained = firsts.trained.get(run)
        if since is None or trained is None:
            before = f"{name}:{tested}" in claims.split()
        else:
            before = since <= trained
        if not before:
            return POST_HOC
    when, commit = (_commits(runs), _committed(runs)) if since is None else (since.name, since.commit)
    if not commit:
        return f"{when} (no git)"
    return when + (" (uncommitted changes)" if runs["dirty"].any() else "")


def attached_later(
    name: str, tested: str, statements: Iterable[str], runs: pd.DataFrame, firsts: Firsts
) -> dict[str, str]:
    """What a claim was attached to when one of its runs had been trained, each with the commit.

    statements: ids of statements, and scope factors as `S000-a:network`. One that came with the claim itself is not
    in the result: such a claim is post hoc altogether.
    """
    since = firsts.stated.get(tested)
    trained = [firsts.trained[run] for run in runs["run"] if run in firsts.trained] if len(runs) else []
    if since is None or not trained:
        return {}
    moments = {one: firsts.attached.get((name, one)) for one in statements}
    limit = max(min(trained), since)
    return {
        one: NOT_COMMITTED if moment is None else moment.name
        for one, moment in moments.items()
        if moment is None or moment > limit
    }


def _committed(runs: pd.DataFrame) -> bool:
    """Whether runs name a commit."""
    return bool((~runs["commit"].isin(["", "unknown"])).any())


def _commits(runs: pd.DataFrame) -> str:
    commits = sorted({one[:COMMIT_LENGTH] or "unknown commit" for one in runs["commit"]})
    return commits[0] if len(commits) == 1 else f"{commits[0]}..{commits[-1]}"
