"""Cross-layer equalisation: channels between two layers brought to ranges of one size.

Where nothing but relu or its like stands between two layers, channel i of the first may be divided
by a positive number and the second's weights of it multiplied by the same. Weights and activations
that share a scale then waste fewer codes on channels that are small beside others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood.ir_nets import Activation, Conv, Linear
from cordwood.passes import Loss
from cordwood.passes.net_parts import net_operators, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator, Product

__all__ = ["equalize_layers"]

_PROPORTIONAL = (None, "relu", "leaky_relu")
_SWEEPS = 8
_LARGEST_STEP = 8
"""Of the exponent, in one sweep: weights stay far from where float32 ends."""


def equalize_layers(graph: Graph) -> tuple[Graph, Loss]:
    """Equalise the ranges of channels between layers.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.

    Returns
    -------
    Graph, Loss
        Factors are powers of two, so that every product and every sum keeps its bits but for the
        exponent: the answers are the same bits, and the loss is none.

    References
    ----------
    M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight
    Equalization and Bias Correction", ICCV 2019. There factors are any positive numbers.
    """
    operators = {step.outputs[0]: step for step in net_operators(graph)}
    pairs = _pairs(graph)
    for _ in range(_SWEEPS):
        moved = False
        for first, second in pairs:
            factor = _factors(operators[first], operators[second])
            if (factor == 1).all():
                continue
            operators[first] = _divided(operators[first], factor)
            operators[second] = _multiplied(operators[second], factor)
            moved = True
        if not moved:
            break
    changed = tuple(operators.get(step.writes()[0], step) for step in graph.operators)
    return replace(graph, operators=changed), Loss("equalize_layers")


def _pairs(graph: Graph) -> list[tuple[str, str]]:
    """Name the values that two layers make which meet in channels alone."""
    readers = sole_readers(graph)
    found = []
    for step in net_operators(graph):
        if not _gives_channels(step):
            continue
        reader = readers.get(step.outputs[0])
        if isinstance(reader, Activation) and reader.kind in _PROPORTIONAL:
            reader = readers.get(reader.outputs[0])
        if reader is not None and _takes_channels(reader, step):
            found.append((step.outputs[0], reader.outputs[0]))
    return found


def _gives_channels(step: NetOperator) -> bool:
    return (
        _is_plain(step)
        and len(step.inputs) == 1
        and getattr(step, "activation", None) in _PROPORTIONAL
    )


def _takes_channels(reader: NetOperator, step: NetOperator) -> bool:
    """Whether every input channel has weights of its own; what it adds besides may be anything."""
    return type(reader) is type(step) and _is_plain(reader) and reader.inputs[0] != ""


def _is_plain(step: NetOperator) -> bool:
    """Whether it is a layer in float32 whose channels lie along one axis of its weights."""
    if not isinstance(step, Linear | Conv) or not isinstance(step.weight, np.ndarray):
        return False
    if step.weight.dtype != np.float32 or not np.isfinite(step.weight).all():
        return False
    if isinstance(step, Linear):
        return True
    by_channel = step.groups == 1 or step.weight.shape[1] == 1
    return not step.transposed and by_channel


def _given_range(step: Product) -> np.ndarray:
    """Largest weight of each output channel."""
    assert isinstance(step.weight, np.ndarray)
    return np.asarray(np.abs(step.weight.reshape(len(step.weight), -1)).max(1), np.float64)


def _by_input(step: Product) -> np.ndarray:
    """Return a view of the weights with input channels first."""
    assert isinstance(step.weight, np.ndarray)
    if isinstance(step, Conv) and step.groups > 1:
        return step.weight.reshape(step.groups, -1)
    return np.moveaxis(step.weight, 1, 0)


def _factors(first: NetOperator, second: NetOperator) -> np.ndarray:
    """Return the power of two next to ``sqrt(range before / range after)`` of each channel."""
    assert isinstance(first, Linear | Conv)
    assert isinstance(second, Linear | Conv)
    before = _given_range(first)
    taken = _by_input(second)
    after = np.abs(taken.reshape(len(taken), -1)).max(1).astype(np.float64)
    both = (before > 0) & (after > 0)
    ratio = np.where(both, before, 1.0) / np.where(both, after, 1.0)
    exponent = np.clip(np.rint(np.log2(ratio) / 2), -_LARGEST_STEP, _LARGEST_STEP)
    return np.asarray(np.exp2(exponent), np.float32)


def _divided(step: NetOperator, factor: np.ndarray) -> NetOperator:
    assert isinstance(step, Linear | Conv)
    assert isinstance(step.weight, np.ndarray)
    weight = step.weight / factor.reshape(-1, *(1,) * (step.weight.ndim - 1))
    bias = None if step.bias is None else step.bias / factor
    return replace(step, weight=weight, bias=bias)


def _multiplied(step: NetOperator, factor: np.ndarray) -> NetOperator:
    assert isinstance(step, Linear | Conv)
    assert isinstance(step.weight, np.ndarray)
    taken = _by_input(step)
    scaled = taken * factor.reshape(-1, *(1,) * (taken.ndim - 1))
    if not (isinstance(step, Conv) and step.groups > 1):
        scaled = np.moveaxis(scaled, 0, 1)
    return replace(step, weight=np.ascontiguousarray(scaled.reshape(step.weight.shape)))
