"""Quantise a matrix by a method that is named, and turn codes back into weights."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from cordwood._device_rows import is_on_device
from cordwood._ops_checks import (
    check_axis,
    check_inputs,
    check_matrix,
    check_weights,
)
from cordwood._ops_clip import clipped_scales
from cordwood._ops_form import Form, decode, encode, nearest
from cordwood._ops_gptq import gptq
from cordwood._ops_hessian import find_hessian
from cordwood._ops_quantize_there import dequantize_there, quantize_there
from cordwood._ops_tensor import Bits, QuantizedTensor, ScaleType
from cordwood._threads import check_threads
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Method = Literal["rtn", "mse", "gptq"]


def quantize(  # noqa: PLR0913 - each a property of the result, or what its method looks at
    w: ArrayLike,
    *,
    bits: Bits = 8,
    group_size: int | None = None,
    method: Method = "rtn",
    axis: int = 0,
    symmetric: bool = True,
    scale_dtype: ScaleType = "float32",
    inputs: ArrayLike | None = None,
    hessian: ArrayLike | None = None,
    threads: int | None = None,
) -> QuantizedTensor:
    """Quantise a matrix of weights to a few bits.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
        Weights as ``torch.nn.Linear`` keeps them; with ``axis=1`` outputs are columns.
        float32 and float64 of any strides are read where they lie, other numbers are converted.
        Or an array of a CUDA device, CuPy's or torch's: the result's arrays are of its library, and
        lie there; by the methods ``"rtn"`` and ``"mse"`` without `inputs`.
    bits : {8, 4, 3, 2}
        Bits of a code.
    group_size : int, optional
        Inputs that share a scale, a multiple of 32; without one, all inputs of an output do.
    method : {"rtn", "mse", "gptq"}
        ``"rtn"`` takes scales from the range of each group and rounds to nearest. ``"mse"`` narrows
        the range to where the squared error is least; with `inputs` or `hessian`, the error times
        the mean square of the input. ``"gptq"`` is :func:`gptq` and needs one of the two.
    axis : {0, 1}
        Axis of the outputs.
    symmetric : bool
        Zero stands in the middle of the codes; else each group has a zero point.
    scale_dtype : {"float32", "float16"}
        Type that scales are stored in.
    inputs : array_like, shape (n_rows, n_inputs), optional
        Rows that the layer has seen.
    hessian : array_like, shape (n_inputs, n_inputs), optional
        Instead of `inputs`: :func:`hessian` of them.
    threads : int, optional
        Most threads that may work; all permitted cores when absent.

    Returns
    -------
    QuantizedTensor

    Raises
    ------
    InputError
        If a weight is NaN, infinite or too large for float32, an option is none of the above, or a
        method lacks what it looks at.
    InputTypeError
        If `w` is no array of numbers.

    References
    ----------
    M. Nagel et al., "A White Paper on Neural Network Quantization", 2021, section 2 and 3.1.
    """
    form = Form(bits, group_size, symmetric, scale_dtype)
    check_axis(axis)
    n_threads = check_threads(threads) or 0
    if is_on_device(w):
        if inputs is not None or hessian is not None:
            message = "w lies on a CUDA device, where no method looks at inputs or hessian"
            raise InputError(message)
        return quantize_there(w, form, method, axis)
    array = check_matrix(w, "w", "two dimensions, (n_outputs, n_inputs)")
    if method == "rtn":
        if inputs is not None or hessian is not None:
            message = (
                "method 'rtn' looks at no inputs; leave inputs and hessian out, or name another"
            )
            raise InputError(message)
        return nearest(array, form, axis, n_threads)
    weights = check_weights(array if axis == 0 else array.T)
    if method == "mse":
        importance = _importance(inputs, hessian, weights.shape[1])
        scales, zeros = clipped_scales(weights, form, importance)
        tensor = encode(weights, scales, None if symmetric else zeros, form, n_threads)
    elif method == "gptq":
        tensor = gptq(
            weights, inputs=inputs, hessian=hessian, bits=bits, group_size=group_size,
            symmetric=symmetric, scale_dtype=scale_dtype,
        )  # fmt: skip
    else:
        message = (
            f"method is {method!r}; expected 'rtn', 'mse' or 'gptq' "
            "(cordwood.ops.awq scales inputs too, and returns both)"
        )
        raise InputError(message)
    return tensor if axis == 0 else tensor.with_axis(axis)


def dequantize(
    q: QuantizedTensor, *, out: NDArray[np.float32] | None = None, threads: int | None = None
) -> NDArray[np.float32]:
    """Return the weights that codes stand for: ``scale * (code - zero)``.

    Parameters
    ----------
    q : QuantizedTensor
    out : ndarray of float32, shape (n_outputs, n_inputs) along `axis`, optional
        Array to write to, C-ordered for ``axis=0`` and Fortran-ordered for ``axis=1``; large
        matrices take longer to get memory for than to write. It lies where `q` does.
    threads : int, optional
        Most threads that may work; all permitted cores when absent.

    Returns
    -------
    ndarray of float32, shape of `q`
        `out` where it is given; an array of the library of `q` where that lies on a CUDA device.

    Raises
    ------
    InputError
        If `out` has another shape or order, or is read-only.
    InputTypeError
        If `q` is no QuantizedTensor, or `out` is not of float32.
    """
    if not isinstance(q, QuantizedTensor):
        message = f"q is a {type(q).__name__}; expected a QuantizedTensor, which quantize returns"
        raise InputTypeError(message)
    n_threads = check_threads(threads) or 0
    if is_on_device(q.payload):
        there: NDArray[np.float32] = dequantize_there(q, out)
        return there
    if out is None:
        rows = np.empty((q.n_outputs, q.n_inputs), np.float32)
        decode(q, rows, n_threads)
        return rows if q.axis == 0 else rows.T
    kind = getattr(out, "dtype", type(out).__name__)
    if kind != np.float32:
        message = f"out is of {kind}; expected an array of float32"
        raise InputTypeError(message)
    rows = out if q.axis == 0 else out.T
    if out.shape != q.shape or not rows.flags.carray:
        message = (
            f"out has shape {out.shape} and strides {out.strides}; expected shape {q.shape}, "
            f"writeable, {'C' if q.axis == 0 else 'Fortran'} order"
        )
        raise InputError(message)
    decode(q, rows, n_threads)
    return out


def _importance(
    inputs: ArrayLike | None, hessian: ArrayLike | None, n_inputs: int
) -> NDArray[np.float32] | None:
    """Mean square of each input, the mean of them 1; None without rows."""
    if inputs is None and hessian is None:
        return None
    if inputs is not None and hessian is None:
        rows = check_inputs(inputs, n_inputs)
        squares = np.mean(np.square(rows, dtype=np.float64), axis=0)
    else:
        squares = np.diagonal(find_hessian(inputs, hessian, n_inputs))
    if not np.isfinite(squares).all():
        message = "inputs are so large that their squares are infinite; expected a layer's inputs"
        raise InputError(message)
    mean = float(squares.mean()) or 1.0
    return np.asarray(squares / mean, dtype=np.float32)
