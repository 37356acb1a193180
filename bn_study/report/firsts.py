"""When the claims of an experiment were first stated and its runs first trained.

The sources are the ledgers of all experiments, git (claims and commits) and the store (its runs). Without git a claim
counts from when `run` or `report` first saw it, and a run from when its training began.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from bn_study.analysis.stated import Firsts
from bn_study.analysis.stats import RULE
from bn_study.errors import UsageError
from bn_study.plan import git, history, statements
from bn_study.plan.experiment import Experiment, PlannedRun
from bn_study.plan.moment import Moment, now
from bn_study.plan.spec import training_of
from bn_study.report.ledger import FILE, Attached, Ledger, Stated
from bn_study.store.stored_run import DamagedRun
from bn_study.study import Study


@dataclass(frozen=True)
class Found:
    """firsts: what verdicts need. ledger: the ledger of the experiment's folder, with its new entries."""

    firsts: Firsts
    ledger: Ledger


def find(
    study: Study,
    experiment: Experiment,
    folder: Path,
    plan: Sequence[PlannedRun],
    runs: pd.DataFrame,
    dated: bool = True,
) -> Found:
    """The firsts of an experiment whose evidence is in `folder`. runs: the table of its available runs.

    dated: whether claims that no ledger has are looked up in git, which takes seconds.
    """
    available = set(runs["run"]) if len(runs) else set()
    identities = {run.spec.id: run.spec.training for run in plan if run.spec.id in available}
    own = _moments(study, identities, runs)
    trained = [(identities[run], moment) for run, moment in own.items()] + _stored_before(study, identities)
    before = _ledgers([folder, *_evidence(study, experiment.name)])
    known = statements.read(study.home)
    attachments = known.attached(experiment.name) if known else {}
    claims, attached = _stated(study.home, experiment, attachments, before, _listed(experiment, runs, own), dated)
    ledger = (before[0] if before else Ledger()).extended(claims, attached, trained)
    first = _earliest([*(one.first() for one in _ledgers(_evidence(study, "*"))), ledger.first()])
    return Found(
        Firsts(
            stated=_earliest({one.hash: one.moment} for one in ledger.claims),
            rules={one.hash: one.rule for one in reversed(ledger.claims)},
            statements=attachments,
            attached=_earliest({(one.claim, one.statement): one.moment} for one in ledger.attached),
            trained={run: first[identity] for run, identity in identities.items() if identity in first},
        ),
        ledger,
    )


def note(study: Study, experiment: Experiment) -> None:
    """Without git: enter the claims of an experiment in its ledger before its runs are trained. Raises UsageError."""
    if experiment.claims and not git.holds(study.home):
        folder = study.results / experiment.name
        try:
            find(study, experiment, folder, [], pd.DataFrame()).ledger.write(folder / FILE)
        except OSError as error:
            raise UsageError(f"{folder / FILE} cannot be written ({error.strerror}); make it writable") from error


def _evidence(study: Study, name: str) -> list[Path]:
    """The folders of an experiment (`*`: of all), in these results and in those that came with the study."""
    return [folder for results in (study.results, study.home / "results") for folder in sorted(results.glob(name))]


def _ledgers(folders: Iterable[Path]) -> list[Ledger]:
    paths = dict.fromkeys((folder / FILE).resolve() for folder in folders if (folder / FILE).is_file())
    return [Ledger.read(path) for path in paths]


def _earliest(mappings: Iterable[Mapping[Any, Moment]]) -> dict[Any, Moment]:
    """The mappings merged, with the earliest moment of each key."""
    merged: dict[Any, Moment] = {}
    for mapping in mappings:
        for key, moment in mapping.items():
            merged[key] = min(moment, merged.get(key, moment))
    return merged


# --- runs -------------------------------------------------------------------------------------------------------------


