"""`report --serve`: what a browser of this machine sees while runs are published, and what nobody else gets."""

import html
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading

import pandas as pd
import pytest

from bn_study.cli.main import main
from bn_study.errors import UsageError
from bn_study.report.web import live, serve
from bn_study.sweep.request import Request
from bn_study.sweep.status import plan_status

EXPERIMENT = """
question: Is it better?
base: {dataset: digits, model.widths: [8], steps: 100, probe: [curves]}
grids:
  all: {norm: [none, batch], seed: range(3)}
claims:
  better:
    measure: {final: {metric: test/accuracy}}
    contrast: {norm=batch: 1, norm=none: -1}
    test: superiority
    margin: 0.01
"""
DEADLINE = 120


@pytest.fixture
def request_here(make_study, tmp_path):
    """A study's request, without a run."""
    study = make_study(tmp_path / "study", first=EXPERIMENT)
    study.store.prepare()
    return Request.parse(["first"], study)


def missing(request):
    return plan_status(request.experiment, request.study.store).missing


def publish(request, count):
    for run in missing(request)[:count]:
        rows = [(step, "test/accuracy", "", 0.1 + step / 200) for step in (0, 50, 100)]
        records = pd.DataFrame(rows, columns=["step", "name", "site", "value"])
        facts = {"status": "complete", "classes": 10, "commit": "a" * 40, "dirty": False, "stated": {}}
        request.study.store.publish(run.spec, records, records.iloc[:0], facts)


@pytest.fixture
def server(request_here):
    server = serve.Server(live.Live(request_here), 0)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def ask(server, path="/status.json", method="GET", **headers):
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection(*server.server_address, timeout=DEADLINE)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    return answer.status, answer.headers, answer.read()


def test_only_this_machine_is_answered(server):
    assert server.server_address[0] == "127.0.0.1"
    for name in ("127.0.0.1", "localhost", "LOCALHOST:1234", f"127.0.0.1:{server.server_address[1]}"):
        assert ask(server, Host=name)[0] == 200
    for name in ("evil.example", "evil.example:80", "127.0.0.1.evil.example", "localhost@evil.example", "[", ""):
        for path in ("/", "/data.json", "/status.json"):
            status, _, body = ask(server, path, Host=name)
            assert status == 403 and b"first" not in body


def test_nothing_can_be_changed(server):
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "PROPFIND"):
        status, headers, _ = ask(server, method=method)
        assert status == 405 and headers["Allow"] == "GET, HEAD"


def test_no_other_file_is_served(server, request_here):
    secret = request_here.study.results / "secret.txt"
    secret.write_text("secret")
    for path in ("/secret.txt", "/../secret.txt", "/runs", "//etc/passwd", f"/{secret}", "/%2e%2e/secret.txt", "/a"):
        assert ask(server, path)[0] == 404


def test_head_has_the_headers_alone(server):
    publish(request := server.contents["/"][1].__self__.request, len(missing(request)))
    for path in ("/", "/data.json", "/status.json"):
        status, headers, body = ask(server, path, "HEAD")
        assert status == 200 and body == b"" and int(headers["Content-Length"]) == len(ask(server, path)[2])
        assert headers["X-Content-Type-Options"] == "nosniff" and "Access-Control-Allow-Origin" not in headers


def test_the_status_counts_what_the_store_has(server, request_here):
    store = request_here.study.store
    assert ask(server, "/data.json")[0] == 503 and b"Is it better?" in ask(server, "/")[2]
    first, second, third = (run.spec.id for run in missing(request_here)[:3])
    publish(request_here, 1)
    store.fail(second, "another", "failed", "ValueError: no")
    with store.leases().take(third, "another") as lease:
        lease.note(40)
        status = json.loads(ask(server)[2])
    assert status["words"].startswith("1 of 6 runs done, 1 in training, 3 not begun, 1 failed; ")
    assert [status[name] for name in ("runs", "done", "running", "not_begun", "failed")] == [6, 1, 1, 3, 1]
    assert status["published"] == [first]
    worker = {"host": socket.gethostname(), "pid": os.getpid(), "run": third, "step": 40, "steps": 100}
    assert status["workers"] == [worker]
    assert "time left" in dict(status["price"])
    publish(request_here, 5)
    after = json.loads(ask(server)[2])
    assert after["words"] == "6 of 6 runs done; nothing left." and after["version"] != status["version"]


