"""One small file per figure, a pure function of two tables: runs.csv and curves.csv, read back.

A figure's file defines four functions, all with the same keyword arguments, which an experiment file gives:
draw(tables, *, ...) -> matplotlib Figure, a picture of nothing but what `plotted` returns;
plotted(tables, *, ...) -> data frame of every number in the picture, which the report writes as CSV;
caption(tables, *, ...) -> text: what is shown, of which runs, and what it does not show;
curves(runs, *, ...) -> run id -> the records that curves.csv must hold of it.
Files whose names begin with an underscore are shared by figures.
"""
