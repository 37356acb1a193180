"""The command line as a user meets it: in processes of its own, with folders of its own."""

import errno
import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from bn_study.cli.main import main
from bn_study.store.store import Store

SWEEP = ["dataset=digits", "norm=none,batch", "optimizer.learning_rate=0.03,0.3", "seed=range(2)", "steps=300"]


@pytest.fixture
def bn_study(home, tmp_path):
    """`bn_study("run", ...)` -> the finished process; results and data go to the test's own folder."""

    def call(*arguments, code=0, **environment):
        paths = {
            "BN_STUDY_HOME": home,
            "BN_STUDY_RESULTS": tmp_path / "results",
            "BN_STUDY_DATA": tmp_path / "data",
            "HOME": tmp_path,
            "KERAS_HOME": tmp_path / "keras",
            "PYTHONPATH": home,
        }
        answer = subprocess.run(
            [sys.executable, "-m", "bn_study", *map(str, arguments)],
            env=os.environ | {key: str(value) for key, value in (paths | environment).items()},
            cwd=tmp_path, capture_output=True, text=True, timeout=300, stdin=subprocess.DEVNULL,
        )  # fmt: skip
        assert answer.returncode == code, answer.stdout + answer.stderr
        return answer

    call.results = tmp_path / "results"
    call.data = tmp_path / "data"
    return call


def stored(results):
    runs = results / "runs"
    return sorted(path.name for path in runs.iterdir() if not path.name.startswith(".")) if runs.is_dir() else []


def tables(results):
    return {
        run: [pd.read_parquet(results / "runs" / run / name) for name in ("records.parquet", "vectors.parquet")]
        for run in stored(results)
    }


def refused(answer, *words):
    """Nothing said of runs, two lines at most beside the notice of a download, no traceback, and the words."""
    said = answer.stderr.split("once\n")[-1]
    assert said.count("\n") <= 2 and "Traceback" not in said and answer.stdout == ""
    for word in words:
        assert word in answer.stderr
    return True


@pytest.mark.slow
def test_an_adhoc_sweep_trains_each_run_once(bn_study):
    first = bn_study("run", *SWEEP)
    assert "8 runs, 8 to train" in first.stdout and "8 trained, 8 of 8 done" in first.stdout
    assert len(stored(bn_study.results)) == 8
    assert "0 to train" in bn_study("run", *SWEEP).stdout
    assert "0 to train" in bn_study("run", *[word.replace("0.03,", "3e-2,") for word in SWEEP]).stdout
    assert "12 runs, 4 to train" in bn_study("run", *[word.replace("range(2)", "range(3)") for word in SWEEP]).stdout
    assert len(stored(bn_study.results)) == 12
    shown = bn_study("show", stored(bn_study.results)[0]).stdout
    assert "complete" in shown and "test/accuracy" in shown and "optimizer.learning_rate=" in shown


@pytest.mark.slow
def test_inline_and_local_launchers_give_the_same_records(bn_study, home, tmp_path):
    words = ["norm=batch", "seed=range(2)", "steps=50", "probe=[curves,activations]"]
    bn_study("run", *words, "launcher=inline")
    bn_study("run", *words, "workers=2", BN_STUDY_RESULTS=tmp_path / "other")
    one, other = tables(bn_study.results), tables(tmp_path / "other")
    assert list(one) == list(other) and len(one) == 2
    for run in one:
        for mine, theirs in zip(one[run], other[run], strict=True):
            pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


@pytest.mark.slow
def test_a_plan_that_nothing_is_known_of_is_calibrated(bn_study):
    words = ["norm=none", "seed=range(3)", "steps=3000"]
    assert "unknown" in bn_study("plan", *words).stdout
    said = bn_study("plan", "--calibrate", *words).stdout
    assert "time left        about" in said and "trained just now" in said and "unknown" not in said
    assert stored(bn_study.results) == []


