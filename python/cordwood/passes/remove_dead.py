"""Remove operators of a net whose answers nothing reads; loses nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_base import Role

if TYPE_CHECKING:
    from cordwood.ir import Graph

__all__ = ["remove_dead"]


def remove_dead(graph: Graph) -> Graph:
    """Return the Graph without operators that no output depends on.

    Parameters
    ----------
    graph : Graph
        A net.

    Returns
    -------
    Graph
        With the same inputs, read or not, and the same outputs.
    """
    wanted = {value.name for value in graph.values if value.role is Role.OUTPUT}
    kept = []
    for operator in reversed(graph.operators):
        if wanted & set(operator.writes()):
            kept.append(operator)
            wanted |= set(operator.reads())
    made = {name for operator in kept for name in operator.writes()}
    values = tuple(v for v in graph.values if v.name in made or v.role is Role.INPUT)
    symbols = {size for value in values for size in value.shape}
    maxima = {name: most for name, most in graph.maxima.items() if name in symbols}
    return replace(graph, values=values, operators=tuple(reversed(kept)), maxima=maxima)
