"""Answers to rows in a device's memory, which stay there."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._device_rows import answer_address, described
from cordwood.errors import InputError, InputTypeError, UnsupportedMethodError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood import _core
    from cordwood._device_rows import DeviceRows
    from cordwood._typing import AnyArray

__all__ = ["answer_there"]


def answer_there(
    native: _core.Model,
    target: str,
    rows: DeviceRows,
    *,
    flat: bool,
    classes: AnyArray | Sequence[AnyArray] | None,
    out: Any = None,
) -> Any:
    """Answer rows of a device with an array of the same library on the same device.

    Parameters
    ----------
    native : _core.Model
        A model of rows of values.
    target : str
        One of its targets.
    rows : DeviceRows
        In the memory of the device that the model is on.
    flat : bool
        Whether an answer of one column has shape (n_rows,).
    classes : ndarray, sequence of ndarray, or None
        Labels by class index, for each output where there are several.
    out : array, optional
        Of the answer's shape and type, C-ordered, on the same device: where to write it.

    Returns
    -------
    array of shape (n_rows, columns) or (n_rows,)
        Ordered by the stream that is the library's current one: nothing waits for it, unless the
        source of the model refuses missing values.

    Raises
    ------
    InputError, InputTypeError
        The rows have another shape or type than the model's, or `out` than the answer.
    UnsupportedMethodError
        The answer is none that a device holds: labels that are text, a list of tables, a matrix of
        embeddings.
    DeviceError
        The rows lie elsewhere than the model, or no library is there to hold the answer.
    """
    if rows.shape[1] != native.n_features:
        message = f"rows have {rows.shape[1]} features, the model expects {native.n_features}"
        raise InputError(message)
    labels = _labels(target, classes)
    columns, dtype = native.form(target)
    shape = (rows.shape[0],) if flat and columns == 1 else (rows.shape[0], columns)
    answer = rows.new(shape, dtype) if out is None else out
    address = answer_address(answer, shape, dtype)
    if address is None:
        message = (
            f"out is {described(out)}; expected a writable C-ordered {dtype} array of shape "
            f"{shape} on the device of X"
        )
        raise InputError(message)
    if out is not None and rows.meets(address, math.prod(shape) * dtype.itemsize):
        message = "out shares memory with X; expected an array of its own"
        raise InputError(message)
    if rows.shape[0] > 0:
        native.run_there(
            target,
            data=rows.address,
            shape=rows.shape,
            strides=rows.strides,
            dtype=rows.dtype,
            out=address,
            stream=rows.stream,
        )
    if labels is None:
        return answer
    with rows.place():
        return rows.like(labels)[answer]


def _labels(target: str, classes: AnyArray | Sequence[AnyArray] | None) -> np.ndarray | None:
    """Return the labels that class indices pick from; None where the answer is what it is."""
    if target == "embedding":
        message = "transform gives a matrix of the host; copy the rows there"
        raise UnsupportedMethodError(message)
    if target not in {"label", "probability"} or classes is None:
        return None
    if not isinstance(classes, np.ndarray):
        message = f"the model answers for {len(classes)} outputs; copy the rows to the host"
        raise UnsupportedMethodError(message)
    if target == "probability":
        return None
    if classes.dtype.kind not in "biuf":
        message = (
            f"the labels are {classes.dtype}, which no device holds; ask predict_proba, or copy "
            "the rows to the host"
        )
        raise InputTypeError(message)
    return classes
