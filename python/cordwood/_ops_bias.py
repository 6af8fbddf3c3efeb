"""Bias correction: what quantising adds to the mean of a layer's outputs, taken away again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from cordwood._ops_checks import check_vector, check_weights
from cordwood._ops_quantize import dequantize
from cordwood._ops_tensor import QuantizedTensor
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def correct_bias(
    w: ArrayLike,
    quantized: QuantizedTensor | ArrayLike,
    mean_inputs: ArrayLike,
    *,
    bias: ArrayLike | None = None,
) -> NDArray[np.float32]:
    """Return the bias with which a quantised layer has the outputs' old mean.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
        Weights as they were; with a `quantized` whose ``axis`` is 1, outputs are columns.
    quantized : QuantizedTensor or array_like of the shape of `w`
        Weights as they are now.
    mean_inputs : array_like, shape (n_inputs,)
        Mean of each input over the rows that the layer has seen.
    bias : array_like, shape (n_outputs,), optional
        The layer's bias; zeros when absent.

    Returns
    -------
    ndarray of float32, shape (n_outputs,)
        ``bias + (w - quantized) @ mean_inputs``.

    Raises
    ------
    InputError
        If shapes do not fit, or a value is NaN or infinite.

    References
    ----------
    M. Nagel, M. van Baalen, T. Blankevoort, M. Welling, "Data-Free Quantization Through Weight
    Equalization and Bias Correction", ICCV 2019.
    """
    before, now = check_weights(w), _weights(quantized)
    if isinstance(quantized, QuantizedTensor) and quantized.axis == 1:
        before = np.ascontiguousarray(before.T)
    if before.shape != now.shape:
        message = (
            f"w has shape {before.shape} and quantized {now.shape}, outputs first; expected one"
        )
        raise InputError(message)
    n_outputs, n_inputs = before.shape
    mean = check_vector(mean_inputs, "mean_inputs", n_inputs)
    old = np.zeros(n_outputs) if bias is None else check_vector(bias, "bias", n_outputs)
    moved = (before.astype(np.float64) - now) @ mean
    return np.asarray(old + moved, dtype=np.float32)


def _weights(quantized: QuantizedTensor | ArrayLike) -> NDArray[np.float32]:
    """Return quantised weights, outputs first."""
    if not isinstance(quantized, QuantizedTensor):
        return check_weights(quantized)
    found = dequantize(quantized)
    return found if quantized.axis == 0 else found.T
