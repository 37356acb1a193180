"""A part that lacks something is refused in one line, whatever its kind, and never dropped in silence."""

import os
import shutil
import subprocess
import sys

import pytest

from bn_study.plan import parts

CONFIGURED = ("dataset", "model", "norm", "probe", "launcher", "mirror")
EXPERIMENT = """
grids: {main: {norm: [none, batch], seed: [0, 1]}}
claims:
  it:
    measure: {MEASURE: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    test: TEST
    margin: 0.1
figures:
  it: {kind: KIND, grid: main, metric: test/accuracy}
"""
WORDS = {kind: ("plan", f"{kind}=foo") for kind in CONFIGURED}
WORDS |= {"probe": ("plan", "probe=[foo]"), "verb": ("foo",)}
WORDS |= {kind: ("plan", kind) for kind in ("measure", "test", "figure")}
"""Kind: the command that uses its part foo, and so must refuse it."""
USES = {
    "measure": EXPERIMENT.replace("MEASURE", "foo").replace("TEST", "exact").replace("KIND", "curves"),
    "test": EXPERIMENT.replace("MEASURE", "final").replace("TEST", "foo").replace("KIND", "curves"),
    "figure": EXPERIMENT.replace("MEASURE", "final").replace("TEST", "exact").replace("KIND", "foo"),
}
NORM = '''"""A norm."""
STATISTICS = False
def layer(name, seed, *, epsilon: Positive):
    """It."""
'''
LAUNCHER = '''"""A launcher."""
HERE = True
TIMEOUT = False
WORKERS = None
def run(call, progress):
    """It."""
'''
EVERY = "every: null\nimages: 9\n"
BROKEN = {  # what is wrong: the kind, the content of its file in the package, that in conf/, what is said
    "no Python": ("launcher", None, "name: foo\n", "conf/launcher/foo.yaml has no bn_study/sweep/launcher/foo.py"),
    "no norm's Python": ("norm", None, "name: foo\n", "conf/norm/foo.yaml has no bn_study/training/norm/foo.py"),
    "no YAML": ("launcher", LAUNCHER, None, "bn_study/sweep/launcher/foo.py has no conf/launcher/foo.yaml"),
    "no mirror's YAML": ("mirror", LAUNCHER, None, "bn_study/analysis/mirror/foo.py has no conf/mirror/foo.yaml"),
    "another name": ("norm", NORM, "name: batch\nepsilon: 1\n", "conf/norm/foo.yaml: it must say `name: foo`"),
    "no name": ("norm", NORM, "epsilon: 1\n", "conf/norm/foo.yaml: it must say `name: foo`"),
    "an option too few": ("norm", NORM, "name: foo\n", "norm.epsilon has no value"),
    "an option too many": ("norm", NORM, "name: foo\nepsilon: 1\nepsilom: 1\n", "did you mean norm.epsilon?"),
    "no type": ("norm", NORM.replace(": Positive", ""), "name: foo\nepsilon: 1\n", "the option epsilon needs a type"),
    "an unknown type": (
        "norm",
        NORM.replace("Pos", "Neg"),
        "name: foo\nepsilon: 1\n",
        "the option epsilon needs a type",
    ),
    "no package": ("probe", "def FUNCTION(*, images: Count): 0", EVERY, "must be `# @package probe.foo`"),
    "another package": (
        "probe",
        "def FUNCTION(*, images: Count): 0",
        f"# @package probe.bar\n{EVERY}",
        "`# @package probe.foo`",
    ),
    "no interval": ("probe", "def FUNCTION(): 0", "# @package probe.foo\n{}\n", "probe.foo"),
    "no Python at all": (
        "norm",
        "def layer(",
        "name: foo\n",
        "bn_study/training/norm/foo.py is not readable as Python",
    ),
    "no constant": ("launcher", LAUNCHER.replace("TIMEOUT", "TIME"), "name: foo\n", "does not define TIMEOUT"),
    "no needs": ("measure", "def measure(run, *, metric: str): 0", None, "does not define needs"),
    "no side": ("test", "def decide(effect, p, *, margin: Positive): 0", None, "does not define AGAINST"),
    "no order": ("verb", "REQUEST = False\ndef command(options): 0\ndef arguments(parser): 0", None, "ORDER"),
}


@pytest.fixture(scope="module")
def call(home, tmp_path_factory):
    """Run bn-study in a copy of the harness, with these files for the time of the call."""
    copy = tmp_path_factory.mktemp("copy")
    for folder in ("bn_study", "conf"):
        shutil.copytree(home / folder, copy / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (copy / "experiments").mkdir()
    places = {"PYTHONPATH": copy, "BN_STUDY_HOME": copy, "BN_STUDY_RESULTS": copy / "results"}
    environment = os.environ | {name: str(place) for name, place in places.items()} | {"PYTHONDONTWRITEBYTECODE": "1"}

    def call(words, files):
        for path, content in files.items():
            (copy / path).write_text(content)
        try:
            return subprocess.run(
                [sys.executable, "-m", "bn_study", *words], cwd=copy, env=environment, capture_output=True, text=True
            )
        finally:
            for path in files:
                (copy / path).unlink()

    return call


def refused(call, kind, python, yaml):
    files = {parts.file(kind, "foo"): python, f"conf/{kind}/foo.yaml": yaml, f"experiments/{kind}.yaml": USES.get(kind)}
    answer = call(WORDS[kind], {path: content for path, content in files.items() if content is not None})
    assert answer.returncode == 2, answer.stdout + answer.stderr
    assert answer.stderr.startswith("bn-study: ") and len(answer.stderr.splitlines()) == 1, answer.stderr
    return answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", parts.FUNCTIONS)
def test_a_file_that_does_not_define_what_makes_it_a_part_is_refused(call, kind):
    package = "# @package probe.foo\nevery: null\n" if kind == "probe" else "name: foo\n"
    said = refused(call, kind, '"""Nothing."""\n', package if kind in CONFIGURED else None)
    assert f"{parts.file(kind, 'foo')} does not define " in said


@pytest.mark.slow
@pytest.mark.parametrize("case", BROKEN)
def test_what_is_wrong_with_a_part_is_said_in_a_line(call, case):
    kind, python, yaml, words = BROKEN[case]
    function = parts.FUNCTIONS[kind].rpartition("/")[2]
    assert words in refused(call, kind, python and python.replace("FUNCTION", function), yaml)
