"""AWQ: inputs that matter are scaled up before weights are rounded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from cordwood._ops_checks import check_inputs, check_share, check_vector, check_weights
from cordwood._ops_clip import clipped_scales
from cordwood._ops_form import Form, decode, encode, nearest
from cordwood._ops_hessian import hessian, output_error
from cordwood._ops_tensor import Bits, QuantizedTensor, ScaleType
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

_LEAST_SCALE = 1e-4
_STEPS = 20


@dataclass(frozen=True, eq=False)
class ScaledWeights:
    """Quantised weights of a layer whose inputs are to be divided.

    Attributes
    ----------
    scales : ndarray of float32, shape (n_inputs,)
        What each input is divided by: fold it into the operation before, or divide the inputs.
    quantized : QuantizedTensor
        The weights, each input's times its scale: ``y = (x / scales) @ dequantize(quantized).T``.
    exponent : float
        Of the mean absolute inputs; 0 where scaling does not help.
    error, error_nearest : float
        Mean squared output error on the rows given, with the scales and with plain rounding.
    """

    scales: NDArray[np.float32]
    quantized: QuantizedTensor
    exponent: float
    error: float
    error_nearest: float


def awq(
    w: ArrayLike,
    inputs: ArrayLike,
    *,
    bits: Bits = 4,
    group_size: int | None = 128,
    symmetric: bool = True,
    scale_dtype: ScaleType = "float32",
    clip: bool = True,
) -> ScaledWeights:
    """Scale the inputs that matter up, weights being rounded, and find by how much.

    The scale of an input is its mean magnitude raised to an exponent from 0 to 1; of 21, the one
    with the least output error on `inputs` is taken. Errors are products with the full matrix of
    second moments, so the time grows with ``n_outputs * n_inputs ** 2``.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    inputs : array_like, shape (n_rows, n_inputs)
        Rows that the layer has seen.
    bits, group_size, symmetric, scale_dtype
        As in :func:`quantize`.
    clip : bool
        Narrow the ranges too, as method ``"mse"`` does, where that lowers the output error.

    Returns
    -------
    ScaledWeights

    Raises
    ------
    InputError
        If shapes do not fit, or a value is NaN or infinite.

    References
    ----------
    J. Lin et al., "AWQ: Activation-aware Weight Quantization for LLM Compression and Acceleration",
    MLSys 2024.
    """
    form = Form(bits, group_size, symmetric, scale_dtype)
    weights = check_weights(w)
    rows = check_inputs(inputs, weights.shape[1])
    moments = hessian(rows)
    magnitude = np.maximum(np.abs(rows).mean(axis=0, dtype=np.float64), _LEAST_SCALE)
    tried = [_try(weights, moments, magnitude, step / _STEPS, form) for step in range(_STEPS + 1)]
    error, exponent = min(tried)
    scales = _scales(magnitude, exponent)
    scaled = weights * scales
    tensor = nearest(scaled, form)
    if clip:
        importance = np.diagonal(moments) / scales.astype(np.float64) ** 2
        importance = importance / (float(importance.mean()) or 1.0)
        steps, zeros = clipped_scales(scaled, form, importance.astype(np.float32))
        clipped = encode(scaled, steps, None if symmetric else zeros, form)
        clipped_error = _error(weights, scales, clipped, moments)
        if clipped_error < error:
            tensor, error = clipped, clipped_error
    return ScaledWeights(scales, tensor, exponent, error, tried[0][0])


def smooth_scales(w: ArrayLike, input_max: ArrayLike, *, alpha: float = 0.5) -> NDArray[np.float32]:
    """Move the large inputs' difficulty into the weights, where both are quantised.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
    input_max : array_like, shape (n_inputs,)
        Largest magnitude of each input over the rows that the layer has seen.
    alpha : float
        How much of it moves, from 0 to 1.

    Returns
    -------
    ndarray of float32, shape (n_inputs,)
        ``input_max ** alpha / max(abs(w)) ** (1 - alpha)``: divide inputs by it and multiply each
        input's weights; 1 where either maximum is 0.

    Raises
    ------
    InputError
        If shapes do not fit, a value is NaN or infinite, a maximum is negative, or `alpha` does not
        lie from 0 to 1.

    References
    ----------
    G. Xiao et al., "SmoothQuant: Accurate and Efficient Post-Training Quantization for Large
    Language Models", ICML 2023.
    """
    weights = check_weights(w)
    check_share(alpha, "alpha")
    top = check_vector(input_max, "input_max", weights.shape[1])
    if (top < 0).any():
        message = f"input_max is {top.min()} somewhere; expected largest magnitudes"
        raise InputError(message)
    weight_top = np.abs(weights).max(axis=0).astype(np.float64)
    both = (top > 0) & (weight_top > 0)
    safe_top, safe_weight = np.where(both, top, 1.0), np.where(both, weight_top, 1.0)
    return np.asarray(safe_top**alpha / safe_weight ** (1.0 - alpha), dtype=np.float32)


def _scales(magnitude: NDArray[np.float64], exponent: float) -> NDArray[np.float32]:
    scales = np.maximum(magnitude**exponent, _LEAST_SCALE)
    return np.asarray(scales / np.sqrt(scales.max() * scales.min()), dtype=np.float32)


def _error(
    w: NDArray[np.float32],
    scales: NDArray[np.float32],
    tensor: QuantizedTensor,
    moments: NDArray[np.float64],
) -> float:
    found = np.empty_like(w)
    decode(tensor, found)
    return output_error(found / scales.astype(np.float64) - w, moments)


def _try(
    w: NDArray[np.float32],
    moments: NDArray[np.float64],
    magnitude: NDArray[np.float64],
    exponent: float,
    form: Form,
) -> tuple[float, float]:
    scales = _scales(magnitude, exponent)
    return _error(w, scales, nearest(w * scales, form), moments), exponent
