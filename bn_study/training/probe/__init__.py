"""One small file per probe; `conf/probe/` gives its arguments."""
