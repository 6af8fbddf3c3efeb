"""Cuts back trees where splits cost more bytes than they are worth.

A cut makes one leaf of a whole subtree. Its cost is what rows lose by it (squared, over calibration
rows), and how far it moves the tree's worst leaf, which is what the guaranteed bound counts. Both
are weighed against the bytes of the splits that it saves: each tree has a cap on the change of any
leaf, and within each of several caps the cheapest cuts are found in one sweep from the leaves
upward. A tree takes the best of its caps; one price of a byte for all trees is searched for, such
that the wanted share of bytes stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood.passes import Loss
from cordwood.passes.bounds import margin_bound
from cordwood.passes.levels import Levels, leaf_answers
from cordwood.passes.refit_leaves import refit_leaves
from cordwood.passes.regrow import regrow
from cordwood.passes.replace import with_trees
from cordwood.passes.split_bytes import split_bytes

if TYPE_CHECKING:
    from typing import Any

    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int32Array
    from cordwood.ir import Graph, TreeEnsemble

__all__ = ["prune_splits"]

CAPS = (0.0, 0.04, 0.08, 0.12, 0.18, 0.25, 0.4, 1.0)
"""Caps on a leaf's change, as shares of half the range of its tree's leaves; 0 keeps the tree."""

UNSEEN_ROWS = 10.0
"""Rows that each leaf counts for beyond those that reach it."""

BOUND_PRICE = 0.03
"""What a unit of the bound costs, in units of the squared error a unit of it would make."""

SEARCHES = 30
"""Halvings of the logarithm of the price of a byte."""


@dataclass(frozen=True)
class _Cuts:
    """Where trees are cut for one price of a byte: by node, the value of its leaf; by tree."""

    cut: BoolArray
    value: Float64Array
    kept_bytes: float


def prune_splits(
    graph: Graph, keep: float, reached: Int32Array | None = None
) -> tuple[Graph, Loss]:
    """Keep the splits that matter most, and refit the leaves of trees that were cut.

    Parameters
    ----------
    graph : Graph
        A tree model; its last ensemble is pruned.
    keep : float
        Share of the splits' bytes that stays at most, above 0 and up to 1.
    reached : ndarray of int32, shape (n_rows, n_trees), optional
        Leaf that each calibration row reaches, counted over all nodes of all trees. Without rows
        the bound alone decides, and new leaves lie in the middle of those that they replace.

    Returns
    -------
    graph : Graph
        Leaf numbers are those of the new trees.
    loss : Loss
        The worst leaf of each tree, added up.
    """
    trees = graph.trees
    if not trees.n_trees:
        return graph, Loss("prune_splits")
    levels = Levels.of(trees)
    answers = leaf_answers(trees)
    fold = _Fold(trees, levels, answers, reached)
    chosen = fold.search(keep)
    ends = levels.ends(levels.take(chosen.cut))
    leaf = trees.left < 0
    value = np.where(leaf[:, np.newaxis], answers, 0.0)
    value[chosen.cut] = chosen.value[chosen.cut]
    if reached is not None:
        low, high = levels.put(fold.low), levels.put(fold.high)
        value = refit_leaves(trees, answers, value, ends, reached, low=low, high=high)
    value = value.astype(trees.accumulate_type).astype(np.float64)
    change = np.where(leaf[:, np.newaxis], np.abs(value[ends] - answers), 0.0)
    made = regrow(
        trees,
        stands_for=np.arange(trees.n_nodes),
        leaf=chosen.cut | leaf,
        values=value,
        tree_weight=np.ones_like(trees.tree_weight),
    )
    return with_trees(graph, made), Loss("prune_splits", margin_bound(trees, change))


class _Fold:
    """What each node would be as a leaf, folded upward once, and the search over cuts."""

    def __init__(
        self, trees: TreeEnsemble, levels: Levels, answers: Float64Array, reached: AnyArray | None
    ) -> None:
        self.levels = levels
        self.n_trees = trees.n_trees
        leaf = (trees.left < 0)[:, np.newaxis]
        rows = np.zeros(trees.n_nodes)
        if reached is not None:
            rows += np.bincount(reached.reshape(-1), minlength=trees.n_nodes)
            rows[leaf[:, 0]] += UNSEEN_ROWS
        weight = rows[:, np.newaxis]
        self.bytes = levels.take(split_bytes(trees))
        self.rows = levels.fold(levels.take(weight), np.add)
        sums = levels.fold(levels.take(weight * answers), np.add)
        squares = levels.fold(levels.take(weight * answers**2), np.add)
        self.low: list[Any] = levels.fold(levels.take(np.where(leaf, answers, np.inf)), np.minimum)
        self.high: list[Any] = levels.fold(
            levels.take(np.where(leaf, answers, -np.inf)), np.maximum
        )
        self.middle = [lo / 2 + hi / 2 for lo, hi in zip(self.low, self.high, strict=True)]
        self.mean = [
            np.where(n > 0.0, s / np.maximum(n, 1e-300), m)
            for n, s, m in zip(self.rows, sums, self.middle, strict=True)
        ]
        self.error = [
            np.maximum(q - s * m, 0.0).sum(axis=1)
            for q, s, m in zip(squares, sums, self.mean, strict=True)
        ]
        self.half = [
            (hi / 2 - lo / 2).max(axis=1) for lo, hi in zip(self.low, self.high, strict=True)
        ]
        self.tree = levels.take(levels.tree)
        self.price = self._bound_price()
        self.caps = [share * self.half[0] for share in CAPS]
        self.leaves = [self._as_leaves(cap) for cap in self.caps]

    def _bound_price(self) -> float:
        """Return the cost of a unit of the bound, in the units of `error`; 1 without rows."""
        error, half = float(self.error[0].sum()), float(self.half[0].sum())
        return BOUND_PRICE * error / half if error > 0.0 and half > 0.0 else 1.0

    def _as_leaves(self, cap: Float64Array) -> list[tuple[Float64Array, Float64Array]]:
        """Return the value and the cost of each node as a leaf that changes none by over `cap`."""
        made = []
        for depth, tree in enumerate(self.tree):
            most = cap[tree][:, np.newaxis]
            low, high = self.high[depth] - most, self.low[depth] + most
            value = np.clip(self.mean[depth], np.minimum(low, high), np.maximum(low, high))
            moved = self.rows[depth] * (value - self.mean[depth]) ** 2
            fits = self.half[depth] <= cap[tree]
            made.append((value, np.where(fits, self.error[depth] + moved.sum(axis=1), np.inf)))
        return made

    def search(self, keep: float) -> _Cuts:
        """Return the cuts at the lowest price of a byte that keeps no more than the share."""
        total = float(sum(level.sum() for level in self.bytes))
        if keep >= 1.0 or total == 0.0:
            return self._cuts(0.0, never=True)
        top = float(self.error[0].sum()) + self.price * float(self.half[0].sum()) + 1e-300
        low, high = top * 1e-15, top
        for _ in range(SEARCHES):
            price = float(np.sqrt(low) * np.sqrt(high))
            if self._cuts(price).kept_bytes > keep * total:
                low = price
            else:
                high = price
        return self._cuts(high)

    def _cuts(self, price: float, *, never: bool = False) -> _Cuts:
        """Cut each tree as is cheapest, under the best of its caps."""
        best = np.full(self.n_trees, np.inf)
        kept = np.zeros(self.n_trees)
        cut = [np.zeros(len(nodes), np.bool_) for nodes in self.levels.nodes]
        value = [level.copy() for level in self.mean]
        for cap, leaves in zip(self.caps, self.leaves, strict=True):
            cost, stays, cuts = self._sweep(price, leaves)
            cost = cost + self.price * cap
            better = cost < best
            if never:
                better = np.zeros_like(better)
            best, kept = np.where(better, cost, best), np.where(better, stays, kept)
            for depth, tree in enumerate(self.tree):
                takes = better[tree]
                cut[depth] = np.where(takes, cuts[depth], cut[depth])
                value[depth] = np.where(takes[:, np.newaxis], leaves[depth][0], value[depth])
        put = self.levels.put
        return _Cuts(put(cut), put(value), float(kept.sum()))

    def _sweep(
        self, price: float, leaves: list[tuple[Float64Array, Float64Array]]
    ) -> tuple[Float64Array, Float64Array, list[BoolArray]]:
        """Return for each tree the lowest cost and the bytes that stay; where cuts are made."""
        cuts: list[BoolArray] = []
        cost = stays = np.zeros(0)
        for depth in range(len(self.levels.nodes) - 1, -1, -1):
            inner = self.levels.inner[depth]
            own = self.bytes[depth][inner]
            whole = cost[0::2] + cost[1::2] + price * own
            as_leaf = leaves[depth][1][inner]
            cuts.append(np.zeros(len(inner), np.bool_))
            cuts[-1][inner] = as_leaf <= whole
            below = stays[0::2] + stays[1::2] + own
            cost, stays = np.zeros(len(inner)), np.zeros(len(inner))
            cost[inner] = np.minimum(as_leaf, whole)
            stays[inner] = np.where(as_leaf <= whole, 0.0, below)
        return cost, stays, cuts[::-1]
