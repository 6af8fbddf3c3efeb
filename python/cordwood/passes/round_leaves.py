"""Rounds leaves to whole numbers times a scale of their tree."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from cordwood.passes import Loss
from cordwood.passes.bounds import margin_bound
from cordwood.passes.levels import leaf_answers
from cordwood.passes.replace import add_to_base, with_trees

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, FloatArray
    from cordwood.ir import Graph, TreeEnsemble

__all__ = ["round_leaves"]

SCALE_BITS = 8
"""Significant bits of a scale: times 16 bits of a leaf they fit float32, so no product rounds."""

STEPS = 32
"""Steps that shared scales give the largest leaf of the median tree."""


def round_leaves(graph: Graph, bits: int, *, shared: bool = False) -> tuple[Graph, Loss]:
    """Round every leaf to an integer times its tree's weight.

    An average whose trees lie far from zero is centred first, its base value taking what they
    lose: a forest that predicts a thousand and a bit keeps the bit.

    Parameters
    ----------
    graph : Graph
        A tree model; its last ensemble is rounded.
    bits : {8, 16}
        Width of the integers, sign included.
    shared : bool, default=False
        Give all trees of an output one scale, or a power of two times it where a tree's leaves
        would not fit. Small trees then have small integers, which take less space, and all trees
        err alike. Otherwise each tree's largest leaf takes the whole width.

    Returns
    -------
    graph : Graph
        `leaf_values` are integers held as floats, `tree_weight` the scales.
    loss : Loss
        The worst leaf of each tree, added up.
    """
    trees = graph.trees
    leaf = trees.left < 0
    answers = leaf_answers(trees)
    centre, base, moved = _centre(trees, answers)
    tree = np.repeat(np.arange(trees.n_trees), np.diff(trees.tree_start))
    target = np.where(leaf[:, np.newaxis], answers - centre[tree], 0.0)
    limit = 2 ** (bits - 1) - 1
    scale = _shared_scales(trees, target, limit) if shared else _own_scales(trees, target, limit)
    whole = _whole(target, scale[tree], limit)
    rounded = _spoken(whole, scale[tree], trees)
    change = np.abs(rounded - target)
    if centre.any():
        change += np.abs(target) * 2.0**-52  # the difference from the centre is rounded itself
    leaf_row = np.full(trees.n_nodes, -1, np.int32)
    leaf_row[leaf] = np.arange(np.count_nonzero(leaf))
    made = dataclasses.replace(
        trees,
        base_value=base,
        tree_weight=scale,
        leaf_row=leaf_row,
        leaf_values=np.ascontiguousarray(whole[leaf] + 0.0),
    )
    return with_trees(graph, made), Loss(
        f"round_leaves_{bits}", margin_bound(trees, change) + moved
    )


def _whole(target: Float64Array, scale: Float64Array, limit: int) -> Float64Array:
    with np.errstate(over="ignore"):
        return np.clip(np.rint(target / scale[:, np.newaxis]), -limit, limit)


def _spoken(whole: Float64Array, scale: Float64Array, trees: TreeEnsemble) -> Float64Array:
    """Return what integer leaves add, as the runtime computes it."""
    product = whole * scale[:, np.newaxis]
    return product.astype(trees.accumulate_type).astype(np.float64)


def _largest(trees: TreeEnsemble, size: Float64Array) -> Float64Array:
    if not trees.n_trees:
        return np.zeros(0)
    return np.maximum.reduceat(size.max(axis=1, initial=0.0), trees.tree_start[:-1])


def _own_scales(trees: TreeEnsemble, target: Float64Array, limit: int) -> Float64Array:
    """Return for each tree the better of two short scales that reach its largest leaf.

    A power of two holds 0, 1 and a half exactly, which are most leaves of a classifying forest;
    elsewhere the finest scale wins.
    """
    tree = np.repeat(np.arange(trees.n_trees), np.diff(trees.tree_start))
    fine = _largest(trees, np.abs(target)) / limit
    best = _short(fine, SCALE_BITS, trees, limit)
    power = _short(fine, 1, trees, limit)
    errors = [
        _largest(trees, np.abs(_spoken(_whole(target, scale[tree], limit), scale[tree], trees)
                               - target))
        for scale in (best, power)
    ]  # fmt: skip
    return np.where(errors[1] <= errors[0], power, best)


def _shared_scales(trees: TreeEnsemble, target: Float64Array, limit: int) -> Float64Array:
    largest = _largest(trees, np.abs(target))
    scale = np.ones(trees.n_trees)
    for output in np.unique(trees.tree_output):
        own = np.flatnonzero(trees.tree_output == output)
        typical = np.median(largest[own][largest[own] > 0.0]) if largest[own].any() else 1.0
        step = _short(np.array([typical / STEPS]), SCALE_BITS, trees, limit)
        with np.errstate(divide="ignore", over="ignore"):
            doublings = np.ceil(np.log2(largest[own] / (step * limit)))
        scale[own] = np.ldexp(step, np.clip(doublings, 0, 2000).astype(np.int32))
    return np.where(np.isfinite(scale * limit), scale, _own_scales(trees, target, limit))


def _short(scale: Float64Array, bits: int, trees: TreeEnsemble, limit: int) -> Float64Array:
    """Round scales up to a few significant bits; down where the largest leaf would overflow."""
    part, exponent = np.frexp(scale)
    up = np.ldexp(np.ceil(np.ldexp(part, bits)), exponent - bits)
    down = np.ldexp(np.floor(np.ldexp(part, bits)), exponent - bits)
    with np.errstate(over="ignore"):
        fits = up * limit <= float(np.finfo(trees.accumulate_type).max)
    short = np.where(fits, up, down)
    return np.where(short > 0.0, short, 1.0)


def _centre(trees: TreeEnsemble, answers: Float64Array) -> tuple[Float64Array, FloatArray, float]:
    """Return each tree's centre, the base value that takes them all, and what rounding it costs."""
    none = np.zeros((trees.n_trees, trees.leaf_width))
    if trees.aggregate != "average" or trees.start is not None or not trees.n_trees:
        return none, trees.base_value, 0.0
    if trees.leaf_width != trees.n_outputs:
        return none, trees.base_value, 0.0
    leaf = (trees.left < 0)[:, np.newaxis]
    starts = trees.tree_start[:-1]
    low = np.minimum.reduceat(np.where(leaf, answers, np.inf), starts, axis=0)
    high = np.maximum.reduceat(np.where(leaf, answers, -np.inf), starts, axis=0)
    worth = (high - low) < np.maximum(np.abs(low), np.abs(high))
    centre = np.where(worth, low / 2 + high / 2, 0.0)
    base, moved = add_to_base(trees, centre)
    return centre, base, moved / trees.divisor * (1.0 + 2.0**-20)
