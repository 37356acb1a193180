"""One file per probe: what is recorded of a network between two training steps. Its arguments are in conf/probe/.

A probe's file defines two functions with the same keyword arguments:
record(network, evaluation, *, ...) yields (name, site, value): a number or an array, at a site such as `layer1/pre` or
    at "". It changes no variable and draws no random number.
records(seen, *, ...) yields a Record for each series that `record` can yield for such a network, so that `plan` can
    refuse a claim or a figure that needs another. A Record says between which values it lies (low, high) and which are
    better, so that `plan` can refuse a margin or a level that no value can reach. The plan reads it from the source, so
    it may use `Record`, builtins and the file's literal constants alone (see plan/declared.py).
"""
