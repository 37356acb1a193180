"""What a study's git history says of the claims of an experiment: what was stated in which commit first."""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import OmegaConf

from bn_study.errors import UsageError
from bn_study.plan import git
from bn_study.plan.call_settings import NAMES
from bn_study.plan.compose import compose
from bn_study.plan.experiment import Experiment
from bn_study.plan.moment import Moment
from bn_study.plan.reading import Sections, load, read_experiment
from bn_study.plan.renamed import EXPERIMENTS, FIELDS, OPTIONS


@dataclass
class Found:
    """stated: by hash of a claim the commit that stated it first. attached: the same by claim and statement."""

    stated: dict[str, Moment] = field(default_factory=dict)
    attached: dict[tuple[str, str], Moment] = field(default_factory=dict)


def search(home: Path, name: str, hashes: Collection[str], attachments: Collection[tuple[str, str]]) -> Found:
    """The first commits with claims of these hashes, and those that attached these statements to these claims.

    Vocabulary and experiment of each commit that touched them are composed by the present code, the oldest first, until
    all is found. Options that came later and are null mean "as before the option existed", so they are filled in. A
    commit that the present code cannot compose all the same is left out, and so is what a shallow clone lacks.
    """
    found, paths = Found(), _paths(name)
    for moment in git.commits(home, *paths):
        if found.stated.keys() >= set(hashes) and found.attached.keys() >= set(attachments):
            break
        with git.extracted(home, moment.commit, *paths) as folder:
            _in_current_words(folder, name)
            for pair in _attached(folder, name).intersection(attachments):
                found.attached.setdefault(pair, moment)
            if not found.stated.keys() >= set(hashes):
                for one in _stated(folder, name, home).intersection(hashes):
                    found.stated.setdefault(one, moment)
    return found


def committed(home: Path, experiment: Experiment) -> dict[str, str]:
    """The hashes of the claims that are tested as the commit that is checked out says; of all where there is no git."""
    stated, paths = experiment.stated(), _paths(experiment.name)
    if not stated or not git.holds(home) or not git.changed(home, *paths):
        return stated
    with git.extracted(home, "HEAD", *paths) as folder:
        _in_current_words(folder, experiment.name)
        there = _stated(folder, experiment.name, home)
    return {name: one for name, one in stated.items() if one in there}


def _paths(name: str) -> tuple[str, ...]:
    names = [name, *(old for old, new in EXPERIMENTS.items() if new == name)]
    return "conf", *(f"experiments/{one}.yaml" for one in names)


def _in_current_words(folder: Path, name: str) -> None:
    """Give files, options and packages of an earlier vocabulary the names that they have now."""
    for old, new in EXPERIMENTS.items():
        if new == name and (path := folder / "experiments" / f"{old}.yaml").is_file():
            path.rename(path.with_stem(new))
    conf = folder / "conf"
    if conf.is_symlink():
        return
    for old, new in FIELDS.items():
        if (conf / old).is_dir():
            (conf / old).rename(conf / new)
    for path in conf.rglob("*.yaml"):
        text = path.read_text(encoding="utf-8")
        for old, new in FIELDS.items() | OPTIONS.items():
            text = re.sub(rf"(?m)^((?:# @package |  - )?){old}(?=[.:])", rf"\g<1>{new}", text)
        path.write_text(text, encoding="utf-8")


def _complete(conf: Path, present: Path) -> None:
    """Add to the files of an earlier vocabulary what came later: options that are null, and settings of the call."""
    for path in [] if conf.is_symlink() else conf.rglob("*.yaml"):
        now = present / path.relative_to(conf)
        if now.is_file() and not path.is_symlink():
            there, later = (load(one, str(one)) for one in (path, now))
            added = {key: one for key, one in later.items() if key not in there and (one is None or key in NAMES)}
            if added:  # at the end of the text, whose first line is Hydra's
                path.write_text(f"{path.read_text(encoding='utf-8')}\n{OmegaConf.to_yaml(added)}", encoding="utf-8")


def _stated(folder: Path, name: str, home: Path) -> set[str]:
    """The hashes of the claims of an experiment as it was; none if the present code cannot compose it."""
    try:
        _complete(folder / "conf", home / "conf")
        return set(compose(folder, name, [])[0].stated().values())
    except Exception:  # whatever it is: files of an earlier vocabulary owe the present code nothing
        return set()


def _attached(home: Path, name: str) -> set[tuple[str, str]]:
    """Claims of an experiment as it was, each with every statement that it names."""
    try:
        claims = Sections(name, read_experiment(home, name)).entries("claims", like=True)
    except UsageError:
        return set()
    return {(claim, statement) for claim, entry in claims.items() for statement in entry.get("statements") or []}
