"""Scores of weights for pruning, and pruning that makes its errors good."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np

from cordwood._ops_checks import check_inputs, check_share, check_vector, check_weights
from cordwood._ops_hessian import find_hessian, inverse_factor
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_BLOCK = 128
"""Inputs whose errors are spread together over all that follow, and whose share is met together."""


def wanda_scores(
    w: ArrayLike, inputs: ArrayLike | None = None, *, norms: ArrayLike | None = None
) -> NDArray[np.float32]:
    """Score weights by their magnitude times the norm of their input.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    inputs : array_like, shape (n_rows, n_inputs), optional
        Rows that the layer has seen.
    norms : array_like, shape (n_inputs,), optional
        Instead of `inputs`: the Euclidean norm of each input over the rows.

    Returns
    -------
    ndarray of float32, shape of `w`
        The larger, the more the outputs change without the weight. Weights are meant to be compared
        within an output.

    Raises
    ------
    InputError
        If shapes do not fit, a value is NaN or infinite, a norm is negative, or there are both or
        neither of `inputs` and `norms`.

    References
    ----------
    M. Sun, Z. Liu, A. Bair, J. Z. Kolter, "A Simple and Effective Pruning Approach for Large
    Language Models", ICLR 2024.
    """
    weights = check_weights(w)
    if inputs is not None and norms is None:
        rows = check_inputs(inputs, weights.shape[1])
        found = np.sqrt(np.square(rows, dtype=np.float64).sum(axis=0))
    elif norms is None or inputs is not None:
        message = "expected inputs or norms, and not both"
        raise InputError(message)
    else:
        found = check_vector(norms, "norms", weights.shape[1])
        if (found < 0).any():
            message = f"norms is {found.min()} somewhere; a norm is not negative"
            raise InputError(message)
    return np.asarray(np.abs(weights) * found, dtype=np.float32)


def sparsegpt_scores(
    w: ArrayLike,
    *,
    inputs: ArrayLike | None = None,
    hessian: ArrayLike | None = None,
    damping: float = 0.01,
) -> NDArray[np.float32]:
    """Score weights by the output error that is left when all others make up for their loss.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    inputs, hessian, damping
        As in :func:`gptq`.

    Returns
    -------
    ndarray of float32, shape of `w`
        ``w ** 2 / inverse(hessian)[k, k]``.

    Raises
    ------
    InputError
        As :func:`gptq`.

    References
    ----------
    B. Hassibi, D. G. Stork, "Second Order Derivatives for Network Pruning: Optimal Brain Surgeon",
    NIPS 1992.
    """
    weights = check_weights(w)
    matrix = find_hessian(inputs, hessian, weights.shape[1])
    factor = inverse_factor(matrix, damping)
    inverse_diagonal = np.square(factor).sum(axis=0)
    return np.asarray(np.square(weights, dtype=np.float64) / inverse_diagonal, dtype=np.float32)


def sparsegpt(
    w: ArrayLike,
    pattern: str | float,
    *,
    inputs: ArrayLike | None = None,
    hessian: ArrayLike | None = None,
    damping: float = 0.01,
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Prune weights input by input, each loss made good by the inputs that follow.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    pattern : str or float
        ``"n:m"`` keeps `n` of every `m` neighbours along the inputs; a float is the share that
        goes, met over all outputs in every 128 inputs.
    inputs, hessian, damping
        As in :func:`gptq`.

    Returns
    -------
    weights : ndarray of float32, shape of `w`
        What is left of the weights, changed where it makes up for what is gone; zeros elsewhere.
    mask : ndarray of bool, shape of `w`
        True where a weight stays.

    Raises
    ------
    InputError
        As :func:`gptq`, or if `pattern` is none of the above.

    References
    ----------
    E. Frantar, D. Alistarh, "SparseGPT: Massive Language Models Can Be Accurately Pruned in
    One-Shot", ICML 2023.
    """
    weights = check_weights(w)
    kept, of = _read_pattern(pattern)
    matrix = find_hessian(inputs, hessian, weights.shape[1])
    factor = inverse_factor(matrix, damping)
    left = np.ascontiguousarray(weights.T, dtype=np.float64)  # input by input: each is a row
    mask = np.ones(left.shape, bool)
    n_inputs, n_outputs = left.shape
    step = of * max(1, _BLOCK // of) if of else _BLOCK
    gone = 0
    for first in range(0, n_inputs, step):
        end = min(first + step, n_inputs)
        if not of:
            wanted = round(float(pattern) * end * n_outputs) - gone
            gone += wanted
            scores = np.square(left[first:end] / np.diagonal(factor)[first:end, None])
            least = np.argsort(-scores, axis=None, kind="stable")[scores.size - wanted :]
            mask[first:end].reshape(-1)[least] = False
        errors = np.empty((end - first, n_outputs))
        for k in range(first, end):
            if of and (k - first) % of == 0:
                some = slice(k, min(k + of, end))
                scores = np.square(left[some] / np.diagonal(factor)[some, None])
                mask[some] = keep_of_neighbours(scores.T, kept, of).T
            errors[k - first] = np.where(mask[k], 0.0, left[k]) / factor[k, k]
            left[k + 1 : end] -= factor[k, k + 1 : end, None] * errors[k - first]
        left[end:] -= factor[first:end, end:].T @ errors
    left[~mask] = 0.0
    return np.asarray(left.T, dtype=np.float32, order="C"), np.ascontiguousarray(mask.T)


def keep_of_neighbours(scores: NDArray[np.float64], kept: int, of: int) -> NDArray[np.bool_]:
    """Mark the `kept` largest of up to `of` neighbours; of equal ones the first."""
    count = scores.shape[1]
    stay = -(-kept * count // of)
    order = np.argsort(-scores, axis=1, kind="stable")
    mask = np.zeros(scores.shape, bool)
    np.put_along_axis(mask, order[:, :stay], values=True, axis=1)
    return mask


def _read_pattern(pattern: str | float) -> tuple[int, int]:
    """Return n and m of "n:m"; two zeros for a share."""
    if isinstance(pattern, str):
        found = re.fullmatch(r"(\d+):(\d+)", pattern)
        kept, of = (int(found[1]), int(found[2])) if found else (0, 0)
        if 0 < kept <= of:
            return kept, of
        message = f"pattern is {pattern!r}; expected 'n:m' with n up to m, as '2:4', or a share"
        raise InputError(message)
    check_share(pattern, "pattern")
    return 0, 0
