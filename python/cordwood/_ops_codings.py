"""Activations and answers of products as 8-bit codes: options, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _core
from cordwood._ops_calls import as_matrix, as_rows
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

CodedActivations = Literal["int8", "uint8"]
OutputType = Literal["float32", "int8", "uint8"]

_LEAST_SCALE, _MOST_SCALE = 2.0**-100, float(np.finfo(np.float32).max)
_RANGES = {"int8": (-128, 127), "uint8": (0, 255)}
_CODES = (np.dtype(np.int8), np.dtype(np.uint8))


CodedRows = tuple["NDArray[Any]", tuple[int, ...], float, "_core.Coding | None"]
"""Rows or codes, the dimensions before the last, the scale of int8, the coding of all others."""

DYNAMIC = _core.Coding("uint8", 0.0, 0)
"""Of uint8 activations that have scales and zero points of their own."""


def as_coded_rows(
    x: ArrayLike, activations: str, scale: float | None, zero: int | None
) -> CodedRows:
    """Activations of a product with int8 or uint8, by a given scale, or as codes of it."""
    if scale is None:
        message = f"activation_zero is {zero} without an activation_scale; expected both"
        raise InputError(message)
    scale = check_scale(scale, "activation_scale")
    given = np.asarray(x)
    if given.dtype in _CODES:
        if given.dtype != activations:
            message = (
                f"x holds {given.dtype} codes and activations is {activations!r}; "
                "expected the same type, or numbers of float32"
            )
            raise InputError(message)
        return (*as_matrix(given), 0.0, _coding(activations, scale, zero, "activation_zero"))
    if activations == "uint8":
        return (*as_rows(x), 0.0, _coding("uint8", scale, zero, "activation_zero"))
    if zero:
        message = (
            f"activation_zero is {zero}; int8 has none where float32 is quantised: "
            "expected 0, codes for x, or activations='uint8'"
        )
        raise InputError(message)
    return (*as_rows(x), scale, None)


def output_coding(output_type: str, scale: float | None, zero: int | None) -> _core.Coding | None:
    """Give the codes that answers become; None where they stay float32."""
    if output_type == "float32":
        given = {"output_scale": scale, "output_zero": zero}
        for name, value in given.items():
            if value is not None:
                message = f"{name} is {value}; it belongs to an output_type of 'int8' or 'uint8'"
                raise InputError(message)
        return None
    if output_type not in _RANGES:
        message = f"output_type is {output_type!r}; expected 'float32', 'int8' or 'uint8'"
        raise InputError(message)
    if scale is None:
        message = f"output_type is {output_type!r} without an output_scale; expected both"
        raise InputError(message)
    return _coding(output_type, check_scale(scale, "output_scale"), zero, "output_zero")


def check_scale(scale: float, name: str) -> float:
    """Raise unless `scale` can be the scale of codes."""
    if not _LEAST_SCALE <= scale <= _MOST_SCALE:
        message = f"{name} is {scale}; expected a finite float32 of at least 2**-100"
        raise InputError(message)
    return float(scale)


def _coding(dtype: str, scale: float, zero: Any, name: str) -> _core.Coding:
    if zero is None:
        return _core.Coding(dtype, scale, 0)
    if not isinstance(zero, (int, np.integer)) or isinstance(zero, bool):
        message = f"{name} is {zero!r}; expected an integer"
        raise InputTypeError(message)
    least, most = _RANGES[dtype]
    if not least <= zero <= most:
        message = f"{name} is {zero}; expected one of {dtype}, {least} to {most}"
        raise InputError(message)
    return _core.Coding(dtype, scale, int(zero))
