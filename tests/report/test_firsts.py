"""When a claim counts as stated: small studies in git repositories, or in none, whose runs are made up."""

import dataclasses
import json
import os
import shutil
import subprocess

import pandas as pd
import pytest

from bn_study.analysis import csv_files, tables
from bn_study.analysis.asked import asked
from bn_study.plan import git, history
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.plan.moment import now
from bn_study.report import evidence, firsts
from bn_study.report.ledger import FILE, Ledger
from bn_study.store import provenance
from bn_study.study import Study

TINY = """
question: Is it so?
base: {steps: 30, dataset: digits}
grids: {all: {norm: [none, batch], seed: range(3)}, more: {norm: group, seed: range(3)}}
claims:
  learns:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=none: 1, constant: -0.1}
    test: superiority
    margin: 0.01
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    test: superiority
    margin: 0.01
    gates: [learns]
  group: {like: learns, grid: more, contrast: {norm=group: 1, constant: -0.1}}
discussion: None yet.
"""
BETTER = "  better:\n"
STATEMENTS = """
sources: {S000: {author: A, work: w}}
cards: {C01: speed}
topics: {speed: {question: "Is it faster?"}}
statements:
  S000-a: {claim: It is better., topic: speed, cards: [C01], background: [tiny.better]}
  S000-b: {claim: It learns., topic: speed, cards: [C01], background: [tiny.learns]}
"""
LATER = """
  S000-c:
    claim: It is better everywhere.
    topic: speed
    cards: [C01]
    parts: {all: {kind: effect, says: better, claims: [{claim: tiny.better, scope: {network: in the tiny net}}]}}
"""
YESTERDAY = "2026-01-01T00:00:00+00:00"


