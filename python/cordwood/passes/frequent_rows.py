"""Embedding tables in two: rows that calibration reads, and all others.

A table in few bits makes a large part of what a net of text loses, and most of its rows are hardly
ever read. Those that calibration reads go into a small table of their own, which may take more
bits; a row of the net is the sum of one row of each, of which one is zeros.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood.ir import Role
from cordwood.ir_arrays import Binary, Constant, Gather
from cordwood.ir_nets import Embedding
from cordwood.passes.net_parts import net_operators
from cordwood.passes.quantize_products import SMALL_TABLE

if TYPE_CHECKING:
    from cordwood.ir import Graph, Value
    from cordwood.ir_nets import NetOperator

__all__ = ["split_tables"]

MOST_SHARE = 8
"""Of so many rows of a table one at most goes into the small one: those that are read most."""


def split_tables(graph: Graph, batches: list[dict[str, np.ndarray]]) -> tuple[Graph, list[str]]:
    """Split the large tables that an input of the net indexes.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    batches : list of dict
        Inputs by name.

    Returns
    -------
    Graph, list of str
        The net, whose answers keep their bits; and the values that the small tables make.
    """
    inputs = {value.name for value in graph.values if value.role is Role.INPUT}
    values = {value.name: value for value in graph.values}
    steps: list[NetOperator] = []
    added: list[Value] = []
    small: list[str] = []
    for step in net_operators(graph):
        chosen = np.empty(0, np.int64)
        if isinstance(step, Embedding) and _is_large(step) and step.inputs[0] in inputs:
            chosen = _most_read(step, [batch[step.inputs[0]] for batch in batches])
        if not len(chosen):
            steps.append(step)
            continue
        assert isinstance(step, Embedding)
        assert isinstance(step.table, np.ndarray)
        steps += _parts(step, step.table, chosen)
        numbers, places, frequent, rare = _names(step)
        index, made = values[step.inputs[0]], values[step.outputs[0]]
        added += [
            replace(index, name=numbers, dtype="int32", shape=(len(step.table),), role=Role.NONE),
            replace(index, name=places, dtype="int32", role=Role.NONE),
            replace(made, name=frequent, role=Role.NONE),
            replace(made, name=rare, role=Role.NONE),
        ]
        small.append(frequent)
    if not small:
        return graph, []
    return replace(graph, operators=tuple(steps), values=(*graph.values, *added)), small


def _is_large(step: Embedding) -> bool:
    table = step.table
    return (
        isinstance(table, np.ndarray)
        and table.dtype == np.float32
        and len(table) > SMALL_TABLE
        and step.combine == "none"
    )


def _most_read(step: Embedding, indices: list[np.ndarray]) -> np.ndarray:
    """Return the rows that are read, in order: the most read ones where they are many."""
    assert isinstance(step.table, np.ndarray)
    entries = len(step.table)
    every = np.concatenate([part.reshape(-1) for part in indices])
    count = np.bincount(every[(every >= 0) & (every < entries)], minlength=entries)
    order = np.argsort(-count, kind="stable")[: entries // MOST_SHARE]
    return np.sort(order[count[order] > 0])


def _names(step: Embedding) -> tuple[str, str, str, str]:
    name = step.outputs[0]
    return f"{name}.numbers", f"{name}.places", f"{name}.frequent", f"{name}.rare"


def _parts(step: Embedding, table: np.ndarray, chosen: np.ndarray) -> list[NetOperator]:
    """Return the operators that stand for a table; row 0 of the small one is zeros."""
    numbers, places, frequent, rare = _names(step)
    place = np.zeros(len(table), np.int32)
    place[chosen] = np.arange(1, len(chosen) + 1)
    few = np.concatenate([np.zeros((1, table.shape[1]), np.float32), table[chosen]])
    rest = table.copy()
    rest[chosen] = 0
    return [
        Constant(inputs=(), outputs=(numbers,), tensor=place, place=step.place),
        Gather(inputs=(numbers, step.inputs[0]), outputs=(places,), axis=0, place=step.place),
        replace(step, inputs=(places,), outputs=(frequent,), table=few, place=_of(step)),
        replace(step, outputs=(rare,), table=rest),
        Binary(inputs=(rare, frequent), outputs=step.outputs, kind="add", place=step.place),
    ]


def _of(step: Embedding) -> str:
    """Name the small table."""
    return f"{step.place or step.outputs[0]}.frequent"
