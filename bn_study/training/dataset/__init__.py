"""One file per data set: `load(*, ...)` returns its Data. The values are in conf/dataset/."""
