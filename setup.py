"""Puts the study that comes with the package into a wheel: vocabulary, experiments, and the sanity checks' evidence.

They stay at the root of the checkout, where an editable installation finds them; see bn_study/plan/places.py.
"""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).resolve().parent
SHIPPED = ("conf", "experiments", "statements.yaml", "results/sanity_checks")


class BuildWithStudy(build_py):
    def run(self) -> None:
        super().run()
        if not self.editable_mode:
            target = Path(self.build_lib, "bn_study", "shipped")
            shutil.rmtree(target, ignore_errors=True)  # of an earlier build
            for name in SHIPPED:
                place = target / name
                place.parent.mkdir(parents=True, exist_ok=True)
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("index.html", "__pycache__"))
                else:
                    shutil.copyfile(ROOT / name, place)


setup(cmdclass={"build_py": BuildWithStudy})
