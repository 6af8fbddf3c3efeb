"""Sparse matrices of int8 weights and their products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np

from cordwood import _core
from cordwood._ops_calls import (
    Activation,
    as_floats,
    as_residual,
    as_rows,
    check_out,
    cut_of,
)
from cordwood._ops_checks import MATRIX, check_axis
from cordwood._ops_codings import (
    DYNAMIC,
    CodedActivations,
    OutputType,
    as_coded_rows,
    output_coding,
)
from cordwood._ops_prepared import Prepared
from cordwood._ops_quantize import quantize
from cordwood._ops_sparse_formats import (
    KINDS,
    MOST_INPUTS,
    SparseFormat,
    choose_format,
    first_misfit,
)
from cordwood._ops_tensor import QuantizedTensor
from cordwood._threads import check_threads
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

SparseBits = Literal[8]

_ZERO = np.uint8(128)


@dataclass(frozen=True, eq=False)
class SparseTensor(Prepared):
    """A matrix of int8 weights of which a mask keeps some.

    Made by :func:`cordwood.ops.pack_sparse`. Its arrays are read-only; ``docs/quantization.md``
    defines what they mean.

    Attributes
    ----------
    mask_bits : ndarray of uint8, shape (n_outputs, ceil(n_inputs / 8))
        Which weights stay, a bit each, from the lowest bit of the first byte up.
    values : ndarray of int8, shape (n_kept,)
        Codes of those weights, output by output.
    scales : ndarray of float32, shape (n_outputs, 1)
        What a code of 1 stands for.
    format : {"2:4", "blocks", "slots", "dense"}
        How products use it: two of four neighbours, inputs shared by 16 outputs, any few of 64
        neighbours, or as if no weight were missing.
    n_outputs, n_inputs : int
        Size of the matrix.
    axis : int
        Axis of the original array that holds the outputs.
    """

    mask_bits: NDArray[np.uint8]
    values: NDArray[np.int8]
    scales: NDArray[np.float32]
    format: SparseFormat
    n_outputs: int
    n_inputs: int
    axis: int = 0

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array that was packed."""
        shape = (self.n_outputs, self.n_inputs)
        return shape if self.axis == 0 else shape[::-1]

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Which weights stay, shape (n_outputs, n_inputs)."""
        bits = np.unpackbits(self.mask_bits, axis=1, count=self.n_inputs, bitorder="little")
        return bits.view(np.bool_)

    @property
    def codes(self) -> NDArray[np.int8]:
        """Signed codes one by one, zero where the mask keeps none, shape (n_outputs, n_inputs)."""
        codes = np.zeros((self.n_outputs, self.n_inputs), dtype=np.int8)
        codes[self.mask] = self.values
        return codes

    @property
    def density(self) -> float:
        """Share of the weights that stay."""
        return self.values.size / (self.n_outputs * self.n_inputs)

    @property
    def nbytes(self) -> int:
        """Bytes of mask, codes and scales."""
        return self.mask_bits.nbytes + self.values.nbytes + self.scales.nbytes

    def to_dense(self) -> QuantizedTensor:
        """Give the same weights without a mask; products with them are the same, bit for bit.

        Returns
        -------
        QuantizedTensor
        """
        codes = self.codes.view(np.uint8) ^ _ZERO
        return QuantizedTensor.from_codes(codes, self.scales, bits=8, axis=self.axis)

    def __repr__(self) -> str:
        """Shape, share of kept weights, format and size in one line."""
        return (
            f"SparseTensor({self.shape[0]} x {self.shape[1]}, {self.density:.1%} kept, "
            f"format {self.format}, 8 bits per output, {self.nbytes:,} bytes)"
        )


def pack_sparse(
    w: ArrayLike,
    mask: ArrayLike,
    *,
    bits: SparseBits = 8,
    axis: int = 0,
    format: SparseFormat | None = None,  # noqa: A002 - the word that people look for
) -> SparseTensor:
    """Keep the weights that a mask names, as int8 codes with a scale for each output.

    Parameters
    ----------
    w : array_like, shape (n_outputs, n_inputs)
        Weights; with ``axis=1`` of shape (n_inputs, n_outputs).
    mask : array_like of bool, shape of `w`
        True where a weight stays.
    bits : {8}
        Bits of a code.
    axis : {0, 1}
        Axis of the outputs.
    format : {"2:4", "blocks", "slots", "dense"}, optional
        How products shall use the matrix. Left out, the one that costs least by what was measured:
        ``"dense"`` where no other gains a tenth.

    Returns
    -------
    SparseTensor
        Its ``format`` says what was chosen.

    Raises
    ------
    InputTypeError
        If `w` does not hold real numbers or `mask` no booleans.
    InputError
        If shapes do not fit, a weight is NaN or infinite, or the mask does not fit `format`.

    Notes
    -----
    Scales are those of ``docs/quantization.md``, symmetric, of the weights that stay.
    ``docs/kernels.md`` gives the figures behind the choice.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> w = np.arange(64.0 * 64).reshape(64, 64)
    >>> cw.ops.pack_sparse(w, np.arange(64) % 2 == np.zeros((64, 1)))
    SparseTensor(64 x 64, 50.0% kept, format 2:4, 8 bits per output, 2,816 bytes)
    """
    if bits not in get_args(SparseBits):
        message = f"bits is {bits}; sparse weights take 8 bits"
        raise InputError(message)
    weights, kept = _check_weights(w, mask, axis)
    chosen = choose_format(kept) if format is None else _check_format(format, kept)
    dense = quantize(np.where(kept, weights, np.float32(0)), bits=bits)
    mask_bits = np.packbits(kept, axis=1, bitorder="little")
    values = (dense.codes[kept] ^ _ZERO).view(np.int8)
    for array in (mask_bits, values):
        array.flags.writeable = False
    n_outputs, n_inputs = kept.shape
    return SparseTensor(mask_bits, values, dense.scales, chosen, n_outputs, n_inputs, axis)


def sparse_matmul(  # noqa: PLR0913 - what a product is made of, each by its name
    x: ArrayLike,
    weights: SparseTensor,
    *,
    bias: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    activation: Activation | None = None,
    activations: CodedActivations = "int8",
    activation_scale: float | None = None,
    activation_zero: int | None = None,
    output_type: OutputType = "float32",
    output_scale: float | None = None,
    output_zero: int | None = None,
    out: NDArray[Any] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Multiply rows by a sparse weight matrix: ``activation(x @ w.T + bias + residual)``.

    The answer is, bit for bit, that of :func:`cordwood.ops.qmatmul` with ``weights.to_dense()``.

    Parameters
    ----------
    x : array_like, shape (..., n_inputs)
        Activations; each row is quantised on the fly, to int8 or uint8.
    weights : SparseTensor
        From :func:`pack_sparse`. Laid out for the processor at the first product and kept so.
    bias, residual, activation, activations, activation_scale, activation_zero
        As of :func:`cordwood.ops.qmatmul`; `activations` are ``"int8"`` or ``"uint8"``.
    output_type, output_scale, output_zero, out, threads
        The same.

    Returns
    -------
    ndarray of `output_type`, shape (..., n_outputs)

    Raises
    ------
    InputTypeError
        If `x` does not hold real numbers or `weights` is no SparseTensor.
    InputError
        If shapes do not fit, `x` holds NaN or an infinity, or an option is not one of those above.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> w = np.array([[127.0, 0.0, 1.0], [0.0, 64.0, 127.0]], dtype=np.float32)
    >>> cw.ops.sparse_matmul(np.float32([[1.0, -1.0, 1.0]]), cw.ops.pack_sparse(w, w != 0))
    array([[128.,  63.]], dtype=float32)
    """
    multiply = getattr(weights, "_prepared", {}).get("cpu") or _prepare(weights)
    if activations not in ("int8", "uint8"):
        message = f"activations is {activations!r}; expected 'int8' or 'uint8'"
        raise InputError(message)
    if activation_scale is None and activation_zero is None:
        rows, lead = as_rows(x)
        scale, x_coding = 0.0, DYNAMIC if activations == "uint8" else None
    else:
        rows, lead, scale, x_coding = as_coded_rows(
            x, activations, activation_scale, activation_zero
        )
    floats = output_type == "float32" and output_scale is None and output_zero is None
    n_outputs = weights.n_outputs
    y: NDArray[Any] = multiply(
        rows,
        None if bias is None else as_floats(bias, "bias"),
        None if residual is None else as_residual(residual, n_outputs),
        cut_of(activation),
        None if out is None else check_out(out, (*lead, n_outputs), output_type),
        scale,
        check_threads(threads) or 0,
        x_coding,
        None if floats else output_coding(output_type, output_scale, output_zero),
    )
    if out is not None:
        return out
    return y if len(lead) == 1 else y.reshape(*lead, n_outputs)


