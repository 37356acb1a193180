"""The ledger: nothing in it is ever removed or changed."""

import itertools
import json
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bn_study.errors import UsageError
from bn_study.plan.moment import Moment
from bn_study.report.ledger import FILE, Attached, Ledger, Stated

MOMENTS = st.builds(
    lambda day, commit: Moment(f"2026-01-{day:02}T00:00:00+00:00", commit), st.integers(1, 28), st.sampled_from("abc")
)
NAMES = st.sampled_from("uvwxyz")
CLAIMS = st.builds(
    lambda name, one, moment: Stated(**vars(moment), claim=name, hash=one, tested={"margin": 1}, rule=2),
    NAMES, NAMES, MOMENTS,
)  # fmt: skip
ATTACHED = st.builds(
    lambda name, one, moment: Attached(**vars(moment), claim=name, statement=one), NAMES, NAMES, MOMENTS
)
ADDITIONS = st.lists(st.tuples(st.lists(CLAIMS), st.lists(ATTACHED), st.lists(st.tuples(NAMES, MOMENTS))), max_size=5)


@given(ADDITIONS)
@settings(max_examples=200)
def test_it_only_grows(additions):
    ledger, trained = Ledger(), []
    for claims, attached, runs in additions:
        before, ledger = ledger, ledger.extended(claims, attached, runs)
        trained += runs
        for section in Ledger.model_fields:
            assert getattr(ledger, section)[: len(getattr(before, section))] == getattr(before, section)
        assert ledger.hashes() == before.hashes() | {one.hash for one in claims}
        assert ledger.first() == {run: min(moment for one, moment in trained if one == run) for run, _ in trained}
        assert ledger.extended(claims, attached, runs) == ledger, "what is known is not entered again"


@given(ADDITIONS, ADDITIONS)
@settings(max_examples=50)
def test_what_another_process_appended_meanwhile_stays(tmp_path_factory, ours, theirs):
    path, mine, other = tmp_path_factory.mktemp("ledger") / FILE, Ledger(), Ledger()
    for one in ours:
        mine = mine.extended(*one)
    for one in theirs:
        other = other.extended(*one)
    other.write(path)
    mine.write(path)
    both = Ledger.read(path)
    assert both.hashes() == mine.hashes() | other.hashes()
    for section in Ledger.model_fields:
        assert getattr(both, section)[: len(getattr(other, section))] == getattr(other, section)
    first = [one.first() for one in (mine, other)]
    assert both.first() == {run: min(one[run] for one in first if run in one) for run in {*first[0], *first[1]}}


@given(ADDITIONS)
@settings(max_examples=50)
def test_it_is_read_as_it_was_written(tmp_path_factory, additions):
    ledger, path = Ledger(), tmp_path_factory.mktemp("ledger") / "x" / FILE
    for one in additions:
        ledger = ledger.extended(*one)
    ledger.write(path)
    assert Ledger.read(path) == ledger and [one.name for one in path.parent.iterdir()] == [FILE]
    lines = path.read_text().splitlines()
    for section in Ledger.model_fields:  # an entry a line
        for entry in json.loads(path.read_text())[section]:
            assert sum(line.rstrip(",") == json.dumps(entry) for line in lines) >= 1


def test_a_file_that_is_not_as_it_was_written_is_refused(tmp_path):
    path = tmp_path / FILE
    for text in ("", "{", '{"claims": [{"claim": "x"}]}', '{"other": []}'):
        path.write_text(text)
        with pytest.raises(UsageError, match=f"{FILE}: not readable.*restore it from git"):
            Ledger.read(path)


def test_committed_ledgers_only_grew(home):
    """Each version that this repository has of each ledger begins with the one before."""
    for path in (home / "results").glob(f"*/{FILE}"):
        versions, name = [], path.relative_to(home)
        for commit in git(home, "log", "--reverse", "--format=%H", "--", name).split():
            versions.append(Ledger.model_validate_json(git(home, "show", f"{commit}:{name}")))
        for before, after in itertools.pairwise([*versions, Ledger.read(path)]):
            for section in Ledger.model_fields:
                assert getattr(after, section)[: len(getattr(before, section))] == getattr(before, section), path


def git(home, *words):
    answer = subprocess.run(["git", "-C", home, *words], capture_output=True, text=True)
    return answer.stdout if answer.returncode == 0 else ""
