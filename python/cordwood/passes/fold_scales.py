"""Let an attention apply factors of its queries and keys; changes no bit.

Only powers of two are moved: they commute with every rounding, as long as nothing becomes
infinite or too small to be normal.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Binary, Constant, Transpose
from cordwood.ir_nets import Attention
from cordwood.passes.net_parts import makers, net_operators, rebuilt, renamed, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["fold_scales"]

SAFE = 64
"""Largest exponent of a factor that is moved: sums of products stay far from overflow by it."""


def fold_scales(graph: Graph) -> Graph:
    """Return the net with constant factors of queries and keys in the scale of their attention.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        Factors that are no power of two stay where they are.
    """
    readers, made = sole_readers(graph), makers(graph)
    scale: dict[str, float] = {}
    source: dict[str, str] = {}
    for step in net_operators(graph):
        if not isinstance(step, Attention):
            continue
        for name in step.inputs[:2]:
            factor = _factor(name, step, made, readers)
            if factor is not None:
                key = step.outputs[0]
                scale[key] = scale.get(key, step.scale) * factor[1]
                source[factor[0].outputs[0]] = factor[2]
    if not scale:
        return graph
    steps = []
    for step in net_operators(graph):
        found = renamed(step, source)
        if isinstance(found, Attention) and step.outputs[0] in scale:
            found = replace(found, scale=scale[step.outputs[0]])
        steps.append(found)
    return rebuilt(graph, steps)


def _factor(
    name: str, reader: NetOperator, made: dict[str, NetOperator], readers: dict[str, NetOperator]
) -> tuple[NetOperator, float, str] | None:
    """Return the multiplication behind a value, its factor, and what it multiplies."""
    step = made.get(name)
    if readers.get(name) is not reader or step is None:
        return None
    if isinstance(step, Transpose):
        return _factor(step.inputs[0], step, made, readers)
    if not isinstance(step, Binary) or step.kind not in ("multiply", "divide"):
        return None
    for number in (1, 0) if step.kind == "multiply" else (1,):
        constant = made.get(step.inputs[number])
        if isinstance(constant, Constant) and constant.tensor.ndim == 0:
            factor = float(constant.tensor)
            mantissa, exponent = math.frexp(factor)
            if mantissa == 0.5 and abs(exponent) <= SAFE:  # noqa: PLR2004  # a power of two
                other = step.inputs[1 - number]
                return step, 1 / factor if step.kind == "divide" else factor, other
    return None
