"""Refits the leaves of pruned trees so that calibration rows keep their margins."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood.passes.bounds import worst_leaves

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, Int32Array, Int64Array
    from cordwood.ir import TreeEnsemble

__all__ = ["refit_leaves"]

CALM_ROWS = 200.0
"""Rows that hold each leaf where it is: a leaf that few rows reach hardly moves."""


def refit_leaves(
    trees: TreeEnsemble,
    answers: Float64Array,
    value: Float64Array,
    ends: Int64Array,
    reached: Int32Array,
    *,
    low: Float64Array,
    high: Float64Array,
) -> Float64Array:
    """Let each tree in turn take the mean of what its rows still lack.

    One pass of least squares over the leaves. A leaf moves only as far as it stays within
    the worst change that its tree has already, so the guaranteed bound stays what it was.

    Parameters
    ----------
    trees : TreeEnsemble
        Before pruning.
    answers, value : ndarray of float64, shape (n_nodes, leaf_width)
        Answers of the leaves before, and of the leaves after pruning.
    ends : ndarray of int64, shape (n_nodes,)
        The new leaf that stands for each old one.
    reached : ndarray of int32, shape (n_rows, n_trees)
        Old leaf that each row reaches.
    low, high : ndarray of float64, shape (n_nodes, leaf_width)
        Smallest and largest answer under each node.

    Returns
    -------
    ndarray of float64, shape (n_nodes, leaf_width)
        New answers.
    """
    value = value.copy()
    leaf = (trees.left < 0)[:, np.newaxis]
    cap = worst_leaves(trees, np.where(leaf, np.abs(value[ends] - answers), 0.0)).max(axis=1)
    lacks = np.zeros((len(reached), trees.n_outputs))
    for tree in range(trees.n_trees):
        at = reached[:, tree]
        lacks[:, _columns(trees, tree)] += answers[at] - value[ends[at]]
    for tree in np.flatnonzero(cap > 0.0).tolist():
        first, last = trees.tree_start[tree : tree + 2]
        at = ends[reached[:, tree]] - first
        rows = np.bincount(at, minlength=last - first)
        own = slice(first, last)
        before = value[own].copy()
        columns = _columns(trees, tree)
        for column in range(trees.leaf_width):
            output = columns.start + column
            sums = np.bincount(at, weights=lacks[:, output], minlength=last - first)
            value[own, column] += sums / (rows + CALM_ROWS)
        value[own] = np.clip(value[own], high[own] - cap[tree], low[own] + cap[tree])
        lacks[:, columns] -= (value[own] - before)[at]
    return value


def _columns(trees: TreeEnsemble, tree: int) -> slice:
    """Return the outputs that a tree adds to."""
    if trees.leaf_width == trees.n_outputs:
        return slice(0, trees.n_outputs)
    output = int(trees.tree_output[tree])
    return slice(output, output + 1)
