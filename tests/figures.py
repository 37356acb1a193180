"""A figure's module asked for what it makes of tables with some options, and the interval that it should show."""

import numpy as np
from scipy import stats


def data_of(module, tables, **options):
    return module.Drawing(**options).data(tables)


def drawn_of(module, tables, **options):
    drawing = module.Drawing(**options)
    return drawing.draw(drawing.data(tables), tables)


def caption_of(module, tables, **options):
    drawing = module.Drawing(**options)
    return drawing.caption(drawing.data(tables), tables)


def curves_of(module, runs, **options):
    return module.Drawing(**options).curves(runs)


def share_interval(values):
    """Of a mean of shares: Student's t on the logit scale, written without logit or its inverse."""
    mean, half = np.mean(values), stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    odds, factor = mean / (1 - mean), np.exp(half / (mean * (1 - mean)))
    return odds / factor / (1 + odds / factor), odds * factor / (1 + odds * factor)