@pytest.mark.slow
def test_a_diverged_run_is_a_result(bn_study):
    words = ["norm=none", "model.activation=relu", "optimizer.learning_rate=1e6,0.1", "steps=100"]
    answer = bn_study("run", *words)
    assert "2 of 2 done, 1 of them diverged" in answer.stdout
    assert "0 to train" in bn_study("run", *words).stdout
    provenance = [
        json.loads((bn_study.results / "runs" / run / "provenance.json").read_text())
        for run in stored(bn_study.results)
    ]
    (diverged,) = [one for one in provenance if one["status"] == "diverged"]
    assert 1 <= diverged["diverged_at"] <= 10
    bn_study("report", *words)
    (folder,) = (bn_study.results / "local").iterdir()
    runs = pd.read_csv(folder / "runs.csv")
    assert sorted(runs["status"]) == ["complete", "diverged"]


def test_plan_prints_an_object_a_run(bn_study):
    lines = bn_study("plan", "faster_convergence", "--json").stdout.splitlines()
    runs = [json.loads(line) for line in lines]
    assert {run["status"] for run in runs} == {"missing", "waiting"}
    assert len({run["id"] for run in runs if run["id"]}) == sum(run["status"] == "missing" for run in runs) == 160
    assert {run["settings"]["norm"] for run in runs} == {"none", "batch"}
    assert not bn_study.results.exists()
    bn_study("run", "norm=none,batch", "steps=5", "workers=1")
    runs = [
        json.loads(line)
        for line in bn_study("plan", "norm=none,batch", "steps=5", "seed=0,1", "--json").stdout.splitlines()
    ]
    assert sorted(run["status"] for run in runs) == ["done", "done", "missing", "missing"]


@pytest.mark.parametrize(
    "arguments", [["--help"], ["list"], ["plan", "faster_convergence"], ["run", "--help"], ["show"]], ids=" ".join
)
def test_light_verbs_do_not_import_tensorflow(home, tmp_path, arguments):
    script = (
        "import sys\nfrom bn_study.cli.main import main\n"
        "try:\n    main(sys.argv[1:])\nexcept SystemExit:\n    pass\n"
        "heavy = {'tensorflow', 'keras', 'wandb', 'torch'} & set(sys.modules)\nassert not heavy, heavy"
    )
    environment = os.environ | {"PYTHONPATH": str(home), "BN_STUDY_HOME": str(home), "BN_STUDY_RESULTS": str(tmp_path)}
    subprocess.run([sys.executable, "-c", script, *arguments], check=True, env=environment, stdout=subprocess.DEVNULL)


def test_report_does_not_import_tensorflow(home, bn_study):
    words = ["norm=none,batch", "steps=5"]
    bn_study("run", *words)
    script = (
        "import sys\nfrom bn_study.cli.main import main\nassert main(['report', *sys.argv[1:]]) == 0\n"
        "heavy = {'tensorflow', 'keras', 'wandb', 'torch'} & set(sys.modules)\nassert not heavy, heavy"
    )
    environment = os.environ | {
        "PYTHONPATH": str(home),
        "BN_STUDY_HOME": str(home),
        "BN_STUDY_RESULTS": str(bn_study.results),
    }
    subprocess.run([sys.executable, "-c", script, *words], check=True, env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["faster_convergance"], ["did you mean faster_convergence?"]),
        (["norm=bach"], ["did you mean batch?"]),
        (["norm=batch", "norm.momentum=1.5"], ["norm.momentum=1.5"]),
        (["batch_size=0"], ["batch_size=0"]),
        (["seed=range(0)"], ["the list is empty"]),
        (["steps=soon"], ["steps=soon"]),
        (["steps=1e30"], ["steps=1e+30"]),
        (["seed=99999999999999999999"], ["seed=99999999999999999999", "less than or equal"]),
        (["workers=1,2"], ["workers=1,2: give one value"]),
        (["seed=glob(*)"], ["only a,b,c and choice() and range()"]),
        (["seed=interval(0,1)"], ["only a,b,c and choice() and range()"]),
        (["optimizer.keras=Adam"], ["unknown setting 'optimizer.keras'"]),
        (["faster_convergence", "seed=26100", "dataset=digits"], ["claims.faster_tuned", "seed 26100 both tunes"]),
        (["batch_size=5000"], ["batch_size=5000", "1197 training examples"]),
        (["dataset=mnist"], ["mnist.npz", "dataset=digits"]),
        (["dataset=arrays", "dataset.path=nowhere.npz"], ["nowhere.npz"]),
        ([], ["name an experiment"]),
        (
            ["faster_convergence", "dataset=cifar10_jpeg"],
            ["experiments/faster_convergence.yaml", "level", "cifar10_jpeg"],
        ),
    ],
    ids=lambda value: " ".join(value) or "nothing",
)
def test_bad_input_is_refused_before_anything_starts(bn_study, words, said):
    answer = bn_study("run", *words, code=2)
    assert refused(answer, *said)
    assert stored(bn_study.results) == []
    assert not list((bn_study.results / "runs").glob(".log/*")) if (bn_study.results / "runs").exists() else True


