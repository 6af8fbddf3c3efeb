"""How a matrix is quantised, and codes by given or natural scales: what all methods share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._ops_tensor import (
    Bits,
    QuantizedTensor,
    ScaleType,
    check_bits,
    check_group_size,
    count_groups,
)
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_TINY = np.float32(2.0**-100)
_SMALLEST_HALF, _LARGEST_HALF = np.float32(2.0**-24), np.float32(65504.0)


@dataclass(frozen=True)
class Form:
    """Bits, groups, zero points and type of scales of a quantised matrix."""

    bits: Bits
    group_size: int | None
    symmetric: bool
    scale_dtype: ScaleType

    def __post_init__(self) -> None:
        check_bits(self.bits)
        check_group_size(self.group_size)
        if self.scale_dtype not in ("float32", "float16"):
            message = f"scale_dtype is {self.scale_dtype!r}; expected 'float32' or 'float16'"
            raise InputError(message)

    @property
    def top(self) -> int:
        """Return the largest code."""
        return (1 << self.bits) - 1

    @property
    def middle(self) -> int:
        """Return the zero point of symmetric codes."""
        return 1 << (self.bits - 1)

    def group_slices(self, n_inputs: int) -> list[slice]:
        """Return the inputs of each group."""
        size = self.group_size or n_inputs
        count = count_groups(n_inputs, self.group_size)
        return [slice(g * size, min((g + 1) * size, n_inputs)) for g in range(count)]

    def tensor(
        self,
        payload: NDArray[np.uint8],
        scales: NDArray[np.float32],
        zeros: NDArray[np.uint8] | None,
        shape: tuple[int, int],
        axis: int,
    ) -> QuantizedTensor:
        """Put packed codes together; `shape` is (n_outputs, n_inputs)."""
        stored: NDArray[Any] = scales.astype(self.scale_dtype, copy=False)
        for array in (payload, stored, zeros):
            if array is not None:
                array.flags.writeable = False
        return QuantizedTensor(payload, stored, zeros, self.bits, self.group_size, *shape, axis)


def nearest(w: NDArray[Any], form: Form, axis: int = 0, threads: int = 0) -> QuantizedTensor:
    """Quantise by the range of each group, each weight rounded to nearest."""
    payload, scales, zeros = _core.quantize_weights(
        w, axis=axis, bits=form.bits, group_size=form.group_size or 0, symmetric=form.symmetric,
        half_scales=form.scale_dtype == "float16", threads=threads,
    )  # fmt: skip
    shape = (w.shape[0], w.shape[1]) if axis == 0 else (w.shape[1], w.shape[0])
    return form.tensor(payload, scales, zeros, shape, axis)


def encode(
    w: NDArray[np.float32],
    scales: NDArray[np.float32],
    zeros: NDArray[np.uint8] | None,
    form: Form,
    threads: int = 0,
) -> QuantizedTensor:
    """Quantise by scales and zero points that a method has chosen; outputs first."""
    payload = _core.encode_weights(
        w, scales, zeros, axis=0, bits=form.bits, group_size=form.group_size or 0, threads=threads
    )
    return form.tensor(payload, scales, zeros, (w.shape[0], w.shape[1]), 0)


def decode(tensor: QuantizedTensor, out: NDArray[np.float32], threads: int = 0) -> None:
    """Write the weights that codes stand for, outputs first."""
    _core.decode_weights(
        tensor.payload, tensor.scales.astype(np.float32, copy=False), tensor.zero_points, out,
        bits=tensor.bits, group_size=tensor.group_size or 0, threads=threads,
    )  # fmt: skip


def range_scales(
    low: NDArray[np.float32], high: NDArray[np.float32], form: Form
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Scales and zero points of groups that reach from `low` to `high`, zero among them."""
    with np.errstate(over="ignore"):
        if form.symmetric:
            scale = np.maximum(high / np.float32(form.middle - 1), -low / np.float32(form.middle))
        else:
            top = np.float32(form.top)
            width = high - low
            scale = np.where(np.isinf(width), high / top - low / top, width / top)
        counts = scale >= _TINY
        if form.scale_dtype == "float16":
            half = scale.astype(np.float16).astype(np.float32)
            scale = np.clip(half, _SMALLEST_HALF, _LARGEST_HALF)
    scale = np.where(counts, scale, np.float32(0))
    if form.symmetric:
        return scale, np.full(scale.shape, form.middle, np.uint8)
    zero = np.clip(np.rint(-low / np.where(counts, scale, np.float32(1))), 0, form.top)
    return scale, np.where(counts, zero, 0).astype(np.uint8)


def reciprocals(scales: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what weights are multiplied by; 0 for groups that count as zero."""
    counts = scales >= _TINY
    inverse = np.float32(1) / np.where(counts, scales, np.float32(1))
    return np.asarray(np.where(counts, inverse, np.float32(0)))
