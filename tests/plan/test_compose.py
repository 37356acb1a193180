"""From YAML and overrides to runs: what is understood, what collapses, and what is refused in words."""

import re
import shlex
import shutil
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hydra import compose as hydra_compose
from hydra import initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from hydra.core.utils import JobRuntime
from hydra.version import getbase

from bn_study.errors import UsageError
from bn_study.plan import compose as compose_module
from bn_study.plan import specify
from bn_study.plan.compose import compose
from bn_study.plan.expand import expand
from bn_study.plan.experiment import Tuned

EXPERIMENT = """
question: Is it so?
source: Somebody 2015
base: {dataset: digits, model: mlp, model.widths: [8, 8], steps: 20}
grids:
  main: {norm: [none, batch], norm.placement: [before, after], optimizer.learning_rate: [0.1, 1], seed: range(3)}
  select: {like: main, norm.placement: before, seed: [100, 101]}
  best: {norm: [none, batch], optimizer.learning_rate: rate, seed: range(3)}
tune:
  rate:
    {grid: select, factors: [optimizer.learning_rate], per: [norm],
     score: {final: {metric: validation/accuracy}}, best: max}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch norm.placement=before: 1, norm=none: -1}
    at: {optimizer.learning_rate: 0.1}
    test: superiority
    margin: 0.01
"""


@pytest.fixture
def study(home, tmp_path):
    """A study of its own, whose one experiment can be rewritten."""
    shutil.copytree(home / "conf", tmp_path / "conf")
    (tmp_path / "experiments").mkdir()

    def write(text=EXPERIMENT):
        (tmp_path / "experiments" / "x.yaml").write_text(text)
        return tmp_path

    write()
    return write


@pytest.fixture
def unremembered(monkeypatch):
    """Hydra composes for every experiment anew."""
    monkeypatch.setattr(compose_module, "_composed", compose_module._composed.__wrapped__)


def runs(home, name, *overrides, tuned=None):
    experiment, _ = compose(home, name, overrides)
    planned, waiting = expand(experiment, tuned or {})
    return [run.spec for run in planned], len(waiting)


def test_grids_are_products_and_cells_without_an_option_collapse(study):
    specs, waiting = runs(study(), "x")
    # none has no placement: 1 arm + 2 arms, 2 rates, 3 + 2 seeds; select has only `before`
    assert len(specs) == (1 + 2) * 2 * 3 + 2 * 2 * 2
    assert waiting == 2 * 3
    assert {spec.settings["model.widths"] == [8, 8] for spec in specs} == {True}


def test_tuned_values_fill_the_cells_that_wait_for_them(study):
    tuned = {"rate": Tuned(("norm",), {("none",): {"optimizer.learning_rate": 1.0}}, frozenset())}
    specs, waiting = runs(study(), "x", tuned=tuned)
    assert waiting == 3
    # the tuned cells of `none` are runs that `main` has already
    assert len(specs) == 26
    tuned["rate"].chosen[("batch",)] = {"optimizer.learning_rate": 0.5}
    specs, waiting = runs(study(), "x", tuned=tuned)
    assert waiting == 0 and len(specs) == 29
    assert sum(spec.settings["optimizer.learning_rate"] == 0.5 for spec in specs) == 3


def test_a_swept_value_replaces_the_factor_but_never_a_selection_seed(study):
    specs, _ = runs(study(), "x", "seed=7,8", "optimizer.learning_rate=0.5")
    assert {spec.seed for spec in specs} == {7, 8, 100, 101}
    assert {spec.settings["optimizer.learning_rate"] for spec in specs} == {0.5}


def test_profiles_shorten_every_grid(study):
    specs, _ = runs(study(), "x", "profile=smoke")
    assert {spec.steps for spec in specs} == {60} and {spec.seed for spec in specs} == {0, 1, 100, 101}
    overridden, _ = runs(study(), "x", "profile=smoke", "steps=7")
    assert {spec.steps for spec in overridden} == {7}


