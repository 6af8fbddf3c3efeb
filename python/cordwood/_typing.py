"""Array aliases: element type in the name; shapes stand in each parameter's documentation."""

from __future__ import annotations

from typing import TypeAlias, Union

import numpy as np
import numpy.typing as npt

__all__ = [
    "AnyArray",
    "BoolArray",
    "Float32Array",
    "Float64Array",
    "FloatArray",
    "Int32Array",
    "Int64Array",
]

AnyArray: TypeAlias = npt.NDArray[np.generic]
BoolArray: TypeAlias = npt.NDArray[np.bool_]
Int32Array: TypeAlias = npt.NDArray[np.int32]
Int64Array: TypeAlias = npt.NDArray[np.int64]
Float32Array: TypeAlias = npt.NDArray[np.float32]
Float64Array: TypeAlias = npt.NDArray[np.float64]
FloatArray: TypeAlias = Union[Float32Array, Float64Array]  # noqa: UP007 - evaluated on 3.10 too
