"""Public modules that load when they are used have the names that a plain import gives them."""

import json
import os
import subprocess
import sys
import threading
from types import ModuleType

import pytest

from bn_study.training import first_use

NAMES = """
import functools, json, sys, types
import tensorflow, keras
from bn_study.training import first_use
from tensorflow.python.framework import ops

def described(value):
    own = getattr(value, "__dict__", {})
    kind = "module" if isinstance(value, types.ModuleType) else type(value).__name__
    return [kind, *(str(own.get(one)) for one in ("__module__", "__qualname__", "__name__"))]

asked = json.load(sys.stdin) or {
    name: [one for one in vars(module) if not one.startswith("_")]
    for name, module in list(sys.modules.items()) if first_use.waits(name) and not name.startswith(first_use.INNER)
}


def reached(name):
    # as a user reaches the module: tensorflow._api.v2.nn as tensorflow.nn
    first, *rest = name.replace("._api.v2", "").split(".")
    return functools.reduce(getattr, rest, sys.modules[first])


found = {name: {one: described(getattr(reached(name), one, None)) for one in ones} for name, ones in asked.items()}
print(json.dumps({"asked": asked, "found": found, "gradients": sorted(ops.gradient_registry.list())}))
"""
"""The public names of all modules that wait, or those asked for, and what they are."""


def answered(script, content="{}"):
    environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
    answer = subprocess.run(
        [sys.executable, "-c", script], input=content, capture_output=True, text=True, env=environment
    )
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def plain():
    return answered(NAMES)


@pytest.mark.slow
def test_every_public_name_is_what_a_plain_import_gives(plain):
    lazy = answered(f"import bn_study.training\n{NAMES}", json.dumps(plain["asked"]))
    assert sum(map(len, plain["found"].values())) > 4000
    for module, names in plain["found"].items():
        assert lazy["found"][module] == names, module
    assert lazy["gradients"] == plain["gradients"]


def test_what_training_imports_has_gradients_and_no_plotting(plain):
    script = """
import bn_study.training.train, gc, json, sys
from tensorflow.python.framework import ops
heavy = [one for one in ("matplotlib", "sklearn", "scipy", "tensorflow.lite.python.lite") if one in sys.modules]
print(json.dumps([heavy, gc.isenabled(), sorted(ops.gradient_registry.list())]))
"""
    heavy, collecting, gradients = answered(script)
    assert heavy == [] and collecting
    missing = set(plain["gradients"]) - set(gradients)  # those of modules that only their own names lead to
    assert {one for one in missing if not one.startswith(("Debug", "AudioMicrofrontend"))} == set()


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package `early` whose modules `early.late` and `early.later` wait, with what it has loaded so far."""
    (tmp_path / "early").mkdir()
    files = {
        "early/__init__.py": "from early import late, later\nloaded = []\n",
        "early/one.py": "import early\nearly.loaded.append('one')\nvalue = 1\n",
        "early/two.py": "import early\nearly.loaded.append('two')\nvalue = 2\n",
        "early/late.py": "from early.one import value as first\nfrom early.two import value as second\n",
        "early/later.py": "from early.two import value as second\nown = second + 1\n",
    }
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(first_use, "PUBLIC", ("early.late",))
    yield __import__("early")
    for name in [one for one in sys.modules if one.partition(".")[0] == "early"]:
        del sys.modules[name]


def test_a_name_imports_no_more_than_it_needs(package):
    assert isinstance(package.late, ModuleType) and package.loaded == []
    assert package.late.second == 2 and package.loaded == ["two"]
    with pytest.raises(AttributeError, match=r"'early\.late' has no attribute 'third'"):
        _ = package.late.third
    assert package.loaded == ["two", "one"] and package.late.first == 1


def test_a_module_that_does_more_than_import_is_loaded_whole(package):
    assert package.later.second == 2 and package.loaded == ["two"] and vars(package.later)["own"] == 3
    assert "__getattr__" not in vars(package.later) and package.later.__spec__.loader is package.later.__loader__


def test_threads_that_use_it_at_once_all_get_the_name(package):
    barrier, got = threading.Barrier(8), []

    def use():
        barrier.wait()
        got.append(package.later.own)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert got == [3] * 8
