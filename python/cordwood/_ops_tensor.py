"""Quantised matrices as arrays: codes, scales and zero points, with no kernel in sight."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood._device_rows import is_on_device, to_host
from cordwood._ops_checks import MATRIX, check_axis, check_on_host
from cordwood._ops_prepared import Prepared
from cordwood.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

Bits = Literal[8, 4, 3, 2]
ScaleType = Literal["float32", "float16"]

GROUP_STEP = 32
MAX_GROUP = 32768
_BYTE_BITS = 8


def check_bits(bits: int) -> None:
    """Raise unless codes of `bits` bits exist."""
    if bits not in (8, 4, 3, 2):
        message = f"bits is {bits}; weights take 8, 4, 3 or 2 bits"
        raise InputError(message)


def check_group_size(group_size: int | None) -> None:
    """Raise unless groups of `group_size` inputs can be packed."""
    if group_size is None:
        return
    if not GROUP_STEP <= group_size <= MAX_GROUP or group_size % GROUP_STEP:
        message = (
            f"group_size is {group_size}; expected a multiple of {GROUP_STEP} "
            f"up to {MAX_GROUP}, or None for one group an output"
        )
        raise InputError(message)


@dataclass(frozen=True, eq=False)
class QuantizedTensor(Prepared):
    """A matrix of weights in few bits: packed codes, scales, zero points.

    Made by :func:`cordwood.ops.quantize` or from codes of one's own by :meth:`from_codes`. Its
    arrays are read-only, unless they lie on a CUDA device: there only
    :func:`cordwood.ops.dequantize` and :meth:`to_host` read them. ``docs/quantization.md`` defines
    what they mean.

    Attributes
    ----------
    payload : ndarray of uint8, shape (n_outputs, bytes_per_output)
        Codes, packed from the lowest bit of the first byte up.
    scales : ndarray of float32 or float16, shape (n_outputs, n_groups)
        Step between two codes.
    zero_points : ndarray of uint8, shape (n_outputs, n_groups), or None
        Code that stands for zero; None where it is ``2 ** (bits - 1)`` everywhere.
    bits : int
        Bits of a code: 8, 4, 3 or 2.
    group_size : int or None
        Inputs that share a scale; None where an output is one group.
    n_outputs, n_inputs : int
        Size of the matrix.
    axis : int
        Axis of the original array that holds the outputs.
    """

    payload: NDArray[np.uint8]
    scales: NDArray[Any]
    zero_points: NDArray[np.uint8] | None
    bits: Bits
    group_size: int | None
    n_outputs: int
    n_inputs: int
    axis: int = 0

    @classmethod
    def from_codes(
        cls,
        codes: NDArray[np.uint8],
        scales: NDArray[Any],
        zero_points: NDArray[np.uint8] | None = None,
        *,
        bits: Bits,
        group_size: int | None = None,
        axis: int = 0,
    ) -> QuantizedTensor:
        """Pack codes that a method has chosen.

        Parameters
        ----------
        codes : ndarray of uint8, shape (n_outputs, n_inputs)
            Each below ``2 ** bits``; outputs first, whatever `axis` says.
        scales : ndarray of float32 or float16, shape (n_outputs, n_groups)
            Finite, not negative.
        zero_points : ndarray of uint8, shape (n_outputs, n_groups), optional
            Left out for symmetric codes.
        bits, group_size, axis
            As on :class:`QuantizedTensor`.

        Returns
        -------
        QuantizedTensor

        Raises
        ------
        InputError
            If shapes do not fit one another, a code needs more bits, or a scale is not finite.
        """
        check_bits(bits)
        check_group_size(group_size)
        codes = np.asarray(codes)
        _check_codes(codes, bits, axis)
        n_outputs, n_inputs = codes.shape
        n_groups = count_groups(n_inputs, group_size)
        scales = _check_scales(scales, (n_outputs, n_groups))
        if zero_points is not None:
            zero_points = np.asarray(zero_points)
            if zero_points.shape != scales.shape or int(zero_points.max(initial=0)) >= 1 << bits:
                message = (
                    f"zero_points has shape {zero_points.shape} and reaches "
                    f"{zero_points.max(initial=0)}; expected shape {scales.shape} "
                    f"and values below {1 << bits}"
                )
                raise InputError(message)
            zero_points = np.array(zero_points, dtype=np.uint8, order="C")
        payload = pack_codes(codes, bits)
        for array in (payload, scales, zero_points):
            if array is not None:
                array.flags.writeable = False
        return cls(payload, scales, zero_points, bits, group_size, n_outputs, n_inputs, axis)

    def with_axis(self, axis: int) -> QuantizedTensor:
        """Return the same outputs as they would lie along another axis of the original array."""
        return replace(self, axis=axis)

    def to_host(self) -> QuantizedTensor:
        """Return the tensor with its arrays in the host's memory: itself where they are there."""
        if not is_on_device(self.payload):
            return self
        payload, scales = to_host(self.payload), to_host(self.scales)
        zeros = None if self.zero_points is None else to_host(self.zero_points)
        for array in (payload, scales, zeros):
            if array is not None:
                array.flags.writeable = False
        return replace(self, payload=payload, scales=scales, zero_points=zeros)

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the array that was quantised."""
        shape = (self.n_outputs, self.n_inputs)
        return shape if self.axis == 0 else shape[::-1]

    @property
    def codes(self) -> NDArray[np.uint8]:
        """Codes one by one, shape (n_outputs, n_inputs)."""
        check_on_host(self.payload, "payload")
        return unpack_codes(self.payload, self.bits, self.n_inputs)

    @property
    def n_groups(self) -> int:
        """Groups of an output."""
        return int(self.scales.shape[1])

    @property
    def symmetric(self) -> bool:
        """Whether every zero point is ``2 ** (bits - 1)``."""
        return self.zero_points is None

    @property
    def nbytes(self) -> int:
        """Bytes of codes, scales and zero points."""
        zero_bytes = 0 if self.zero_points is None else self.zero_points.nbytes
        return self.payload.nbytes + self.scales.nbytes + zero_bytes

    @property
    def padded_inputs(self) -> int:
        """Inputs that the last group is filled up with."""
        return 0 if self.group_size is None else -self.n_inputs % self.group_size

    def __repr__(self) -> str:
        """Shape, bits, groups and size in one line."""
        groups = "per output" if self.group_size is None else f"in groups of {self.group_size}"
        kind = "symmetric" if self.symmetric else "asymmetric"
        padded = f", last group padded by {self.padded_inputs}" if self.padded_inputs else ""
        return (
            f"QuantizedTensor({self.shape[0]} x {self.shape[1]}, {self.bits} bits {kind} "
            f"{groups}{padded}, {self.scales.dtype} scales, {self.nbytes:,} bytes)"
        )


def count_groups(n_inputs: int, group_size: int | None) -> int:
    """Count the groups of an output of `n_inputs` inputs."""
    return 1 if group_size is None else -(-n_inputs // group_size)


def expand_groups(values: NDArray[Any], n_inputs: int, group_size: int | None) -> NDArray[Any]:
    """Give each input its group's value: (n_outputs, n_groups) to (n_outputs, n_inputs)."""
    if group_size is None:
        return np.broadcast_to(values, (values.shape[0], n_inputs))
    return np.repeat(values, group_size, axis=1)[:, :n_inputs]


