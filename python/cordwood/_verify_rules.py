"""The split rules of a Graph's ensemble, asked about any node and value at once.

Written from the words of ``docs/graph.md`` and apart from the passes that fold and pack those
rules, so that a mistake there cannot hide here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, BoolArray, Float64Array, Int32Array, Int64Array
    from cordwood.ir import TreeEnsemble

__all__ = ["SplitRules", "numeric_goes_left", "parents", "region_of"]

CODE_END = 2**31
"""Codes are below; a larger number is no category."""

CONDITIONS_SHOWN = 6
"""Conditions that a region's description lists."""


def numeric_goes_left(trees: TreeEnsemble, node: AnyArray, x: Float64Array) -> BoolArray:
    """Tell whether numeric nodes compare `x` to the left; no value is NaN.

    Parameters
    ----------
    trees : TreeEnsemble
        The source's rules.
    node : ndarray of int, shape (n,)
        Nodes, counted over all trees.
    x : ndarray of float64, shape (n,)
        Values of the input type.
    """
    value = np.where(np.abs(x) <= trees.zero_band, 0.0, x)
    threshold = trees.threshold[node]
    answer: BoolArray = value <= threshold if trees.comparison == "le" else value < threshold
    return answer


class SplitRules:
    """Which way each node of an ensemble sends a value.

    Parameters
    ----------
    trees : TreeEnsemble
        The source's rules.
    """

    def __init__(self, trees: TreeEnsemble) -> None:
        self.trees = trees
        sizes = np.diff(trees.set_start)
        owner = np.repeat(np.arange(len(sizes)), sizes)
        # Ascending, because members ascend within a set.
        self._members = owner * CODE_END + trees.set_members.astype(np.int64)

    def goes_left(self, node: AnyArray, x: Float64Array) -> BoolArray:
        """Tell whether each node sends its value, of the input type or NaN, to the left."""
        trees = self.trees
        category = trees.category_set[node] >= 0
        missing = np.isnan(x)
        missing |= trees.zero_missing[node] & (np.abs(x) <= trees.zero_band)
        left = numeric_goes_left(trees, node, x)
        if category.any():
            code, unknown = self._codes(trees.feature[node[category]], x[category])
            member = self._is_member(trees.category_set[node[category]], code)
            left[category] = member if trees.category_members == "left" else ~member
            missing[category] = unknown
        answer: BoolArray = np.where(missing, trees.missing_left[node], left)
        return answer

    def _codes(self, feature: AnyArray, x: Float64Array) -> tuple[Int64Array, BoolArray]:
        """Return the category code of each value, -1 for none, and which values are missing."""
        trees = self.trees
        if trees.category_rule == "exact":
            code = np.full(len(x), -1, np.int64)
            for one in np.unique(feature):
                mine = feature == one
                listed = trees.category_values[
                    trees.category_start[one] : trees.category_start[one + 1]
                ]
                order = np.argsort(listed, kind="stable")
                place = np.searchsorted(listed[order], x[mine])
                found = np.append(listed[order], np.nan)[place] == x[mine]
                code[mine] = np.where(found, np.append(order, -1)[place], -1)
            return code, code < 0
        whole = np.floor(x) if trees.category_rule == "floor" else np.trunc(x)
        known = (whole >= 0) & (whole < CODE_END)  # False for NaN
        return np.where(known, whole, -1).astype(np.int64), np.isnan(x)

    def _is_member(self, chosen: Int32Array, code: Int64Array) -> BoolArray:
        if not len(self._members):
            return np.zeros(len(code), np.bool_)
        wanted = chosen.astype(np.int64) * CODE_END + code
        place = np.minimum(np.searchsorted(self._members, wanted), len(self._members) - 1)
        answer: BoolArray = (self._members[place] == wanted) & (code >= 0)
        return answer


def parents(trees: TreeEnsemble) -> Int64Array:
    """Return the parent of each node, counted over all trees; -1 at a root."""
    parent = np.full(trees.n_nodes, -1, np.int64)
    first = np.repeat(trees.tree_start[:-1], np.diff(trees.tree_start))
    inner = np.flatnonzero(trees.left >= 0)
    parent[trees.left[inner] + first[inner]] = inner
    parent[trees.right[inner] + first[inner]] = inner
    return parent


def region_of(trees: TreeEnsemble, node: int, tree: int) -> str:
    """Describe the part of the feature space that reaches a node, from the root down."""
    start, end = (int(place) for place in trees.tree_start[tree : tree + 2])
    left, right = trees.left[start:end], trees.right[start:end]
    at, conditions = node - start, []
    while at:
        above = np.flatnonzero((left == at) | (right == at))
        if not above.size:
            break
        parent = int(above[0])
        conditions.append(_condition(trees, start + parent, went_left=int(left[parent]) == at))
        at = parent
    if not conditions:
        return "everywhere"
    shown = conditions[:CONDITIONS_SHOWN][::-1]
    hidden = len(conditions) - len(shown)
    return f"[{f'{hidden} more, ' if hidden else ''}{', '.join(shown)}]"


def _condition(trees: TreeEnsemble, node: int, *, went_left: bool) -> str:
    name = f"x{int(trees.feature[node])}"
    if trees.category_set[node] >= 0:
        member = went_left == (trees.category_members == "left")
        return f"{name} {'in' if member else 'not in'} set {int(trees.category_set[node])}"
    signs = {("le", True): "<=", ("le", False): ">", ("lt", True): "<", ("lt", False): ">="}
    return f"{name} {signs[trees.comparison, went_left]} {float(trees.threshold[node])!r}"
