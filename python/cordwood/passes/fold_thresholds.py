"""Folds comparison, input cast and zero band of every numeric split into one exact cut.

Afterwards each numeric node reads ``x <= cut`` with a cut that the input type can hold, and means
what the source meant for every representable `x`. The values that go left are always a run from
below: if `x` goes left, so does everything smaller. The cut is the largest value that does.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

import numpy as np

from cordwood import _progress
from cordwood.errors import GraphError
from cordwood.ir import Graph, TreeEnsemble
from cordwood.passes import Loss

if TYPE_CHECKING:
    from cordwood.ir_trees import Comparison, FloatName

__all__ = ["exact_cuts", "fold_thresholds", "goes_left"]


def goes_left(
    x: np.ndarray, threshold: np.ndarray, comparison: Comparison, zero_band: float
) -> np.ndarray:
    """Tell whether the source's own rule sends `x`, already of the input type, to the left.

    Parameters
    ----------
    x : ndarray of float32 or float64
        Values after the input cast, none of them NaN.
    threshold : ndarray of float64, same shape
        Thresholds as the source states them.
    comparison : {"le", "lt"}
        Which comparison sends a value to the left.
    zero_band : float
        Values with ``abs(x) <= zero_band`` are zero before comparing.

    Returns
    -------
    ndarray of bool, same shape
    """
    wide = x.astype(np.float64)
    wide[np.abs(wide) <= zero_band] = 0.0
    return wide <= threshold if comparison == "le" else wide < threshold


def exact_cuts(
    threshold: np.ndarray, *, comparison: Comparison, input_type: FloatName, zero_band: float = 0.0
) -> tuple[np.ndarray, np.ndarray]:
    """Find the largest value of the input type that the source's rule sends to the left.

    Parameters
    ----------
    threshold : ndarray of float64, shape (n,)
        Thresholds as the source states them; infinite ones are fine, NaN is not.
    comparison, input_type, zero_band
        The source's rule, as in `TreeEnsemble`.

    Returns
    -------
    cut : ndarray of input_type, shape (n,)
        ``x <= cut`` is the source's rule. Zero is always ``+0.0``.
    never : ndarray of bool, shape (n,)
        Where nothing goes left, not even ``-inf``: no cut says so, and `cut` holds ``-inf``.

    Raises
    ------
    GraphError
        A cut does not answer as its threshold does: each is asked about itself and about its
        upper neighbour.
    """
    dtype = np.dtype(input_type)
    below, above = dtype.type(-np.inf), dtype.type(np.inf)
    threshold = np.asarray(threshold, dtype=np.float64)
    with np.errstate(all="ignore"):  # overflow to infinity and steps into denormals are meant
        cut = threshold.astype(dtype)
        # Rounding lands on the threshold or on one of its neighbours: at most one step leads down.
        too_high = ~goes_left(cut, threshold, comparison, 0.0)
        cut = np.where(too_high, np.nextafter(cut, below), cut)
        if zero_band > 0.0:
            edge = exact_cuts(np.array([zero_band]), comparison="le", input_type=input_type)[0][0]
            # The band moves as one with zero: wholly left, or wholly right.
            zero_left = goes_left(np.zeros_like(cut), threshold, comparison, 0.0)
            beneath = np.nextafter(-edge, below)
            cut = np.where(zero_left, np.maximum(cut, edge), np.minimum(cut, beneath))
        cut = cut + dtype.type(0.0)  # -0.0 becomes +0.0
        never = ~goes_left(cut, threshold, comparison, zero_band)
        over = np.nextafter(cut, above)
        wrong = goes_left(over, threshold, comparison, zero_band) & (cut != above)
        wrong |= never & (cut != below)
    if wrong.any():
        index = int(np.flatnonzero(wrong)[0])
        message = (
            f"threshold {threshold[index]!r} has no exact cut in {input_type}: {cut[index]!r} was"
            f" found for comparison {comparison!r} and zero_band {zero_band!r}; does the"
            " floating-point unit flush denormals to zero?"
        )
        raise GraphError(message)
    return cut, never


def fold_thresholds(graph: Graph) -> tuple[Graph, Loss]:
    """Rewrite every numeric split as ``x <= cut`` with a cut of the input type.

    A split that sends nothing to the left, NaN apart, becomes one that sends everything to the left
    (``x <= inf``) with its children and its missing route exchanged: the rows meet the same leaves.

    Parameters
    ----------
    graph : Graph
        Any Graph; one without trees is returned as it is.

    Returns
    -------
    graph : Graph
        Its ensembles compare by ``"le"``; `zero_band` stays only where zero counts as missing and
        for the terms of linear leaves.
    loss : Loss
        None.

    Raises
    ------
    GraphError
        A threshold has no exact cut.
    """
    _progress.reached(0.45, "folding thresholds")
    operators = tuple(
        _folded(operator) if isinstance(operator, TreeEnsemble) else operator
        for operator in graph.operators
    )
    return dataclasses.replace(graph, operators=operators), Loss("fold_thresholds")


def _folded(trees: TreeEnsemble) -> TreeEnsemble:
    nodes = np.flatnonzero((trees.left >= 0) & (trees.category_set < 0))
    cut, never = exact_cuts(
        trees.threshold[nodes],
        comparison=trees.comparison,
        input_type=trees.input_type,
        zero_band=trees.zero_band,
    )
    threshold = trees.threshold.copy()
    threshold[nodes] = np.where(never, np.inf, cut)
    exchange = nodes[never]
    left, right, missing_left = trees.left, trees.right, trees.missing_left
    if exchange.size:
        left, right, missing_left = left.copy(), right.copy(), missing_left.copy()
        left[exchange], right[exchange] = trees.right[exchange], trees.left[exchange]
        missing_left[exchange] = ~trees.missing_left[exchange]
    return dataclasses.replace(
        trees,
        comparison="le",
        zero_band=trees.zero_band if trees.zero_missing.any() or trees.is_linear else 0.0,
        threshold=threshold,
        left=left,
        right=right,
        missing_left=missing_left,
    )
