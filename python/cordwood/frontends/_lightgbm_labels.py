"""Which feature each list of labels belongs to.

A model trained on a pandas frame ends with the labels of each category column, in the order of the
columns, but does not say which columns those are. Two lines of the text tell: the features that
were split as categories, and the values that each feature was seen to have.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["features_with_labels"]


def features_with_labels(
    lists: list[list[Any]], infos: tuple[str, ...], declared: frozenset[int] | None
) -> dict[int, AnyArray]:
    """Return the labels by feature, or nothing where the text leaves it open.

    Parameters
    ----------
    lists : list of list
        Labels of each category column, in code order; the columns ascend.
    infos : tuple of str
        What LightGBM noted about each feature: ``[low:high]``, ``3:1:2`` for categories, or
        ``none``.
    declared : frozenset of int, or None
        Features that were declared to be categories, where the text keeps its parameters.

    Returns
    -------
    dict of int to ndarray
        Labels of int64, float64, bool or str. A feature whose labels are of mixed types, or of
        others, is left out: its rows hold codes.

    Notes
    -----
    Category columns are split as categories unless they are ordered or other columns were named
    in their place. So the declared features come first; where no order of theirs fits the values
    seen, any feature may have labels. Two ways to fit are one too many.
    """
    split = declared
    if split is None:
        split = frozenset(i for i, info in enumerate(infos) if _is_category(info))
    owners = _only_match(lists, infos, split) if len(split) <= len(lists) else None
    if owners is None:
        owners = _only_match(lists, infos, frozenset())
    pairs = zip(owners or (), lists, strict=owners is not None)
    labels = {feature: _uniform(given) for feature, given in pairs}
    return {feature: known for feature, known in labels.items() if known is not None}


def _only_match(
    lists: list[list[Any]], infos: tuple[str, ...], needed: frozenset[int]
) -> list[int] | None:
    """Return the only ascending features that fit `lists` and include `needed`, or None."""
    longest = max(map(len, lists), default=0)
    features = [i for i, info in enumerate(infos) if i in needed or _fits(info, longest)]
    # ways[i, j]: how the lists from j on fit the features from i on, counted up to two.
    ways = np.zeros((len(features) + 1, len(lists) + 1), np.int64)
    ways[-1, -1] = 1
    for i in range(len(features) - 1, -1, -1):
        if features[i] not in needed:
            ways[i] = ways[i + 1]
        for j, labels in enumerate(lists):
            if ways[i + 1, j + 1] and _fits(infos[features[i]], len(labels)):
                ways[i, j] = min(2, ways[i, j] + ways[i + 1, j + 1])
    if ways[0, 0] != 1:
        return None
    owners: list[int] = []
    for i, feature in enumerate(features):
        j = len(owners)
        if j < len(lists) and ways[i + 1, j + 1] and _fits(infos[feature], len(lists[j])):
            owners.append(feature)
    return owners


def _is_category(info: str) -> bool:
    return info != "none" and not info.startswith("[")


def _fits(info: str, n_labels: int) -> bool:
    """Tell whether the values that a feature was seen to have are codes of so many labels."""
    if info == "none":  # one value, or none
        return True
    words = info[1:-1].split(":") if info.startswith("[") else info.split(":")
    try:
        values = [float(word) for word in words]
    except ValueError:
        return False
    return all(value.is_integer() and -1 <= value < n_labels for value in values)


def _uniform(labels: list[Any]) -> AnyArray | None:
    """Return labels of one type as an array, else None."""
    kinds = {type(label) for label in labels}
    if kinds <= {str}:
        return np.array(labels, dtype=np.str_)
    if kinds == {bool}:
        return np.array(labels, dtype=np.bool_)
    if kinds == {int} and all(-(2**63) <= label < 2**63 for label in labels):
        return np.array(labels, dtype=np.int64)
    if kinds == {float}:
        return np.array(labels, dtype=np.float64)
    return None
