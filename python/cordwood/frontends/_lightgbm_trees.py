"""Turns LightGBM's tree arrays into a ``tree_ensemble``.

LightGBM numbers inner nodes and leaves apart, from 0 within each tree. A Graph numbers them
together: the inner nodes first, in LightGBM's order, then the leaves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.ir import TreeEnsemble

if TYPE_CHECKING:
    from cordwood._typing import Int32Array, Int64Array
    from cordwood.frontends._lightgbm_nodes import Trees
    from cordwood.frontends._lightgbm_text import TextModel

__all__ = ["ZERO_BAND", "tree_ensemble"]

ZERO_BAND = float(np.float32(1e-35))
"""LightGBM's kZeroThreshold: a float32 constant, held in a double."""

CATEGORY_BIT, DEFAULT_LEFT_BIT, MISSING_SHIFT = 1, 2, 2
MISSING_NONE, MISSING_ZERO = 0, 1
WORD_BITS = 32


def tree_ensemble(model: TextModel, *, source: str, target: str) -> TreeEnsemble:
    """Build the operator that walks the trees of `model`.

    Parameters
    ----------
    model : TextModel
        The parsed text.
    source, target : str
        Names of the rows and of the output.

    Returns
    -------
    TreeEnsemble
        The sum of the trees, or their mean over the iterations for a random forest.
    """
    trees, header = model.trees, model.header
    n_trees = len(trees.n_leaves)
    n_inner = trees.n_leaves - 1
    tree_start = _starts(n_inner + trees.n_leaves)
    n_nodes = int(tree_start[-1])

    tree = np.repeat(np.arange(n_trees), n_inner)
    inner = tree_start[tree] + np.arange(len(tree)) - _starts(n_inner)[tree]
    leaf_tree = np.repeat(np.arange(n_trees), trees.n_leaves)
    leaf_id = np.arange(len(leaf_tree)) - _starts(trees.n_leaves)[leaf_tree]
    leaf = tree_start[leaf_tree] + n_inner[leaf_tree] + leaf_id

    left, right, feature, category_set, leaf_row, leaf_ids = np.full((6, n_nodes), -1, np.int32)
    threshold = np.zeros(n_nodes, np.float64)
    missing_left, zero_missing = np.zeros((2, n_nodes), np.bool_)

    left[inner] = np.where(trees.left < 0, n_inner[tree] + ~trees.left, trees.left)
    right[inner] = np.where(trees.right < 0, n_inner[tree] + ~trees.right, trees.right)
    feature[inner] = trees.feature
    leaf_row[leaf] = np.arange(len(leaf))
    leaf_ids[leaf] = leaf_id

    category = (trees.decision & CATEGORY_BIT) != 0
    missing = trees.decision >> MISSING_SHIFT
    default_left = (trees.decision & DEFAULT_LEFT_BIT) != 0
    # Without a missing type NaN is read as 0.0 and compared. In a category node it goes right.
    nan_left = np.where(missing == MISSING_NONE, trees.threshold >= 0.0, default_left)
    threshold[inner] = np.where(category, 0.0, trees.threshold)
    missing_left[inner] = nan_left & ~category
    zero_missing[inner] = (missing == MISSING_ZERO) & ~category
    sets = _starts(trees.n_sets)[tree[category]] + trees.threshold[category].astype(np.int64)
    category_set[inner[category]] = sets
    set_start, set_members = _category_sets(trees)

    return TreeEnsemble(
        source=source,
        target=target,
        n_features=header.n_features,
        n_outputs=header.n_outputs,
        input_type="float64",
        integer_cast="float32",
        comparison="le",
        zero_band=ZERO_BAND,
        category_rule="truncate" if category.any() else "none",
        category_members="left",
        accumulate_type="float64",
        aggregate="average" if header.average_output else "sum",
        divisor=float(n_trees // header.n_outputs) if header.average_output else 1.0,
        accepts_nan=True,
        accepts_infinity=True,
        base_value=np.zeros(header.n_outputs, np.float64),
        tree_start=tree_start,
        tree_output=(np.arange(n_trees) % header.n_outputs).astype(np.int32),
        tree_weight=np.ones(n_trees, np.float64),
        left=left,
        right=right,
        feature=feature,
        threshold=threshold,
        category_set=category_set,
        missing_left=missing_left,
        zero_missing=zero_missing,
        leaf_row=leaf_row,
        leaf_id=leaf_ids,
        leaf_values=trees.leaf_value.reshape(-1, 1),
        set_start=set_start,
        set_members=set_members,
        category_start=np.zeros(header.n_features + 1, np.int64),
        category_values=np.zeros(0, np.float64),
        **_linear_leaves(trees),
    )


def _linear_leaves(trees: Trees) -> dict[str, Any]:
    """Return the terms of linear leaves, where any tree has them; leaf `i` has row `i`."""
    if not trees.linear.any():
        return {}
    return {
        "linear_start": _starts(trees.leaf_terms),
        "linear_feature": trees.term_feature.astype(np.int32),
        "linear_coefficient": trees.term_coefficient,
        "linear_constant": trees.leaf_constant,
    }


def _starts(counts: Int64Array) -> Int64Array:
    """Return where each run begins, and where the last one ends."""
    starts = np.zeros(len(counts) + 1, np.int64)
    np.cumsum(counts, out=starts[1:])
    return starts


def _category_sets(trees: Trees) -> tuple[Int64Array, Int32Array]:
    """Return the start of each set and its members: the bits that are set, lowest first."""
    word_start = _starts(trees.set_words)
    bits = np.unpackbits(trees.words.astype("<u4").view(np.uint8), bitorder="little")
    position = np.flatnonzero(bits)
    owner = np.searchsorted(word_start, position // WORD_BITS, side="right") - 1
    members = (position - WORD_BITS * word_start[owner]).astype(np.int32)
    return _starts(np.bincount(owner, minlength=len(trees.set_words))), members
