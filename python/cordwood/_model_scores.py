"""Accuracy and R^2 as scikit-learn computes them, without it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float64Array

__all__ = ["accuracy", "r_squared"]


def accuracy(y: Any, labels: AnyArray, sample_weight: Any = None) -> float:
    """Return the share of rows whose labels are all right, by weight.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        True labels.
    labels : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Answers of a classifier.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.

    Raises
    ------
    InputError
        Shapes do not fit, or there is no weight to divide by.
    InputTypeError
        `sample_weight` holds something that is no number.
    """
    truth = _as_table(y, labels)
    weight = _weights(sample_weight, len(labels))
    # As objects, so that text and numbers can be compared: they are never equal.
    right = (truth.astype(object) == labels.astype(object).reshape(truth.shape)).all(axis=1)
    return float(np.average(right.astype(np.float64), weights=weight))


def r_squared(y: Any, estimates: AnyArray, sample_weight: Any = None) -> float:
    """Return the coefficient of determination, the mean of those of all outputs.

    Parameters
    ----------
    y : array-like of shape (n_rows,) or (n_rows, n_outputs)
        True values.
    estimates : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Answers of a regressor.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.

    Returns
    -------
    float
        NaN for fewer than two rows. An output that does not vary counts 1 where it is met and 0
        elsewhere.

    Raises
    ------
    InputError, InputTypeError
        As for `accuracy`; besides, `y` holds something that is no number.
    """
    truth = _numbers(_as_table(y, estimates), "y")
    weight = _weights(sample_weight, len(estimates))
    if len(truth) < 2:  # noqa: PLR2004 - one value does not vary
        return float("nan")
    guess = estimates.astype(np.float64).reshape(truth.shape)
    mean = np.average(truth, axis=0, weights=weight)
    missed = weight @ (truth - guess) ** 2
    varied = weight @ (truth - mean) ** 2
    ratio = np.divide(missed, varied, out=(missed != 0).astype(np.float64), where=varied != 0)
    return float(np.mean(1.0 - ratio))


def _as_table(y: Any, answers: AnyArray) -> AnyArray:
    """Return `y` with two axes; its outputs are those of the answers."""
    try:
        truth = np.asarray(y)
    except ValueError as error:
        message = f"y cannot be made an array: {error}"
        raise InputError(message) from error
    expected = answers if answers.ndim > 1 else answers.reshape(-1, 1)
    table = truth if truth.ndim > 1 else truth.reshape(-1, 1)
    if table.shape != expected.shape:
        message = f"y has shape {truth.shape}, expected {answers.shape}, that of the answers"
        raise InputError(message)
    return table


def _weights(given: Any, n_rows: int) -> Float64Array:
    weight = np.ones(n_rows) if given is None else _numbers(given, "sample_weight")
    if weight.shape != (n_rows,):
        message = f"sample_weight has shape {weight.shape}, expected ({n_rows},), one for each row"
        raise InputError(message)
    if weight.sum() == 0:
        message = "the weights of all rows sum to 0, expected some weight; pass rows to score"
        raise InputError(message)
    return weight


def _numbers(given: Any, name: str) -> Float64Array:
    try:
        return np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError) as error:
        message = f"{name} is not an array of numbers: {error}"
        raise InputTypeError(message) from error
