"""Runs exported for dashboards, read back with the dashboards' own readers."""

import json
import shutil
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from selenium.common.exceptions import WebDriverException

from bn_study.analysis.mirror import _run
from bn_study.analysis.mirror._sweep import Sweep
from bn_study.cli.main import main
from bn_study.plan import parts
from bn_study.plan.compose import compose
from bn_study.study import Study
from bn_study.sweep.mirroring import FOLLOWER
from bn_study.sweep.status import plan_status

REQUEST = ["dataset=digits", "norm=none,batch", "seed=0,1", "steps=100"]
STEPS = (0, 10, 100)
CANARY = "canary-4711"


def accuracy(spec, step):
    return 0.1 + 0.3 * (spec.norm.name == "batch") + 0.01 * spec.seed + step / 1000


def lost(spec):
    return spec.norm.name == "none" and spec.seed == 1


@pytest.fixture
def place(study_here, tmp_path, monkeypatch):
    """Four stored runs, one of which diverged; no key, and secrets in every place that a tracker might look at."""
    place = study_here()
    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("SOME_SECRET", CANARY)
    monkeypatch.setattr("sys.argv", ["bn-study", CANARY])
    place.store.prepare()
    for run in plan_status(compose(place.home, None, REQUEST)[0], place.store).missing:
        spec = run.spec
        steps = STEPS[:1] if lost(spec) else STEPS
        rows = [(step, "test/accuracy", "", accuracy(spec, step)) for step in steps]
        rows += [(step, "activation/std", "layer1/pre", 1.5 + step) for step in steps]
        vectors = [
            (step, f"activation/{name}", "layer1/pre", np.array(values, float))
            for step in steps
            for name, values in (("histogram", [3, step]), ("edges", [-1, 0, 2.5]))
        ]
        columns = ["step", "name", "site", "value"]
        status, at = ("diverged", 7) if lost(spec) else ("complete", None)
        about = {"status": status, "diverged_at": at, "classes": 10}
        place.store.publish(spec, pd.DataFrame(rows, columns=columns), pd.DataFrame(vectors, columns=columns), about)
    return place


def specs(place):
    return [run.spec for run in plan_status(compose(place.home, None, REQUEST)[0], place.store).runs]


def name_of(spec):
    return f"norm={spec.norm.name} seed={spec.seed}"


def sweep(*settings, experiment="x", named=("norm",), seeds=(0,)):
    """An experiment whose settings are these, all of which vary."""
    return Sweep(experiment, settings, len(settings), named, frozenset(seeds))


def export(name, *words):
    assert main(["export", name, *REQUEST, *words]) == 0


def inspected(*words):
    """What wandb's own reader says."""
    command = [str(Path(sys.executable).parent / "wandb"), "leet", "inspect", "--json", *map(str, words)]
    answer = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL)
    assert answer.returncode == 0, answer.stderr
    if "--summary" in words:
        return json.loads(answer.stdout)
    return [json.loads(line) for line in answer.stdout.splitlines()]


def offline(place, spec):
    (found,) = (place.results / "mirror" / "wandb" / "wandb").glob(f"offline-run-*-{spec.id}/*.wandb")
    return found


