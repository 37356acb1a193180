"""Compare the figures of results/bench/ with the project's targets; print them and write them into the README.

    .venv/bin/python scripts/bench/targets.py [--check]

--check: change nothing; exit 1 if the README does not show the figures of results/bench/.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from _common import RESULTS, ROOT

README = ROOT / "README.md"
BEGIN, END = "<!-- figures of results/bench, by scripts/bench/targets.py -->\n", "<!-- end of figures -->\n"


@dataclass(frozen=True)
class Target:
    """what: a description. limit: lower (at_least) or upper bound of values. form: format of a printed value."""

    what: str
    limit: float
    at_least: bool
    values: list[float]
    form: str

    @property
    def worst(self) -> float:
        return min(self.values) if self.at_least else max(self.values)

    @property
    def met(self) -> bool:
        return self.worst >= self.limit if self.at_least else self.worst <= self.limit

    def row(self) -> str:
        low, high = (self.form.format(one) for one in (min(self.values), max(self.values)))
        measured = low if low == high else f"{low} to {high}"
        sign = "≥" if self.at_least else "≤"
        met = "yes" if self.met else "**no**"
        return f"| {self.what} | {sign} {self.form.format(self.limit)} | {measured} | {met} |"


def _steps() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "steps.csv", keep_default_na=False)
    one_core = table[(table["model"] == "mlp") & (table["threads"] == 1)]
    three = one_core[one_core["shape"].astype(str) == "3"]
    for name, limit in (("fit", 5), ("fit tuned", 2.5), ("pytorch", 2), ("torch.compile", 2)):
        found = three[three["contestant"] == name]["times_ours"]
        yield Target(f"MLP step, depth 3, one core: times as fast as {name}", limit, True, list(found), "{:.2f}")
    ours = three[three["contestant"] == "ours"]
    for norm, limit in (("none", 0.75), ("batch", 0.65)):
        share = ours[(ours["norm"] == "none") == (norm == "none")]["share_of_peak"]
        text = "without" if norm == "none" else "with"
        yield Target(f"MLP, depth 3: share of the core's sgemm peak {text} BN", limit, True, list(share), "{:.0%}")
    cnn = table[(table["model"] == "cnn") & (table["threads"] == table["threads"].max())]
    arms = ["model", "shape", "activation", "norm"]
    torch = cnn[cnn["contestant"].isin(["pytorch", "pytorch channels_last"])].groupby(arms)["times_ours"].min()
    yield Target("CNN step, all cores: times as fast as PyTorch in its faster layout", 1.2, True, list(torch), "{:.2f}")
    for name, limit in (("fit", 1.8), ("fit tuned", 1.1)):
        found = cnn[cnn["contestant"] == name]["times_ours"]
        yield Target(f"CNN step, all cores: times as fast as {name}", limit, True, list(found), "{:.2f}")
    for model, rows, limit in (("MLP, one core", one_core, 0.15), ("CNN, all cores", cnn, 0.2)):
        found = rows[(rows["contestant"] == "ours") & (rows["norm"] != "none")]["times_plain"] - 1
        yield Target(f"price of BN in our loop, {model}", limit, False, list(found), "{:.0%}")


def _sweep() -> Iterator[Target]:
    times = pd.read_csv(RESULTS / "sweep.csv").set_index("contestant")["times_ours"]
    for name, limit in (
        ("fit, one process", 8), ("fit, one process a core", 4), ("pytorch, one process a core", 1.6),
    ):  # fmt: skip
        yield Target(f"cold sweep of 16 MLP runs: times as fast as {name}", limit, True, [times[name]], "{:.2f}")


def _measure() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "measure.csv", keep_default_na=False)
    for norm, limit in (("none", 0.15), ("batch", 0.30)):
        found = table[(table["norm"] == norm) & (table["probe"] == "curves")]["share"]
        text = "plain" if norm == "none" else "BN"
        yield Target(f"default measuring of a run, {text}: share of its training", limit, False, list(found), "{:.0%}")
    worker = pd.read_csv(RESULTS / "worker.csv").set_index("what")["value"]
    starts, memory = [worker["seconds to a second run's first step"]], [worker["peak memory, GB"]]
    yield Target("second run of an architecture: seconds before its first step", 0.3, False, starts, "{:.2f}")
    yield Target("peak memory of a worker on MNIST, GB", 1.4, False, memory, "{:.2f}")


def _scale() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "scale.csv")
    for row in table[table["target"].notna()].to_dict("records"):
        runs = f" {int(row['runs']):,} runs" if row["runs"] == row["runs"] else ""
        yield Target(f"{row['what']}{runs}: seconds", row["target"], False, [row["seconds"]], "{:.2f}")
    for what in ("plan", "know that all are done", "report"):
        growth = table[(table["what"] == what) & table["growth"].notna()]["growth"]
        yield Target(f"{what}: exponent of its growth with runs (1 is linear)", 1.1, False, list(growth), "{:.2f}")


def _mirror() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "mirror.csv", keep_default_na=False).set_index("mirror")
    costs = [table.loc[name, "sweep_times_none"] - 1 for name in ("tensorboard", "wandb")]
    yield Target("mirror: what it adds to a sweep of runs of a minute", 0.01, False, costs, "{:.1%}")


def _page() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "page.csv").set_index("runs")
    opened = [table.loc[1000, f"{one}_seconds"] for one in ("median", "highest")]
    yield Target("page of 1,000 runs: seconds until it is open", 3.0, False, opened, "{:.2f}")


def table() -> str:
    """The README's table of all that has been measured."""
    sections = {
        "steps": _steps,
        "sweep": _sweep,
        "measure": _measure,
        "scale": _scale,
        "mirror": _mirror,
        "page": _page,
    }
    found = [one for name, section in sections.items() if (RESULTS / f"{name}.csv").exists() for one in section()]
    machines = {pd.read_csv(path)["machine"].iloc[0] for path in RESULTS.glob("*.csv")}
    head = "| measure | target | measured | met |\n|---|---|---|---|\n"
    return head + "".join(one.row() + "\n" for one in found) + "\n" + "".join(f"{one}\n" for one in sorted(machines))


def main() -> int:
    before, _, rest = README.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    fresh = before + BEGIN + "\n" + table() + "\n" + END + after
    if "--check" in sys.argv[1:]:
        return int(fresh != README.read_text())
    print(table())
    README.write_text(fresh)
    return 0


if __name__ == "__main__":
    sys.exit(main())
