"""Builds an ensemble anew from some of its nodes."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import (
        AnyArray,
        BoolArray,
        Float64Array,
        FloatArray,
        Int32Array,
        Int64Array,
    )
    from cordwood.ir import TreeEnsemble

__all__ = ["regrow"]

_Array = TypeVar("_Array", bound="np.ndarray[Any, Any]")


def regrow(
    trees: TreeEnsemble,
    *,
    stands_for: Int64Array,
    leaf: BoolArray,
    values: FloatArray,
    tree_weight: Float64Array,
) -> TreeEnsemble:
    """Return the ensemble that is left when nodes give way to others below them.

    Nodes and leaf numbers of the new trees stand in level order.

    Parameters
    ----------
    trees : TreeEnsemble
    stands_for : ndarray of int64, shape (n_nodes,)
        The node, itself or below, that takes each node's place; counted over all trees.
    leaf : ndarray of bool, shape (n_nodes,)
        Nodes that are leaves from now on.
    values : ndarray of float32 or float64, shape (n_nodes, leaf_width)
        Their leaf values.
    tree_weight : ndarray of float64, shape (n_trees,)
        What these are multiplied by.
    """
    nodes, tree, parents, children = _walk(trees, stands_for, leaf)
    order = np.argsort(tree, kind="stable")  # within a tree, level order stays
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    start = np.concatenate(([0], np.cumsum(np.bincount(tree, minlength=trees.n_trees))))

    def child(of: AnyArray) -> Int32Array:
        links = np.full(len(nodes), -1, np.int32)
        links[place[parents]] = place[of] - start[tree[parents]]
        return links

    kept = nodes[order]
    is_leaf = leaf[kept]
    leaf_row = np.full(len(kept), -1, np.int32)
    leaf_row[is_leaf] = np.arange(np.count_nonzero(is_leaf))
    numbers = np.arange(len(kept)) - start[tree[order]]

    def inner_only(array: _Array, otherwise: float) -> _Array:
        chosen = array[kept]
        chosen[is_leaf] = otherwise
        return cast("_Array", chosen)

    return dataclasses.replace(
        trees,
        tree_start=start.astype(np.int64),
        left=child(children[0::2]),
        right=child(children[1::2]),
        feature=inner_only(trees.feature, -1),
        threshold=inner_only(trees.threshold, 0.0),
        category_set=inner_only(trees.category_set, -1),
        missing_left=inner_only(trees.missing_left, 0),
        zero_missing=inner_only(trees.zero_missing, 0),
        leaf_row=leaf_row,
        leaf_id=np.where(is_leaf, numbers, -1).astype(np.int32),
        leaf_values=values[kept[is_leaf]],
        tree_weight=tree_weight,
    )


def _walk(
    trees: TreeEnsemble, stands_for: Int64Array, leaf: BoolArray
) -> tuple[Int64Array, Int64Array, Int64Array, Int64Array]:
    """List kept nodes and their trees by level; which entries are parents, and their children."""
    level = stands_for[trees.tree_start[:-1]]
    tree = np.arange(trees.n_trees)
    nodes, owners = [level[:0]], [tree[:0]]
    parents, count = [level[:0]], 0
    while level.size:
        nodes.append(level)
        owners.append(tree)
        inner = ~leaf[level]
        parents.append(count + np.flatnonzero(inner))
        count += level.size
        level, tree = level[inner], tree[inner]
        first = trees.tree_start[tree]
        pairs = (trees.left[level] + first, trees.right[level] + first)
        level, tree = stands_for[np.column_stack(pairs).reshape(-1)], np.repeat(tree, 2)
    # Entries after the roots are the children of the parents, in pairs.
    children = np.arange(trees.n_trees, count)
    return np.concatenate(nodes), np.concatenate(owners), np.concatenate(parents), children
