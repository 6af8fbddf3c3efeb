"""Weights of linear layers that go, and those that stay made to do without them.

A layer that holds the pattern already keeps its weights. Any other is pruned by magnitude; where
rows that it has seen are known, runs of neighbours and single weights by SparseGPT, and blocks by
Wanda's scores, with the least squares of what stays (``docs/quantization.md``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeGuard

import numpy as np

from cordwood._ops_hessian import hessian
from cordwood._ops_masks import prune_mask
from cordwood._ops_scores import sparsegpt, wanda_scores
from cordwood._sparsity import Pattern, read_pattern
from cordwood.ir_nets import Linear, Quantized
from cordwood.passes.quantize_products import LayerLoss

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood.ir import Graph

__all__ = ["hold_sparse", "prunable", "prune_products", "prune_weights"]

LEAST_OUTPUTS = 16
"""Outputs that the kernels' formats take together: a smaller layer gains nothing."""

DAMPING = 0.01


def prunable(operator: object, pattern: Pattern) -> TypeGuard[Linear]:
    """Whether an operator is a linear layer of plain weights whose shape takes the pattern."""
    return (
        isinstance(operator, Linear)
        and isinstance(operator.weight, np.ndarray)
        and pattern.fits(operator.weight, LEAST_OUTPUTS)
    )


def prune_products(
    graph: Graph,
    sparsity: str | float,
    seen: Mapping[str, np.ndarray],
) -> tuple[Graph, list[LayerLoss]]:
    """Set weights of linear layers to zero.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    sparsity : str or float
        As a recipe has it.
    seen : mapping of str to ndarray
        By name of a value: rows that linear layers have read there, (rows, inputs). May be empty.

    Returns
    -------
    Graph, list of LayerLoss
        The net, and the loss of each layer that takes the pattern; other layers stay as they are.
    """
    pattern = read_pattern(sparsity)
    operators: list[Any] = []
    losses = []
    for operator in graph.operators:
        changed: Any = operator
        if prunable(operator, pattern):
            rows = seen.get(operator.inputs[0])
            pruned = prune_weights(np.asarray(operator.weight, np.float32), sparsity, rows)
            losses.append(LayerLoss(operator.place, _loss(operator.weight, pruned, rows)))
            changed = replace(operator, weight=pruned)
        operators.append(changed)
    return replace(graph, operators=tuple(operators)), losses


def hold_sparse(graph: Graph, sparsity: str | float) -> Graph:
    """Leave out of linear layers the codes of zero, where they make up the pattern.

    Parameters
    ----------
    graph : Graph
        A net with quantised weights.
    sparsity : str or float
        As a recipe has it.
    """
    pattern = read_pattern(sparsity)
    operators = []
    for operator in graph.operators:
        changed = operator
        if isinstance(operator, Linear) and isinstance(operator.weight, Quantized):
            weight = operator.weight
            mask = weight.codes != 1 << (weight.bits - 1)
            fits = weight.zero is None and pattern.fits(weight.codes, LEAST_OUTPUTS)
            if fits and _holds(mask, pattern):
                changed = replace(operator, weight=replace(weight, mask=mask))
        operators.append(changed)
    return replace(graph, operators=tuple(operators))


def prune_weights(weight: np.ndarray, sparsity: str | float, seen: np.ndarray | None) -> np.ndarray:
    """Return a layer's weights with zeros for those that go, and the others made up for it.

    Parameters
    ----------
    weight : ndarray of float32, shape (outputs, inputs)
    sparsity : str or float
        As a recipe has it.
    seen : ndarray of float32, shape (rows, inputs), optional
        Rows that the layer has read.
    """
    pattern = read_pattern(sparsity)
    if _holds(weight != 0, pattern):
        return weight
    if seen is None:
        return np.where(prune_mask(weight, sparsity), weight, np.float32(0))
    if pattern.height * pattern.width == 1:
        return sparsegpt(weight, sparsity, inputs=seen)[0]
    scores = wanda_scores(weight, seen)
    mask = prune_mask(weight, sparsity, scores=scores, per="output")
    return _refit(weight, mask, hessian(seen), pattern.height)


def _holds(stays: np.ndarray, pattern: Pattern) -> bool:
    """Whether so few weights stay already, and where the pattern lets them."""
    outputs, inputs = stays.shape
    if pattern.of:
        runs = np.add.reduceat(stays, np.arange(0, inputs, pattern.of), axis=1, dtype=np.int64)
        return bool((runs <= pattern.keep).all())
    down = np.logical_or.reduceat(stays, np.arange(0, outputs, pattern.height), axis=0)
    blocks = np.logical_or.reduceat(down, np.arange(0, inputs, pattern.width), axis=1)
    # Masks take their share of the whole layer or of each output, which rounds by itself.
    among_all = np.count_nonzero(blocks) <= blocks.size - round(blocks.size * pattern.share)
    across = blocks.shape[1]
    in_each = np.count_nonzero(blocks, axis=1) <= across - round(across * pattern.share)
    return bool(among_all or in_each.all())


def _refit(weight: np.ndarray, mask: np.ndarray, hessian: np.ndarray, height: int) -> np.ndarray:
    """Solve for what stays, strip by strip of outputs that share inputs: least squared error."""
    matrix = np.asarray(hessian, np.float64)
    matrix = matrix + np.eye(len(matrix)) * max(DAMPING * float(np.diagonal(matrix).mean()), 1e-12)
    wanted = weight.astype(np.float64) @ matrix
    fitted = np.zeros(weight.shape, np.float32)
    for first in range(0, len(weight), height):
        strip = slice(first, first + height)
        kept = np.flatnonzero(mask[first])
        if len(kept):
            answers = np.linalg.solve(matrix[np.ix_(kept, kept)], wanted[strip, kept].T)
            fitted[strip, kept] = answers.T
    return fitted


def _loss(weight: Any, pruned: np.ndarray, seen: np.ndarray | None) -> float:
    """Relative error of the outputs, or of the weights where no rows are known."""
    error, exact = pruned - weight, weight
    if seen is not None:
        error, exact = seen @ error.T, seen @ weight.T
    size = float(np.linalg.norm(exact))
    return 0.0 if size == 0.0 else float(np.linalg.norm(error)) / size
