"""Trees level by level: what lossy passes fold upward from the leaves and hand down to them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int64Array
    from cordwood.ir import TreeEnsemble

__all__ = ["Levels", "leaf_answers"]


@dataclass(frozen=True)
class Levels:
    """The nodes of all trees by depth; children of a level's inner nodes, in pairs, are the next.

    A quantity of nodes is held as one array for each level, in the order of `nodes`.

    Parameters
    ----------
    tree : ndarray of int64, shape (n_nodes,)
        Tree of each node.
    nodes : tuple of ndarray of int64
        Nodes of each level, counted over all trees; the roots first.
    inner : tuple of ndarray of bool
        Which of them are inner nodes.
    """

    tree: Int64Array
    nodes: tuple[Int64Array, ...]
    inner: tuple[BoolArray, ...]

    @classmethod
    def of(cls, trees: TreeEnsemble) -> Levels:
        """Walk all trees of an ensemble."""
        tree = np.repeat(np.arange(trees.n_trees), np.diff(trees.tree_start))
        nodes, inner = [], []
        level = trees.tree_start[:-1].astype(np.int64)
        while level.size:
            is_inner = trees.left[level] >= 0
            nodes.append(level)
            inner.append(is_inner)
            parents = level[is_inner]
            first = trees.tree_start[tree[parents]]
            pairs = (trees.left[parents] + first, trees.right[parents] + first)
            level = np.column_stack(pairs).reshape(-1)
        return cls(tree, tuple(nodes), tuple(inner))

    def take(self, by_node: AnyArray) -> list[Any]:
        """Return a quantity, given for each node, by level."""
        return [by_node[nodes] for nodes in self.nodes]

    def put(self, by_level: Sequence[AnyArray]) -> Any:
        """Return a quantity, given by level, for each node."""
        if not by_level:
            return np.zeros(0, np.int64)
        together = np.concatenate(by_level)
        by_node = np.empty_like(together)
        by_node[np.concatenate(self.nodes)] = together
        return by_node

    def fold(self, by_level: list[Any], join: np.ufunc) -> list[Any]:
        """Give each inner node the joined values of its two children, from the leaves upward."""
        for depth in range(len(by_level) - 2, -1, -1):
            below = by_level[depth + 1]
            by_level[depth][self.inner[depth]] = join(below[0::2], below[1::2])
        return by_level

    def ends(self, chosen: Sequence[BoolArray]) -> Int64Array:
        """Return for each node the highest chosen node on its way from the root, else itself."""
        found = []
        owner = np.full(len(self.nodes[0]) if self.nodes else 0, -1, dtype=np.int64)
        for nodes, inner, choice in zip(self.nodes, self.inner, chosen, strict=True):
            owner = np.where((owner < 0) & choice, nodes, owner)
            found.append(np.where(owner < 0, nodes, owner))
            owner = np.repeat(owner[inner], 2)
        ends: Int64Array = self.put(found)
        return ends


def leaf_answers(trees: TreeEnsemble) -> Float64Array:
    """Return what each leaf adds: its value times the tree's weight, rounded as when summing.

    Returns
    -------
    ndarray of float64, shape (n_nodes, leaf_width)
        Numbers of the accumulate type; 0.0 at inner nodes.
    """
    leaf = np.flatnonzero(trees.left < 0)
    weight = np.repeat(trees.tree_weight, np.diff(trees.tree_start))[leaf, np.newaxis]
    answers = np.zeros((trees.n_nodes, trees.leaf_width))
    wide = trees.leaf_values[trees.leaf_row[leaf]].astype(np.float64) * weight
    answers[leaf] = wide.astype(trees.accumulate_type)
    return answers
