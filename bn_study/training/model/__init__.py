"""One file per model. Its arguments are in conf/model/.

A model's file defines two functions and a constant:
build(data, norm, seed, *, ...) -> Network, where norm(name, seed) makes a normalizer. `Chain` in training/network.py
    builds hidden layers one after another, and residual branches.
sites(*, ...) -> the sites of the hidden layers that `build` makes for the same options, such as `layer1/pre`: figures
    of layers, claims about them and `plan` rely on it. The plan reads it from the source, so it may use `layer_sites`,
    builtins and the file's literal constants alone (see plan/declared.py).
CONVOLUTIONAL: whether it convolves images, for which device=auto prefers a GPU.
Each hidden layer has the sites `linear`, `pre`, `post` and `out`, which training/network.py explains. A
projection that is added to layer i has the sites `shortcut<i>/linear` and, normalized, `shortcut<i>/out`.
"""
