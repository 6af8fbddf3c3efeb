"""The categories of a data frame that XGBoost 3.1 and later store beside the trees.

Labels stand in code order: the trees know positions only. Strings are one run of bytes cut by
offsets; whole numbers come with the number of their type. A numeric column has an empty entry.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._xgboost_json import fail, member, whole_numbers

__all__ = ["read_categories"]


def read_categories(model: dict[str, Any], n_features: int, where: str) -> dict[int, np.ndarray]:
    """Read the labels of each categorical column.

    Parameters
    ----------
    model : dict
        The member ``model`` of a tree booster.
    n_features : int
        Columns of the rows.
    where : str
        Path of `model`, for messages.

    Returns
    -------
    dict of int to ndarray
        By feature, labels (str or int64) in code order; empty for a model trained on codes.

    Raises
    ------
    SourceFileError
        The member is malformed.
    UnsupportedModelError
        Labels are not what they were in the frame.
    """
    if "cats" not in model:
        return {}
    cats, place = member(model, "cats", dict, where), f"{where}.cats"
    encoded = member(cats, "enc", list, place)
    if encoded and len(encoded) != n_features:
        fail(f"the length of {place}.enc", len(encoded), f"{n_features}, one per feature")
    categories = {}
    for feature, entry in enumerate(encoded):
        at = f"{place}.enc[{feature}]"
        if not isinstance(entry, dict):
            fail(at, entry, "an object")
        labels = _texts(entry, at) if "offsets" in entry else _numbers(entry, at)
        if len(np.unique(labels)) != len(labels):
            fail(f"{at}.values", labels.tolist(), "labels that differ")
        if len(labels):
            categories[feature] = labels
    return categories


def _numbers(entry: dict[str, Any], where: str) -> np.ndarray:
    limits = (-(2**63), 2**63 - 1)
    return whole_numbers(member(entry, "values", (list, np.ndarray), where), where, limits)


def _texts(entry: dict[str, Any], where: str) -> np.ndarray:
    """Cut the bytes, which are written as signed or unsigned, into strings."""
    given = member(entry, "values", (list, np.ndarray), where)
    values = whole_numbers(given, f"{where}.values", (-128, 255))
    given = member(entry, "offsets", (list, np.ndarray), where)
    offsets = whole_numbers(given, f"{where}.offsets", (0, 2**31 - 1))
    if not len(offsets):
        offsets = np.zeros(1, np.int64)
    if offsets[0] != 0 or offsets[-1] != len(values) or np.any(np.diff(offsets) < 0):
        fail(f"{where}.offsets", offsets.tolist(), f"numbers rising from 0 to {len(values)}")
    text = (values & 0xFF).astype(np.uint8).tobytes().decode("latin-1")
    if not text.isascii():
        # Its offsets count characters where they should count bytes, and the last bytes are lost.
        message = (
            f"{where} has labels beyond ASCII, which XGBoost's Python package stores damaged "
            f"({text[:40]!r}), expected labels of ASCII; train with such labels or on codes"
        )
        raise UnsupportedModelError(message)
    texts = [text[begin:end] for begin, end in itertools.pairwise(offsets)]
    return np.array(texts, np.str_)
