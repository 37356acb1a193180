"""When claims were stated first, by the git history of a study."""

import re
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from omegaconf import OmegaConf

from bn_study.errors import UsageError
from bn_study.plan import git, own_parts, parts, places, statements
from bn_study.plan.call_settings import NAMES
from bn_study.plan.compose import compose
from bn_study.plan.experiment import Experiment
from bn_study.plan.moment import Moment
from bn_study.plan.reading import Sections, load, read_experiment
from bn_study.plan.renamed import EXPERIMENTS, FIELDS, OPTIONS


@dataclass
class Found:
    """stated: hash of a claim -> the commit that stated it first. attached: (claim, statement) -> the same."""

    stated: dict[str, Moment] = field(default_factory=dict)
    attached: dict[tuple[str, str], Moment] = field(default_factory=dict)


def search(home: Path, name: str, hashes: Collection[str], attachments: Collection[tuple[str, str]]) -> Found:
    """The first commits with claims of these hashes, and those that attached these statements to these claims.

    Earlier experiments name the statements of a claim; later they are in statements.yaml.

    Today's code composes the experiment with the conf/ of each commit that touched them, oldest first, until
    everything is found. A null option means "as before the option existed", so later null options are filled in.
    Commits that today's code still cannot compose are skipped, as are those that a shallow clone lacks.
    """
    first, paths = Found(), _paths(name)
    for moment in git.commits(home, *paths):
        if first.stated.keys() >= set(hashes) and first.attached.keys() >= set(attachments):
            break
        with git.extracted(home, moment.commit, *paths) as folder:
            _in_current_words(folder, name)
            for pair in _attached(folder, name).intersection(attachments):
                first.attached.setdefault(pair, moment)
            _without_attachments(folder / "experiments" / f"{name}.yaml")
            if not first.stated.keys() >= set(hashes):
                for stated in _stated(folder, name, home).intersection(hashes):
                    first.stated.setdefault(stated, moment)
    return first


def committed(home: Path, experiment: Experiment) -> dict[str, str]:
    """The hashes of the claims that the current commit states in the same way; all of them without git."""
    stated, paths = experiment.stated(), _paths(experiment.name)
    if not stated or not git.holds(home) or not git.changed(home, *paths):
        return stated
    with git.extracted(home, "HEAD", *paths) as folder:
        _in_current_words(folder, experiment.name)
        _without_attachments(folder / "experiments" / f"{experiment.name}.yaml")
        there = _stated(folder, experiment.name, home)
    return {name: digest for name, digest in stated.items() if digest in there}


def _paths(name: str) -> tuple[str, ...]:
    names = [name, *(old for old, new in EXPERIMENTS.items() if new == name)]
    return "conf", places.PARTS, statements.FILE, *(f"experiments/{stem}.yaml" for stem in names)


def _in_current_words(folder: Path, name: str) -> None:
    """Rename files, options and packages of an earlier conf/ to their current names."""
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
    """Add later entries to the files of an earlier conf/: options that are null, and settings of the call."""
    for path in [] if conf.is_symlink() else conf.rglob("*.yaml"):
        now = present / path.relative_to(conf)
        if now.is_file() and not path.is_symlink():
            earlier, later = load(path, str(path)), load(now, str(now))
            added = {
                key: value for key, value in later.items() if key not in earlier and (value is None or key in NAMES)
            }
            if added:  # at the end, because the first line may be Hydra's package directive
                path.write_text(f"{path.read_text(encoding='utf-8')}\n{OmegaConf.to_yaml(added)}", encoding="utf-8")


def _stated(folder: Path, name: str, home: Path) -> set[str]:
    """The hashes of the claims of an earlier experiment; none if today's code cannot compose it."""
    if not (folder / "experiments" / f"{name}.yaml").is_file():  # or the package's would be found beneath
        return set()
    present = own_parts.folder()
    try:
        _complete(folder / "conf", home / "conf")
        return set(compose(folder, name, [])[0].stated().values())
    except Exception:  # today's code may fail in any way on earlier files
        return set()
    finally:
        parts.look_in(present)


def _attached(home: Path, name: str) -> set[tuple[str, str]]:
    """The pairs (claim, statement) of an earlier experiment, or of an earlier statements.yaml."""
    named: list[tuple[str, list[str]]] = []
    with suppress(UsageError):  # a file is older than today's form, or was wrong
        claims = Sections(name, read_experiment(home, name)).entries("claims", like=True)
        named += [(claim, entry.get("statements") or []) for claim, entry in claims.items()]
    with suppress(UsageError):
        known = statements.read(home)
        named += (known.attached(name) if known else {}).items()
    return {(claim, key) for claim, keys in named for key in keys}


def _without_attachments(path: Path) -> None:
    """Remove the statements that an earlier experiment's claims name, which today's code refuses."""
    if path.is_file():
        text = path.read_text(encoding="utf-8")
        path.write_text(re.sub(r"\bstatements: \[[^\]]*\](, )?", "", text), encoding="utf-8")