def pack_codes(codes: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Pack codes of a row after one another, from the lowest bit of each byte up."""
    if bits == _BYTE_BITS:
        return np.array(codes, dtype=np.uint8, order="C")
    planes = np.unpackbits(codes.astype(np.uint8)[..., None], axis=-1, bitorder="little")
    return np.packbits(planes[..., :bits].reshape(codes.shape[0], -1), axis=1, bitorder="little")


def unpack_codes(payload: NDArray[np.uint8], bits: int, n_inputs: int) -> NDArray[np.uint8]:
    """Undo :func:`pack_codes`."""
    if bits == _BYTE_BITS:
        return payload
    planes = np.unpackbits(payload, axis=1, bitorder="little", count=n_inputs * bits)
    weights = (1 << np.arange(bits)).astype(np.uint8)
    return np.asarray(planes.reshape(-1, n_inputs, bits) @ weights, dtype=np.uint8)


def _check_codes(codes: NDArray[Any], bits: int, axis: int) -> None:
    check_axis(axis)
    if codes.ndim != MATRIX or codes.dtype != np.uint8 or 0 in codes.shape:
        message = (
            f"codes has dtype {codes.dtype} and shape {codes.shape}; "
            "expected uint8 of two dimensions, (n_outputs, n_inputs), neither of them 0"
        )
        raise InputError(message)
    if int(codes.max()) >= 1 << bits:
        message = f"codes reaches {codes.max()}; {bits} bits end at {(1 << bits) - 1}"
        raise InputError(message)


def _check_scales(scales: NDArray[Any], shape: tuple[int, int]) -> NDArray[Any]:
    scales = np.array(scales, order="C")
    if scales.dtype not in (np.float32, np.float16) or scales.shape != shape:
        message = (
            f"scales has dtype {scales.dtype} and shape {scales.shape}; "
            f"expected float32 or float16 of shape {shape}, (n_outputs, n_groups)"
        )
        raise InputError(message)
    if not (np.isfinite(scales) & (scales >= 0)).all():
        message = "scales has a value that is negative, infinite or NaN"
        raise InputError(message)
    return scales
