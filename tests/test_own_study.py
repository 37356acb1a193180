"""A study of one's own: a folder with experiments/ and parts/ over the package, from a checkout or from a wheel."""

import csv
import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import own_parts as written
import pytest

from bn_study.cli import conformance
from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.plan import history, own_parts, parts, places
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.report import evidence, firsts
from bn_study.study import Study, locate
from bn_study.training import conformance as training

EXPERIMENT = """
question: Does it help to divide by the root mean square?
base: {model: twin, probe: [curves, kernels], steps: 20}
grids: {main: {norm: [none, power], seed: [0, 1]}}
claims:
  it:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=power: 1, norm=none: -1}
    test: superiority
    margin: 0.01
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """A study of one's own in a folder of its own, which is the current one; its parts are forgotten afterwards."""
    folder = tmp_path / "mine"
    written.write(folder)
    (folder / "experiments").mkdir()
    (folder / "experiments" / "power.yaml").write_text(EXPERIMENT)
    monkeypatch.chdir(folder)
    for name in ("BN_STUDY_HOME", "BN_STUDY_RESULTS"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    parts.look_in(None)


def ids(home, name, *words):
    runs, _ = expand(compose(home, name, words)[0], {})
    return {run.spec.id for run in runs}


def test_a_new_study_has_an_experiment_that_can_be_planned_and_a_place_for_parts(study, tmp_path, capsys, monkeypatch):
    assert main(["new", str(tmp_path / "s")]) == 0
    made = sorted(str(path.relative_to(tmp_path / "s")) for path in (tmp_path / "s").rglob("*") if path.is_file())
    assert made == [".gitignore", "experiments/my_question.yaml", "parts/README.md"]
    first = (tmp_path / "s" / made[1]).read_text().splitlines()[0]
    assert Path(first.removeprefix("# yaml-language-server: $schema=")).is_file()
    monkeypatch.chdir(tmp_path / "s")
    subprocess.run(["git", "init", "--quiet"], check=True)
    kept = ["results/my_question/runs.csv", "results/replications/here.csv"]
    paths = ["results/runs/one", "results/local/one", "results/index.html", "results/my_question/index.html", *kept]
    ignored = subprocess.run(["git", "check-ignore", *paths], capture_output=True, text=True).stdout.split()
    assert ignored == paths[:-2]
    assert main(["plan", "my_question", "profile=quick"]) == 0
    assert "16 runs" in capsys.readouterr().out
    assert main(["new", str(tmp_path / "s")]) == 2
    said = capsys.readouterr().err
    assert "is not empty; give the name of a new folder" in said and len(said.splitlines()) == 1


def test_its_own_experiments_and_parts_stand_beside_those_of_the_package(study, capsys):
    assert locate() == Study(study, study / "results")
    assert main(["list"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines() if line.strip()}
    assert lines["*power"].endswith("root mean square?") and "faster_convergence" in lines
    assert " power*" in lines["norm"] and " batch " in lines["norm"] and " twin*" in lines["model"]
    assert main(["plan", "faster_convergence", "profile=smoke"]) == 0


def test_its_experiment_of_the_same_name_wins(study):
    (study / "experiments" / "facts.yaml").write_text(EXPERIMENT)
    assert "root mean square" in compose(study, "facts", [])[0].question


def test_runs_of_the_package_have_the_same_ids_in_any_study(study, home):
    words = ("norm=none,batch", "seed=range(2)")
    assert ids(study, None, *words) == ids(home, None, *words)


def test_the_code_of_its_parts_is_in_the_identity_of_a_run_and_not_in_what_a_claim_asks_for(study, tmp_path):
    """The recipe's place: an edited part trains anew, and neither moves a claim nor hides what was trained before."""
    before = compose(study, "power", [])[0]
    for edited in ("norm/power.py", "norm/_moments.py"):
        other = tmp_path / edited.replace("/", "-")
        shutil.copytree(study, other)
        path = other / "parts" / edited
        path.write_text(path.read_text() + "\n# another line\n")
        after = compose(other, "power", [])[0]
        old, new = (
            {run.spec.settings["norm"]: run.spec for run in expand(one, {})[0] if run.spec.seed == 0}
            for one in (before, after)
        )
        assert old["power"].id != new["power"].id and (old["none"].id == new["none"].id) is (edited == "norm/power.py")
        assert old["power"].training == new["power"].training and before.stated() == after.stated()


def test_what_is_executed_is_the_text_that_was_hashed(study):
    path = study / "parts" / "probe" / "kernels.py"
    parts.look_in(study / "parts")
    code = own_parts.code("probe", "kernels")
    path.write_text('raise AssertionError("edited after it was planned")')
    assert parts.find("probe", "kernels").__doc__ == "How large the kernels are."
    assert own_parts.code("probe", "kernels") == code


REFUSED = {
    "norm/batch.py": ("", "parts/norm/batch.py: the package has the norm batch already; give yours another name"),
    "profile/quick.yaml": ("", "parts/profile/quick.yaml: the package has the profile quick already; give yours"),
    "norms/mine.py": ("", "parts/norms: unknown kind of part 'norms'; did you mean norm?"),
    "norm/half.yaml": ("name: half", "parts/norm/half.yaml has no parts/norm/half.py; write it, with the function"),
    "norm/other.py": ("", "parts/norm/other.py has no parts/norm/other.yaml; write it, with a value for each option"),
    "norm/wrong.py": ("def layer(:", "parts/norm/wrong.py is not readable as Python: "),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_part_that_cannot_be_is_refused_in_one_line(study, capsys, name):
    text, message = REFUSED[name]
    written.write(study, {name: text} | ({"norm/wrong.yaml": "name: wrong"} if name == "norm/wrong.py" else {}))
    assert main(["plan", f"norm={Path(name).stem}", "seed=0"]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"bn-study: {message}") and len(said.splitlines()) == 1


def git(folder, *words):
    who = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", folder, *who, *words], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def test_a_claim_is_stated_by_the_commit_of_the_study_that_has_it(study):
    """And the package's claims by none of them."""
    experiment = compose(study, "power", [])[0]
    hashes = set(experiment.stated().values())
    git(study, "init", "-q")
    git(study, "add", "parts")
    git(study, "commit", "-q", "-m", "parts")
    assert history.stated(study, "power", hashes) == {}
    assert history.committed(study, experiment) == {}
    git(study, "add", "experiments")
    git(study, "commit", "-q", "-m", "question")
    commit = git(study, "rev-parse", "HEAD")
    path = study / "parts" / "norm" / "power.py"
    path.write_text(path.read_text() + "\n# another line\n")
    git(study, "commit", "-q", "-a", "-m", "edited")
    assert {one.commit for one in history.stated(study, "power", hashes).values()} == {commit}
    assert own_parts.folder() == study / "parts", "the present parts are back"
    packaged = compose(study, "facts", [])[0]
    assert history.stated(study, "facts", set(packaged.stated().values())) == {}


def test_without_git_a_claim_counts_from_when_it_was_first_seen(study):
    experiment = compose(study, "power", [])[0]
    firsts.note(locate(), experiment)
    (ledger,) = study.glob("results/power/stated.json")
    assert '"commit": ""' in ledger.read_text()


def test_claims_need_no_statements(study):
    assert not (study / "statements.yaml").exists()
    assert main(["plan", "power"]) == 0


def test_outside_of_a_study_the_package_has_one(tmp_path, monkeypatch):
    monkeypatch.delenv("BN_STUDY_HOME", raising=False)
    monkeypatch.delenv("BN_STUDY_RESULTS", raising=False)
    monkeypatch.chdir(tmp_path)
    assert locate().home == places.HOME
    (tmp_path / "experiments").mkdir()  # of somebody's other project
    assert locate().home == places.HOME
    monkeypatch.setenv("BN_STUDY_HOME", str(tmp_path))
    with pytest.raises(UsageError, match="has no experiments/ with parts/ or conf/"):
        locate()


def test_an_installed_package_does_not_ask_for_the_evidence_that_it_lacks(home, tmp_path, monkeypatch):
    study = Study(home, tmp_path)
    assert evidence.misfits(study)
    monkeypatch.setattr(places, "PACKAGE", home)
    assert evidence.misfits(study) == []


def test_version(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0 and capsys.readouterr().out.startswith("bn-study ")


def test_the_normalizer_of_the_documentation_is_a_part(study, home):
    text = (home / "docs" / "own-study.md").read_text()
    blocks = dict(re.findall(r"```\w+\n# parts/(norm/\S+)\n(.*?)```", text, re.DOTALL))
    assert list(blocks) == ["norm/power.py", "norm/power.yaml"]
    written.write(study, blocks)
    parts.look_in(study / "parts")
    for _, check in conformance.of_any_kind(study, "norm", "power"):
        check()
    training.keeps_the_shape(study, "power")
    training.infers_alone(study, "power")


@pytest.mark.slow
def test_its_parts_are_tested_for_conformance(study, capsys):
    uneven = written.FILES["norm/power.py"].replace("/ ops.sqrt", "* ops.mean(inputs) / ops.sqrt")
    options = "name: uneven\nplacement: before\nepsilon: 1.0\n"
    written.write(study, {"norm/uneven.py": uneven, "norm/uneven.yaml": f"{options}centered: false\n"})
    written.write(study, {"norm/without.py": uneven, "norm/without.yaml": options.replace("uneven", "without")})
    assert main(["doctor", "--parts"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ok    parts/model/twin.py: trains, and probes change nothing" in lines
    assert "ok    parts/probe/kernels.py: changes nothing in a net with norm=batch" in lines
    assert "ok    parts/norm/power.py: infers each example alone" in lines
    assert [line for line in lines if line.startswith("FAIL")] == [
        "FAIL  parts/norm/uneven.py: infers each example alone: "
        "at inference an example's output depends on the others of its batch",
        "FAIL  parts/norm/without.py: its YAML gives every option a value: "
        "parts/norm/without.yaml has no value for centered",
    ]
    assert lines[-1] == "3 of 5 parts hold"


# --- from a wheel -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def installed(home, tmp_path_factory):
    """The folder of an installation from a wheel, built without a network from what git has of the checkout."""
    place = tmp_path_factory.mktemp("wheel")
    source = place / "source"
    for name in ("bn_study", "conf", "experiments", "results/sanity_checks"):
        shutil.copytree(home / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "setup.py", "MANIFEST.in", "README.md", "LICENSE", "statements.yaml"):
        shutil.copyfile(home / name, source / name)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    offline = ("--no-deps", "--no-index", "--quiet")
    wheel = [*pip, "wheel", *offline, "--no-build-isolation", "--wheel-dir", str(place), str(source)]
    subprocess.run(wheel, check=True, cwd=place)
    (built,) = place.glob("bn_study-*.whl")
    target = place / "site"
    subprocess.run([*pip, "install", *offline, "--target", str(target), str(built)], check=True, cwd=place)
    return target


def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc")
    return {str(path): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_from_an_empty_folder_and_a_wheel_to_a_verdict(installed, tmp_path):
    """Without an edit to the package: an own normalizer, probe and model take part."""
    others = {key: value for key, value in os.environ.items() if not key.startswith("BN_STUDY")}
    environment = others | {"PYTHONPATH": str(installed)}
    before = content(installed)

    def call(folder, *words):
        command = [sys.executable, "-P", "-m", "bn_study", *words]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    doctor = call(tmp_path, "doctor")
    assert not list(tmp_path.iterdir()), "it makes nothing by looking"
    assert "FAIL" not in doctor and f"{installed}/bn_study/shipped" in doctor and "(unchanged)" in doctor
    assert "faster_convergence" in call(tmp_path, "list")
    assert "160 runs" in call(tmp_path, "plan", "faster_convergence", "profile=quick")
    call(tmp_path, "new", "s")
    study = tmp_path / "s"
    written.write(study)
    question = study / "experiments" / "my_question.yaml"
    text = question.read_text()
    for old, new in (
        ("model: mlp ", "model: twin "), ("  model.widths: [64, 64]", "  probe: [curves, kernels]"),
        ("  model.activation: sigmoid\n", ""), ("norm: [none, batch]", "norm: [none, power]"), ("range(8)", "range(3)"),
        ("{norm=batch: 1, norm=none: -1}", "{norm=power: 1, norm=none: -1}"),
    ):  # fmt: skip
        assert old in text
        text = text.replace(old, new)
    question.write_text(text)
    assert "6 trained, 6 of 6 done" in call(study, "run", "my_question", "profile=quick")
    call(study, "report", "my_question", "profile=quick")
    (verdicts,) = study.glob("results/local/my_question-*/verdicts.csv")
    with verdicts.open() as file:
        (row,) = csv.DictReader(file)
    assert row["outcome"] in ("supported", "small", "reversed", "open") and row["n"] == "3"
    assert row["stated"].endswith(" (no git)")
    runs = {path.name.rpartition("-s")[0] for path in (study / "results" / "runs").glob("[!.]*")}
    assert runs == {"power-twin-digits", "none-twin-digits"}
    assert content(installed) == before, "nothing in the package was edited"


@pytest.mark.slow
def test_an_edited_installation_is_recorded_as_such(installed, tmp_path):
    """A released version names its code, as long as nobody edits what was installed."""
    ask = "from bn_study.store import provenance; print(provenance.package()['dirty'])"

    def dirty():
        environment = os.environ | {"PYTHONPATH": str(installed)}
        done = subprocess.run([sys.executable, "-P", "-c", ask], cwd=tmp_path, env=environment, capture_output=True)
        return done.stdout.decode().strip()

    path = installed / "bn_study" / "training" / "train.py"
    text = path.read_text()
    try:
        assert dirty() == "False"
        path.write_text(f"{text}\n")
        assert dirty() == "True"
    finally:
        path.write_text(text)
