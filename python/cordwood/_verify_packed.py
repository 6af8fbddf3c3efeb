"""The packed side of a comparison: what a file's trees say, decoded by the native door."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float64Array, Int64Array

__all__ = ["CATEGORY", "LEVEL_ORDER", "PREORDER", "ZERO_MISSING", "PackedTrees"]

ZERO_MISSING, CATEGORY = 1, 2
"""Kinds of columns, as ``enum cordwood_column_kind``; 0 is a plain numeric one."""

PREORDER, LEVEL_ORDER = 0, 1
"""Leaf numberings, as ``enum cordwood_leaf_numbering``; 2 lists the numbers."""


class PackedTrees:
    """Nodes of all trees in preorder; the left child of an inner node is the next node.

    Parameters
    ----------
    data : bytes
        A ``.cord`` file.
    operator_index : int
        Its tree_ensemble operator.
    """

    def __init__(self, data: bytes, operator_index: int) -> None:
        fields = _core.expand_trees(data, operator_index)
        columns = fields["columns"]
        self.attributes: dict[str, Any] = fields["attributes"]
        self.tree_start: Int64Array = fields["tree_start"].astype(np.int64)
        self.right: Int64Array = fields["right"]
        self.column: AnyArray = fields["column"]
        self.rank: AnyArray = fields["rank"]
        self.missing_left: AnyArray = fields["missing_left"] != 0
        self.tree_output: AnyArray = fields["tree_output"]
        self.base_value: Float64Array = fields["base_value"]
        width = int(self.attributes["leaf_width"])
        self.leaf_values: Float64Array = fields["leaf_values"].reshape(-1, width)
        self.column_feature: Int64Array = columns["feature"].astype(np.int64)
        self.column_kind: AnyArray = columns["kind"]
        self.category_count: Int64Array = columns["category_count"].astype(np.int64)
        self._first_cut = columns["first_cut"].astype(np.int64)
        self._first_category = columns["first_category"].astype(np.int64)
        self._first_set_bit = columns["first_set_bit"].astype(np.int64)
        self._cuts = fields["cuts"]
        self._category_values = fields["category_values"]
        self._set_bits = fields["set_bits"]
        self._listed = fields["leaf_number"]
        self._leaf_place: AnyArray | None = None

    def cut(self, node: AnyArray) -> Float64Array:
        """Return the cut of numeric nodes: ``x <= cut`` goes left."""
        place = self._first_cut[self.column[node]] + self.rank[node]
        cuts: Float64Array = self._cuts[place]
        return cuts

    def listed_values(self, column: int) -> Float64Array:
        """Return the values that a category column lists, ascending."""
        first = self._first_category[column]
        values: Float64Array = self._category_values[first : first + self.category_count[column]]
        return values

    def set_goes_right(self, column: int, rank: AnyArray) -> AnyArray:
        """Return where sets of a category column send each listed value and, last, any other.

        Returns
        -------
        ndarray of bool, shape (len(rank), n_listed + 1)
            True where it goes right.
        """
        width = int(self.category_count[column]) + 1
        first = self._first_set_bit[column] + rank.astype(np.int64)[:, None] * width
        bit = first + np.arange(width)
        answer: AnyArray = (self._set_bits[bit >> 3] >> (bit & 7).astype(np.uint8)) & 1 != 0
        return answer

    def leaf_number(self, node: AnyArray, tree: AnyArray, level_place: AnyArray) -> Int64Array:
        """Return what ``apply`` answers at leaves.

        Parameters
        ----------
        node, tree : ndarray of int, shape (n,)
            Leaves and their trees.
        level_place : ndarray of int, shape (n,)
            Their places in the level order of their trees.
        """
        numbering = self.attributes["leaf_numbering"]
        if numbering == PREORDER:
            return np.asarray(node - self.tree_start[tree], np.int64)
        if numbering == LEVEL_ORDER:
            return np.asarray(level_place, np.int64)
        if self._leaf_place is None:
            self._leaf_place = np.cumsum(self.right == 0) - 1
        return np.asarray(self._listed[self._leaf_place[node]], np.int64)
