"""Quantiles of distributions over training, for the page."""

from collections.abc import Collection
from typing import Any

import numpy as np
import pandas as pd

from bn_study.report.web.content import POINTS, _numbers, firsts

QUANTILES = {"q15": "low", "q50": "middle", "q85": "high"}


def quantiles(
    runs: pd.DataFrame, records: pd.DataFrame, tuning: Collection[str] = ()
) -> dict[str, dict[int, dict[str, Any]]]:
    """`activation layer1/pre` -> index of each arm's run (`firsts`) -> its steps and quantiles low, middle, high."""
    if records.empty:
        return {}
    places = {run: place for place, run in enumerate(runs["run"])}
    kind, _, quantile = (records["name"].str.rpartition("/")[part] for part in range(3))
    own = records.assign(kind=kind, quantile=quantile)[quantile.isin(list(QUANTILES)) & (records["site"] != "")]
    first = firsts(runs, tuning) if len(runs) and len(own) else {}
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for (name, site, run), rows in own[own["run"].isin(first)].groupby(["kind", "site", "run"]):
        table = rows.pivot_table(index="step", columns="quantile", values="value", dropna=False).reindex(
            columns=list(QUANTILES)
        )
        table = table.iloc[np.unique(np.linspace(0, len(table) - 1, min(len(table), POINTS)).round().astype(int))]
        values = {word: _numbers(table[column]) for column, word in QUANTILES.items()}
        found.setdefault(f"{name} {site}", {})[places[run]] = {"steps": table.index.tolist(), **values}
    return found
