"""One small file per model; `conf/model/` gives its arguments."""