def test_the_page_is_that_of_the_report(server, request_here):
    publish(request_here, 6)
    page = html.unescape(ask(server, "/?view=1")[2].decode())
    assert "<body data-live>" in page and "connect-src 'self'" in page
    embedded = re.search(r'<script type="application/json" id="(?:content|data)">(.*?)</script>', page, re.DOTALL)
    assert json.loads(embedded[1]) == json.loads(ask(server, "/data.json")[2])
    assert not (request_here.study.results / "first").exists(), "nothing is written"


@pytest.mark.slow
def test_a_browser_sees_runs_without_a_reload(server, request_here, visit, browser):
    """The strip follows the store, and the page is handed each new run."""
    page = visit(server.url)
    try:
        until(browser, lambda: "0 of 6 runs done" in page.find("#live")[0].text)
        publish(request_here, 2)
        until(
            browser, lambda: page.run("document.documentElement.dataset.ready") == "yes", "the page of the first runs"
        )
        watch_updates(page)
        publish(request_here, 1)
        until(browser, lambda: page.run("window.received") == 3)
        until(browser, lambda: "3 of 6 runs done" in page.find("#live")[0].text)
        page.click("#live summary")
        run = missing(request_here)[0].spec.id
        with request_here.study.store.leases().take(run, "another") as lease:
            lease.note(40)
            worker = f"{os.getpid()}: {run}, step 40 of 100"
            until(browser, lambda: worker in page.find("#live-more")[0].text)
        assert "time left" in page.find("#live-more")[0].text
        assert page.find("#live-older")[0].is_displayed()
    finally:
        browser.get("about:blank")


def watch_updates(page):
    """Count the runs that the page is handed; a reload forgets it."""
    page.run(
        """(() => {
          const own = window.bnStudy?.update;
          window.bnStudy = {...window.bnStudy, update(data) { own?.(data); window.received = data.ids.length; }};
        })()"""
    )


def until(browser, happens, what=""):
    from selenium.common.exceptions import JavascriptException, StaleElementReferenceException
    from selenium.webdriver.support.wait import WebDriverWait

    waits = WebDriverWait(browser, DEADLINE, 0.1, (IndexError, JavascriptException, StaleElementReferenceException))
    waits.until(lambda _: happens(), what)


def test_a_taken_port_and_flags_that_do_not_go_together_are_a_line(server, study_here, capsys):
    port = server.server_address[1]
    with pytest.raises(UsageError, match=f"--port {port}: another program has it; .*--port 0"):
        serve.Server(server.contents["/"][1].__self__, port)
    for words in (["--port", "0"], ["--serve", "--all"], ["--serve", "--check"]):
        assert main(["report", "first", *words]) == 2
        assert capsys.readouterr().err.count("\n") == 1
    with pytest.raises(SystemExit, match="2"):
        main(["report", "first", "--serve", "--port", "65536"])


@pytest.mark.slow
def test_a_sweep_is_watched_while_it_is_trained(make_study, tmp_path, browser, visit, home):
    """Real processes: the server, and a sweep on digits that begins after the page was opened."""
    study = make_study(tmp_path / "study", first=EXPERIMENT)
    places = {"PYTHONPATH": home, "BN_STUDY_HOME": study.home, "BN_STUDY_RESULTS": study.results}
    environment = os.environ | {name: str(place) for name, place in places.items()}
    command = [sys.executable, "-m", "bn_study"]
    serving = subprocess.Popen(
        [*command, "report", "first", "--serve", "--port", "0"], env=environment, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    try:
        address = serving.stdout.readline().split()[0]
        page = visit(address)
        until(browser, lambda: "no worker is at it" in page.find("#live")[0].text)
        subprocess.run([*command, "run", "first", "seed=0", "workers=1"], env=environment, check=True)
        until(browser, lambda: page.run("document.documentElement.dataset.ready") == "yes", "the page of two runs")
        watch_updates(page)
        subprocess.run([*command, "run", "first", "workers=1"], env=environment, check=True)
        until(browser, lambda: page.run("window.received") == 6)
        until(browser, lambda: page.find("#live")[0].text.startswith("6 of 6 runs done; nothing left."))
    finally:
        browser.get("about:blank")
        serving.send_signal(signal.SIGINT)
        said = serving.communicate(timeout=DEADLINE)[1]
    assert serving.returncode == 0 and "Traceback" not in said, said