class Studied:
    """A study in a repository whose clock goes on an hour with every commit."""

    def __init__(self, place, text=TINY):
        self.place, self.hour = place, 0
        self.git("init", "--quiet")
        self.attach(STATEMENTS)
        self.commit(tiny=text)

    def git(self, *words):
        date = f"2026-01-02T{self.hour:02}:00:00+00:00"
        names = {f"GIT_{one}_{what}": "x" for one in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        environment = os.environ | names | {"GIT_COMMITTER_DATE": date, "GIT_AUTHOR_DATE": date}
        command = ["git", "-C", self.place.home, *words]
        return subprocess.run(command, check=True, env=environment, capture_output=True, text=True).stdout.strip()

    def commit(self, **experiments):
        """Write and commit experiments; the commit."""
        self.write(**experiments)
        self.hour += 1
        self.git("add", "conf", "experiments", "statements.yaml")
        self.git("commit", "--quiet", "--allow-empty", "--message", "next")
        return self.git("rev-parse", "HEAD")

    def write(self, **experiments):
        for name, text in experiments.items():
            (self.place.home / "experiments" / f"{name}.yaml").write_text(text)

    def attach(self, statements):
        (self.place.home / "statements.yaml").write_text(statements)

    def experiment(self, name="tiny", *overrides):
        return compose(self.place.home, name, overrides)[0]

    def train(self, name="tiny", again=False, earlier=(), **changes):
        """Publish what is missing of an experiment, as a worker would, or all `again`; changes: of every spec.

        earlier: attempts that were interrupted.
        """
        experiment, store = self.experiment(name), self.place.store
        store.prepare()
        for run in expand(experiment, {})[0]:
            spec = dataclasses.replace(run.spec, **changes)
            if again:
                shutil.rmtree(store.root / spec.id)
            if not store.done(spec.id):
                value = 0.5 + 0.1 * (spec.norm.name == "batch") + 0.001 * spec.seed
                records = pd.DataFrame([(30, "test/accuracy", "", value)], columns=["step", "name", "site", "value"])
                facts = {"status": "complete", "classes": 10, "commit": "the package's", "dirty": False}
                facts |= self.attempt(name) | {"earlier": list(earlier)}
                store.publish(spec, records, records.iloc[:0], facts)

    def attempt(self, name="tiny"):
        """What an attempt at training that begins now notes of the study."""
        stated = history.committed(self.place.home, self.experiment(name))
        return {"study": provenance.source(self.place.home, ["conf"]), "started": now().date, "stated": stated}

    def report(self, name="tiny"):
        """Report; what was stated, by claim. The ledger only grew, and a check finds nothing to change."""
        path = self.place.results / name / FILE
        before = Ledger.read(path) if path.is_file() else Ledger()
        evidence.report(self.place, self.experiment(name))
        after = Ledger.read(path)
        for section in Ledger.model_fields:
            assert getattr(after, section)[: len(getattr(before, section))] == getattr(before, section)
        assert evidence.differences(self.place, self.experiment(name)) == []
        found = csv_files.read_csv(path.with_name("verdicts.csv"))
        self.verdicts = found[found["context"].isna() | (found["context"] == "")].set_index("claim")
        return dict(self.verdicts["stated"])


@pytest.fixture
def studied(make_study, tmp_path):
    return Studied(make_study(tmp_path / "study", tiny=TINY))


def test_claims_count_from_the_commit_that_stated_them(studied):
    first = studied.git("rev-parse", "HEAD")
    studied.commit(other=TINY)
    studied.train()
    assert studied.report() == dict.fromkeys(("learns", "better", "group"), first[:10])
    ledger = Ledger.read(studied.place.results / "tiny" / FILE)
    assert {one.commit for one in ledger.claims} == {first}
    (trained,) = ledger.trained
    assert trained.commit == studied.git("rev-parse", "HEAD") and len(trained.runs) == 9
    runs = csv_files.read_csv(studied.place.results / "tiny" / "runs.csv")
    assert set(runs["commit"]) == {trained.commit}


def test_what_claims_are_read_as_may_be_mended(studied):
    studied.train()
    before = studied.report()
    text = TINY.replace("Is it so?", "Is it?").replace("None yet.", "It was.")
    text = text.replace(BETTER, f"{BETTER}    expect: it is\n")
    studied.attach(STATEMENTS + LATER)
    mended = studied.commit(tiny=text)
    changes = evidence.differences(studied.place, studied.experiment())
    assert any(line.startswith(FILE) for line in changes), "the attachment is to be appended"
    assert studied.report() == before
    later = studied.verdicts["attached_later"]["better"]
    assert later == f"S000-c:{mended[:10]} S000-c:network:{mended[:10]}", "the scope factor was seen afterwards, too"
    assert studied.verdicts["attached_later"]["learns"] == ""
    report = (studied.place.results / "tiny" / "report.md").read_text()
    assert f"S000-a S000-c (attached later, {mended[:10]})" in report


def test_an_attachment_that_is_not_committed_says_so(studied):
    studied.train()
    studied.report()
    studied.attach(STATEMENTS + LATER)
    studied.report()
    assert studied.verdicts["attached_later"]["better"] == "S000-c:uncommitted S000-c:network:uncommitted"


def test_an_attachment_in_an_earlier_experiment_file_counts(studied):
    """Claims named their statements before statements.yaml did; the commit that attached them stays the first."""
    first = studied.commit(tiny=TINY.replace(BETTER, f"{BETTER}    statements: [S000-a, S000-c]\n"))
    studied.commit(tiny=TINY)
    studied.train()
    studied.attach(STATEMENTS + LATER)
    studied.commit()
    studied.report()
    ledger = Ledger.read(studied.place.results / "tiny" / FILE)
    assert {one.statement: one.commit for one in ledger.attached if one.claim == "better"}["S000-c"] == first
    assert studied.verdicts["attached_later"]["better"].startswith("S000-c:network:"), "only the factor came later"


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        (f"{BETTER}", f"{BETTER}    says: always\n", {"better"}),
        ("    margin: 0.01\n  better", "    margin: 0.02\n  better", {"learns", "better", "group"}),  # gate and `like`
        ("more: {norm: group, seed: range(3)}", "more: {norm: group, seed: [1, 2, 3]}", {"group"}),  # two were there
        ("more: {norm: group, seed: range(3)}", "more: {norm: group, seed: range(2)}", {"group"}),
    ],
)
def test_what_is_tested_may_not(studied, old, new, changed):
    studied.train()
    before = studied.report()
    assert old in TINY
    studied.commit(tiny=TINY.replace(old, new))
    studied.train()
    after = studied.report()
    assert after == {name: "post hoc" if name in changed else one for name, one in before.items()}
    studied.train(again=True)
    assert studied.report() == after, "the same settings and seeds, trained again, are no new evidence"


