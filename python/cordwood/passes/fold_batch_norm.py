"""Fold stored norms into the weights of the product before them.

``(x * weight + bias) * factor + offset`` becomes ``x * (weight * factor) + (bias * factor +
offset)``: one operator less, and each weight and bias is computed in float64 and rounded once. The
answers round otherwise: a sum of `K` terms changes by at most ``(K + 2) * 2**-24`` times the sum of
the terms' magnitudes, as far as it is from the exact sum anyway.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood.ir_nets import BatchNorm, Conv, Linear, Product
from cordwood.passes.net_parts import makers, net_operators, rebuilt, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["fold_batch_norm"]

MATRIX = 2
"""Axes of a linear's output whose axis 1 are its features."""


def fold_batch_norm(graph: Graph) -> Graph:
    """Return the net with every batch_norm folded that alone reads a linear or a conv.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        Equal but for rounding; weights that are not float32 stay as they are.
    """
    readers, made = sole_readers(graph), makers(graph)
    folded: dict[str, NetOperator] = {}
    gone: set[str] = set()
    for norm in net_operators(graph):
        product = made.get(norm.inputs[0]) if norm.inputs else None
        if not isinstance(norm, BatchNorm) or not isinstance(product, Conv | Linear):
            continue
        alone = readers.get(product.outputs[0]) is norm
        rank = len(graph.value(product.outputs[0]).shape)
        if alone and _plain(product) and (isinstance(product, Conv) or rank == MATRIX):
            folded[norm.outputs[0]] = _folded(product, norm)
            gone.add(product.outputs[0])
    steps = [folded.get(step.outputs[0], step) for step in net_operators(graph)
             if step.outputs[0] not in gone]  # fmt: skip
    return rebuilt(graph, steps) if folded else graph


def _plain(product: Product) -> bool:
    """Whether nothing stands between the product and its output, and its weights are float32."""
    weight = product.weight
    return (
        isinstance(weight, np.ndarray)
        and weight.dtype == np.float32
        and product.activation is None
        and len(product.inputs) == 1
    )


def _folded(product: Conv | Linear, norm: BatchNorm) -> NetOperator:
    weight = np.asarray(product.weight).astype(np.float64)
    factor = norm.factor.astype(np.float64)
    if isinstance(product, Conv) and product.transposed:
        # (inputs, outputs / groups, ...): the inputs of a group are those of its outputs.
        inputs, each = weight.shape[:2]
        apart = weight.reshape(product.groups, inputs // product.groups, each, -1)
        scaled = (apart * factor.reshape(product.groups, 1, each, 1)).reshape(weight.shape)
    else:
        scaled = weight * factor.reshape(-1, *[1] * (weight.ndim - 1))
    offset = norm.offset.astype(np.float64)
    if product.bias is not None:
        offset = offset + product.bias.astype(np.float64) * factor
    return replace(
        product,
        weight=scaled.astype(np.float32),
        bias=offset.astype(np.float32),
        outputs=norm.outputs,
    )
