"""Quantised matrices in a CUDA device's memory: made there, and turned back into weights."""

from __future__ import annotations

from typing import Any

import numpy as np

from cordwood._device_rows import DeviceRows, is_on_device, of_library
from cordwood._model_devices import cuda_functions
from cordwood._ops_clip import RATIOS
from cordwood._ops_form import Form
from cordwood._ops_tensor import QuantizedTensor, count_groups
from cordwood.errors import InputError, InputTypeError

_AXES = "(n_outputs, n_inputs)"
_BYTE, _HALF = np.dtype(np.uint8), np.dtype(np.float16)
_FLOAT, _DOUBLE = np.dtype(np.float32), np.dtype(np.float64)


def quantize_there(w: Any, form: Form, method: str, axis: int) -> QuantizedTensor:
    """Quantise weights of a device; :func:`cordwood.ops.quantize` says how.

    Parameters
    ----------
    w : array of shape (n_outputs, n_inputs)
        In a CUDA device's memory.
    form : Form
    method : {"rtn", "mse"}
    axis : {0, 1}
        Axis of the outputs.

    Returns
    -------
    QuantizedTensor
        Its arrays are of `w`'s library, on `w`'s device.
    """
    if method not in ("rtn", "mse"):
        message = (
            f"method is {method!r} and w lies on a CUDA device, which has 'rtn' and 'mse'; "
            "copy w to the host for any other"
        )
        raise InputError(message)
    given = DeviceRows.of(of_library(w), "w", _AXES, halves=True)
    if 0 in given.shape:
        message = (
            f"w has shape {given.shape}; expected two dimensions, (n_outputs, n_inputs), "
            "neither of them 0"
        )
        raise InputError(message)
    # The host reads integers as float64, and rounds these.
    steps = (_FLOAT,) if given.dtype.kind == "f" else (_DOUBLE, _FLOAT)
    rows = given.packed(*steps, turned=axis == 1)
    n_outputs, n_inputs = rows.shape
    groups = (n_outputs, count_groups(n_inputs, form.group_size))
    halves = form.scale_dtype == "float16"
    payload = rows.new((n_outputs, -(-n_inputs * form.bits // 8)), _BYTE)
    scales = rows.new(groups, _HALF if halves else _FLOAT)
    zeros = None if form.symmetric else rows.new(groups, _BYTE)
    bad = cuda_functions().quantize_weights(
        rows.address, shape=rows.shape, payload=_address(payload), scales=_address(scales),
        zeros=_address(zeros), bits=form.bits, group_size=form.group_size or 0,
        half_scales=halves, ratios=[] if method == "rtn" else RATIOS.tolist(), stream=rows.stream,
    )  # fmt: skip
    if bad is not None:
        output, place = divmod(bad, n_inputs)
        _refuse(float(rows.array[output, place]), output, place, method)
    return QuantizedTensor(
        payload, scales, zeros, form.bits, form.group_size, n_outputs, n_inputs, axis
    )


def dequantize_there(q: QuantizedTensor, out: Any) -> Any:
    """Return the weights that codes of a device stand for.

    Parameters
    ----------
    q : QuantizedTensor
        Its arrays lie on a device.
    out : array of float32, of `q`'s shape, or None
        Where they go: C-ordered for ``axis=0``, Fortran-ordered for ``axis=1``.

    Returns
    -------
    array of float32, of `q`'s shape
    """
    payload = DeviceRows.of(q.payload, "payload", "(n_outputs, bytes)")
    n_groups = count_groups(q.n_inputs, q.group_size)
    scales = _checked(q.scales, "scales", (_FLOAT, _HALF), (q.n_outputs, n_groups))
    _checked(q.payload, "payload", (_BYTE,), (q.n_outputs, -(-q.n_inputs * q.bits // 8)))
    zeros = 0
    if q.zero_points is not None:
        zeros = _checked(q.zero_points, "zero_points", (_BYTE,), (q.n_outputs, n_groups)).address
    shape = (q.n_outputs, q.n_inputs)
    made = payload.new(shape, _FLOAT) if out is None else _target(out, q).array
    cuda_functions().dequantize_weights(
        payload.address, scales.address, zeros, _address(made), shape=shape, bits=q.bits,
        group_size=q.group_size or 0, half_scales=scales.dtype == _HALF, stream=payload.stream,
    )  # fmt: skip
    if out is not None:
        return out
    return made if q.axis == 0 else made.T


def _checked(
    array: Any, name: str, dtypes: tuple[np.dtype[Any], ...], shape: tuple[int, int]
) -> DeviceRows:
    if is_on_device(array):
        rows = DeviceRows.of(array, name, "(n_outputs, n)", halves=True)
        if rows.dtype in dtypes and rows.shape == shape and rows.is_packed:
            return rows
    names = " or ".join(str(dtype) for dtype in dtypes)
    message = f"{name} is no C-ordered {names} array of shape {shape} in a CUDA device's memory"
    raise InputTypeError(message)


def _target(out: Any, q: QuantizedTensor) -> DeviceRows:
    """Read what answers go to, outputs first."""
    if is_on_device(out):
        rows = DeviceRows.of(out if q.axis == 0 else out.T, "out", _AXES)
        shape = (q.n_outputs, q.n_inputs)
        fits = rows.address == _address(out) and (rows.dtype, rows.shape) == (_FLOAT, shape)
        if fits and rows.is_packed and not rows.is_read_only:
            return rows
    message = (
        f"out is no writable float32 array of shape {q.shape} in "
        f"{'C' if q.axis == 0 else 'Fortran'} order on the device of q"
    )
    raise InputError(message)


def _refuse(value: float, output: int, place: int, method: str) -> None:
    """Raise for a weight that is not finite, in the words that the host has for it."""
    if method == "mse":
        message = f"w holds {value} at row {output}, column {place}; it must be finite"
    elif np.isnan(value):
        message = f"weights: output {output}, input {place} is NaN"
    else:
        message = f"weights: output {output}, input {place} is infinite or too large for float32"
    raise InputError(message)


def _address(array: Any) -> int:
    return 0 if array is None else int(array.__cuda_array_interface__["data"][0])