def _prepare(weights: SparseTensor) -> Callable[..., NDArray[Any]]:
    """Lay weights out for the processor; two threads may both do so, and agree."""
    if not isinstance(weights, SparseTensor):
        message = f"weights is a {type(weights).__name__}; expected what ops.pack_sparse returns"
        raise InputTypeError(message)
    if weights.format == "dense":
        multiply = _dense_product(weights.to_dense())
    else:
        kind = KINDS[weights.format]
        multiply = _core.SparseMatrix(weights.codes, weights.scales, kind=kind).matmul
    weights._prepared["cpu"] = multiply
    return multiply


def _dense_product(weights: QuantizedTensor) -> Callable[..., NDArray[Any]]:
    """Products with weights laid out as if none were missing."""
    matrix = _core.QuantizedMatrix(
        weights.payload, weights.scales, None, bits=8, group_size=0, n_inputs=weights.n_inputs
    )

    def multiply(
        rows: NDArray[Any],
        bias: NDArray[np.float32] | None,
        residual: NDArray[np.float32] | None,
        cut: _core.Cut | None,
        out: NDArray[Any] | None,
        static_scale: float,
        *others: Any,
    ) -> NDArray[Any]:
        return matrix.matmul(rows, bias, residual, cut, out, False, static_scale, 0, *others)

    return multiply