def test_an_adhoc_sweep_needs_no_experiment(home):
    specs, _ = runs(
        home, None, "norm=none,batch", "optimizer.learning_rate=0.03,0.3", "seed=range(2)", "model.widths=[5,5]"
    )
    assert len(specs) == 8 and len({spec.id for spec in specs}) == 8
    again, _ = runs(
        home, None, "seed=0,1", "optimizer.learning_rate=3e-2,3e-1", "norm=batch,none", "model.widths=[5,5]"
    )
    assert {spec.id for spec in again} == {spec.id for spec in specs}


def test_a_claim_hash_follows_the_claim_and_its_runs_only(study):
    def stated(old, new):
        return compose(study(EXPERIMENT.replace(old, new)), "x", [])[0].stated()

    before = stated("", "")
    assert stated("question: Is it so?", "question: Is it?\ndiscussion: It was.") == before
    assert stated("seed: [100, 101]", "seed: [100, 102]") == before  # its rate is given, not tuned
    assert stated("margin: 0.01", "margin: 0.02") != before
    assert stated("seed: range(3)}\n  select", "seed: range(4)}\n  select") != before


@pytest.mark.parametrize(
    ("overrides", "words"),
    [
        (["norm=bach"], ["unknown norm 'bach'", "did you mean batch?"]),
        (["norm=batchnorm"], ["unknown norm 'batchnorm'", "did you mean batch?"]),
        (["norm=batch_renrm"], ["unknown norm 'batch_renrm'", "did you mean batch_renorm?"]),
        (["norm=layer_norm"], ["unknown norm 'layer_norm'", "did you mean layer?"]),
        (["optimizer.lr=0.1"], ["unknown setting 'optimizer.lr'; there are: optimizer.", "optimizer.learning_rate"]),
        (["dataset=mnis"], ["did you mean mnist?"]),
        (["optimizer=sdg"], ["did you mean sgd?"]),
        (["probe=[curve]"], ["did you mean curves?"]),
        (["profile=smok"], ["did you mean smoke?"]),
        (["profile=[smoke]"], ["unknown profile"]),
        (["norm=batch", "norm.momentun=0.5"], ["unknown setting 'norm.momentun'", "did you mean norm.momentum?"]),
        (["norm=none", "norm.placement=after"], ["unknown setting 'norm.placement'"]),
        (["learning_rate=0.1"], ["unknown setting 'learning_rate'", "did you mean optimizer.learning_rate?"]),
        (["norm=batch", "norm.momentum=1.5"], ["norm.momentum=1.5", "less than or equal to 1"]),
        (["batch_size=0"], ["batch_size=0", "greater than or equal to 1"]),
        (["steps=many"], ["steps=many", "valid integer"]),
        (["steps=10.5"], ["steps=10.5"]),
        (["model.widths=100"], ["model.widths=100", "valid list"]),
        (["model.widths=[100,0]"], ["model.widths=0", "greater than or equal to 1"]),
        (["model.activation=gelo"], ["model.activation=gelo", "did you mean gelu?"]),
        (["optimizer.learning_rate=-1"], ["optimizer.learning_rate=-1", "greater than 0"]),
        (["optimizer.learning_rate=nan"], ["optimizer.learning_rate=nan"]),
        (["dataset=arrays"], ["dataset.path has no value"]),
        (["dataset=arrays", "dataset.path=/nowhere.npz"], ["no file at /nowhere.npz"]),
        (["dataset=arrays", 'dataset.path="~nobody-of-that-name/x.npz"'], ["no file at ~nobody-of-that-name/x.npz"]),
        (["dataset=arrays", f"dataset.path=/{300 * 'x'}"], ["no file at /xxx"]),
        (["seed=range(0)"], ["the list is empty"]),
        (["seed=range(0,8,0)"], ["seed=range(0,8,0)"]),
        (["model=resnet", "model.filters=[]"], ["model.filters=[]", "at least 1 item"]),
        (["probe=[curves,histograms]", "probe.histograms.post_range=[1,-1]"], ["1 is not below -1"]),
        (["probe=[curves,histograms]", "probe.histograms.post_range=[1]"], ["post_range=[1]", "at least 2 items"]),
        (["probe=[curves,one_step]", "probe.one_step.rates=[]"], ["probe.one_step.rates=[]", "at least 1 item"]),
        (["optimizer=momentum", "optimizer.nesterov=2"], ["optimizer.nesterov=2", "valid boolean"]),
        (["seed="], ["seed="]),
        (["seed=choice()"], ["cannot read 'seed=choice()'"]),
        (["+seed=1"], ["only `setting=value`"]),
        (["timeout=0"], ["timeout=0: give a number of seconds above 0"]),
        (["checkpoint=null"], ["checkpoint=null: give a number of seconds above 0"]),
        (["heartbeat_timeout=soon"], ["heartbeat_timeout=soon: give a number of seconds above 0"]),
        (["heartbeat_timeuot=30"], ["did you mean heartbeat_timeout?"]),
        (["numerics=portabel"], ["unknown numerics 'portabel'", "portable"]),
        (["timeout=9", "launcher=inline"], ["timeout: launcher=inline has no process"]),
        (["workers=0"], ["workers=0: give a whole number of at least 1"]),
        (["launcher=clouds"], ["unknown launcher 'clouds'"]),
        (["launcher.name=5"], ["unknown launcher '5'"]),
        (["model.widths={1:2}"], ["model.widths"]),
        (["launcher=slurm", "launcher.extra.comment='https://me:canary@host/x'"], ["extra.comment has a URL with a"]),
        (["launcher=inline", "launcher.time=9"], ["unknown option 'launcher.time'; there are none here"]),
        (["device=gpus"], ["unknown device 'gpus'", "did you mean gpu?"]),
        (["device=gpu", "numerics=portable"], ["numerics=portable: the same bits are promised for CPUs only"]),
        (["wide=0"], ["wide=0: give a whole number of at least 1"]),
        (["launcher.per_gpu=0"], ["launcher.per_gpu=0"]),
        (["launcher=slurm", "launcher.time=2"], ["launcher.grace=120: should be less than", "launcher.time"]),
        (["norm=[none,batch]"], ["give the name of one part"]),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_bad_overrides_are_refused_in_a_line(home, overrides, words):
    with pytest.raises(UsageError) as caught:
        runs(home, None, *overrides)
    for word in words:
        assert word in str(caught.value)
    assert str(caught.value).count("\n") <= 1


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("margin: 0.01", "", ["claims.better", "margin is missing"]),
        (
            "margin: 0.01",
            "margin: 0.01\n    marginn: 1",
            ["claims.better", "unknown field 'marginn'", "did you mean margin?"],
        ),
        ("margin: 0.01", "margin: -1", ["claims.better", "margin"]),
        ("test: superiority", "test: superior", ["claims.better", "test"]),
        ("like: main,", "like: mian,", ["grids.select", "did you mean main?"]),
        ("like: main,", "like: [main],", ["grids.select", "unknown entry before it"]),
        ("norm.placement: [before, after]", "norm.placement: []", ["grids.main", "the list is empty"]),
        (
            "norm.placement: [before, after]",
            "norm.place: [before, after]",
            ["grids.main", "did you mean norm.placement?"],
        ),
        ("seed: range(3)}\n  select", "seed: range(0)}\n  select", ["grids.main", "the list is empty"]),
        ("question: Is it so?", "qestion: Is it so?", ["unknown section 'qestion'", "did you mean question?"]),
        ("steps: 20", "stepps: 20", ["base", "unknown setting 'stepps'", "did you mean steps?"]),
        ("model: mlp,", "model: mpl,", ["unknown model 'mpl'", "did you mean mlp?"]),
        ("best: max", "best: most", ["tune.rate", "best"]),
        ("question: Is it so?", "question: [unclosed", ["not readable as YAML"]),
        ("steps: 20}", "steps: 20, 5: 20}", ["base", "5 is not a name"]),
        ("  select: {like", "  se/lect: {like", ["se/lect", "names consist of letters"]),
        ("margin: 0.01", "margin: .inf", ["claims.better", "margin"]),
        ("norm=none: -1}", "norm=none: .nan}", ["claims.better", "contrast"]),
        ("margin: 0.01", "margin: 0.01\n    grid: []", ["claims.better", "grid"]),
        ("question: Is it so?", "question: [1, 2]", ["question", "expected text"]),
        ("question: Is it so?", "sanity_check: perhaps", ["sanity_check", "expected true or false"]),
    ],
)
def test_bad_experiment_files_are_refused_with_file_and_place(study, old, new, words):
    assert old in EXPERIMENT
    with pytest.raises(UsageError) as caught:
        compose(study(EXPERIMENT.replace(old, new)), "x", [])
    assert "experiments/x.yaml" in str(caught.value)
    for word in words:
        assert word in str(caught.value)