def npz(path, **changes):
    random = np.random.default_rng(0)
    arrays = {"x_train": random.random((40, 4, 4)).astype(np.float32), "y_train": np.arange(40) % 3,
              "x_test": random.random((9, 4, 4)).astype(np.float32), "y_test": np.arange(9) % 3}  # fmt: skip
    arrays |= changes
    np.savez(path, **{key: value for key, value in arrays.items() if value is not None})
    return path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"x_train": np.array([{"an": "object"}] * 40, dtype=object)}, "pickle"),
        ({"y_test": None}, "y_test"),
        ({"x_test": np.full((9, 4, 4), np.nan, np.float32)}, "x_test"),
        ({"y_train": np.arange(39)}, "y_train"),
        ({"y_train": np.linspace(0, 1, 40)}, "y_train"),
    ],
    ids=["pickled", "missing key", "NaN", "lengths", "fractions"],
)
def test_bad_arrays_are_refused(bn_study, tmp_path, changes, said):
    path = npz(tmp_path / "mine.npz", **changes)
    answer = bn_study("run", "dataset=arrays", f"dataset.path={path}", "dataset.validation=5", "batch_size=8", code=2)
    assert refused(answer, "mine.npz", said) and stored(bn_study.results) == []


@pytest.mark.slow
def test_good_arrays_are_trained_and_known_by_their_content(bn_study, tmp_path):
    words = ["dataset=arrays", "dataset.validation=5", "batch_size=8", "steps=5", "model.widths=[5]"]
    bn_study("run", *words, f"dataset.path={npz(tmp_path / 'mine.npz')}")
    copy = shutil.copy(tmp_path / "mine.npz", tmp_path / "moved.npz")
    assert "0 to train" in bn_study("run", *words, f"dataset.path={copy}").stdout
    other = npz(tmp_path / "other.npz", x_test=np.zeros((9, 4, 4), np.float32))
    assert "1 to train" in bn_study("run", *words, f"dataset.path={other}").stdout