def test_wandb_has_config_history_and_summary(place, capsys):
    export("wandb")
    assert "4 runs exported" in capsys.readouterr().out
    for spec in specs(place):
        records = inspected(offline(place, spec))
        (about,) = [one["run"] for one in records if one["type"] == "run"]
        assert (about["run_id"], about["display_name"], about["run_group"]) == (spec.id, name_of(spec), "adhoc")
        assert {"adhoc", spec.norm.name, "mlp", "digits"} == set(about["tags"])
        config = {key: value for key, value in about["config"]["update"].items() if key != "_wandb"}
        assert next(iter(config)) == "arm" and config.pop("arm") == {"norm": spec.norm.name, "seed": spec.seed}
        assert config == {key: value for key, value in spec.settings.items() if value is not None}
        items = [one["history"]["item"] for one in records if one["type"] == "history"]
        history = {item["_step"]: item for item in items}
        assert sorted(history) == list(STEPS[:1] if lost(spec) else STEPS)
        for step, row in history.items():
            assert row["test/accuracy"] == pytest.approx(accuracy(spec, step), rel=1e-12)
            assert row["activation/std/layer1/pre"] == 1.5 + step
            if spec.seed == 0:
                assert row["layer1_pre/activation/histogram.values"] == [3, step]
                assert row["layer1_pre/activation/histogram.bins"] == [-1, 0, 2.5]
            else:
                assert not any("histogram" in key for key in row)
        summary = inspected("--summary", offline(place, spec))["summary"]
        assert summary["test/accuracy"] == pytest.approx(accuracy(spec, 0 if lost(spec) else 100))
        assert (summary["status"], summary["diverged"]) == (("diverged", True) if lost(spec) else ("complete", False))
        assert summary.get("diverged_at") == (7 if lost(spec) else None)


def test_a_name_that_is_too_long_for_a_tag_is_cut(place, tmp_path):
    from bn_study.analysis.mirror import wandb

    run = _run.of(place.store.read(specs(place)[0].id), sweep("norm", "seed", experiment="x" * 80))
    run = replace(run, settings=run.settings | {"norm": "y" * 200})
    path = wandb.export(run, tmp_path / "out", project="p", histograms="none")
    (about,) = [one["run"] for one in inspected(*path.glob("*.wandb")) if one["type"] == "run"]
    assert "x" * 64 in about["tags"] and about["run_group"] == "x" * 80
    assert about["display_name"] == f"norm={'y' * 200} seed=0"[-128:]


