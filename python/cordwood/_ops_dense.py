"""Weight matrices kept as numbers: float32, float16 or bfloat16."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood._ops_checks import MATRIX, as_real, check_axis
from cordwood._ops_prepared import Prepared
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

FloatType = Literal["float32", "float16", "bfloat16"]

_INFINITY = 0x7F80  # bits of bfloat16


@dataclass(frozen=True, eq=False)
class DenseTensor(Prepared):
    """A matrix of weights as numbers, made by :func:`cordwood.ops.pack_dense`.

    Attributes
    ----------
    numbers : ndarray, shape (n_outputs, n_inputs)
        float32, float16, or the upper halves of float32 as uint16 for bfloat16; read-only.
    dtype : str
        ``"float32"``, ``"float16"`` or ``"bfloat16"``.
    axis : int
        Axis of the original array that holds the outputs.
    """

    numbers: NDArray[Any]
    dtype: FloatType
    axis: int = 0

    @property
    def n_outputs(self) -> int:
        """Outputs of a product."""
        return int(self.numbers.shape[0])

    @property
    def n_inputs(self) -> int:
        """Inputs of a product."""
        return int(self.numbers.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array that was packed."""
        shape = (self.n_outputs, self.n_inputs)
        return shape if self.axis == 0 else shape[::-1]

    @property
    def nbytes(self) -> int:
        """Bytes of the numbers."""
        return int(self.numbers.nbytes)

    def __repr__(self) -> str:
        """Shape, type and size in one line."""
        return (
            f"DenseTensor({self.shape[0]} x {self.shape[1]}, {self.dtype}, {self.nbytes:,} bytes)"
        )


def pack_dense(w: ArrayLike, dtype: FloatType = "bfloat16", *, axis: int = 0) -> DenseTensor:
    """Keep a weight matrix as numbers of 16 or 32 bits, for :func:`cordwood.ops.qmatmul`.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
        Weights; with ``axis=1`` of shape (n_inputs, n_outputs).
    dtype : {"bfloat16", "float16", "float32"}
        Type to keep, rounded half to even.
    axis : {0, 1}
        Axis of the outputs.

    Returns
    -------
    DenseTensor

    Raises
    ------
    InputTypeError
        If `w` does not hold real numbers.
    InputError
        If `w` is not a matrix, a weight is NaN or infinite, or becomes so in `dtype`.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> cw.ops.pack_dense(np.eye(3), "float16")
    DenseTensor(3 x 3, float16, 18 bytes)
    """
    array = as_real(w, "w")
    if array.ndim != MATRIX or array.size == 0:
        message = f"w has shape {array.shape}; expected a matrix that is not empty"
        raise InputError(message)
    check_axis(axis)
    if axis == 1:
        array = array.T
    numbers: NDArray[Any]
    with np.errstate(over="ignore"):
        if dtype == "bfloat16":
            numbers = _to_bfloat16(np.ascontiguousarray(array, dtype=np.float32))
            finite = (numbers & _INFINITY) != _INFINITY
        elif dtype in ("float16", "float32"):
            numbers = np.array(array, dtype=dtype, order="C")
            finite = np.isfinite(numbers)
        else:
            message = f"dtype is {dtype!r}; expected 'bfloat16', 'float16' or 'float32'"
            raise InputError(message)
    if not finite.all():
        output, position = np.argwhere(~finite)[0]
        message = (
            f"the weight of output {output} and input {position}, {array[output, position]}, "
            f"is no finite {dtype}"
        )
        raise InputError(message)
    numbers.flags.writeable = False
    return DenseTensor(numbers, dtype, axis)


def _to_bfloat16(numbers: NDArray[np.float32]) -> NDArray[np.uint16]:
    """Upper halves of float32, rounded half to even; what is not finite stays so."""
    bits = numbers.view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16
    return np.where(np.isfinite(numbers), rounded, _INFINITY).astype(np.uint16)
