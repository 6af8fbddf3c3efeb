"""Category sets of the source beside packed ones: members, listed values, and any other value."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, BoolArray, Float64Array
    from cordwood._verify_packed import PackedTrees
    from cordwood.ir import TreeEnsemble

__all__ = ["wrong_sets"]

CELLS = 1 << 22
"""Bits compared at a time: bounds the memory."""


def wrong_sets(
    trees: TreeEnsemble, packed: PackedTrees, source: AnyArray, node: AnyArray
) -> tuple[BoolArray, AnyArray]:
    """Compare the sets of pairs of category nodes, each different pair of sets once.

    Parameters
    ----------
    trees : TreeEnsemble
        The source's rules.
    packed : PackedTrees
        The packed trees.
    source, node : ndarray of int, shape (n,)
        Nodes of the source, and the packed ones beside them; both test the same feature.

    Returns
    -------
    wrong : ndarray of bool, shape (n,)
        Where the packed set treats some value otherwise.
    value : ndarray of float64, shape (n,)
        The first such value; NaN where it is any value that the column does not list.
    """
    column, rank = packed.column[node].astype(np.int64), packed.rank[node].astype(np.int64)
    chosen = trees.category_set[source].astype(np.int64)
    keys = np.column_stack((column, chosen, rank))
    different, which = np.unique(keys, axis=0, return_inverse=True)
    wrong = np.zeros(len(different), np.bool_)
    value = np.full(len(different), np.nan)
    for one in np.unique(different[:, 0]):
        mine = np.flatnonzero(different[:, 0] == one)
        width = int(packed.category_count[one]) + 1
        step = max(1, CELLS // width)
        for begin in range(0, len(mine), step):
            some = mine[begin : begin + step]
            wrong[some], value[some] = _compare(
                trees, packed, int(one), different[some, 1], different[some, 2]
            )
    flat = which.reshape(-1)
    return wrong[flat], value[flat]


def _compare(
    trees: TreeEnsemble, packed: PackedTrees, column: int, chosen: AnyArray, rank: AnyArray
) -> tuple[BoolArray, Float64Array]:
    """Compare sets of one column; see `wrong_sets`."""
    listed = packed.listed_values(column)
    begin, end = trees.set_start[chosen], trees.set_start[chosen + 1]
    sizes = end - begin
    owner = np.repeat(np.arange(len(chosen)), sizes)
    offset = np.arange(len(owner)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    code = trees.set_members[np.repeat(begin, sizes) + offset]
    values = code.astype(np.float64)
    exact = trees.category_rule == "exact"
    wrong = np.zeros(len(chosen), np.bool_)
    if exact:
        stated = _stated_values(trees, int(packed.column_feature[column]))
        holds = _held(trees, stated)
        # An unlisted value is missing, so the lists themselves must be the same.
        wrong |= not np.array_equal(listed, np.sort(stated[holds]))
        owner, values = owner[holds[code]], stated[code][holds[code]]
    place = np.searchsorted(listed, values)
    known = np.append(listed, np.nan)[place] == values
    value = np.full(len(chosen), np.nan)
    wrong[owner[~known]] = True
    value[owner[~known]] = values[~known]

    member = np.zeros((len(chosen), len(listed) + 1), np.bool_)
    member[owner[known], place[known]] = True
    expected = member if trees.category_members == "right" else ~member
    differs = packed.set_goes_right(column, rank) != expected
    if exact:
        differs[:, -1] = False  # never asked
    uneven = differs.any(axis=1)
    first = np.append(listed, np.nan)[differs.argmax(axis=1)]
    value = np.where(uneven & ~wrong, first, value)
    return wrong | uneven, value


def _stated_values(trees: TreeEnsemble, feature: int) -> Float64Array:
    """Return the values that the source lists for a feature, in code order; zero is ``+0.0``."""
    first, last = trees.category_start[feature], trees.category_start[feature + 1]
    return np.asarray(trees.category_values[first:last] + 0.0)


def _held(trees: TreeEnsemble, values: Float64Array) -> BoolArray:
    """Tell which values a row can hold after the input cast."""
    with np.errstate(over="ignore", under="ignore"):
        held: BoolArray = values.astype(trees.input_type) == values
    return held