def test_unknown_experiment_names_the_nearest(home):
    with pytest.raises(UsageError, match="did you mean faster_convergence"):
        compose(home, "faster_convergance", [])


def test_cells_that_wait_are_those_whose_arm_is_not_tuned(study):
    experiment, _ = compose(study(), "x", [])
    tuned = {"rate": Tuned(("norm",), {("none",): {"optimizer.learning_rate": 1.0}}, frozenset())}
    _, waiting = expand(experiment, tuned)
    assert {cell.config["norm"]["name"] for cell in waiting} == {"batch"}


@pytest.mark.parametrize("name", ["runs", "local", "adhoc", "a=b", "a b"])
def test_names_that_results_cannot_have_are_refused(study, name):
    home = study()
    (home / "experiments" / f"{name}.yaml").write_text(EXPERIMENT)
    with pytest.raises(UsageError, match="cannot be called so"):
        compose(home, name, [])


def test_a_plan_composes_each_choice_once_and_checks_each_value_once(home, monkeypatch, unremembered):
    """What makes large plans cheap: the work follows the number of different values, not the number of runs."""
    composed, checked = [], []
    hydra, check = compose_module.hydra_compose, specify.checked_field
    monkeypatch.setattr(compose_module, "hydra_compose", lambda *given: composed.append(given) or hydra(*given))
    monkeypatch.setattr(specify, "checked_field", lambda *given: checked.append(given[0]) or check(*given))

    specs, _ = runs(home, None, "norm=none,batch", "norm.momentum=0.9,0.99", "optimizer.learning_rate=0.1,0.3,1",
                    "batch_size=10,20", "seed=range(50)")  # fmt: skip
    assert len(specs) == (1 + 2) * 3 * 2 * 50
    assert 0 < len(composed) <= 3  # settings of the call, norm=none, norm=batch
    values = {"dataset": 1, "model": 1, "norm": 1 + 2, "optimizer": 3, "schedule": 1, "probe": 1, "batch_size": 2,
              "classes_per_batch": 1, "seed": 50, "steps": 1}  # fmt: skip
    assert Counter(checked) == values
    assert len({id(spec.model) for spec in specs}) == 1


