"""Texts and labels of a file: feature names, classes, and the labels that stand for codes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import numpy as np

from cordwood.errors import GraphError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cordwood._typing import AnyArray
    from cordwood.ir import Unseen

__all__ = ["pack_categories", "pack_classes", "pack_strings"]

_MAX_U32 = 0xFFFFFFFF
_TABLE_ALIGNMENT = 8
_LABELS = struct.Struct("<II")
_CATEGORIES = struct.Struct("<II")
_CATEGORY_LABELS = struct.Struct("<I4x")
_UNSEEN = {"missing": 0, "refused": 1, "other": 2}


def pack_strings(strings: Sequence[str], what: str) -> bytes:
    """Write strings as UTF-8: their number, where each ends, and all their bytes.

    Parameters
    ----------
    strings : sequence of str
        Any texts.
    what : str
        What the strings are, for messages.

    Raises
    ------
    GraphError
        A string is not valid Unicode, or all together are longer than a table can say.
    """
    try:
        encoded = [text.encode("utf-8") for text in strings]
    except UnicodeEncodeError as error:
        message = f"{what} holds {error.object!r}, which UTF-8 cannot hold: {error.reason}"
        raise GraphError(message) from error
    ends = np.cumsum([len(text) for text in encoded], dtype=np.int64)
    if ends.size and ends[-1] > _MAX_U32:
        message = f"{what} takes {ends[-1]} bytes; a string table holds at most {_MAX_U32}"
        raise GraphError(message)
    return struct.pack(f"<{len(encoded) + 1}I", len(encoded), *ends) + b"".join(encoded)


def pack_classes(classes: AnyArray | tuple[AnyArray, ...]) -> bytes:
    """Write the labels of the classes: one table, or one for each column of the label.

    Parameters
    ----------
    classes : ndarray or tuple of ndarray
        As in `Graph`.
    """
    tables = classes if isinstance(classes, tuple) else (classes,)
    packed = [_labels(labels, "classes") for labels in tables]
    return b"".join([*map(_padded, packed[:-1]), packed[-1]])


def pack_categories(categories: Mapping[int, AnyArray], unseen: Unseen) -> bytes:
    """Write the labels that stand for codes, feature by feature.

    Parameters
    ----------
    categories : mapping of int to ndarray
        As in `Graph`.
    unseen : str
        What a label means that is not listed.
    """
    parts = [_CATEGORIES.pack(len(categories), _UNSEEN[unseen])]
    for feature, labels in sorted(categories.items()):
        parts += [_CATEGORY_LABELS.pack(feature), _padded(_labels(labels, "categories"))]
    return b"".join(parts)


def _padded(table: bytes) -> bytes:
    return table + bytes(-len(table) % _TABLE_ALIGNMENT)


def _labels(labels: AnyArray, what: str) -> bytes:
    """Write labels in their own type."""
    count = len(labels)
    if labels.dtype == np.int64:
        return _LABELS.pack(1, count) + labels.astype("<i8").tobytes()
    if labels.dtype == np.float64:
        return _LABELS.pack(2, count) + labels.astype("<f8").tobytes()
    if labels.dtype == np.bool_:
        return _LABELS.pack(3, count) + labels.tobytes()
    if labels.dtype.kind == "U":
        return _LABELS.pack(4, count) + pack_strings([str(label) for label in labels], what)
    message = f"{what} are {labels.dtype}; labels are int64, float64, bool or str"
    raise GraphError(message)
