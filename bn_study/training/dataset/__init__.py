"""One file per data set. Its arguments are in conf/dataset/.

A data set's file defines:
load(*, ...) -> its Data: training, validation and test examples.
TASK: "classification", "regression", or "either" where only the data tell; what probes record depends on it.
NOTE: what a reader of the results should know of the data, as a clause; "" for nothing.
Files whose names begin with an underscore are shared by data sets.
"""
