"""Two tables of the figures in results/bench/: for docs/speed.md what a user decides by, beside what a peer takes; for
results/bench/README.md all of them beside the project's targets.

    .venv/bin/python scripts/bench/targets.py [--check]

--check: change nothing; exit 1 if a table does not show the figures of results/bench/.
"""

import sys
from collections.abc import Iterator
from dataclasses import dataclass

import pandas as pd
from _common import RESULTS, ROOT

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


def _profile() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "step_profile.csv").set_index("what")
    share = [table.loc["step", "share_of_peak"]]
    yield Target("MLP step, depth 3, written out: share of the core's sgemm peak", 0.75, True, share, "{:.0%}")


def _sweep() -> Iterator[Target]:
    times = pd.read_csv(RESULTS / "sweep.csv").set_index("contestant")["times_ours"]
    for name, limit in (
        ("fit, one process", 7.5), ("fit, one process a core", 4.5), ("pytorch, one process a core", 1.8),
    ):  # fmt: skip
        yield Target(f"cold sweep of 16 MLP runs: times as fast as {name}", limit, True, [times[name]], "{:.2f}")


def _experiment() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "experiment.csv")
    limits = {
        "faster_convergence": (0.8, 1.4),
        "faster_elsewhere, MLP": (0.8, 1.4),
        "faster_elsewhere, CNN": (0.85, 1.2),
    }
    for part, (share, times) in limits.items():
        rows = table[table["part"] == part]
        ours, others = rows[rows["contestant"] == "ours"], rows[rows["contestant"] != "ours"]
        yield Target(f"{part}: useful share of the sweep", share, True, list(ours["training"]), "{:.0%}")
        for commit in others["contestant"]:
            found = list(others[others["contestant"] == commit]["times_ours"])
            yield Target(f"{part}: times as fast as at commit {commit}", times, True, found, "{:.2f}")


def _measure() -> Iterator[Target]:
    table = pd.read_csv(RESULTS / "measure.csv", keep_default_na=False)
    for norm, limit in (("none", 0.15), ("batch", 0.30)):
        found = table[(table["norm"] == norm) & (table["probe"] == "curves")]["share"]
        text = "plain" if norm == "none" else "BN"
        yield Target(f"default measuring of a run, {text}: share of its training", limit, False, list(found), "{:.0%}")
    cnn = table[(table["model"] == "cnn") & (table["probe"] == "activations")]["share"]
    yield Target("probe `activations` on a CNN: share of its training", 0.3, False, list(cnn), "{:.0%}")
    point = list(pd.read_csv(RESULTS / "point.csv")["times_arithmetic"])
    yield Target(
        "measuring point, BN, 2,000 MNIST images: times its arithmetic at the sgemm peak", 1.5, False, point, "{:.2f}"
    )
    worker = pd.read_csv(RESULTS / "worker.csv").set_index("what")["value"]
    whole, compiling = worker["seconds of a command that trains one step"], worker["of these, compiling"]
    yield Target(
        "a command that trains one step, without compiling: seconds", 3.0, False, [whole - compiling], "{:.1f}"
    )
    starts = [worker["seconds to a second run's first step"]]
    yield Target("second run of an architecture: seconds before its first step", 0.3, False, starts, "{:.2f}")
    for where, limit in (("MNIST", 1.1), ("all of cifar10_jpeg", 1.3)):
        memory = [worker[f"peak memory on {where}, GB"]]
        yield Target(f"peak memory of a worker on {where}, GB", limit, False, memory, "{:.2f}")


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
    """All that has been measured, beside its target."""
    sections = {
        "steps": _steps, "step_profile": _profile, "sweep": _sweep, "experiment": _experiment, "measure": _measure,
        "scale": _scale, "mirror": _mirror, "page": _page,
    }  # fmt: skip
    found = [one for name, section in sections.items() if (RESULTS / f"{name}.csv").exists() for one in section()]
    machines = {pd.read_csv(path)["machine"].iloc[0] for path in RESULTS.glob("*.csv")}
    head = "| measure | target | measured | met |\n|---|---|---|---|\n"
    return head + "".join(one.row() + "\n" for one in found) + "\n" + "".join(f"{one}\n" for one in sorted(machines))


