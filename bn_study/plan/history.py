"""When claims were stated first, and attached to statements, by the git history of a study."""

import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
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


def stated(home: Path, name: str, hashes: Collection[str]) -> dict[str, Moment]:
    """The first commits with claims of these hashes.

    Today's code composes the experiment with the conf/ of each commit that touched either, oldest first, until
    everything is found. A null option means "as before the option existed", so later null options are filled in.
    Commits that today's code still cannot compose are skipped, as are those that a shallow clone lacks.
    """
    first: dict[str, Moment] = {}
    for moment, folder in _earlier(home, name, *_paths(name)):
        if first.keys() >= set(hashes):
            break
        for digest in _stated(folder, name, home).intersection(hashes):
            first.setdefault(digest, moment)
    return first


def attached(home: Path, name: str, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], Moment]:
    """The first commits that attached these statements to these claims: (claim, statement) -> commit.

    Earlier experiments name the statements of a claim; later they are in statements.yaml.
    """
    first: dict[tuple[str, str], Moment] = {}
    for moment, folder in _earlier(home, name, statements.FILE, *_files(name)):
        wanted = set(pairs) - first.keys()
        if not wanted:
            break
        if _mentions(folder, name, wanted):
            for pair in _attached(folder, name).intersection(wanted):
                first[pair] = moment
    return first


def committed(home: Path, experiment: Experiment) -> dict[str, str]:
    """The hashes of the claims that the current commit states in the same way; all of them without git."""
    claims, paths = experiment.stated(), _paths(experiment.name)
    if not claims or not git.holds(home) or not git.changed(home, *paths):
        return claims
    with git.extracted(home, "HEAD", *paths) as folder:
        _in_current_words(folder, experiment.name)
        there = _stated(folder, experiment.name, home)
    return {name: digest for name, digest in claims.items() if digest in there}


def _paths(name: str) -> tuple[str, ...]:
    return "conf", places.PARTS, *_files(name)


def _files(name: str) -> tuple[str, ...]:
    names = [name, *(old for old, new in EXPERIMENTS.items() if new == name)]
    return tuple(f"experiments/{stem}.yaml" for stem in names)


def _earlier(home: Path, name: str, *paths: str) -> Iterator[tuple[Moment, Path]]:
    """Each commit that touched these paths, oldest first, and a folder with them as they were, in current words."""
    for moment in git.commits(home, *paths):
        with git.extracted(home, moment.commit, *paths) as folder:
            _in_current_words(folder, name)
            yield moment, folder


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
        _without_attachments(folder / "experiments" / f"{name}.yaml")
        _complete(folder / "conf", home / "conf")
        return set(compose(folder, name, [])[0].stated().values())
    except Exception:  # today's code may fail in any way on earlier files
        return set()
    finally:
        parts.look_in(present)


def _mentions(home: Path, name: str, pairs: Iterable[tuple[str, str]]) -> bool:
    """Whether the text of an earlier study can attach one of these pairs; reading it as YAML takes much longer."""
    experiment, known = (
        path.read_text(encoding="utf-8") if path.is_file() else ""
        for path in (home / "experiments" / f"{name}.yaml", home / statements.FILE)
    )
    return any(key in experiment or f".{claim}" in known for claim, key in pairs)


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