def test_a_key_for_the_server_makes_it_online(monkeypatch, tmp_path):
    from bn_study.analysis.mirror import wandb

    for name in ("WANDB_MODE", "WANDB_API_KEY", "WANDB_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert wandb._mode() == "offline"
    (tmp_path / ".netrc").write_text("machine wandb.lab.example login user password k3y\n")
    (tmp_path / ".netrc").chmod(0o600)
    assert wandb._mode() == "offline"
    monkeypatch.setenv("WANDB_BASE_URL", "https://wandb.lab.example:8080/api")
    assert wandb._mode() == "online"
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert wandb._mode() == "offline"


def test_wandb_tells_nothing_of_this_machine(place):
    export("wandb")
    host = socket.gethostname().encode()
    # a short name is among random letters by chance, but not as a whole text: its length goes before it
    secrets = (CANARY.encode(), str(place.home).encode(), bytes([len(host)]) + host, b"SOME_SECRET")
    for spec in specs(place):
        content = offline(place, spec).read_bytes()
        for secret in secrets:
            assert secret not in content, secret


def test_options_are_those_of_the_words_that_trained(place):
    export("wandb", "mirror=wandb", "mirror.project=elsewhere")
    (about,) = [one["run"] for one in inspected(offline(place, specs(place)[0])) if one["type"] == "run"]
    assert about["project"] == "elsewhere"


def test_what_a_mirror_cannot_do_is_one_line(place, monkeypatch, capsys):
    (place.home / "file").touch()
    assert main(["export", "tensorboard", *REQUEST, "--to", str(place.home / "file")]) == 2
    monkeypatch.setenv("WANDB_MODE", "online")
    assert main(["export", "wandb", *REQUEST]) == 2
    said = capsys.readouterr().err
    assert "tensorboard did not take the run" in said and "wandb did not take the run" in said


@pytest.mark.parametrize("name, value", [("WANDB_MODE", "disabled"), ("WANDB_DISABLED", "true")])
def test_nothing_is_called_exported_where_wandb_is_switched_off(place, monkeypatch, capsys, name, value):
    monkeypatch.setenv(name, value)
    assert main(["export", "wandb", *REQUEST]) == 2
    said = capsys.readouterr()
    assert said.out == "" and said.err == f"bn-study: nothing exported: {name}={value}; unset it\n"


def test_only_what_is_there_is_called_exported(place, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(parts.find("mirror", "tensorboard"), "export", lambda run, folder, **_: tmp_path / "nowhere")
    assert main(["export", "tensorboard", *REQUEST]) == 2
    said = capsys.readouterr()
    assert "exported" not in said.out and f"there is no {tmp_path / 'nowhere'}" in said.err


def test_a_second_export_replaces_the_first(place):
    for name in ("wandb", "tensorboard"):
        export(name)
        export(name)
    for spec in specs(place):
        offline(place, spec)  # one and no more
        assert len(list(event_files(place, spec))) == 1


def event_files(place, spec):
    return folder_of(place, spec).glob("events.out.tfevents.*")


def folder_of(place, spec):
    return place.results / "mirror" / "tensorboard" / "adhoc" / f"{name_of(spec)} {spec.id}"


def test_tensorboard_reads_back_what_was_recorded(place):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams import metadata
    from tensorboard.util import tensor_util

    export("tensorboard")
    for spec in specs(place):
        reader = EventAccumulator(str(folder_of(place, spec)))
        reader.Reload()
        steps = list(STEPS[:1] if lost(spec) else STEPS)
        for tag, value in (
            ("test/accuracy", lambda step, spec=spec: accuracy(spec, step)),
            ("activation/std/layer1/pre", lambda step: 1.5 + step),
        ):
            found = {one.step: float(tensor_util.make_ndarray(one.tensor_proto)) for one in reader.Tensors(tag)}
            assert found == pytest.approx({step: value(step) for step in steps}, rel=1e-6)
        assert ("layer1_pre/activation/histogram" in reader.Tags()["tensors"]) == (spec.seed == 0)
        for one in reader.Tensors("layer1_pre/activation/histogram") if spec.seed == 0 else ():
            buckets = tensor_util.make_ndarray(one.tensor_proto)
            np.testing.assert_allclose(buckets, [[-1, 0, 3], [0, 2.5, one.step]])
        content = reader.SummaryMetadata(metadata.SESSION_START_INFO_TAG).plugin_data.content
        settings = metadata.parse_session_start_info_plugin_data(content).hparams
        assert settings["norm"].string_value == spec.norm.name and settings["seed"].number_value == spec.seed
        ended = reader.SummaryMetadata(metadata.SESSION_END_INFO_TAG).plugin_data.content
        status = metadata.parse_session_end_info_plugin_data(ended).status
        assert status == (2 if lost(spec) else 1)  # STATUS_FAILURE, STATUS_SUCCESS of TensorBoard's api.proto


@pytest.mark.slow
def test_tensorboard_shows_scalars_histograms_and_hparams(place, browser):
    """Its own server on this machine, and its own pages, in a browser."""
    from selenium.webdriver.support.ui import WebDriverWait

    export("tensorboard")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    folder = place.results / "mirror" / "tensorboard"
    command = [str(Path(sys.executable).parent / "tensorboard"), "--logdir", str(folder), "--port", str(port)]
    server = subprocess.Popen([*command, "--host", "127.0.0.1"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for tab, wanted in (
            ("timeseries", ["activation/std/layer1/pre", "layer1_pre/activation/histogram", name_of(specs(place)[0])]),
            ("hparams", ["norm", "seed", name_of(specs(place)[0])]),
        ):

            def shown(driver, tab=tab, wanted=wanted):
                try:
                    driver.get("about:blank")  # the same address again would load nothing
                    driver.get(f"http://127.0.0.1:{port}/#{tab}")
                    WebDriverWait(driver, 15).until(lambda one: all(text in _texts(one) for text in wanted))
                    return True
                except WebDriverException:
                    return False

            assert WebDriverWait(browser, 120).until(shown), tab
    finally:
        server.terminate()
        server.wait()
        browser.get_log("browser")


def _texts(browser):
    """All text of a page, in shadow trees and frames too."""
    script = """
        const texts = [];
        const visit = (root) => {
          for (const one of root.querySelectorAll("*")) {
            if (one.shadowRoot) visit(one.shadowRoot);
            for (const child of one.childNodes) if (child.nodeType === 3) texts.push(child.textContent);
            if (one.title) texts.push(one.title);
          }
        };
        visit(document);
        for (const frame of document.querySelectorAll("iframe"))
          try { visit(frame.contentDocument); } catch (error) {}
        return texts.join("");
    """
    return browser.execute_script(script)


def test_the_same_run_gives_the_same_events(place):
    export("tensorboard")
    first = {spec.id: [path.read_bytes() for path in event_files(place, spec)] for spec in specs(place)}
    export("tensorboard")
    assert first == {spec.id: [path.read_bytes() for path in event_files(place, spec)] for spec in specs(place)}


def test_tensorboards_own_table_begins_with_what_varies(place):
    """As its HParams plugin answers a browser: every arm's settings, those that vary first, runs by their names."""
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins.base_plugin import TBContext
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    export("tensorboard")
    folder = str(place.results / "mirror" / "tensorboard")
    events = EventMultiplexer().AddRunsFromDirectory(folder)
    events.Reload()
    assert set(events.Runs()) == {f"adhoc/{name_of(spec)} {spec.id}" for spec in specs(place)}
    context = backend_context.Context(TBContext(data_provider=MultiplexerDataProvider(events, folder)))
    ask = RequestContext()
    found = context.experiment_from_metadata(
        ask, "x", True, context.hparams_metadata(ask, "x"), context.hparams_from_data_provider(ask, "x", None)
    )
    names = [one.name for one in found.hparam_infos]
    assert names[:2] == ["norm", "seed"] and [one.differs for one in found.hparam_infos][:3] == [True, True, False]
    assert {key for spec in specs(place) for key, one in spec.settings.items() if one is not None} <= set(names)
    assert "norm.placement" in names  # which the first run does not have
    request = api_pb2.ListSessionGroupsRequest(slice_size=9, allowed_statuses=[1, 2])  # success, failure
    groups = list_session_groups.Handler(ask, context, "x", request).run().session_groups
    assert {one.name for one in groups} == {f"{name_of(spec)} {spec.id}" for spec in specs(place)}


@pytest.mark.parametrize(("chosen", "seeds"), [("none", set()), ("few", {0}), ("all", {0, 1})])
def test_histograms_are_a_group_a_site_of_so_many_runs(place, chosen, seeds):
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    export("tensorboard", "mirror=tensorboard", f"mirror.histograms={chosen}")
    events = EventMultiplexer().AddRunsFromDirectory(str(place.results / "mirror" / "tensorboard"))
    events.Reload()
    cards = events.PluginRunToTagToContent("histograms")
    shown = {f"adhoc/{name_of(spec)} {spec.id}" for spec in specs(place) if spec.seed in seeds}
    assert set(cards) == shown
    assert {tag.partition("/")[0] for tags in cards.values() for tag in tags} == ({"layer1_pre"} if seeds else set())


def test_the_number_of_histograms_is_one_of_three(place, capsys):
    assert main(["export", "tensorboard", *REQUEST, "mirror=tensorboard", "mirror.histograms=true"]) == 2
    said = capsys.readouterr().err
    assert "histograms" in said and "'none', 'few' or 'all'" in said


@pytest.mark.parametrize("value", ["a/b c=d", "../../up", "x" * 400, "é" * 200, 'tab\t"<>|:*?\\ \x00', ".", "[1,2]"])
def test_hostile_values_give_folders_that_can_be_read_back(place, tmp_path, value):
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

    from bn_study.analysis.mirror import tensorboard

    of = sweep("norm", "dataset.path", "seed", named=("norm", "dataset.path"))
    settings = {"norm": "none", "model": "m", "dataset": "d", "dataset.path": value, "seed": 0}
    run = _run.Run("none-m-d-s0-0123456789", of, settings, {0: {"a": 1.0}}, {}, "complete", None)
    place = tensorboard.export(run, tmp_path, histograms="none")
    assert place.parent == tmp_path / "x" and place.name.startswith("norm=none dataset.path=")
    assert place.name.endswith(f" {run.id}") and len(place.name.encode()) <= 255
    assert not set('/\\"<>|:*?\t\0') & set(place.name)
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    events.Reload()
    assert list(events.Runs()) == [f"x/{place.name}"]


def test_a_run_with_another_name_by_then_is_still_one(place, tmp_path):
    """The names are of the request, the ids are the runs': neither an older folder nor another run's is mixed up."""
    old = place.results / "mirror" / "tensorboard" / "adhoc" / specs(place)[0].id
    old.mkdir(parents=True)
    (old / "events.out.tfevents.0000000000.bn_study").touch()
    export("tensorboard", "optimizer.learning_rate=0.1")
    assert {path.name for path in old.parent.iterdir()} == {f"{name_of(spec)} {spec.id}" for spec in specs(place)}
    from bn_study.analysis.mirror import tensorboard

    for id in ("a-s0-0000000000", "b-s0-0000000000"):  # equal names, and ids that end alike
        run = _run.Run(id, sweep("norm"), {"norm": "none", "model": "m", "dataset": "d", "seed": 0}, {}, {}, "x", None)
        tensorboard.export(run, tmp_path, histograms="none")
    assert len(list((tmp_path / "x").iterdir())) == 2


NAMED = """
base: {dataset: digits, model.widths: [8], probe: [curves]}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: rate, seed: [2, 3], steps: 100}
  long: {like: all, optimizer.learning_rate: 1, steps: 200, batch_size: 30}
  select: {like: all, optimizer.learning_rate: [0.1, 1], seed: [100], probe: [[curves, activations]]}
tune:
  rate: {grid: select, factors: [optimizer.learning_rate], per: [norm], score: {final: {metric: validation/accuracy}}, best: max}
"""  # noqa: E501


def test_names_say_what_tells_runs_apart(study_here):
    place = study_here(first=NAMED)
    found = Sweep.of(compose(place.home, "first", [])[0])
    assert found.named == ("norm", "optimizer.learning_rate", "steps")  # batch_size follows from steps
    assert found.settings[:5] == (*found.named, "seed", "batch_size") and found.seeds == {2}
    part = Sweep.of(compose(place.home, "first", ["optimizer.learning_rate=1"])[0])
    assert part.named == found.named  # in the same folder
    settings = {
        "batch_size": 60,
        "norm": "batch",
        "seed": 3,
        "steps": 100,
        "optimizer.learning_rate": 1.0,
        "x": None,
    }
    assert found.name(settings) == "norm=batch optimizer.learning_rate=1 steps=100 seed=3"
    assert list(found.ordered(settings)) == ["norm", "optimizer.learning_rate", "steps", "seed", "batch_size"]


def test_tensorboard_needs_no_tensorflow(place):
    code = "import sys\nfrom bn_study.cli.main import main\n"
    code += f"assert main(['export', 'tensorboard', *{REQUEST!r}]) == 0\n"
    code += "assert not {'tensorflow', 'keras', 'wandb'} & set(sys.modules)\n"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert answer.returncode == 0, answer.stderr


def test_what_is_not_finite_is_left_out(place, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    from bn_study.analysis.mirror import tensorboard

    settings = {"norm": "none", "model": "m", "dataset": "d"}
    run = _run.Run("r", sweep(), settings, {0: {"a": np.nan, "b": 1.0}}, {}, "complete", None)
    reader = EventAccumulator(str(tensorboard.export(run, tmp_path, histograms="all")))
    reader.Reload()
    assert set(reader.Tags()["tensors"]) >= {"b"} and "a" not in reader.Tags()["tensors"]


@pytest.mark.parametrize("loader", ["LegacyEventFileLoader", "EventFileLoader"])
def test_an_open_tensorboard_sees_a_run_go_on(tmp_path, loader):
    from tensorboard.backend.event_processing import event_file_loader
    from tensorboard.plugins.hparams import metadata

    from bn_study.analysis.mirror import tensorboard

    settings = {"norm": "none", "model": "m", "dataset": "d"}

    def export(steps, status, value=1.0):
        run = _run.Run("r", sweep(), settings, {step: {"test/accuracy": value} for step in steps}, {}, status, None)
        return next(tensorboard.export(run, tmp_path, histograms="all").iterdir())

    def new():
        """Steps that were not seen before, and whether the run is said to have ended."""
        found = [(event.step, value.tag) for event in reader.Load() for value in event.summary.value]
        steps = [step for step, tag in found if tag == "test/accuracy"]
        return steps, metadata.SESSION_END_INFO_TAG in {tag for _, tag in found}

    reader = getattr(event_file_loader, loader)(str(export([0, 10], "running")))
    assert new() == ([0, 10], False)
    export([0, 10, 20], "running")
    assert new() == ([20], False)
    path = export([0, 10, 20, 30], "complete")
    assert new() == ([30], True)
    live = path.read_bytes()
    path.unlink()
    assert export([0, 10, 20, 30], "complete").read_bytes() == live
    export([0, 10, 20, 30], "complete", value=2.0)
    reader = getattr(event_file_loader, loader)(str(path))
    assert new() == ([0, 10, 20, 30], True)  # what differs from the beginning is replaced, not continued


@pytest.mark.slow
def test_runs_without_records_are_left_out_and_said(place, capsys):
    main(["report", *REQUEST])
    shutil.rmtree(place.results / "runs")
    capsys.readouterr()
    export("tensorboard")
    said = capsys.readouterr()
    assert "0 runs exported" in said.out and "4 runs left out" in said.err


# --- mirrors that follow a sweep --------------------------------------------------------------------------------------

BROKEN = """
import os, time
POINT, HOW = os.environ["BROKEN_WANDB"].split(":")

def at(point):
    if point == POINT:
        if HOW == "raises":
            raise RuntimeError("the mirror is broken")
        if HOW == "hangs":
            time.sleep(600)
        os._exit(7)

at("import")

class Settings:
    sync_dir = "."
    def __init__(self, **options):
        at("Settings")

class Run:
    settings, summary = Settings, {}
    def __enter__(self):
        return self
    def __exit__(self, *problem):
        at("finish")
    def log(self, row, step):
        at("log")

def init(**options):
    at("init")
    return Run()
"""
SWEEP = ["dataset=digits", "model.widths=[8]", "norm=none,batch", "seed=0", "steps=20", "launcher=inline"]


def trained(place):
    """What was recorded, run by run, as the stored checksums have it."""
    found = {}
    for run in place.store.ids():
        sums = place.store.read(run).provenance["checksums"]
        found[run] = sums["records.parquet"], sums["vectors.parquet"]
    return found


@pytest.fixture
def empty(place):
    shutil.rmtree(place.results / "runs")
    return place


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, home):
    """The records of the sweep without a mirror."""
    results = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BN_STUDY_HOME", str(home))
        patch.setenv("BN_STUDY_RESULTS", str(results))
        assert main(["run", *SWEEP]) == 0
    return trained(Study(home, results))


@pytest.mark.parametrize("how", ["raises", *(pytest.param(one, marks=pytest.mark.slow) for one in ("hangs", "exits"))])
@pytest.mark.parametrize(
    "point", ["log", *(pytest.param(one, marks=pytest.mark.slow) for one in ("import", "Settings", "init", "finish"))]
)
def test_a_broken_mirror_costs_a_warning(empty, undisturbed, tmp_path, monkeypatch, capsys, point, how):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "wandb.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=":")
    monkeypatch.setenv("BROKEN_WANDB", f"{point}:{how}")
    assert main(["run", *SWEEP, "mirror=wandb", f"mirror_wait={8 if how == 'hangs' else 60}"]) == 0
    assert trained(empty) == undisturbed
    warnings = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning")]
    reason = {"raises": "the mirror is broken", "hangs": "did not finish in 8 seconds", "exits": "exit code 7"}[how]
    assert len(warnings) == 1 and reason in warnings[0] and "bn-study export wandb" in warnings[0]


def test_a_follower_that_hangs_does_not_outlive_who_started_it(place, tmp_path, monkeypatch):
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "wandb.py").write_text(BROKEN)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "broken"), prepend=":")
    monkeypatch.setenv("BROKEN_WANDB", "import:hangs")
    # its input is at its end, as it is when that process is killed
    command = [*FOLLOWER, "0", *REQUEST, "mirror=wandb", "mirror_wait=1"]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL) as process:
        try:
            assert process.wait(60) < 0  # by a signal, which is its own alarm
        finally:
            process.kill()


