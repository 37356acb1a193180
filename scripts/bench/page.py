"""The time to open the page of an experiment in headless Chromium, by its number of runs.

scripts/bench.sh page: half a minute. Runs are drawn at random; each has two metrics of 60 points. Seconds are
measured by the browser, from the start of navigation until the page's script has run and its table is there.
"""

import shutil
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from _common import ROOT, spread, write
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

from bn_study.plan.compose import compose
from bn_study.report.web import content, pages

RUNS = (10, 100, 1000)
REPEATS = 5
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")


def page(folder: Path, count: int) -> Path:
    experiment, _ = compose(ROOT, "landscape", [])
    random, steps = np.random.default_rng(0), np.arange(60) * 100
    runs = pd.DataFrame(
        {
            "run": [f"norm-mlp-mnist-s{at}-{at:010x}" for at in range(count)], "grids": "all", "seed": range(count),
            "status": "complete", "diverged_at": None, "classes": 10, "commit": "c" * 40, "dirty": False, "stated": "",
            "measured": "", "norm": random.choice(["none", "batch", "group"], count), "dataset": "mnist",
            "optimizer.learning_rate": random.choice([0.01, 0.1, 1.0], count), "steps": 6000,
            "final(metric=test/accuracy)": random.random(count),
        }
    )  # fmt: skip
    records = pd.concat(
        pd.DataFrame(
            {
                "run": np.repeat(runs["run"], len(steps)), "step": np.tile(steps, count), "name": name, "site": "",
                "value": random.random(count * len(steps)),
            }
        )
        for name in ("test/accuracy", "test/loss")
    )  # fmt: skip
    vectors = pd.DataFrame(columns=["run", "step", "name", "site", "unit", "value"])
    found = content.of_runs(runs, records, vectors, {}) | {"command": "bn-study run landscape"}
    path = folder / f"{count}.html"
    path.write_text(pages.experiment(experiment, {}, {}, [], found, None, []), encoding="utf-8")
    return path


def main() -> None:
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for one in (*SWITCHES, f"--user-data-dir={name}/profile"):
            options.add_argument(one)
        with webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver"))) as browser:
            for count in RUNS:
                path, times = page(Path(name), count), []
                for _ in range(REPEATS):
                    browser.get(path.as_uri())
                    assert browser.execute_script("return document.documentElement.dataset.ready") == "yes"
                    timing = "performance.getEntriesByType('navigation')[0].domContentLoadedEventEnd"
                    times.append(browser.execute_script(f"return {timing}") / 1000)
                size = path.stat().st_size / 1e6
                rows.append({"runs": count, "megabytes": size, **{f"{k}_seconds": v for k, v in spread(times).items()}})
    write("page", rows, f"{REPEATS} times each")


if __name__ == "__main__":
    main()
