"""Make one attention of two products with a softmax between them; changes no bit.

Only attention without a mask: one whose mask leaves nothing to attend to is NaN in parts, and 0 in
one operator.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Binary, Constant
from cordwood.ir_nets import Attention, Matmul, Softmax
from cordwood.passes.net_parts import makers, net_operators, rebuilt, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["fuse_attention"]

RANK = 4
"""Axes of queries: batch, heads, positions, width."""


def fuse_attention(graph: Graph) -> Graph:
    """Return the net with ``softmax(q @ k.T * scale) @ v`` as one operator.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        The scale is a constant factor of the scores, or a divisor that is a power of two.
    """
    readers, made = sole_readers(graph), makers(graph)
    fused: dict[str, NetOperator] = {}
    for last in net_operators(graph):
        if not isinstance(last, Matmul) or last.transpose_a or last.transpose_b:
            continue
        shares = made.get(last.inputs[0])
        if not isinstance(shares, Softmax) or shares.log or shares.axis != RANK - 1:
            continue
        found = _scores(shares, made, readers)
        if readers.get(shares.outputs[0]) is not last or found is None:
            continue
        scores, scale = found
        names = (*scores.inputs, last.inputs[1])
        # Products broadcast along the batch and share nothing; attention is stricter.
        shapes = [graph.value(name).shape for name in names]
        equal = all(len(s) == RANK and s[:2] == shapes[0][:2] for s in shapes)
        if equal and scores.transpose_b and not scores.transpose_a:
            fused[last.outputs[0]] = Attention(
                inputs=names, outputs=last.outputs, place=last.place, scale=scale
            )
    if not fused:
        return graph
    return rebuilt(graph, [fused.get(s.outputs[0], s) for s in net_operators(graph)])


def _scores(
    reader: NetOperator, made: dict[str, NetOperator], readers: dict[str, NetOperator]
) -> tuple[Matmul, float] | None:
    """Return the product that a softmax reads, and what it is multiplied by on the way."""
    name, scale = reader.inputs[0], 1.0
    step = made.get(name)
    if readers.get(name) is not reader:
        return None
    if isinstance(step, Binary):
        factor = _constant(step, made)
        if factor is None or readers.get(step.inputs[0]) is not step:
            return None
        scale = factor
        step = made.get(step.inputs[0])
    return (step, scale) if isinstance(step, Matmul) else None


def _constant(step: Binary, made: dict[str, NetOperator]) -> float | None:
    """Return the factor that a multiplication, or an exact division, stands for."""
    constant = made.get(step.inputs[1])
    if not isinstance(constant, Constant) or constant.tensor.ndim:
        return None
    number = float(constant.tensor)
    if step.kind == "multiply":
        return number
    exact = step.kind == "divide" and math.frexp(number)[0] == 0.5  # noqa: PLR2004  # 2**n
    return 1 / number if exact else None
