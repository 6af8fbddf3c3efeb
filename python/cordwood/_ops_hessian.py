"""Second moments of a layer's inputs, and the factor of their inverse that methods walk along."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._ops_checks import check_finite, check_inputs, check_matrix, check_positive
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_CHUNK_ROWS = 4096
_SMALL = 64
"""Triangles up to this size are inverted directly."""


def hessian(inputs: ArrayLike) -> NDArray[np.float64]:
    """Mean of ``x x^T`` over the rows that a layer has seen.

    Up to a factor, which no method minds, it is the Hessian of a linear layer's squared output
    error with respect to the weights of one output. Those of several batches may be added
    up, each times its rows.

    Parameters
    ----------
    inputs : array_like, shape (n_rows, n_inputs)

    Returns
    -------
    ndarray of float64, shape (n_inputs, n_inputs)

    Raises
    ------
    InputError
        If a value is NaN or infinite, or there is no row.
    """
    rows = check_matrix(inputs, "inputs", "rows of a layer's inputs, (n_rows, n_inputs)")
    rows = check_inputs(rows, rows.shape[1])
    total = np.zeros((rows.shape[1], rows.shape[1]))
    for first in range(0, len(rows), _CHUNK_ROWS):
        part = rows[first : first + _CHUNK_ROWS].astype(np.float64)
        total += part.T @ part
    return total / len(rows)


def find_hessian(
    inputs: ArrayLike | None, given: ArrayLike | None, n_inputs: int
) -> NDArray[np.float64]:
    """Return the one that is given, checked, or that of `inputs`."""
    if inputs is not None and given is None:
        return hessian(check_inputs(inputs, n_inputs))
    if given is None or inputs is not None:
        message = (
            "expected inputs or hessian, and not both: the method must know what the layer sees"
        )
        raise InputError(message)
    matrix = check_matrix(given, "hessian", f"({n_inputs}, {n_inputs})").astype(np.float64)
    if matrix.shape != (n_inputs, n_inputs):
        message = (
            f"hessian has shape {matrix.shape}; w has {n_inputs} inputs: expected a square of them"
        )
        raise InputError(message)
    check_finite(matrix, "hessian")
    if not np.allclose(matrix, matrix.T, rtol=1e-4, atol=1e-6 * np.abs(matrix).max()):
        message = "hessian is not symmetric; expected inputs.T @ inputs"
        raise InputError(message)
    if (np.diagonal(matrix) < 0).any():
        message = "hessian has a negative diagonal; expected inputs.T @ inputs"
        raise InputError(message)
    return matrix


def inverse_factor(matrix: NDArray[np.float64], damping: float) -> NDArray[np.float64]:
    """Upper triangular ``U`` with ``U.T @ U`` the inverse of the damped matrix.

    `damping` is a share of the mean of the diagonal, added to it. An input that was always zero
    gets that mean itself: it stands apart from all others, so its errors move nothing.
    """
    check_positive(damping, "damping")
    matrix = matrix.copy()
    diagonal = np.diagonal(matrix).copy()
    mean = float(diagonal.mean()) or 1.0
    np.fill_diagonal(matrix, np.where(diagonal == 0, mean, diagonal) + damping * mean)
    # Of the matrix turned round, so that the upper triangle comes without inverting a full matrix.
    try:
        lower = np.linalg.cholesky(matrix[::-1, ::-1])
    except np.linalg.LinAlgError as error:
        message = f"hessian is not positive definite with damping of {damping}; try a larger one"
        raise InputError(message) from error
    return _invert_upper(np.asarray(lower[::-1, ::-1], dtype=np.float64))


def _invert_upper(upper: NDArray[np.float64]) -> NDArray[np.float64]:
    size = len(upper)
    if size <= _SMALL:
        return np.triu(np.linalg.inv(upper))
    half = size // 2
    out = np.zeros_like(upper)
    first = _invert_upper(upper[:half, :half])
    second = _invert_upper(upper[half:, half:])
    out[:half, :half] = first
    out[half:, half:] = second
    out[:half, half:] = -(first @ upper[:half, half:]) @ second
    return out


def output_error(delta: NDArray[Any], matrix: NDArray[np.float64]) -> float:
    """Mean over the rows of the squared output error that `delta` in the weights makes."""
    delta = delta.astype(np.float64, copy=False)
    return float(np.einsum("ok,ok->", delta @ matrix, delta))
