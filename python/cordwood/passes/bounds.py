"""How far a margin can move when leaves change: the guarantees of lossy passes.

``docs/recipes.md`` proves both. Sums are exactly rounded (`math.fsum`), so that every machine
states the same bound; `SAFETY` covers the rounding of the few operations that lead to them.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.ir import Link, TreeEnsemble
from cordwood.passes.levels import leaf_answers

if TYPE_CHECKING:
    from cordwood._typing import Float64Array
    from cordwood.ir import Graph

__all__ = ["margin_bound", "summation_bound", "worst_leaves"]

SAFETY = 1.0 + 2.0**-30
"""More than the relative rounding of differences, products and exactly rounded sums."""

AT_MOST_ONE = frozenset({"sigmoid", "sigmoid_pair", "softmax", "step"})
"""Links whose results lie between 0 and 1."""

LARGEST_LOGIT = 16.0
"""Above ``log(2**23)``, which no logit of a clipped probability passes."""


def worst_leaves(trees: TreeEnsemble, size: Float64Array) -> Float64Array:
    """Return the largest entry of each tree and output.

    Parameters
    ----------
    trees : TreeEnsemble
    size : ndarray of float64, shape (n_nodes, leaf_width)
        At least 0; 0 at inner nodes.

    Returns
    -------
    ndarray of float64, shape (n_trees, n_outputs)
        0 where the tree does not add to the output.
    """
    worst = np.zeros((trees.n_trees, trees.n_outputs))
    if trees.n_trees:
        tops = np.maximum.reduceat(size, trees.tree_start[:-1], axis=0)
        if trees.leaf_width == trees.n_outputs:
            worst[:] = tops
        else:
            worst[np.arange(trees.n_trees), trees.tree_output] = tops[:, 0]
    return worst


def margin_bound(trees: TreeEnsemble, change: Float64Array) -> float:
    """Bound the change of an exact margin: the sum over trees of each tree's worst leaf.

    Parameters
    ----------
    trees : TreeEnsemble
        Before the change.
    change : ndarray of float64, shape (n_nodes, leaf_width)
        By how much the answer of each leaf changes, at least 0; 0 at inner nodes.

    Returns
    -------
    float
        The largest of all outputs.
    """
    worst = worst_leaves(trees, change)
    sums = [math.fsum(column) for column in worst.T.tolist()]
    return max(sums, default=0.0) / _divisor(trees) * SAFETY


def summation_bound(graph: Graph) -> float:
    """Bound the distance between a margin as it is summed and the exact sum of its leaves.

    Each addition errs by at most half a unit in the last place of its result, and no partial sum
    is larger than the start and the largest leaves before it.

    Returns
    -------
    float
        The largest of all outputs.

    Raises
    ------
    UnsupportedModelError
        The sum starts from a value that no bound is known for.
    """
    trees = graph.trees
    unit = 2.0**-24 if trees.accumulate_type == "float32" else 2.0**-53
    growth = math.exp(2.0 * unit * (trees.n_trees + 2))
    start = np.abs(trees.base_value.astype(np.float64)) + _start_size(graph, trees)
    largest = worst_leaves(trees, np.abs(leaf_answers(trees)))
    partial = (start + np.cumsum(largest, axis=0)) * growth
    errors = [math.fsum(column) * unit for column in partial.T.tolist()]
    if trees.aggregate == "average":
        last = partial[-1] if len(partial) else start
        errors = [error + unit * float(top) for error, top in zip(errors, last, strict=True)]
    tiny = float(np.finfo(trees.accumulate_type).smallest_subnormal)  # a quotient may be as small
    return max(errors, default=0.0) / _divisor(trees) * SAFETY + tiny


def _divisor(trees: TreeEnsemble) -> float:
    """Return what the sum is really divided by."""
    return float(np.dtype(trees.accumulate_type).type(trees.divisor))


def _start_size(graph: Graph, trees: TreeEnsemble) -> float:
    """Return a number that no value the sum starts from passes."""
    return 0.0 if trees.start is None else _value_size(graph, trees.start)


def _value_size(graph: Graph, name: str) -> float:
    """Return a number that no entry of a value passes."""
    maker = next((operator for operator in graph.operators if name in operator.writes()), None)
    if isinstance(maker, TreeEnsemble) and not maker.is_linear:
        largest = worst_leaves(maker, np.abs(leaf_answers(maker))).sum(axis=0)
        largest += np.abs(maker.base_value.astype(np.float64))
        return 2.0 * float(largest.max()) / _divisor(maker) + _start_size(graph, maker)
    if isinstance(maker, Link):
        if maker.kind in AT_MOST_ONE:
            return 1.0
        if maker.kind == "logit":
            return LARGEST_LOGIT * max(1.0, maker.scale)
        if maker.kind in {"identity", "shift"}:
            return _value_size(graph, maker.source) + abs(maker.offset)
    message = (
        f"this model's sum starts from {name!r}, for which no bound is known, so that a lossy"
        " recipe could promise nothing; use recipe 'lossless'"
    )
    raise UnsupportedModelError(message)
