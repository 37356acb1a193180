"""The examples of docs/adding-a-part.md: added to a copy of the harness, they train, and conformance tests pass."""

import os
import re
import shutil
import subprocess
import sys

import pandas as pd
import pytest

SMALL = ("seed=0", "steps=6", "schedule.points=2", "schedule.reestimate=100", "launcher=inline")
PROBES = "probe=[curves,kernels,gradients,discrepancy]"


@pytest.fixture(scope="module")
def files(home):
    page = (home / "docs" / "adding-a-part.md").read_text()
    return dict(re.findall(r"```(?:python|yaml)\n# (\S+)\n(.*?)```", page, flags=re.DOTALL))


def test_the_page_has_each_example_and_models_are_short(files):
    assert [path.rpartition("/")[2] for path in files] == [
        "plain_layer.py", "plain_layer.yaml", "small_resnet.py", "small_resnet.yaml", "rows.py", "rows.yaml",
        "kernels.py", "kernels.yaml",
    ]  # fmt: skip
    for name in ("small_resnet", "rows"):
        source = files[f"bn_study/training/model/{name}.py"]
        assert len([line for line in source.splitlines() if line.strip()]) <= 32


@pytest.mark.slow
def test_the_examples_train_and_record_what_they_declare(copy, files, tmp_path):
    call = copy(files)
    models = ("model=small_resnet,rows", "model.activation=gelu", "norm=none,batch,plain_layer")
    assert "6 trained, 6 of 6 done" in call("run", *models, PROBES, *SMALL)
    layers = [*(f"layer{number}/linear" for number in range(1, 6)), "shortcut3/linear", "shortcut5/linear"]
    for norm, normalizers in (("none", 0), ("batch", 7)):
        (run,) = tmp_path.glob(f"results/runs/{norm}-small_resnet-*")
        table = pd.read_parquet(run / "records.parquet")
        assert set(table.loc[table["name"] == "kernels/norm", "site"]) == {*layers, "output/linear"}
        assert table.loc[table["name"] == "discrepancy/output", "site"].nunique() == normalizers
    after = ("norm=batch", "norm.placement=after", "model.dropout=0.2", "model.dropout_position=before")
    assert "2 trained, 2 of 2 done" in call("run", "model=small_resnet,rows", *after, *SMALL)
    refused = call("run", "model=rows", "norm=batch_renorm", *SMALL, code=2)
    assert "layer1_norm is called 8 times in a forward pass" in refused and "Traceback" not in refused


@pytest.mark.slow
def test_the_examples_pass_the_conformance_tests(copy, files, home, tmp_path):
    copy(files)
    shutil.copytree(home / "tests", tmp_path / "tests", ignore=shutil.ignore_patterns("__pycache__"))
    chosen = "small_resnet or rows or (kernels and not yields)"
    answer = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/test_conformance.py",
         "-k", chosen],
        cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True,
    )  # fmt: skip
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert re.search(r"\b1?[0-9] passed", answer.stdout), answer.stdout
