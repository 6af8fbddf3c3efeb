"""Let an attention read keys and values that several heads share once; changes no bit."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_arrays import Expand, Reshape
from cordwood.ir_nets import Attention
from cordwood.passes.net_parts import makers, net_operators, rebuilt

if TYPE_CHECKING:
    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["share_heads"]

PARTS = ("keys", "values")


def share_heads(graph: Graph) -> Graph:
    """Return the net without copies of keys and values for each head of a group.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        Where keys and values have both been repeated, head by head, as
        ``x[:, :, None].expand(...).flatten(1, 2)`` does, the attention reads them before that: it
        lets as many heads in a row share one as there are copies.
    """
    made = makers(graph)
    steps: list[NetOperator] = []
    changed = False
    for step in net_operators(graph):
        found = _shared(step, made, graph) if isinstance(step, Attention) else step
        changed |= found is not step
        steps.append(found)
    return rebuilt(graph, steps) if changed else graph


def _shared(step: Attention, made: dict[str, NetOperator], graph: Graph) -> Attention:
    if any(step.heads_last[1:3]):
        return step
    sources = [_source(name, made, graph) for name in step.inputs[1:3]]
    if None in sources:
        return step
    names = [name for name in sources if name is not None]
    counts = [graph.value(name).shape[1] for name in names]
    if counts[0] != counts[1]:
        return step
    return replace(step, inputs=(step.inputs[0], *names, *step.inputs[3:]))


def _source(name: str, made: dict[str, NetOperator], graph: Graph) -> str | None:
    """Return what has been repeated along an axis behind its heads, or None."""
    chain: list[NetOperator | None] = [made.get(name)]
    for kind in (Reshape, Expand, Reshape):
        step = chain[-1]
        if not isinstance(step, kind):
            return None
        chain.append(made.get(step.inputs[0]))
    first = chain[2]
    assert first is not None
    source = first.inputs[0]
    joined, wide, apart, own = (
        graph.value(value).shape
        for value in (name, *(step.inputs[0] for step in chain[:3] if step is not None))
    )
    heads = own[1]
    if not isinstance(heads, int) or apart != (*own[:2], 1, *own[2:]):
        return None
    times = wide[2] if len(wide) == len(apart) else None
    if not isinstance(times, int) or wide != (*own[:2], times, *own[2:]):
        return None
    return source if joined == (own[0], heads * times, *own[2:]) else None