def _moments(study: Study, identities: Mapping[str, str], runs: pd.DataFrame) -> dict[str, Moment]:
    """When each available run was trained, by id; runs of unknown date are left out."""
    commits = dict(zip(runs["run"], runs["commit"], strict=True)) if len(runs) else {}
    dates = {commit: git.moment(study.home, commit) for commit in set(commits.values())}
    moments = {run: _of_stored(study, run) or dates[commits[run]] for run in identities}
    return {run: moment for run, moment in moments.items() if moment is not None}


def _of_stored(study: Study, run: str) -> Moment | None:
    """When the first attempt at a stored run was made: its commit's moment, or its own if that has no known date."""
    if not study.store.done(run):
        return None
    try:
        provenance = study.store.read(run).attempts[0]
    except DamagedRun:
        return None
    source = provenance.get("study") or provenance
    commit = source.get("commit") or ""
    if source.get("date"):
        return Moment(source["date"], commit)
    began = Moment(provenance["started"]) if provenance.get("started") else None
    return git.moment(study.home, commit) or began


def _stored_before(study: Study, identities: Mapping[str, str]) -> list[tuple[str, Moment]]:
    """Other stored runs that trained the same, by another recipe or with other measurements."""
    wanted, prefixes = set(identities.values()), {_prefix(run) for run in identities}
    trained = []
    for run in study.store.ids():
        if _prefix(run) in prefixes and run not in identities:
            try:
                identity = training_of(study.store.read(run).spec["canonical"])
            except DamagedRun:
                continue
            moment = _of_stored(study, run) if identity in wanted else None
            if moment is not None:
                trained.append((identity, moment))
    return trained


def _prefix(run: str) -> str:
    """The part of an id that is equal for runs that train the same: norm, model, data set and seed."""
    return run.rpartition("-")[0]


def _listed(experiment: Experiment, runs: pd.DataFrame, own: Mapping[str, Moment]) -> dict[str, Moment | None]:
    """By hash of a claim, when the first run was trained whose row lists the claim as stated; None if unknown."""
    moments: dict[str, Moment | None] = {}
    texts = list(zip(runs["run"], map(str.split, runs["stated"]), strict=True)) if len(runs) else []
    for name, tested in experiment.stated().items():
        listing = [run for run, stated in texts if f"{name}:{tested}" in stated]
        if listing:
            moments[tested] = min((own[run] for run in listing if run in own), default=None)
    return moments


# --- claims -----------------------------------------------------------------------------------------------------------


def _stated(
    home: Path,
    experiment: Experiment,
    attachments: Mapping[str, Sequence[str]],
    before: Sequence[Ledger],
    listed: Mapping[str, Moment | None],
    dated: bool,
) -> tuple[list[Stated], list[Attached]]:
    """An entry for every claim and attachment with a known moment, from the ledgers if they have it."""
    hashes = experiment.stated()
    pairs = [(name, key) for name in experiment.claims for key in attachments.get(name, ())]
    claims = [one for ledger in before for one in ledger.claims if one.hash in hashes.values()]
    attached = [one for ledger in before for one in ledger.attached if (one.claim, one.statement) in pairs]
    new = {name: one for name, one in hashes.items() if one not in {entry.hash for entry in claims}}
    later = [pair for pair in pairs if pair not in {(entry.claim, entry.statement) for entry in attached}]
    if dated and (new or later):
        stated = history.stated(home, experiment.name, set(new.values()))
        attachment = history.attached(home, experiment.name, later)
        default = None if git.holds(home) else now()
        for name, tested in new.items():
            moment = stated.get(tested) or listed.get(tested, default)
            if moment is not None:
                content = experiment.tested(name)
                claims.append(Stated(**vars(moment), claim=name, hash=tested, tested=content, rule=RULE))
        for name, statement in later:
            moment = attachment.get((name, statement)) or default
            if moment is not None:
                attached.append(Attached(**vars(moment), claim=name, statement=statement))
    return claims, attached
