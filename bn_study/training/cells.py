"""The steps of recurrent layers: from Wx_t + b and Uh_(t-1) to the state h_t.

σ is the sigmoid, φ the nonlinearity that the layer is given, · elementwise. A layer's gates lie beside one another in
the last axis of both sums, in the order below, which is PyTorch's. Only Wx has a bias, so a GRU has none of its own in
σ(r) · Uh_n.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Cell:
    """gates: how many times the units both sums are wide.

    step: (Wx_t + b, Uh_(t-1), memory, φ) -> (what enters φ last, what leaves it, h_t, memory), where the memory starts
    as zeros (batch, units).
    """

    gates: int
    step: Callable[[Any, Any, Any, Callable], tuple[Any, Any, Any, Any]]


def _simple(forward, back, memory, nonlinearity):
    """h_t = φ(Wx_t + b + Uh_(t-1)) (Elman 1990)."""
    pre = forward + back
    post = nonlinearity(pre)
    return pre, post, post, post


def _lstm(forward, back, memory, nonlinearity):
    """c_t = σ(f) · c_(t-1) + σ(i) · φ(g), h_t = σ(o) · φ(c_t); gates i, f, g, o (Hochreiter & Schmidhuber 1997, with
    the forget gate of Gers et al. 2000). The memory is c."""
    i, f, g, o = ops.split(forward + back, 4, axis=-1)
    memory = ops.sigmoid(f) * memory + ops.sigmoid(i) * nonlinearity(g)
    post = nonlinearity(memory)
    return memory, post, ops.sigmoid(o) * post, memory


def _gru(forward, back, memory, nonlinearity):
    """n = φ(Wx_n + b_n + σ(r) · Uh_n), h_t = (1 - σ(z)) · n + σ(z) · h_(t-1); gates r, z, n (Cho et al. 2014, with the
    reset after the product, as in cuDNN). The memory is h."""
    (r, z, n), (back_r, back_z, back_n) = (ops.split(value, 3, axis=-1) for value in (forward, back))
    pre = n + ops.sigmoid(r + back_r) * back_n
    post = nonlinearity(pre)
    state = post + ops.sigmoid(z + back_z) * (memory - post)
    return pre, post, state, state


KINDS = {"simple": Cell(1, _simple), "lstm": Cell(4, _lstm), "gru": Cell(3, _gru)}
"""By the names that `model.cell` takes."""
