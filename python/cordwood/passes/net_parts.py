"""What passes over nets share: who makes and who reads a value, and how a Graph is put together."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from cordwood.ir_base import Role
from cordwood.ir_nets import NetOperator
from cordwood.passes.remove_dead import remove_dead

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from cordwood.ir import Graph

__all__ = ["makers", "net_operators", "rebuilt", "renamed", "sole_readers"]


def net_operators(graph: Graph) -> list[NetOperator]:
    """Return the operators of a net."""
    return [operator for operator in graph.operators if isinstance(operator, NetOperator)]


def makers(graph: Graph) -> dict[str, NetOperator]:
    """Return by name of a value the operator that makes it."""
    return {name: step for step in net_operators(graph) for name in step.outputs}


def sole_readers(graph: Graph) -> dict[str, NetOperator]:
    """Return by name of a value the one operator that reads it, once.

    Values that are outputs, or that several operators read, have no entry.
    """
    count = Counter(name for step in graph.operators for name in step.reads())
    kept = {value.name for value in graph.values if value.role is Role.OUTPUT}
    return {
        name: step
        for step in net_operators(graph)
        for name in step.inputs
        if count[name] == 1 and name not in kept
    }


def rebuilt(graph: Graph, operators: Iterable[NetOperator]) -> Graph:
    """Return the Graph with other operators, without those that nothing reads.

    Parameters
    ----------
    graph : Graph
        A net.
    operators : iterable of NetOperator
        In an order in which each value is made before it is read; they make values of `graph`.
    """
    steps = tuple(operators)
    made = {name for step in steps for name in step.outputs}
    values = tuple(v for v in graph.values if v.name in made or v.role is Role.INPUT)
    symbols = {size for value in values for size in value.shape}
    maxima = {name: most for name, most in graph.maxima.items() if name in symbols}
    return remove_dead(replace(graph, values=values, operators=steps, maxima=maxima))


def renamed(step: NetOperator, names: Mapping[str, str]) -> NetOperator:
    """Return an operator that reads other values, where `names` has them."""
    inputs = tuple(names.get(name, name) for name in step.inputs)
    return step if inputs == step.inputs else replace(step, inputs=inputs)
