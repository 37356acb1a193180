"""Where a study is: its vocabulary and experiments, and its results."""

import os
from dataclasses import dataclass
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.plan import parts, places
from bn_study.store.store import Store


@dataclass(frozen=True)
class Study:
    """home: the folder with experiments/ and conf/ or parts/. results: of evidence, run cache and local reports."""

    home: Path
    results: Path

    @property
    def store(self) -> Store:
        return Store(self.results / "runs")


def locate() -> Study:
    """This process's study: BN_STUDY_HOME, else the nearest parent folder with a study, else the package's.

    BN_STUDY_RESULTS names another folder for results. The study that comes with an installed package has its results
    in the current folder. Raises UsageError if BN_STUDY_HOME is no study.
    """
    if given := os.environ.get("BN_STUDY_HOME"):
        home = _folder("BN_STUDY_HOME", given)
        if not places.is_study(home):
            raise UsageError(
                f"BN_STUDY_HOME={home} has no experiments/ with parts/ or conf/; `bn-study new FOLDER` makes a study"
            )
    else:
        here = Path.cwd()
        home = next(filter(places.is_study, (here, *here.parents)), places.HOME)
    parts.look_in(home / places.PARTS)
    beside = Path.cwd() if home.is_relative_to(places.PACKAGE) else home
    return Study(home, _folder("BN_STUDY_RESULTS", os.environ.get("BN_STUDY_RESULTS") or str(beside / "results")))


def _folder(variable: str, path: str) -> Path:
    try:
        return Path(path).expanduser().resolve()
    except RuntimeError:
        raise UsageError(f"{variable}={path}: the home folder at its start is not known; give the whole path") from None
