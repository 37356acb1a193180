"""What lies on the user's machine decides no number and stands in nobody's way: keras.json, the current folder."""

import ast
import json
import os
import shlex
import subprocess
import sys

import keras
import pandas as pd
import pytest

from bn_study.errors import UsageError
from bn_study.sweep import child
from bn_study.sweep.call import Call
from bn_study.sweep.launcher import slurm
from bn_study.sweep.request import Request
from bn_study.training.train import Programs, train

CNN = ("dataset=digits", "model=cnn", "model.blocks=[[2]]", "model.dense=[8]", "norm=batch", "steps=20")


def records(spec):
    return train(spec, Programs(), lambda step, state: None, None).records


@pytest.fixture
def bn_study(home, tmp_path):
    """`bn_study(*words, **environment)` -> the finished process, called in an empty folder of the test's own."""
    here = tmp_path / "here"
    here.mkdir()

    def call(*words, code=0, stdout=subprocess.PIPE, **environment):
        places = {"BN_STUDY_HOME": home, "BN_STUDY_RESULTS": tmp_path / "results", "PYTHONPATH": home}
        answer = subprocess.run(
            [sys.executable, "-m", "bn_study", *words], cwd=here, stdin=subprocess.DEVNULL,
            env=os.environ | {name: str(value) for name, value in (places | environment).items()},
            stdout=stdout, stderr=subprocess.PIPE, encoding="utf-8", errors="replace", timeout=300,
        )  # fmt: skip
        assert answer.returncode == code, (answer.stdout, answer.stderr)
        return answer

    call.here, call.results = here, tmp_path / "results"
    return call


@pytest.fixture
def keras_settings():
    """Keras' settings may be changed; they are put back."""
    before = keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format()
    policy = keras.config.dtype_policy()
    yield
    keras.config.set_floatx(before[0])
    keras.config.set_epsilon(before[1])
    keras.config.set_image_data_format(before[2])
    keras.config.set_dtype_policy(policy)


CHANGED = {
    "image_data_format": lambda: keras.config.set_image_data_format("channels_first"),
    "floatx": lambda: keras.config.set_floatx("float64"),
    "epsilon": lambda: keras.config.set_epsilon(0.1),
    "dtype_policy": lambda: keras.config.set_dtype_policy("mixed_bfloat16"),
}


@pytest.mark.parametrize("name", CHANGED)
def test_settings_of_keras_decide_no_number(specify, keras_settings, name):
    spec = specify(*CNN)
    expected = records(spec)
    CHANGED[name]()
    pd.testing.assert_frame_equal(records(spec), expected, check_exact=True)


def test_another_backend_of_keras_is_refused_by_name(specify, monkeypatch):
    monkeypatch.setattr(keras.config, "backend", lambda: "torch")
    with pytest.raises(UsageError, match=r"backend torch.*KERAS_BACKEND=tensorflow"):
        records(specify(*CNN))


@pytest.mark.parametrize("launcher", ["local", pytest.param("inline", marks=pytest.mark.slow)])
def test_neither_keras_json_nor_the_current_folder_is_used(bn_study, specify, tmp_path, launcher):
    """What lies there would fail at once, or train other numbers."""
    settings = {"image_data_format": "channels_first", "floatx": "float64", "epsilon": 0.1, "backend": "torch"}
    (tmp_path / "keras.json").write_text(json.dumps(settings))
    for name in ("queue", "keras", "random"):
        (bn_study.here / f"{name}.py").write_text("raise SystemExit('a file of the user was imported')\n")
    bn_study("run", *CNN, f"launcher={launcher}", KERAS_HOME=tmp_path, KERAS_BACKEND="torch")
    spec = specify(*CNN)
    found = pd.read_parquet(bn_study.results / "runs" / spec.id / "records.parquet")
    pd.testing.assert_frame_equal(found, records(spec), check_exact=True)


def test_a_child_finds_the_package_of_its_parent_and_nothing_of_the_current_folder(tmp_path, monkeypatch):
    (tmp_path / "queue.py").write_text("raise SystemExit('a file of the user was imported')\n")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "my_module.py").touch()
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", str(tmp_path / "mine"), ""]))
    code = "import queue, my_module, bn_study; print(bn_study.__file__)"
    answer = subprocess.run(
        [*child.PYTHON, "-c", code], cwd=tmp_path, env=os.environ | child.environment(), capture_output=True, text=True
    )
    assert answer.stdout.strip() == str(child.FOLDER / "bn_study" / "__init__.py"), answer.stderr


def test_no_text_is_read_or_written_in_the_encoding_of_the_locale(home):
    """It says that it is UTF-8, of files and of what other programs answer."""
    found = []
    for path in sorted((home / "bn_study").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.Call):
                continue
            name = ast.unparse(node.func)
            given = {keyword.arg for keyword in node.keywords}
            binary = len(node.args) > 1 and "b" in ast.unparse(node.args[1])
            text = name.endswith((".read_text", ".write_text")) or (name == "open" and not binary)
            if (text and "encoding" not in given) or "text=True" in map(ast.unparse, node.keywords):
                found.append(f"{path.name}:{node.lineno}: {ast.unparse(node)}")
    assert found == []


POSIX = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.mark.parametrize(
    "words",
    [
        ("plan", "faster_convergence", "profile=smoke"),
        pytest.param(("compare", "saturation"), marks=pytest.mark.slow),
    ],
)
def test_a_locale_without_utf8_stands_in_nobodys_way(home, bn_study, words):
    for encoding in ("", "iso-8859-1"):
        place = {"BN_STUDY_RESULTS": home / "results", "PYTHONIOENCODING": encoding}
        answer = bn_study(*words, **POSIX, **place)
        assert answer.stdout and answer.stderr == ""


def test_a_full_disk_behind_the_output_is_one_line(bn_study):
    if not os.path.exists("/dev/full"):
        pytest.skip("no /dev/full here")
    with open("/dev/full", "w") as full:
        answer = bn_study("list", code=1, stdout=full)
    assert answer.stderr == "bn-study: cannot write: No space left on device; make room\n"


def test_python_without_assertions_is_refused_by_name(bn_study):
    said = bn_study("plan", "norm=none,batch", "seed=range(3)", code=2, PYTHONOPTIMIZE="1").stderr
    assert "PYTHONOPTIMIZE" in said and len(said.splitlines()) == 1


def test_slurm_starts_its_tasks_like_other_children(make_study, tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    for name in ("sbatch", "srun"):
        (tmp_path / "bin" / name).write_text("#!/bin/sh\necho Submitted batch job 7\n")
        (tmp_path / "bin" / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"), prepend=os.pathsep)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["", "/some where"]))
    place, request = make_study(tmp_path / "study"), ["seed=0", "launcher=slurm"]
    slurm.submit(Call("call", Request.parse(request, place)))
    script = next((place.store.jobs() / "call").glob("*.sh")).read_text(encoding="utf-8")
    assert f"export PYTHONPATH='{child.FOLDER}:/some where'" in script.splitlines()
    assert f"{shlex.join(child.PYTHON)} -u -m submitit" in script
