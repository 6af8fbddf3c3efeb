"""The first entry of an array that breaks a rule, by name, by place, and by tree and node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import GraphError

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Int64Array
    from cordwood.ir_trees import TreeEnsemble

__all__ = ["NodesError", "check_starts", "expect", "expect_node", "node_place"]


class NodesError(GraphError):
    """Nodes form no trees; a door of arrays adds how they are to lie."""


def expect(good: Any, name: str, array: AnyArray, expected: str, index: Any = None) -> None:
    """Fail at the first false entry of `good`; `index` maps its entries to those of `array`."""
    if np.all(good):
        return
    entry = _first_false(good, index)
    message = f"{name}[{entry}] is {array[entry]!s}, expected {expected}"
    raise GraphError(message)


def expect_node(
    good: Any,
    op: TreeEnsemble,
    name: str,
    expected: str,
    index: Any = None,
    error: type[GraphError] = GraphError,
) -> None:
    """Fail as `expect` does, of an array of nodes, and say where in which tree the node is."""
    if np.all(good):
        return
    node = _first_false(good, index)
    given = getattr(op, name)[node]
    place = node_place(op.tree_start, node)
    message = f"{name}[{node}] is {given!s}, expected {expected} ({place})"
    raise error(message)


def _first_false(good: Any, index: Any) -> int:
    first = int(np.argmin(good))
    return first if index is None else int(index[first])


def node_place(tree_start: Int64Array, node: int) -> str:
    """Name a node as its tree counts it.

    Parameters
    ----------
    tree_start : ndarray of int64, shape (n_trees + 1,)
        First node of each tree.
    node : int
        Counted over all trees.
    """
    tree = int(np.searchsorted(tree_start, node, side="right")) - 1
    return f"node {node - int(tree_start[tree])} of tree {tree}"


def check_starts(name: str, starts: Int64Array, total: int, *, strict: bool) -> None:
    """Check that `starts` cuts ``range(total)`` into runs, each non-empty where `strict`.

    Parameters
    ----------
    name : str
        What messages call it.
    starts : ndarray of int64
        First entry of each run, and the end of the last.
    total : int
        Entries of all runs.
    strict : bool
        Whether every run holds something.
    """
    if len(starts) == 0 or starts[0] != 0 or starts[-1] != total:
        ends = f"{starts[0]} to {starts[-1]}" if len(starts) else "nowhere: it is empty"
        message = f"{name} runs from {ends}, expected 0 to {total}"
        raise GraphError(message)
    step = np.diff(starts)
    expected = "more than the entry before" if strict else "at least the entry before"
    expect(step >= (1 if strict else 0), name, starts, expected, np.arange(1, len(starts)))