def test_fresh_seeds_make_a_changed_claim_a_stated_one(studied):
    studied.train()
    studied.report()
    changed = studied.commit(tiny=TINY.replace("range(3)", "[3, 4, 5]").replace("margin: 0.01", "margin: 0.02"))
    studied.train()
    assert set(studied.report().values()) == {changed[:10]}


def test_a_resumed_run_counts_from_its_first_attempt(studied):
    interrupted = studied.attempt()
    studied.commit(tiny=TINY.replace(BETTER, f"{BETTER}    says: always\n"))  # its curves may have been looked at
    studied.train(earlier=[interrupted])
    found = studied.report()
    assert found["better"] == "post hoc" and found["learns"] != "post hoc"


@pytest.mark.parametrize("how", ["recipe", "probe", "schedule"])
@pytest.mark.parametrize("reported", [False, True])
def test_a_training_counts_whatever_its_recipe_and_what_it_recorded(studied, how, reported):
    specs = expand(studied.experiment(), {})[0]
    probe, schedule = specs[0].spec.probes[0], dict(specs[0].spec.schedule)
    changes = {
        "recipe": {"recipe": 1},
        "probe": {"probes": (dataclasses.replace(probe, args=dict(probe.args) | {"images": 7}),)},
        "schedule": {"schedule": schedule | {"points": 2}},
    }[how]
    studied.train(**changes)
    if reported:  # by another experiment, whose ledger keeps it when the runs are gone
        moment = git.head(studied.place.home)
        seen = Ledger().extended([], [], [(one.spec.training, moment) for one in specs])
        seen.write(studied.place.results / "earlier" / FILE)
        shutil.rmtree(studied.place.store.root)
    studied.commit(tiny=TINY.replace(BETTER, f"{BETTER}    says: always\n"))
    studied.train()
    found = studied.report()
    assert found["better"] == "post hoc" and found["learns"] != "post hoc"


def test_experiments_that_share_runs(studied):
    """One was stated before the other's runs were trained, and finds them in the cache; a third came too late."""
    shared = "    says: always\n"
    second = studied.commit(second=TINY.replace(BETTER, BETTER + shared))
    studied.train("tiny")
    studied.report("tiny")
    studied.commit(third=TINY.replace(BETTER, f"{BETTER}    says: can\n"))
    assert studied.report("second")["better"] == second[:10]
    assert studied.report("third")["better"] == "post hoc"


def test_a_claim_that_is_not_committed_is_not_stated(studied):
    studied.write(tiny=TINY.replace(BETTER, f"{BETTER}    says: always\n"))
    assert set(history.committed(studied.place.home, studied.experiment())) == {"learns", "group"}
    studied.train()
    found = studied.report()
    assert found["better"] == "post hoc" and "post hoc" not in (found["learns"], found["group"])
    ledger = Ledger.read(studied.place.results / "tiny" / FILE)
    assert studied.experiment().stated_hash("better") not in ledger.hashes()
    studied.commit()
    assert studied.report()["better"] == "post hoc", "it was committed after its runs were trained"


def test_an_experiment_without_any_commit(studied):
    studied.write(new=TINY)
    assert history.committed(studied.place.home, studied.experiment("new")) == {}


def test_an_override_keeps_the_claims_of_the_file(studied):
    studied.train()
    studied.report()
    assert studied.experiment("tiny", "steps=20").stated() == studied.experiment().stated()


def test_a_shallow_clone_has_the_ledger(studied, tmp_path):
    studied.train()
    before = studied.report()
    studied.git("add", "results/tiny")
    studied.commit()
    clone = tmp_path / "clone"
    studied.git("clone", "--quiet", "--depth", "1", f"file://{studied.place.home}", str(clone))
    there = Study(clone, clone / "results")
    judged = evidence.judge(there, compose(clone, "tiny", [])[0])
    assert {name: one.stated for name, one in judged.verdicts.items()} == before
    assert evidence.differences(there, compose(clone, "tiny", [])[0]) == []


