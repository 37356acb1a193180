"""Where a study is: its vocabulary and experiments, and its results."""

import os
from dataclasses import dataclass
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.store.store import Store

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Study:
    """home: the folder with conf/ and experiments/. results: the folder of evidence, run cache and local reports."""

    home: Path
    results: Path

    @property
    def store(self) -> Store:
        return Store(self.results / "runs")


def locate() -> Study:
    """This process's study: BN_STUDY_HOME, else the nearest parent folder with a study, else the installed checkout.

    BN_STUDY_RESULTS names another folder for results. Raises UsageError if there is no study.
    """
    if "BN_STUDY_HOME" in os.environ:
        home = Path(os.environ["BN_STUDY_HOME"]).expanduser().resolve()
        if not _has_study(home):
            raise UsageError(f"BN_STUDY_HOME={home} has no conf/ and experiments/; point it at a checkout of bn_study")
    else:
        here = Path.cwd()
        homes = [folder for folder in (here, *here.parents, CHECKOUT) if _has_study(folder)]
        if not homes:
            raise UsageError(
                "no folder with conf/ and experiments/ here or above; set BN_STUDY_HOME to a checkout of bn_study"
            )
        home = homes[0]
    return Study(home, Path(os.environ.get("BN_STUDY_RESULTS") or home / "results").expanduser().resolve())


def _has_study(folder: Path) -> bool:
    return (folder / "conf" / "config.yaml").is_file() and (folder / "experiments").is_dir()
