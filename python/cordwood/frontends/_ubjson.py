"""Universal Binary JSON, as far as XGBoost writes it, read without trusting a byte of it.

Typed arrays become NumPy views of the given bytes (big-endian, no copy), so a forest costs a few
Python objects a tree. Every length is compared with the bytes that are left before it is used.

References
----------
Universal Binary JSON Specification, draft 12: https://ubjson.org
"""

from __future__ import annotations

import struct
from typing import Any, NoReturn

import numpy as np

from cordwood.errors import SourceFileError

__all__ = ["parse"]

MAX_NESTING = 64
"""Deepest nesting of arrays and objects; XGBoost's files reach about eight."""

NUMBERS: dict[bytes, np.dtype[Any]] = {
    b"i": np.dtype("i1"),
    b"U": np.dtype("u1"),
    b"I": np.dtype(">i2"),
    b"l": np.dtype(">i4"),
    b"L": np.dtype(">i8"),
    b"d": np.dtype(">f4"),
    b"D": np.dtype(">f8"),
}
SCALARS = {
    b"i": struct.Struct(">b"),
    b"U": struct.Struct(">B"),
    b"I": struct.Struct(">h"),
    b"l": struct.Struct(">i"),
    b"L": struct.Struct(">q"),
    b"d": struct.Struct(">f"),
    b"D": struct.Struct(">d"),
}
CONSTANTS = {b"Z": None, b"T": True, b"F": False}
LENGTHS = frozenset(b"iUIlL")


def parse(data: bytes) -> Any:
    """Read one UBJSON document.

    Parameters
    ----------
    data : bytes
        The whole file; typed arrays of the result are views into it.

    Returns
    -------
    object
        Dicts, lists, str, numbers, bool and None; a typed array is a one-dimensional ndarray.

    Raises
    ------
    SourceFileError
        The bytes break the format; the message holds the offset and what was expected there.
    """
    reader = _Reader(data)
    document = reader.value(reader.marker(), 0)
    if reader.at != len(data):
        reader.fail(f"{len(data) - reader.at} more bytes", "the end of the file")
    return document


class _Reader:
    """A cursor over the bytes."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def fail(self, found: str, expected: str) -> NoReturn:
        message = f"byte {self.at} of the UBJSON data: found {found}, expected {expected}"
        raise SourceFileError(message)

    def take(self, count: int, what: str) -> bytes:
        left = len(self.data) - self.at
        if count > left:
            self.fail(f"{left} bytes before the end", f"{count} for {what}")
        taken = self.data[self.at : self.at + count]
        self.at += count
        return taken

    def marker(self) -> bytes:
        return self.take(1, "a type marker")

    def peek(self) -> bytes:
        return self.data[self.at : self.at + 1]

    def value(self, marker: bytes, depth: int) -> Any:
        if marker in SCALARS:
            scalar = SCALARS[marker]
            return scalar.unpack(self.take(scalar.size, "a number"))[0]
        if marker in CONSTANTS:
            return CONSTANTS[marker]
        if marker == b"S":
            return self.text()
        if marker == b"C":
            return self.decode(self.take(1, "a character"))
        if marker not in (b"{", b"["):
            self.at -= 1
            self.fail(f"the marker {marker!r}", "the type marker of a value")
        if depth == MAX_NESTING:
            self.fail("one more level", f"at most {MAX_NESTING} levels of nesting")
        return self.members(depth + 1) if marker == b"{" else self.array(depth + 1)

    def length(self, what: str) -> int:
        marker = self.marker()
        if marker[0] not in LENGTHS:
            self.at -= 1
            self.fail(f"the marker {marker!r}", f"an integer, the length of {what}")
        length = int(self.value(marker, 0))
        if length < 0:
            self.fail(f"the length {length}", f"a length of at least 0 for {what}")
        return length

    def decode(self, raw: bytes) -> str:
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError:
            self.at -= len(raw)
            self.fail(f"the bytes {raw[:16]!r}", "text in UTF-8")

    def text(self) -> str:
        return self.decode(self.take(self.length("a string"), "a string"))

    def members(self, depth: int) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while self.peek() != b"}":
            if self.at == len(self.data):
                self.fail("the end of the file", "a key or '}'")
            name = self.text()
            members[name] = self.value(self.marker(), depth)
        self.at += 1
        return members

    def array(self, depth: int) -> Any:
        if self.peek() == b"$":
            return self.typed_array()
        if self.peek() == b"#":
            self.at += 1
            count = self.length("an array")
            left = len(self.data) - self.at
            if count > left:
                self.fail(f"{left} bytes before the end", f"an array of {count} values")
            return [self.value(self.marker(), depth) for _ in range(count)]
        values = []
        while self.peek() != b"]":
            values.append(self.value(self.marker(), depth))
        self.at += 1
        return values

    def typed_array(self) -> np.ndarray:
        self.at += 1
        marker = self.marker()
        if marker not in NUMBERS:
            self.at -= 1
            self.fail(f"the element type {marker!r}", "one of i, U, I, l, L, d, D")
        if self.marker() != b"#":
            self.at -= 1
            self.fail(f"{self.peek()!r}", "'#' and the number of elements")
        dtype = NUMBERS[marker]
        count = self.length("an array")
        left = len(self.data) - self.at
        if count * dtype.itemsize > left:
            self.fail(f"{left} bytes before the end", f"an array of {count} {dtype.name} values")
        values: np.ndarray = np.frombuffer(self.data, dtype, count, self.at)
        self.at += values.nbytes
        return values
