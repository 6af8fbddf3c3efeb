"""Lists of numbers in LightGBM's text format, and messages that name the line they stand in."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

import numpy as np

from cordwood.errors import SourceFileError

if TYPE_CHECKING:
    from cordwood._typing import Float64Array, Int64Array

__all__ = ["LARGEST_COUNT", "Fields", "Text", "fields_of"]

LARGEST_COUNT = 2**31 - 1

Fields = dict[bytes, bytes]
"""The lines ``key=text`` of a header or a tree, by key."""


def fields_of(lines: list[bytes]) -> Fields:
    """Split lines at their first ``=``; a line without one is a key with an empty text."""
    fields = {}
    for line in lines:
        key, _, text = line.partition(b"=")
        fields[key] = text
    return fields


class Text:
    """The text of a model, and what it is called in messages.

    Parameters
    ----------
    data : bytes
        The whole text.
    name : str
        A path, or the object that the text comes from.
    """

    def __init__(self, data: bytes, name: str) -> None:
        self.data = data
        self.name = name

    def fail(self, message: str, offset: int) -> NoReturn:
        """Raise a SourceFileError that names the line of `offset`."""
        line = self.data.count(b"\n", 0, offset) + 1
        text = f"{self.name}, line {line}: {message}"
        raise SourceFileError(text)

    def integers(
        self, place: str, key: str, fields: Fields, length: int | None, start: int = 0
    ) -> Int64Array:
        """Return the integers of a field; `length` of them, where it is given."""
        tokens = self._tokens(place, key, fields, length, start)
        try:
            return np.array(tokens, dtype=np.int64)
        except (ValueError, OverflowError) as error:
            self.fail(f"{place}: {key} is not a list of integers: {error}", start)

    def floats(self, place: str, key: str, fields: Fields, length: int, start: int) -> Float64Array:
        """Return the `length` numbers of a field."""
        tokens = self._tokens(place, key, fields, length, start)
        try:
            return np.array(tokens, dtype=np.float64)
        except ValueError as error:
            self.fail(f"{place}: {key} is not a list of numbers: {error}", start)

    def _tokens(
        self, place: str, key: str, fields: Fields, length: int | None, start: int
    ) -> list[bytes]:
        text = fields.get(key.encode())
        if text is None:
            self.fail(f"{place} has no {key}, expected it", start)
        tokens = text.split()
        if length is not None and len(tokens) != length:
            self.fail(f"{place}: {key} has {len(tokens)} numbers, expected {length}", start)
        return tokens
