"""About how many bytes each split takes in a file: what pruning saves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import Float64Array
    from cordwood.ir import TreeEnsemble

__all__ = ["split_bytes"]

NODE_BYTES = 2.0
"""Structure, column, rank and missing route of a split, as entropy coding leaves them."""

LEAF_BYTES = 0.75
"""One leaf of a number: pruning a split removes one leaf."""

CUT_BYTES = 2.75
"""One distinct cut; its splits share it."""


def split_bytes(trees: TreeEnsemble) -> Float64Array:
    """Return an estimate for each node, 0 at leaves.

    A split that alone uses a cut, or a category set, pays for it; others share the price.

    Returns
    -------
    ndarray of float64, shape (n_nodes,)
    """
    inner = trees.left >= 0
    cost = np.where(inner, NODE_BYTES + LEAF_BYTES * trees.leaf_width, 0.0)
    numeric = np.flatnonzero(inner & (trees.category_set < 0))
    cost[numeric] += CUT_BYTES / _users(trees, numeric, trees.threshold[numeric])
    category = np.flatnonzero(trees.category_set >= 0)
    if category.size:
        sets = trees.category_set[category]
        codes = np.zeros(trees.n_features)
        for feature in np.unique(trees.feature[category]):
            used = np.unique(sets[trees.feature[category] == feature])
            runs = [trees.set_members[trees.set_start[s] : trees.set_start[s + 1]] for s in used]
            codes[feature] = len(np.unique(np.concatenate(runs))) + 1
        width = codes[trees.feature[category]] / 8.0
        cost[category] += width / _users(trees, category, sets.astype(np.float64))
    return cost


def _users(trees: TreeEnsemble, nodes: np.ndarray, test: Float64Array) -> np.ndarray:
    """Return how many of the nodes test the same as each of them."""
    order = np.lexsort((test, trees.feature[nodes]))
    feature, sorted_test = trees.feature[nodes][order], test[order]
    opens = np.ones(len(order), np.bool_)
    opens[1:] = (feature[1:] != feature[:-1]) | (sorted_test[1:] != sorted_test[:-1])
    group = np.cumsum(opens) - 1
    users = np.empty(len(order), np.int64)
    users[order] = np.bincount(group)[group] if len(order) else 0
    return users
