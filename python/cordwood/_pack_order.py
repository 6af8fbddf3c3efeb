"""Preorder and level order of all trees of an ensemble at once, one NumPy step for each level."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood import _progress

if TYPE_CHECKING:
    from cordwood.ir import TreeEnsemble

__all__ = ["TreeOrder", "tree_order"]


@dataclass(frozen=True, eq=False)
class TreeOrder:
    """Where the nodes of an ensemble stand.

    Parameters
    ----------
    tree : ndarray of intp, shape (n_nodes,)
        Tree of each node, in the ensemble's own order.
    preorder : ndarray of intp, shape (n_nodes,)
        The ensemble's node at each place of the preorder over all trees, left child first.
    place : ndarray of intp, shape (n_nodes,)
        Inverse of `preorder`.
    levels : ndarray of intp, shape (n_nodes,)
        All nodes, roots first, level after level and from left to right in each.
    """

    tree: np.ndarray
    preorder: np.ndarray
    place: np.ndarray
    levels: np.ndarray

    def place_in_tree(self, start: np.ndarray) -> np.ndarray:
        """Return each node's place in the preorder of its own tree."""
        place: np.ndarray = self.place - start[self.tree]
        return place

    def level_place_in_tree(self, start: np.ndarray) -> np.ndarray:
        """Return each node's place in the level order of its own tree."""
        by_tree = self.levels[np.argsort(self.tree[self.levels], kind="stable")]
        place = np.empty_like(by_tree)
        place[by_tree] = np.arange(by_tree.size)
        place -= start[self.tree]
        return place


def tree_order(trees: TreeEnsemble) -> TreeOrder:
    """Find both orders of an ensemble whose trees are well formed."""
    _progress.reached(0.6, "ordering nodes")
    start = trees.tree_start[:-1].astype(np.intp)
    tree = np.repeat(np.arange(trees.n_trees), np.diff(trees.tree_start))
    first = start[tree]
    left, right = trees.left + first, trees.right + first
    inner = trees.left >= 0

    levels, frontier = [start], start
    parents = []
    while frontier.size:
        frontier = frontier[inner[frontier]]
        parents.append(frontier)
        frontier = np.column_stack((left[frontier], right[frontier])).reshape(-1)
        levels.append(frontier)

    size = np.ones(trees.n_nodes, dtype=np.intp)
    for nodes in reversed(parents):
        size[nodes] += size[left[nodes]] + size[right[nodes]]
    place = np.empty(trees.n_nodes, dtype=np.intp)
    place[start] = start
    for nodes in parents:
        place[left[nodes]] = place[nodes] + 1
        place[right[nodes]] = place[nodes] + 1 + size[left[nodes]]
    preorder = np.empty_like(place)
    preorder[place] = np.arange(place.size)
    return TreeOrder(tree, preorder, place, np.concatenate(levels))