def test_a_claim_of_an_earlier_vocabulary_is_found(home, studied):
    """That of before an option which is null, and a setting of the call: the present code composes it all the same."""
    conf = studied.place.home / "conf"
    conf.unlink()
    shutil.copytree(home / "conf", conf)
    present = (conf / "config.yaml").read_text()
    lines = present.splitlines(keepends=True)
    earlier = [line for line in lines if not line.startswith(("classes_per_batch:", "mirror_wait:"))]
    assert len(earlier) == len(lines) - 2
    (conf / "config.yaml").write_text("".join(earlier))
    stated = studied.commit(tiny=TINY.replace(BETTER, f"{BETTER}    says: always\n"))
    (conf / "config.yaml").write_text(present)
    studied.commit()
    studied.train()
    assert studied.report()["better"] == stated[:10]


def test_without_git_the_ledger_tells(make_study, tmp_path):
    place = make_study(tmp_path / "study", tiny=TINY)
    studied = Studied.__new__(Studied)
    studied.place = place
    assert not git.holds(place.home)
    firsts.note(place, studied.experiment())
    studied.train()
    assert "post hoc" not in studied.report().values()
    path = place.results / "tiny" / FILE
    content = json.loads(path.read_text())
    for section in content.values():  # as if all of it had been yesterday
        for entry in section:
            assert entry["commit"] == ""
            entry["date"] = YESTERDAY
    path.unlink()
    Ledger.model_validate(content).write(path)
    studied.write(tiny=TINY.replace(BETTER, f"{BETTER}    says: always\n"))
    firsts.note(place, studied.experiment())
    studied.train(again=True)
    found = studied.report()
    assert found["better"] == "post hoc" and found["learns"] == YESTERDAY[:10] + " (no git)"


def test_the_package_and_the_study_are_two_repositories(studied, tmp_path, monkeypatch):
    package = tmp_path / "package"
    for name in ("bn_study/training/train.py", "bn_study/report/page.py", "README.md"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("first")
    code = Studied.__new__(Studied)
    code.place, code.hour = Study(package, package / "results"), 1
    for words in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        code.git(*words)
    monkeypatch.setattr(provenance, "PACKAGE", package)

    def about():
        return provenance.circumstances(studied.place.home, [])

    clean = about()
    assert clean["commit"] == code.git("rev-parse", "HEAD") and clean["dirty"] is False
    assert clean["study"]["commit"] == studied.git("rev-parse", "HEAD") and clean["study"]["dirty"] is False
    (package / "bn_study" / "report" / "page.py").write_text("other pages")
    studied.write(tiny=TINY.replace("None yet.", "Discussed."))
    assert not about()["dirty"] and not about()["study"]["dirty"], "neither decides a run's numbers"
    (package / "bn_study" / "training" / "train.py").write_text("other numbers")
    assert about()["dirty"] is True and about()["study"]["dirty"] is False

    studied.git("checkout", "--quiet", "experiments")
    studied.place.store.prepare()
    (run, *_), _ = expand(studied.experiment(), {})
    records = pd.DataFrame([(30, "test/accuracy", "", 0.5)], columns=["step", "name", "site", "value"])
    studied.place.store.publish(
        run.spec, records, records.iloc[:0], about() | {"status": "complete", "classes": 10, "stated": {}}
    )
    (row,) = tables.runs_table([run], studied.place.store, asked(studied.experiment())).to_dict("records")
    assert row["commit"] == studied.git("rev-parse", "HEAD") and bool(row["dirty"]) is True


def test_a_folder_that_a_repository_only_surrounds_is_not_of_it(studied):
    (studied.place.home / "ignored").mkdir()
    assert git.holds(studied.place.home) and not git.holds(studied.place.home / "ignored")
    assert git.head(studied.place.home / "ignored") is None and git.changed(studied.place.home / "ignored", ".")