def _check_weights(
    w: ArrayLike, mask: ArrayLike, axis: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Weights and mask, outputs first."""
    weights = as_floats(w, "w")
    kept = np.asarray(mask)
    if weights.ndim != MATRIX or weights.size == 0:
        message = f"w has shape {weights.shape}; expected a matrix that is not empty"
        raise InputError(message)
    check_axis(axis)
    if kept.dtype != np.bool_:
        message = f"mask has dtype {kept.dtype}; expected bool, True where a weight stays"
        raise InputTypeError(message)
    if kept.shape != weights.shape:
        message = f"mask has shape {kept.shape}; expected that of w, {weights.shape}"
        raise InputError(message)
    if axis == 1:
        weights, kept = weights.T, kept.T
    finite = np.isfinite(weights)
    if not finite.all():
        output, position = np.argwhere(~finite)[0]
        message = (
            f"the weight of output {output} and input {position} is {weights[output, position]}; "
            "expected finite float32 numbers"
        )
        raise InputError(message)
    return weights, kept


def _check_format(format: SparseFormat, kept: NDArray[np.bool_]) -> SparseFormat:  # noqa: A002
    """Raise unless a mask can be used so."""
    if format not in get_args(SparseFormat):
        message = f"format is {format!r}; expected None, '2:4', 'blocks', 'slots' or 'dense'"
        raise InputError(message)
    if format != "dense" and kept.shape[1] > MOST_INPUTS:
        message = (
            f"format is {format!r} and w has {kept.shape[1]} inputs; "
            f"beyond {MOST_INPUTS} inputs only 'dense' is possible"
        )
        raise InputError(message)
    misfit = first_misfit(kept) if format == "2:4" else None
    if misfit is not None:
        message = (
            f"format is '2:4', but output {misfit[0]} keeps more than two of the four inputs "
            f"from {misfit[1]} on; expected a mask that keeps at most two of every four"
        )
        raise InputError(message)
    return format