def decisive() -> str:
    """Figures that a user decides by, each beside what a peer takes for the same."""
    steps = pd.read_csv(RESULTS / "steps.csv", keep_default_na=False)
    sweep = pd.read_csv(RESULTS / "sweep.csv").set_index("contestant")["median_seconds"]
    worker = pd.read_csv(RESULTS / "worker.csv").set_index("what")["value"]
    useful = pd.read_csv(RESULTS / "experiment.csv")
    useful = useful[useful["contestant"] == "ours"].set_index("part")["training"]
    scale = pd.read_csv(RESULTS / "scale.csv").set_index(["what", "runs"])["seconds"]
    measure = pd.read_csv(RESULTS / "measure.csv", keep_default_na=False)
    curves = measure[measure["probe"] == "curves"]["share"]
    page = pd.read_csv(RESULTS / "page.csv").set_index("runs").loc[1000, "median_seconds"]

    inference = pd.read_csv(RESULTS / "inference.csv", keep_default_na=False).set_index(["contestant", "norm"])

    def times(contestant: str, norm: str) -> str:
        ratios = inference.loc[(contestant, norm), "times_plain"]
        return f"{ratios.min():.2f} to {ratios.max():.2f}"

    def step(model: str, shape: str, threads: int, *names: str) -> str:
        rows = steps[(steps["model"] == model) & (steps["shape"].astype(str) == shape) & (steps["threads"] == threads)]
        times = rows[rows["contestant"].isin(names)]["ms"]
        return f"{times.min():.3g} to {times.max():.3g} ms"

    cores = steps[steps["model"] == "cnn"]["threads"].max()
    torch = ("pytorch", "pytorch channels_last")
    rows = [
        ("a step of the MLP 784-100-100-100-10, batch 60, one core", step("mlp", "3", 1, "ours"),
         f"tuned `fit` {step('mlp', '3', 1, 'fit tuned')}, PyTorch {step('mlp', '3', 1, 'pytorch')}"),
        ("a step of the large CNN, batch 64, all cores", step("cnn", "large", cores, "ours"),
         f"tuned `fit` {step('cnn', 'large', cores, 'fit tuned')}, PyTorch {step('cnn', 'large', cores, *torch)}"),
        ("inference with batch normalization: times the plain network's; folded into the weights",
         f"{times('ours', 'batch')}; {times('ours', 'folded')}",
         f"PyTorch {times('pytorch', 'batch')}; {times('pytorch', 'folded')}"),
        ("16 MLP runs of 5,000 steps, from the command to the last record", f"{sweep['ours']:.0f} s",
         f"`fit` {sweep['fit, one process a core']:.0f} s, PyTorch {sweep['pytorch, one process a core']:.0f} s, "
         "each with one process a core"),
        ("a whole command that trains one step", f"{worker['seconds of a command that trains one step']:.1f} s", ""),
        ("useful share (training) of `faster_convergence`, its 60 measuring points included",
         f"{useful['faster_convergence']:.0%}", ""),
        ("the same of `faster_elsewhere`, its MLPs and its CNN",
         f"{useful['faster_elsewhere, MLP']:.0%}, {useful['faster_elsewhere, CNN']:.0%}", ""),
        ("measuring by default, as a share of training", f"{curves.min():.0%} to {curves.max():.0%}", ""),
        ("peak memory of a worker, MNIST and all of cifar10_jpeg",
         f"{worker['peak memory on MNIST, GB']:.2f} and {worker['peak memory on all of cifar10_jpeg, GB']:.2f} GB", ""),
        ("know that 10,000 runs are done", f"{scale['know that all are done', 10000]:.1f} s", ""),
        ("open the page of 1,000 runs", f"{page:.1f} s", ""),
    ]  # fmt: skip
    return "| what | here | a peer |\n|---|---|---|\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def main() -> int:
    outdated = 0
    for path, shown in ((ROOT / "docs" / "speed.md", decisive()), (RESULTS / "README.md", table())):
        before, _, rest = path.read_text().partition(BEGIN)
        fresh = before + BEGIN + "\n" + shown + "\n" + END + rest.partition(END)[2]
        outdated |= fresh != path.read_text()
        if "--check" not in sys.argv[1:]:
            print(shown)
            path.write_text(fresh)
    return int(outdated and "--check" in sys.argv[1:])


if __name__ == "__main__":
    sys.exit(main())