def test_a_range_is_what_its_values_are(home):
    asked = [["seed=range(3)", "seed=0,1,2"], ["optimizer.learning_rate=range(0.1,0.5,0.1)",
             "optimizer.learning_rate=0.1,0.2,0.30000000000000004,0.4"], ["steps=sort(7,5,6)", "steps=5,6,7"],
             ["model.widths=choice([5],[6,6])", "model.widths=[5],[6,6]"]]  # fmt: skip
    for one, other in asked:
        assert [spec.id for spec in runs(home, None, one)[0]] == [spec.id for spec in runs(home, None, other)[0]]


def test_hydra_is_given_back_to_a_caller_who_uses_it(study, tmp_path, unremembered):
    home = study()
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.yaml").write_text("answer: 42\n")
    with initialize_config_dir(str(tmp_path / "own"), job_name="my_job", version_base="1.2"):
        before = GlobalHydra.instance(), GlobalHydra.instance().hydra, getbase(), JobRuntime.instance().get("name")
        compose(home, "x", [])
        assert hydra_compose("mine").answer == 42
        (home / "conf" / "norm" / "batch.yaml").write_text("name: [batch\n")
        with pytest.raises(UsageError):
            compose(home, "x", [])
        after = GlobalHydra.instance(), GlobalHydra.instance().hydra, getbase(), JobRuntime.instance().get("name")
        assert after == before and hydra_compose("mine").answer == 42
    assert not GlobalHydra.instance().is_initialized()


