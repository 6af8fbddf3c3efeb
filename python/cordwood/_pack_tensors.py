"""Tensors on their way into a file: element types, bit strings, and the choice of an encoding."""

from __future__ import annotations

import enum
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

from cordwood import _progress

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._pack_sparse import Mask

__all__ = [
    "Dtype",
    "Encoding",
    "Tensor",
    "bit_length",
    "encode_all",
    "field_bits",
    "smallest_unsigned",
]

_LONGEST_PLANE = 0xFFFFFFFF
_DECODED_FLOOR = 16 << 20
_DECODED_FACTOR = 64


class Dtype(enum.IntEnum):
    """Element types, as ``enum cordwood_dtype`` in ``csrc/format/layout.h``."""

    BIT = 1
    INT2 = 2
    INT3 = 3
    INT4 = 4
    INT8 = 5
    UINT8 = 6
    INT16 = 7
    UINT16 = 8
    INT32 = 9
    UINT32 = 10
    INT64 = 11
    UINT64 = 12
    FLOAT16 = 13
    BFLOAT16 = 14
    FLOAT32 = 15
    FLOAT64 = 16


class Encoding(enum.IntEnum):
    """Payload encodings, as ``enum cordwood_tensor_encoding``."""

    RAW = 0
    PLANES = 1
    DIFFERENCES = 2


_CODE_BITS = {Dtype.INT2: 2, Dtype.INT3: 3, Dtype.INT4: 4, Dtype.INT8: 8}


def encode_planes(data: bytes, element_bytes: int) -> bytes:
    """Return `data` as byte planes, each in its shortest form."""
    from cordwood import _core

    return _core.encode_planes(data, element_bytes)


def encode_differences(data: bytes, element_bytes: int) -> bytes:
    """Return floats as byte planes of the differences of neighbours."""
    from cordwood import _core

    return _core.encode_differences(data, element_bytes)


@dataclass(frozen=True)
class Tensor:
    """One tensor of a file: element type, shape, and little-endian elements in C order."""

    dtype: Dtype
    shape: tuple[int, ...]
    data: bytes
    element_bytes: int
    scale: Tensor | None = None
    """Of a quantised tensor: a scale for each output and group."""
    zero: Tensor | None = None
    group: int = 0
    mask: Mask | None = None
    """Of a sparse tensor, whose `data` are the elements that stay."""

    @property
    def parts(self) -> tuple[Tensor, ...]:
        """Tensors that belong to it, in the order in which they follow it in a file."""
        found = (self.scale, self.zero, None if self.mask is None else self.mask_tensor)
        return tuple(part for part in found if part is not None)

    @cached_property
    def mask_tensor(self) -> Tensor:
        """The bits of the mask of a sparse tensor."""
        assert self.mask is not None
        flat = self.of_bits(self.mask.bits.reshape(-1))
        return Tensor(Dtype.BIT, self.mask.bits.shape, flat.data, 1)

    @property
    def expanded_bytes(self) -> int:
        """Bytes of all elements of a sparse tensor; those of the data of any other."""
        if self.mask is None:
            return len(self.data)
        return math.ceil(math.prod(self.shape) * _CODE_BITS[self.dtype] / 8)

    @classmethod
    def of(cls, array: np.ndarray) -> Tensor:
        """Hold an array of a NumPy type that has a counterpart in `Dtype`."""
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        return cls(Dtype[array.dtype.name.upper()], array.shape, little.tobytes(), little.itemsize)

    @classmethod
    def of_bits(cls, bits: np.ndarray) -> Tensor:
        """Hold a string of bits, given one to an element; the least significant bit comes first."""
        data = np.packbits(bits.astype(np.bool_, copy=False), bitorder="little").tobytes()
        return cls(Dtype.BIT, (bits.size,), data, 1)

    @cached_property
    def encoded(self) -> tuple[Encoding, bytes]:
        """The shortest of the encodings, and its bytes; the simpler one where two tie."""
        found = [(Encoding.RAW, self.data)]
        if 0 < len(self.data) // self.element_bytes <= _LONGEST_PLANE:
            found.append((Encoding.PLANES, encode_planes(self.data, self.element_bytes)))
            if self.dtype in (Dtype.FLOAT32, Dtype.FLOAT64):
                differences = encode_differences(self.data, self.element_bytes)
                found.append((Encoding.DIFFERENCES, differences))
        return min(found, key=lambda encoded: len(encoded[1]))


def encode_all(tensors: Sequence[Tensor]) -> list[tuple[Encoding, bytes]]:
    """Encode the tensors of a file, within what its coded tensors may decode to.

    The format lets them, with all elements of sparse ones, decode to 16 MiB and 64 times the file.
    While they would pass that, with the tensors alone counted as the file, the longest coded one
    becomes raw.

    Parameters
    ----------
    tensors : sequence of Tensor
        All tensors of one file.

    Returns
    -------
    list of (Encoding, bytes)
        In the order of `tensors`.
    """
    _progress.reached(0.9, "coding")
    found = [tensor.encoded for tensor in tensors]
    coded = [at for at, (encoding, _) in enumerate(found) if encoding != Encoding.RAW]
    coded.sort(key=lambda at: len(tensors[at].data))
    decoded = sum(len(tensors[at].data) for at in coded if tensors[at].mask is None)
    decoded += sum(tensor.expanded_bytes for tensor in tensors if tensor.mask is not None)
    stored = sum(len(data) for _, data in found)
    while coded and decoded > _DECODED_FLOOR + _DECODED_FACTOR * stored:
        longest = coded.pop()
        data = tensors[longest].data
        decoded -= len(data) if tensors[longest].mask is None else 0
        stored += len(data) - len(found[longest][1])
        found[longest] = Encoding.RAW, data
    return found


def smallest_unsigned(values: np.ndarray) -> np.ndarray:
    """Return `values` in the narrowest of uint8, uint16 and uint32 that holds them all."""
    top = int(values.max(initial=0))
    return values.astype(np.uint8 if top < 1 << 8 else np.uint16 if top < 1 << 16 else np.uint32)


def bit_length(count: int) -> int:
    """Return how many bits tell `count` things apart: 0 for one thing or none."""
    return max(count - 1, 0).bit_length()


def field_bits(fields: Sequence[tuple[np.ndarray, int]]) -> np.ndarray:
    """Lay integers out as bits, one run after the other.

    Parameters
    ----------
    fields : sequence of (ndarray of integers, int)
        Numbers below ``2**32``, and the width in bits that each of the run is written with.

    Returns
    -------
    ndarray of uint8, shape (sum of lengths times widths,)
        One bit an element, least significant first.
    """
    bits = np.empty(sum(len(numbers) * width for numbers, width in fields), dtype=np.uint8)
    at = 0
    for numbers, width in fields:
        n_bytes = math.ceil(width / 8)
        octets = np.ascontiguousarray(numbers, dtype="<u4").view(np.uint8).reshape(-1, 4)
        spread = np.unpackbits(octets[:, :n_bytes], axis=1, bitorder="little")[:, :width]
        bits[at : at + spread.size] = spread.reshape(-1)
        at += spread.size
    return bits