@pytest.mark.parametrize("name", ["tensorboard", pytest.param("wandb", marks=pytest.mark.slow)])
def test_live_and_exported_later_are_alike(empty, undisturbed, capsys, name):
    assert main(["run", *SWEEP, f"mirror={name}"]) == 0
    assert "warning" not in capsys.readouterr().out and trained(empty) == undisturbed
    folder = empty.results / "mirror" / name

    def content():
        if name == "tensorboard":
            return {path.parent.name.rpartition(" ")[2]: path.read_bytes() for path in folder.rglob("events.*")}
        found = {}
        for path in folder.glob("wandb/offline-run-*/*.wandb"):
            records = inspected(path)
            rows = [one["history"]["item"] for one in records if one["type"] == "history"]
            rows = [{key: row[key] for key in row if key not in ("_runtime", "_timestamp")} for row in rows]
            (about,) = [one["run"] for one in records if one["type"] == "run"]
            found[about["run_id"]] = about["config"], about["run_group"], rows
        return found

    live = content()
    assert set(live) == set(undisturbed)
    shutil.rmtree(folder)
    assert main(["export", name, *SWEEP]) == 0
    assert content() == live


@pytest.mark.slow
def test_a_run_under_way_is_mirrored_from_its_checkpoint(place, specify, tmp_path):
    from bn_study.store import checkpoint
    from bn_study.training.train import Programs, train

    spec = specify("steps=30", "model.widths=[8]", "schedule.points=4", "probe=[curves,activations]")
    states = {}

    class Stop(Exception):
        pass

    def between(step, state):
        if step >= 20:
            states.update(state())
            raise Stop

    with pytest.raises(Stop):
        train(spec, Programs(), between, None)
    path = tmp_path / "run.npz"
    checkpoint.save(path, spec, checkpoint.Checkpoint(states, []))
    run = _run.under_way(spec, checkpoint.load(path, spec).state, sweep("norm"))
    whole = train(spec, Programs(), lambda step, state: None, None)
    assert run.status == "running" and 0 in run.scalars and max(run.scalars) <= 20
    for step, row in run.scalars.items():
        expected = whole.records[whole.records["step"] == step]
        names = [
            f"{name}/{site}" if site else name for name, site in zip(expected["name"], expected["site"], strict=True)
        ]
        assert row == dict(zip(names, expected["value"], strict=True))
    assert run.histograms[0]