def test_one_changed_byte_of_mnist_is_refused(bn_study):
    source = Path(os.environ.get("BN_STUDY_DATA", "nowhere")) / "mnist.npz"
    if not source.is_file():
        pytest.skip("BN_STUDY_DATA holds no mnist.npz")
    bn_study.data.mkdir()
    content = bytearray(source.read_bytes())
    content[len(content) // 3] ^= 1
    (bn_study.data / "mnist.npz").write_bytes(content)
    assert refused(bn_study("run", "dataset=mnist", code=2), "mnist.npz")


def test_results_that_cannot_be_written_are_refused(bn_study, tmp_path):
    (tmp_path / "file").write_text("")
    answer = bn_study("run", "steps=5", code=2, BN_STUDY_RESULTS=tmp_path / "file")
    assert refused(answer, "cannot be written", "BN_STUDY_RESULTS")


def test_a_claim_without_runs_names_file_and_claim(bn_study, home, tmp_path):
    study = tmp_path / "study"
    shutil.copytree(home / "conf", study / "conf")
    (study / "experiments").mkdir()
    text = (home / "experiments" / "faster_convergence.yaml").read_text()

    def plan(old, new):
        assert old in text
        (study / "experiments" / "faster_convergence.yaml").write_text(text.replace(old, new))
        return bn_study("plan", "faster_convergence", code=2, BN_STUDY_HOME=study)

    place = "experiments/faster_convergence.yaml"
    assert refused(plan("norm=batch: -1}\n    at", "norm=group: -1}\n    at"),
                   place, "claims.faster_tuned", "norm=group")  # fmt: skip
    assert refused(plan("    margin: 0.5 ", "    #"), place, "claims.faster_tuned", "margin is missing")
    assert refused(
        plan("    level: {mnist: 0.95, digits: 0.90}\n    contrast", "    contrast"),
        place,
        "claims.faster_tuned",
        "level",
    )


@pytest.mark.slow
def test_a_failing_run_is_reported_and_the_others_finish(bn_study):
    """Three poolings do not fit 8x8 images; which is known only when the network is built."""
    words = ["model=cnn", "model.dense=[4]", "model.blocks=[[2],[2]],[[2],[2],[2],[2]]", "steps=3"]
    answer = bn_study("run", *words, code=1)
    assert "1 trained, 1 of 2 done" in answer.stdout and "failed: " in answer.stdout and "fewer blocks" in answer.stdout
    assert "continue with: bn-study run" in answer.stdout
    assert "1 to train" in bn_study("run", *words, code=1).stdout
    every = bn_study("run", "model=cnn", "model.blocks=[[2],[2],[2],[2]]", "steps=3", code=2)
    assert "fewer blocks" in every.stdout and "Traceback" not in every.stdout + every.stderr


@pytest.mark.slow
def test_a_damaged_run_is_set_aside_and_trained_anew(bn_study):
    words = ["norm=none,batch", "steps=5", "launcher=inline"]
    bn_study("run", *words)
    before = tables(bn_study.results)
    run = stored(bn_study.results)[0]
    with open(bn_study.results / "runs" / run / "records.parquet", "ab") as file:
        file.write(b"junk")
    answer = bn_study("run", *words)
    assert "1 to train" in answer.stdout and "checksum" in answer.stderr
    for mine, theirs in zip(tables(bn_study.results)[run], before[run], strict=True):
        pd.testing.assert_frame_equal(mine, theirs, check_exact=True)


@pytest.mark.slow
def test_an_override_does_not_make_a_claim_post_hoc(bn_study):
    """One seed of the experiment is trained first, under an override; the claim stands in the file all the same."""
    bn_study("run", "faster_convergence", "profile=smoke", "seed=0")
    bn_study("run", "faster_convergence", "profile=smoke")
    bn_study("report", "faster_convergence", "profile=smoke")
    (folder,) = (bn_study.results / "local").iterdir()
    verdicts = pd.read_csv(folder / "verdicts.csv", dtype={"stated": str})  # a commit may be all digits
    stated = verdicts["stated"].dropna()
    assert len(stated) and not stated.str.contains("post hoc").any()


@pytest.mark.slow
def test_the_whole_path_on_embedded_data(bn_study):
    """Plan, tune, train, report; then the report again from its own tables, without the cache."""
    words = ["faster_convergence", "profile=smoke"]
    bn_study("run", *words)
    bn_study("report", *words)
    (folder,) = (bn_study.results / "local").iterdir()
    assert {"runs.csv", "curves.csv", "verdicts.csv", "report.md", "figure1.svg", "figure1.png"} <= {
        path.name for path in folder.iterdir()
    }
    verdicts = pd.read_csv(folder / "verdicts.csv")
    needed = {"claim", "statements", "context", "outcome", "estimate", "low", "high", "p", "n", "reason", "stated"}
    assert needed <= set(verdicts.columns)
    (folder / "index.html").unlink()  # no evidence: it shows what the cache has of runs, or says that there is none
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        if path.name not in ("runs.csv", "curves.csv"):
            path.unlink()
    shutil.rmtree(bn_study.results / "runs")
    bn_study("report", *words)
    (folder / "index.html").unlink()
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    bn_study("report", *words, "--check")
    (folder / "verdicts.csv").write_text("edited by hand")
    bn_study("report", *words, "--check", code=1)


@pytest.mark.slow
def test_permuting_the_test_labels_changes_no_tuned_value(bn_study, tmp_path):
    """Tuning sees validation data only."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    chosen = []
    for order in (np.arange(400), np.random.default_rng(1).permutation(400)):
        path = tmp_path / f"{order[0]}.npz"
        np.savez(
            path, x_train=images[400:] / 16, y_train=labels[400:], x_test=images[:400] / 16, y_test=labels[:400][order]
        )
        study = tmp_path / f"study{order[0]}"
        shutil.copytree(Path(os.environ.get("BN_STUDY_HOME", Path(__file__).parents[2])) / "conf", study / "conf")
        (study / "experiments").mkdir()
        (study / "experiments" / "tuned.yaml").write_text(f"""
question: Which learning rate is best?
base: {{dataset: arrays, dataset.path: {path}, dataset.validation: 200, model.widths: [16], steps: 150}}
grids:
  best: {{norm: [none, batch], optimizer.learning_rate: rate, seed: [0]}}
  select: {{norm: [none, batch], optimizer.learning_rate: [0.03, 0.3, 3], seed: [100, 101]}}
tune:
  rate:
    grid: select
    factors: [optimizer.learning_rate]
    per: [norm]
    score: {{final: {{metric: validation/accuracy}}}}
    best: max
""")
        bn_study("run", "tuned", BN_STUDY_HOME=study, BN_STUDY_RESULTS=study / "results")
        lines = bn_study(
            "plan", "tuned", "--json", BN_STUDY_HOME=study, BN_STUDY_RESULTS=study / "results"
        ).stdout.splitlines()
        runs = [json.loads(line)["settings"] for line in lines]
        assert len(runs) == 14
        chosen.append({run["norm"]: run["optimizer.learning_rate"] for run in runs if run["seed"] == 0})
    assert chosen[0] == chosen[1] and set(chosen[0]) == {"none", "batch"}


@pytest.mark.slow
def test_ctrl_c_stops_cleanly_and_the_same_command_finishes(bn_study, home, tmp_path):
    words = ["norm=none,batch", "seed=range(2)", "steps=20000", "probe=[]"]
    environment = {"PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": bn_study.results}
    process = subprocess.Popen(
        [sys.executable, "-m", "bn_study", "run", *words],
        env=os.environ | {key: str(value) for key, value in environment.items()},
        stdout=subprocess.PIPE,
        text=True,
    )
    store = Store(bn_study.results / "runs")
    while not any(holder.step for holder in store.leases().holders()):
        assert process.poll() is None, "it ended before a run was under way"
        os.sched_yield()
    process.send_signal(signal.SIGINT)
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 3 and "continue with: bn-study run" in said
    assert len(stored(bn_study.results)) < 4 and store.checkpoints()
    assert not list((bn_study.results / "runs" / ".failed").iterdir())
    bn_study("run", *words)
    assert len(stored(bn_study.results)) == 4 and not store.checkpoints()
    assert any(store.read(run).provenance["earlier"] for run in store.ids())


@pytest.mark.slow
def test_two_calls_at_once_share_the_work(bn_study, home):
    words = ["norm=none,batch", "seed=range(4)", "steps=2000", "workers=1"]
    environment = {"PYTHONPATH": home, "BN_STUDY_HOME": home, "BN_STUDY_RESULTS": bn_study.results}
    calls = [
        subprocess.Popen(
            [sys.executable, "-m", "bn_study", "run", *words],
            env=os.environ | {key: str(value) for key, value in environment.items()},
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    said = [call.communicate(timeout=120)[0] for call in calls]
    assert [call.returncode for call in calls] == [0, 0], said
    assert len(stored(bn_study.results)) == 8
    assert not list((bn_study.results / "runs" / ".failed").iterdir())


def test_a_reader_that_leaves_is_told_apart_from_success(tmp_path):
    process = subprocess.Popen(
        [sys.executable, "-m", "bn_study", "list"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    process.stdout.close()
    assert process.stderr.read() == b"" and process.wait() == 128 + signal.SIGPIPE


def test_a_folder_of_nobodys_home_is_bad_input(monkeypatch, capsys):
    monkeypatch.setenv("BN_STUDY_RESULTS", "~nobody-has-this-name/results")
    assert main(["list"]) == 2
    assert capsys.readouterr().err.startswith(
        "bn-study: BN_STUDY_RESULTS=~nobody-has-this-name/results: the home folder"
    )


def test_what_may_not_be_read_is_bad_input(monkeypatch, capsys):
    def closed():
        raise PermissionError(errno.EACCES, "Permission denied", "/closed/runs")

    monkeypatch.setattr("bn_study.study.locate", closed)
    assert main(["list"]) == 2
    assert capsys.readouterr().err == "bn-study: /closed/runs: Permission denied; change its permissions\n"
