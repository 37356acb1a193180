"""One small file per figure, a pure function of tables that are read back: runs.csv, curves.csv, verdicts.csv.

A figure's file defines four functions, all with the same keyword arguments, which an experiment file gives:
draw(tables, *, ...) -> matplotlib Figure, a picture of nothing but what `plotted` returns;
plotted(tables, *, ...) -> data frame of every number in the picture, rounded (see `rounding`), which the report writes
    as CSV;
caption(tables, *, ...) -> text: what is shown, of which runs, and what it does not show;
curves(runs, *, ...) -> run id of every run shown -> the records that curves.csv must hold of it: scalars, one
    value of a vector, or a whole vector (a histogram) at some steps; see `tables.Curve`.
Some options mean the same in every figure: grid, grids and beside name grids of the experiment, claims its claims,
factor a setting, and the last value of each of the metrics becomes a column of runs.csv.
Files whose names begin with an underscore are shared by figures.
"""
