"""One small file per figure, drawn only from tables that are read back: runs.csv, curves.csv, verdicts.csv.

A figure's file defines a frozen dataclass `Drawing`. Its fields are the figure's options, which an experiment file or
the command line gives, and its methods are pure:
needs() -> list of Needed: what each run of its grids must record, known before there are runs.
curves(runs) -> run id of every run shown -> the records that curves.csv must hold of it (see `tables.Curve`): scalars,
    one value of a vector, or a whole vector at some steps.
data(tables) -> data frame of every number in the picture, rounded (see `rounding`), which is written as CSV.
caption(data, tables) -> text: what is shown, of which runs, and what is not shown.
draw(data, tables) -> matplotlib Figure that shows only `data`; `tables` give the names and lengths of axes.
Some options mean the same in every figure. grid, grids and beside name grids of the experiment, claims its claims, and
factor a setting. The last value of each of the metrics becomes a column of runs.csv. Three say how a sweep is laid out,
and may be left out: by, the settings whose values make arms (all that vary); color, the one of them that colors stand
for (whole arms); and panels, the setting with a panel for each of its values (one panel).
Files whose names begin with an underscore are shared by figures.
"""
