"""One file per norm; `conf/norm/` gives its arguments."""
