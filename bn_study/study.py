"""Where a study is: its vocabulary and experiments, and its results."""

import os
from dataclasses import dataclass
from pathlib import Path

from bn_study.errors import UsageError
from bn_study.store.store import Store

CHECKOUT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Study:
    """home: the folder with conf/ and experiments/. results: where evidence, the run cache and local reports go."""

    home: Path
    results: Path

    @property
    def store(self) -> Store:
        return Store(self.results / "runs")


def locate() -> Study:
    """This process's study: BN_STUDY_HOME, else the nearest parent folder that is one, else the installed checkout.

    BN_STUDY_RESULTS puts the results elsewhere. Raises UsageError where there is no study.
    """
    if "BN_STUDY_HOME" in os.environ:
        home = Path(os.environ["BN_STUDY_HOME"]).expanduser().resolve()
        if not _has_study(home):
            raise UsageError(f"BN_STUDY_HOME={home} has no conf/ and experiments/; point it at a checkout of bn_study")
    else:
        here = Path.cwd()
        found = [folder for folder in (here, *here.parents, CHECKOUT) if _has_study(folder)]
        if not found:
            raise UsageError(
                "no folder with conf/ and experiments/ here or above; set BN_STUDY_HOME to a checkout of bn_study"
            )
        home = found[0]
    return Study(home, Path(os.environ.get("BN_STUDY_RESULTS") or home / "results").expanduser().resolve())


def _has_study(folder: Path) -> bool:
    return (folder / "conf" / "config.yaml").is_file() and (folder / "experiments").is_dir()
