"""The committed evidence: it is what its tables give, and its rows can be trained again."""

import hashlib
import json
import os
import random
import re
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from standin import BUILT_IN

from bn_study.analysis import csv_files
from bn_study.plan.compose import compose
from bn_study.report import evidence
from bn_study.report.ledger import FILE, Ledger
from bn_study.study import Study
from bn_study.sweep.status import planned

EVIDENCE = sorted(path.parent.name for path in (Path(__file__).parent.parent / "results").glob("*/runs.csv"))


def bn_study(home, results, *words):
    environment = {"PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": results}
    return subprocess.run(
        [sys.executable, "-m", "bn_study", *words],
        env=os.environ | {key: str(value) for key, value in environment.items()},
        capture_output=True,
        text=True,
        cwd=results,
    )


@pytest.mark.slow
def test_every_committed_file_is_what_the_tables_give(home, tmp_path):
    """Without the cache: a copy of the committed folders alone."""
    folders = [path.parent for path in (home / "results").glob("*/runs.csv")]
    assert folders
    for folder in folders:
        shutil.copytree(folder, tmp_path / folder.name)
    for path in (home / "results" / "README.md", *(home / "results").glob("board.*")):
        shutil.copy(path, tmp_path)
    for name in ("replications", "statements"):
        shutil.copytree(home / "results" / name, tmp_path / name)
    answer = bn_study(home, tmp_path, "report", "--check", "--all")
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert answer.stdout.count("unchanged") == len(folders) + 1


def test_a_board_that_was_edited_is_found(home, tmp_path):
    """In a study without the experiments' own differences: one small table of verdicts is enough."""
    folder = tmp_path / "faster_convergence"
    shutil.copytree(home / "results" / folder.name, folder)
    board = tmp_path / "README.md"
    board.write_text((home / "results" / "README.md").read_text().replace("supported", "reversed"))
    answer = bn_study(home, tmp_path, "report", "--check", "--all")
    assert answer.returncode == 1 and f"verdict board: would change: {board}" in answer.stdout


def test_edits_of_every_kind_of_file_are_found(home, tmp_path):
    """Each in a line that says where; a picture in pixels is not looked at beside its SVG."""
    name = "initialization"
    folder = tmp_path / name
    shutil.copytree(home / "results" / name, folder)

    def edited(file, pattern, replacement):
        text = (folder / file).read_text(encoding="utf-8")
        assert re.search(pattern, text)
        (folder / file).write_text(re.sub(pattern, replacement, text, count=1), encoding="utf-8")

    edited("verdicts.csv", ",supported,", ",reversed,")
    edited("effects.csv", r"(\d\.\d{3})\d{3}", r"\g<1>999")
    edited("effects.json", "thin line", "thick line")
    edited("report.md", r"\*\*supported\*\* \| (\d+)\.", r"**supported** | 1\1.")
    edited("accuracies.svg", r'd="M (\d+)\.', r'd="M 1\1.')
    rows = (folder / "accuracies.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "accuracies.csv").write_text("".join(rows[:-1]), encoding="utf-8")
    (folder / "accuracies.json").unlink()
    (folder / "accuracies.png").write_bytes(b"other pixels")
    (folder / "effects.png").unlink()
    (folder / "old.svg").write_text("<svg/>")
    found = evidence.differences(Study(home, tmp_path), compose(home, name, [])[0], "")
    begins = [
        f"accuracies.csv: row {len(rows) - 1}, grid is '' and should be '",
        "accuracies.json: is missing",
        "accuracies.svg: line ",
        "effects.csv: row 2 (claim wider_range, context grid=relu), low90 is ",
        "effects.json: caption is ",
        "effects.png: is missing",
        "old.svg: exists, but no report writes it",
        "report.md: line ",
        "verdicts.csv: row 1 (claim wider_range), outcome is 'reversed' and should be 'supported'; 1 cell differs",
    ]
    assert len(found) == len(begins)
    for line, begin in zip(found, begins, strict=True):
        assert line.startswith(begin) and "\n" not in line


def test_the_readme_shows_the_verdicts_of_the_committed_folders(home):
    assert evidence.board_differences(Study(home, home / "results")) == [], "run bn-study report --all"


def test_evidence_was_trained_from_a_clean_tree_in_portable_numerics(home):
    """Rows of before there were numerics to choose have none; they are the AVX-512 processor's that trained them."""
    for path in (home / "results").glob("*/runs.csv"):
        runs = csv_files.read_csv(path)
        assert not runs["dirty"].any() and set(runs["commit"].str.len()) == {40}
        assert set(runs.get("numerics", [])) <= {"", "portable"}


@pytest.mark.parametrize("name", EVIDENCE)
def test_claims_are_as_the_ledger_has_them(home, name):
    """Each claim is in the ledger of its experiment as it is tested now, and its verdict says when that was."""
    ledger, experiment = Ledger.read(home / "results" / name / FILE), compose(home, name, [])[0]
    for one in ledger.claims:
        digest = hashlib.sha256(json.dumps(one.tested, sort_keys=True).encode()).hexdigest()
        assert one.hash == digest[:10] and len(one.commit) == 40
    stated = {one.hash: one for one in ledger.claims}
    verdicts = csv_files.read_csv(home / "results" / name / "verdicts.csv")
    found = dict(zip(verdicts["claim"], verdicts["stated"], strict=True))
    for claim, digest in experiment.stated().items():
        assert stated[digest].tested == experiment.tested(claim)
        assert found[claim] == stated[digest].commit[:10]  # and not "post hoc"


@pytest.mark.parametrize("name", EVIDENCE)
def test_the_ledger_has_when_every_row_was_trained_first(home, name):
    first, runs = (
        Ledger.read(home / "results" / name / FILE).first(),
        csv_files.read_csv(home / "results" / name / "runs.csv"),
    )
    plan, waiting = planned(compose(home, name, [])[0], Study(home, home / "nowhere").store, runs)
    assert not waiting and len(plan) == len(runs)
    assert {run.spec.training for run in plan} <= set(first)


DRAWN = 2
"""Experiments of which a CI trains rows again: others at each commit, so that in time it is all of them."""
LONG = {"long_run"}
"""But not these: one of their rows takes some ten minutes."""


def drawn(home):
    head = subprocess.run(["git", "-C", str(home), "rev-parse", "HEAD"], capture_output=True, text=True)
    seed = head.stdout.strip() or datetime.now(UTC).date().isoformat()
    return sorted(random.Random(seed).sample(sorted({*EVIDENCE} - LONG), DRAWN))


@pytest.mark.slow
@pytest.mark.parametrize("place", range(DRAWN))
def test_committed_rows_can_be_trained_again(home, tmp_path, place):
    """A row of each arm, by the rule of `replicate` (docs/verdicts.md): on another kind of processor, too."""
    experiment = drawn(home)[place]
    rows = csv_files.read_csv(home / "results" / experiment / "runs.csv")
    root = Path(os.environ.get("BN_STUDY_DATA", "nowhere"))
    downloaded = sorted({*rows["dataset"]} - {*BUILT_IN})
    if lacking := [one for one in downloaded if not (root / f"{one}.npz").is_file()]:
        pytest.skip(f"BN_STUDY_DATA holds no {', '.join(lacking)}")
    shutil.copytree(home / "results" / experiment, tmp_path / experiment)
    answer = bn_study(home, tmp_path, "replicate", experiment, "--rows", "1")
    print(answer.stdout)
    assert answer.returncode == 0, answer.stdout + answer.stderr