def test_an_unknown_format_is_refused_with_the_nearest_name(place, capsys):
    assert main(["export", "tensorbord", *REQUEST]) == 2
    assert "unknown format 'tensorbord'; did you mean tensorboard?" in capsys.readouterr().err


@pytest.mark.parametrize("name", parts.names("mirror"))
def test_a_mirror_says_how_to_look_at_it(name):
    assert "/of/runs" in parts.find("mirror", name).LOOK.format(folder="/of/runs")


def test_mirrors_are_chosen_by_name(empty, capsys):
    for words, message in (
        (["mirror=wandbb"], "unknown mirror 'wandbb'; did you mean wandb?"),
        (["mirror=wandb", "mirror.projekt=x"], "did you mean mirror.project"),
        (["mirror.project=x"], "choose a mirror first, as mirror="),
        (["mirror=wandb", "mirror_wait=0"], "give a number of seconds above 0"),
    ):
        assert main(["run", *SWEEP, *words]) == 2
        assert message in capsys.readouterr().err
    ids = [json.loads(line)["id"] for line in _plan(capsys, "mirror=wandb")]
    assert ids == [json.loads(line)["id"] for line in _plan(capsys)]


def _plan(capsys, *words):
    assert main(["plan", "--json", *SWEEP, *words]) == 0
    return capsys.readouterr().out.splitlines()
