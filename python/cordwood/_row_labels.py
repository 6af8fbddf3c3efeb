"""Columns of labels as the codes that a model was trained on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood._frames import NUMBER_KINDS
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood._frames import Columns, Labelled
    from cordwood._typing import AnyArray
    from cordwood.ir import Unseen

__all__ = ["LabelCodes"]

_SHOWN: Final = 5  # labels that a message lists before it says how many more there are
_MISSING: Final = -1  # the code of a missing value in a frame
_IN_NO_SET: Final = -1.0
_EXACT_IN_FLOAT32: Final = 1 << 24


class LabelCodes:
    """Turns labels into their positions in the lists that a model was trained with.

    The table from a frame's own categories to a model's is built once for each list of categories:
    a caller who passes frames of one dtype pays for it once.

    Parameters
    ----------
    labels : mapping of int to array
        By feature, labels in code order.
    unseen : {"missing", "refused", "other"}
        What a label that is not listed means: NaN, an error, or a code in no set.
    library : str or None
        Library of the source. XGBoost's older models hold no labels and take the codes of a
        frame's categories as they are; scikit-learn takes categories that are numbers as numbers.
    """

    def __init__(
        self,
        labels: Mapping[int, Any],
        unseen: Unseen,
        library: object,
    ) -> None:
        self.features = frozenset(labels)
        self._labels = {
            feature: list(known.tolist() if isinstance(known, np.ndarray) else known)
            for feature, known in labels.items()
        }
        self._codes = {
            feature: {label: code for code, label in enumerate(known)}
            for feature, known in self._labels.items()
        }
        self._unseen = unseen
        self._takes_codes = library == "xgboost"
        self._takes_values = library == "scikit-learn"
        self._tables: dict[int, tuple[object, AnyArray]] = {}

    def column(self, columns: Columns, feature: int, name: str) -> AnyArray | None:
        """Return a column of codes, or None where `feature` is a column of numbers.

        Parameters
        ----------
        columns : Columns
            The frame.
        feature : int
            Which column.
        name : str
            How a message calls it.

        Raises
        ------
        InputError
            A label is not listed, and the source refuses that.
        InputTypeError
            The column holds numbers where the model was trained with labels.
        """
        if feature in self._codes:
            given = columns.labelled(feature)
            if given is None:
                message = (
                    f"{name} holds {columns.types[feature]}, the model was trained with labels "
                    f"there ({self._known(feature)}); make it a category column, or pass a NumPy "
                    f"array of codes"
                )
                raise InputTypeError(message)
            codes: AnyArray = self._table(feature, given, name)[given.codes]
            return codes
        if self._takes_codes and hasattr(columns.types[feature], "categories"):
            given = columns.labelled(feature)
            if given is not None:
                own = given.codes.astype(np.float64)
                own[given.codes == _MISSING] = np.nan
                return own
        if self._takes_values and hasattr(columns.types[feature], "categories"):
            return _values(columns.labelled(feature))
        return None

    def _table(self, feature: int, given: Labelled, name: str) -> AnyArray:
        """Return the model's code by the frame's; its last entry stands for a missing value."""
        kept = self._tables.get(feature)
        if kept is not None and given.key is not None and kept[0] is given.key:
            return kept[1]
        known = self._codes[feature]
        codes = [known.get(label, _MISSING) for label in given.labels]
        # A code is refused only where a row has it: a frame may list more than it holds.
        unseen = np.array([code == _MISSING for code in codes], dtype=bool)
        if self._unseen == "refused" and unseen.any():
            used = np.unique(given.codes[given.codes != _MISSING])
            bad = used[unseen[used]]
            if len(bad):
                message = (
                    f"{name} holds the label {given.labels[bad[0]]!r}, which the model was not "
                    f"trained with; it knows {self._known(feature)}"
                )
                raise InputError(message)
        dtype = np.float32 if len(known) < _EXACT_IN_FLOAT32 else np.float64
        table = np.array([*codes, np.nan], dtype=dtype)
        table[:-1][unseen] = _IN_NO_SET if self._unseen == "other" else np.nan
        if given.key is not None and not (self._unseen == "refused" and unseen.any()):
            self._tables[feature] = (given.key, table)
        return table

    def _known(self, feature: int) -> str:
        labels = self._labels[feature]
        shown = ", ".join(repr(label) for label in labels[:_SHOWN])
        more = len(labels) - _SHOWN
        return f"{shown} and {more} more" if more > 0 else shown


def _values(given: Labelled | None) -> AnyArray | None:
    """Return a column of categories that are numbers as these numbers, None for any other."""
    labels = np.asarray(given.labels) if given is not None else np.empty(0, dtype=object)
    if given is None or labels.dtype.kind not in NUMBER_KINDS:
        return None
    if np.any(given.codes == _MISSING):
        labels = np.append(labels.astype(np.float64), np.nan)  # the code -1 takes the last
    numbers: AnyArray = labels[given.codes]
    return numbers
