"""Let operators read and write axes where they are: transposes around products; changes no bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Transpose
from cordwood.ir_nets import Attention, Matmul
from cordwood.passes.net_parts import makers, net_operators, rebuilt, sole_readers

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["fold_transposes"]

HEADS = (0, 2, 1, 3)
"""What brings heads before positions, or back behind them."""


def fold_transposes(graph: Graph) -> Graph:
    """Return the net with transposes as attributes of attention and matmul.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        ``heads_last`` of an attention says where heads stand, ``transpose_a`` and ``transpose_b``
        of a matmul that the last two axes are swapped. A transpose that others read stays.
    """
    readers, made = sole_readers(graph), makers(graph)
    steps: list[NetOperator] = []
    gone: set[str] = set()
    changed = False
    for step in net_operators(graph):
        if step.outputs[0] in gone:
            continue
        found = step
        if isinstance(step, Attention):
            found = _attention(step, made, readers)
            if found.outputs != step.outputs:
                gone.add(found.outputs[0])
        elif isinstance(step, Matmul):
            found = _matmul(step, made)
        changed |= found is not step
        steps.append(found)
    return rebuilt(graph, steps) if changed else graph


def _attention(
    step: Attention, made: dict[str, NetOperator], readers: dict[str, NetOperator]
) -> Attention:
    inputs, last = list(step.inputs), list(step.heads_last)
    for number in range(len(("queries", "keys", "values"))):
        before = made.get(inputs[number])
        if isinstance(before, Transpose) and before.axes == HEADS:
            inputs[number], last[number] = before.inputs[0], not last[number]
    after = readers.get(step.outputs[0])
    outputs = step.outputs
    if isinstance(after, Transpose) and after.axes == HEADS:
        outputs, last[3] = after.outputs, not last[3]
    if tuple(inputs) == step.inputs and outputs == step.outputs:
        return step
    where = (last[0], last[1], last[2], last[3])
    return replace(step, inputs=tuple(inputs), outputs=outputs, heads_last=where)


def _matmul(step: Matmul, made: dict[str, NetOperator]) -> Matmul:
    inputs, turned = list(step.inputs), [step.transpose_a, step.transpose_b]
    for number, name in enumerate(step.inputs):
        before = made.get(name)
        if isinstance(before, Transpose) and _swaps_last(before.axes):
            inputs[number], turned[number] = before.inputs[0], not turned[number]
    if tuple(inputs) == step.inputs:
        return step
    return replace(step, inputs=tuple(inputs), transpose_a=turned[0], transpose_b=turned[1])


def _swaps_last(axes: tuple[int, ...]) -> bool:
    rank = len(axes)
    return rank > 1 and axes == (*range(rank - 2), rank - 1, rank - 2)