def test_an_edit_of_a_file_counts_at_once(study):
    """What is remembered of files is remembered by their texts."""
    home = study()

    def composed():
        specs, _ = runs(home, "x")
        return {spec.norm.args.get("momentum") for spec in specs} - {None}, {spec.steps for spec in specs}

    before, path = composed(), home / "conf" / "norm" / "batch.yaml"
    text = path.read_text()
    path.write_text(text.replace("momentum: 0.9 ", "momentum: 0.8 "))
    study(EXPERIMENT.replace("steps: 20", "steps: 30"))
    assert before == ({0.9}, {20}) and composed() == ({0.8}, {30})
    path.write_text(text)
    study()
    assert composed() == before


@pytest.mark.slow
def test_many_threads_compose_at_once(study, unremembered):
    home = study()
    expected = compose(home, "x", ["seed=0,1"])[0].digest
    with ThreadPoolExecutor(24) as pool:
        found = list(pool.map(lambda _: compose(home, "x", ["seed=0,1"])[0].digest, range(24)))
    assert found == [expected] * 24


@pytest.mark.parametrize("name", ["a=b", "a,b", "aïb", "a(b", "a[b", "a#b", "a{b", "a;b", "a'b", 'a"b'])
def test_a_path_that_hydra_cannot_read_is_asked_for_in_quotes(home, tmp_path, name):
    """What the message says to write names the file."""
    x, y = np.zeros((4, 2), np.float32), np.arange(4)
    path = tmp_path / f"{name}.npz"
    np.savez(path, x_train=x, y_train=y, x_test=x, y_test=y)
    with pytest.raises(UsageError) as caught:
        compose(home, None, ["dataset=arrays", f"dataset.path={path}"])
    (word,) = shlex.split(re.split("in quotes: |for the file write ", str(caught.value))[1])
    specs, _ = runs(home, None, "dataset=arrays", word)
    assert specs[0].dataset.args["path"].path == str(path)


@pytest.mark.parametrize("place", ["experiments/x.yaml", "conf/norm/batch.yaml", "conf/config.yaml"])
@pytest.mark.parametrize(
    "line, reason",
    [("twice: 1\ntwice: 2", "the key twice is there twice; remove one"), ("a: [1\nb: 2", "not readable")],
)
def test_yaml_that_is_wrong_is_refused_with_its_line(study, place, line, reason):
    home = study()
    path = home / place
    count = len(path.read_text().splitlines())
    path.write_text(f"{path.read_text().rstrip()}\n{line}\n")
    with pytest.raises(UsageError) as caught:
        compose(home, "x", [])
    said = str(caught.value)
    assert f"line {count + 2} of {path}: {reason}" in said and len(said.splitlines()) == 1


def test_a_file_that_ends_in_yml_is_named(study):
    home = study()
    shutil.copy(home / "experiments" / "x.yaml", home / "experiments" / "other.yml")
    shutil.copy(home / "conf" / "norm" / "batch.yaml", home / "conf" / "norm" / "mine.yml")
    with pytest.raises(UsageError, match=r"^experiments/other\.yml: name it other\.yaml$"):
        compose(home, "other", [])
    with pytest.raises(UsageError, match=r"conf/norm/mine\.yml: name it mine\.yaml$"):
        compose(home, None, ["norm=mine"])
