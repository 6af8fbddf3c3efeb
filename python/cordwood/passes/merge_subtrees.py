"""Removes what no longer decides anything: splits with two equal sides, and trees of one leaf."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from cordwood.passes import Loss
from cordwood.passes.bounds import SAFETY
from cordwood.passes.levels import Levels, leaf_answers
from cordwood.passes.regrow import regrow
from cordwood.passes.replace import add_to_base, with_trees

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Int64Array
    from cordwood.ir import Graph, TreeEnsemble

__all__ = ["drop_constant_trees", "merge_subtrees"]


def merge_subtrees(graph: Graph) -> tuple[Graph, Loss]:
    """Put one of two equal subtrees in the place of the split above them.

    Subtrees are equal when they test the same in the same way and end in leaves of the same bits,
    so every row goes on meeting the same answer. Leaf numbers change.

    Parameters
    ----------
    graph : Graph
        A tree model; its last ensemble is treated.

    Returns
    -------
    graph : Graph
    loss : Loss
        None.
    """
    trees = graph.trees
    while True:
        levels = Levels.of(trees)
        stands_for = _merged(trees, levels)
        if np.array_equal(stands_for, np.arange(trees.n_nodes)):
            return with_trees(graph, trees), Loss("merge_subtrees")
        # A merged subtree moves up a level, where it may now be equal to its new neighbour.
        leaf = trees.left < 0
        values = trees.leaf_values[np.where(leaf, trees.leaf_row, 0)]
        weight = trees.tree_weight
        trees = regrow(trees, stands_for=stands_for, leaf=leaf, values=values, tree_weight=weight)


def _merged(trees: TreeEnsemble, levels: Levels) -> Int64Array:
    """Return the node that stands for each node once equal neighbours of one level are merged."""
    stands_for = np.arange(trees.n_nodes)
    values = _distinct(trees.leaf_values.view(np.uint8))
    below = np.zeros(0, np.int64)
    for nodes, inner in zip(reversed(levels.nodes), reversed(levels.inner), strict=True):
        parents, leaves = nodes[inner], nodes[~inner]
        left, right = below[0::2], below[1::2]
        first = trees.tree_start[levels.tree[parents]]
        equal = left == right
        stands_for[parents[equal]] = stands_for[(trees.left[parents] + first)[equal]]
        tests = np.column_stack(
            (
                *(trees.feature[parents], trees.threshold[parents].view(np.int64)),
                *(trees.category_set[parents], trees.missing_left[parents]),
                *(trees.zero_missing[parents], left, right),
            )
        )
        # Names of one level: of leaves, of splits, and of merged splits apart.
        below = np.empty(len(nodes), np.int64)
        below[~inner] = 3 * values[trees.leaf_row[leaves]]
        names = 3 * _distinct(tests) + 1
        names[equal] = 3 * _distinct(left[equal, np.newaxis]) + 2
        below[inner] = names
    return stands_for


def _distinct(rows: AnyArray) -> Int64Array:
    """Give equal rows of a matrix equal numbers."""
    if not len(rows):
        return np.zeros(0, np.int64)
    packed = np.ascontiguousarray(rows)
    whole = packed.view(np.dtype((np.void, packed.itemsize * packed.shape[1]))).reshape(-1)
    return np.unique(whole, return_inverse=True)[1].astype(np.int64)


def drop_constant_trees(graph: Graph) -> tuple[Graph, Loss]:
    """Let the base value take the answers of trees that are a single leaf.

    Parameters
    ----------
    graph : Graph
        A tree model; its last ensemble is treated, unless its sum starts from another value.

    Returns
    -------
    graph : Graph
    loss : Loss
        The rounding of the new base value.
    """
    trees = graph.trees
    constant = np.diff(trees.tree_start) == 1
    if trees.start is not None or not constant.any():
        return graph, Loss("drop_constant_trees")
    amounts = np.zeros((trees.n_trees, trees.n_outputs))
    answers = leaf_answers(trees)[trees.tree_start[:-1][constant]]
    if trees.leaf_width == trees.n_outputs:
        amounts[constant] = answers
    else:
        amounts[constant, trees.tree_output[constant]] = answers[:, 0]
    base, moved = add_to_base(trees, amounts)
    kept = np.repeat(~constant, np.diff(trees.tree_start))
    sizes = np.diff(trees.tree_start)[~constant]
    by_node = ("left", "right", "feature", "threshold", "category_set", "missing_left",
               "zero_missing", "leaf_row", "leaf_id")  # fmt: skip
    made = dataclasses.replace(
        trees,
        base_value=base,
        tree_start=np.concatenate(([0], np.cumsum(sizes))).astype(np.int64),
        tree_output=trees.tree_output[~constant],
        tree_weight=trees.tree_weight[~constant],
        **{name: getattr(trees, name)[kept] for name in by_node},
    )
    return with_trees(graph, made), Loss("drop_constant_trees", moved / trees.divisor * SAFETY)
