"""What axe-core finds wrong with pages for people who use a keyboard, a screen reader or dark colors: nothing grave."""

import threading

import numpy as np
import pandas as pd
import pytest
from axe_core_python.base import AXE_SCRIPT

from bn_study.report import evidence
from bn_study.report.web import live, serve, write
from bn_study.study import Study
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

GRAVE = ("serious", "critical")
EXPERIMENT = """
question: Is it better?
source: a book
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves, activations]}
grids:
  all: {norm: [none, batch], optimizer.learning_rate: [0.1, 1], seed: range(3)}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    contexts: [optimizer.learning_rate]
    test: superiority
    margin: 0.01
figures:
  curve: {kind: curves, grid: all, metric: test/accuracy}
discussion: It is.
"""


@pytest.fixture(scope="module")
def request_here(make_study, tmp_path_factory):
    """An experiment of which a run of each arm is still missing."""
    study = make_study(tmp_path_factory.mktemp("axe") / "study", first=EXPERIMENT)
    study.store.prepare()
    request = Request.parse(["first"], study)
    for run in plan_status(request.experiment, study.store).missing:
        if run.spec.seed < 2:
            rows = [(step, "test/accuracy", "", 0.1 + (step + run.spec.seed) / 200) for step in (0, 50, 100)]
            rows += [(step, "activation/histogram", "layer1/pre", np.array([3.0, 1.0])) for step in (0, 100)]
            rows += [(step, "activation/edges", "layer1/pre", np.array([0, 0.5, 2.5])) for step in (0, 100)]
            table = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
            scalars = table["site"] == ""
            facts = {"status": "complete", "classes": 10, "commit": "a" * 40, "dirty": False, "stated": {}}
            records = table[scalars].astype({"value": float})
            study.store.publish(run.spec, records, table[~scalars], facts)
    return request


@pytest.fixture
def faults(browser, visit):
    """`faults(page)` -> what axe finds grave on a page with everything unfolded, in light and in dark colors."""
    browser.set_script_timeout(120)

    def faults(page):
        visit(page)
        browser.execute_script(
            "document.querySelectorAll('details').forEach(one => one.open = true);"
            "[...document.querySelectorAll('#runs tbody input')].slice(0, 2).forEach(one => one.click());"
        )
        browser.execute_script(AXE_SCRIPT)
        return [fault for scheme in ("light", "dark") for fault in found(scheme)]

    def found(scheme):
        feature = {"name": "prefers-color-scheme", "value": scheme}
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [feature]})
        violations = browser.execute_async_script(
            "const done = arguments[0];"
            "axe.run({resultTypes: ['violations']}).then(found => done(found.violations), fault => done(String(fault)))"
        )
        assert isinstance(violations, list), violations
        for one in violations:
            if one["impact"] in GRAVE:
                for node in one["nodes"][:3]:
                    yield f"{scheme}: {one['impact']}: {one['id']}: {node['html'][:200]}: {node['failureSummary']}"

    faults.leave = lambda: browser.get("about:blank")
    yield faults
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.slow
def test_axe_sees_a_grave_fault(faults, tmp_path):
    path = tmp_path / "bad.html"
    path.write_text("<!doctype html><html><title>bad</title><body><img src='data:,'><p style='color: #ccc'>gray")
    said = "".join(faults(path))
    assert "image-alt" in said and "color-contrast" in said


@pytest.mark.slow
def test_the_page_of_an_experiment_is_accessible(faults, request_here):
    study, experiment = request_here.study, request_here.experiment
    assert faults(write.write(study, experiment, evidence.report(study, experiment))) == []


@pytest.mark.slow
def test_the_overview_of_the_evidence_is_accessible(faults, home, tmp_path):
    for path in (home / "results").iterdir():
        if path.name not in ("index.html", "runs", "local"):
            (tmp_path / path.name).symlink_to(path)
    assert faults(write.write_overview(Study(home, tmp_path))) == []


@pytest.mark.slow
def test_a_served_page_is_accessible(faults, request_here, make_study, tmp_path):
    """With runs, and while it waits for the first one."""
    nothing = make_study(tmp_path / "study", first=EXPERIMENT)
    nothing.store.prepare()
    for request in (request_here, Request.parse(["first"], nothing)):
        server = serve.Server(live.Live(request), 0)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            assert faults(server.url) == []
        finally:
            faults.leave()
            server.shutdown()
            server.server_close()
            thread.join()
