"""One file per normalizer. Its arguments are in conf/norm/.

A normalizer's file defines:
layer(name, seed, *, ...) -> Normalizer, a Keras layer (see training/normalizer.py).
STATISTICS: whether it keeps moving averages, so that inference has a choice of statistics; what probes record depends
    on it.
"""
