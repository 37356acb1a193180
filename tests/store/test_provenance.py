"""What is written down of the circumstances of a run: enough to train it again, and no secret."""

import json
import os
import shlex
import subprocess
import sys

import pytest

from bn_study.store import provenance

CANARY = "c4n4ry"


@pytest.fixture(scope="module")
def study(home, tmp_path_factory):
    """How to call bn-study in a study of its own, whose git remote has a password; two runs were tried in it."""
    place = tmp_path_factory.mktemp("study")
    for folder in ("conf", "bn_study"):
        (place / folder).symlink_to(home / folder)
    (place / "experiments").mkdir()
    for words in (
        ["init", "--quiet"],
        ["-c", "user.name=a", "-c", "user.email=a@b", "commit", "--quiet", "--allow-empty", "--message", "first"],
        ["remote", "add", "origin", f"https://user:{CANARY}@example.org/study.git?key={CANARY}"],
    ):
        subprocess.run(["git", "-C", place, *words], check=True)

    def call(*words):
        environment = dict.fromkeys(("HTTPS_PROXY", "BN_STUDY_NOTE"), f"https://me:{CANARY}@proxy") | {
            "WANDB_API_KEY": CANARY, "AWS_SECRET_ACCESS_KEY": CANARY, "TF_AUTH_TOKEN": CANARY, "SLURM_JWT": CANARY,
            "PYTHONPATH": str(home), "BN_STUDY_HOME": str(place), "BN_STUDY_RESULTS": str(place / "results"),
        }  # fmt: skip
        return subprocess.run(
            [sys.executable, "-m", "bn_study", *words], env=os.environ | environment, capture_output=True, text=True
        )

    call.place = place
    call.words = ("model=mlp,cnn", "model.blocks=[[2],[2],[2],[2]]", "steps=20", "workers=1")
    answer = call("run", *call.words)
    assert answer.returncode == 1, "the images are too small for so many poolings: " + answer.stdout + answer.stderr
    return call


@pytest.mark.parametrize(
    "word",
    [f"optimizer.api_key={CANARY}", f"+wandb_token={CANARY}", f"measure={{secret:{CANARY}}}", f"--token={CANARY}"],
)
def test_no_secret_gets_into_the_results(study, word):
    """Canaries in the environment, the git remote and a refused setting, of a run that ended well and one that failed.

    An option that does not exist is repeated by the message about it; that is on the terminal where it was typed.
    """
    answer = study("run", word)
    assert answer.returncode == 2 and "Traceback" not in answer.stderr
    assert word.startswith("--") or ("looks like a secret" in answer.stderr and CANARY not in answer.stderr)
    written = [path for path in (study.place / "results").rglob("*") if path.is_file()]
    assert {"provenance.json", "records.parquet"} <= {path.name for path in written}
    assert any(".failed" in path.parts for path in written)
    for path in written:
        assert CANARY.encode() not in path.read_bytes(), path


def test_a_key_in_a_file_is_refused_too(study):
    (study.place / "experiments" / "leaky.yaml").write_text(f"grids: {{a: {{optimizer.api_key: {CANARY}}}}}\n")
    answer = study("plan", "leaky")
    assert answer.returncode == 2 and "api_key looks like a secret" in answer.stderr and CANARY not in answer.stderr


def test_provenance_tells_how_a_run_came_about(study):
    (path,) = (study.place / "results" / "runs").glob("none-mlp-*/provenance.json")
    about = json.loads(path.read_text())
    head = subprocess.run(["git", "-C", study.place, "rev-parse", "HEAD"], capture_output=True, text=True)
    assert about["study"]["commit"] == head.stdout.strip() and about["study"]["dirty"] is True  # conf/ is not committed
    assert about["commit"] == provenance.source(provenance.PACKAGE, ())["commit"]
    assert about["remote"] == "https://example.org/study.git"
    assert about["command"] == shlex.join(["bn-study", "run", *study.words])
    assert about["experiment"]["name"] == "adhoc" and len(about["experiment"]["hash"]) == 10
    assert about["versions"]["keras"] and about["versions"]["python"]
    assert about["machine"]["cores"] == os.cpu_count() and about["machine"]["processor"] and about["machine"]["host"]
    assert about["threads"] == 1 and len(about["fingerprint"]) == 64
    assert 0 < sum(one["seconds"] for name, one in about["timing"].items() if name != "worker") <= about["seconds"]
    assert about["timing"]["training"]["count"] == 10, "the first 10 steps compile the program"
    assert 100e6 < about["peak_memory"] < 10e9
    assert set(about["environment"]) <= set(provenance.ENVIRONMENT)
