"""The narrow door for rows that are not yet an array the extension reads in place.

Arrays of a common number type never come here.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood._binned_rows import BinnedRows
from cordwood._host_tensors import as_host_array
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cordwood._frames import Columns
    from cordwood._row_labels import LabelCodes
    from cordwood._row_sparse import SparseRows
    from cordwood.ir import Absent, Unseen

__all__ = ["RowsDoor"]

_NUMBER_KINDS: Final = "biuf"
_LISTED: Final = 5  # names that a message lists before it says how many more there are


class RowsDoor:
    """Makes rows of anything that stands for them, or says why it cannot be done.

    Parameters
    ----------
    n_features : int
        Columns that the model expects.
    input_type : {"float32", "float64"}
        What the model casts rows to.
    feature_names : sequence of str, optional
        Their names; compared with those of a frame, order included.
    labels : mapping of int to array, optional
        By feature, the labels whose positions are its codes.
    unseen : {"missing", "refused", "other"}
        What a label that is not listed means: NaN, an error, or a code in no set.
    absent : {"zero", "missing", "refused"}
        What an entry that a sparse matrix does not store means.
    library : object, optional
        Library of the source as its provenance names it: ``"lightgbm"`` holds an underscore for
        each blank of a name, so a frame may have either; ``"xgboost"`` without labels takes the
        codes of categories.
    device : str
        Where the model runs: any but the CPU may read rows in its own memory.
    """

    def __init__(
        self,
        n_features: int,
        *,
        input_type: str = "float64",
        feature_names: Sequence[str] | None = None,
        labels: Mapping[int, Any] | None = None,
        unseen: Unseen = "missing",
        absent: Absent = "refused",
        library: object = None,
        device: str = "cpu",
    ) -> None:
        self._n_features = n_features
        self._input_type = input_type
        self._names = feature_names
        self._blank = "_" if library == "lightgbm" else " "
        self._label_rules = (labels or {}, unseen, library)
        self._absent = absent
        self._device = device

    @functools.cached_property
    def _labels(self) -> LabelCodes:
        from cordwood._row_labels import LabelCodes

        return LabelCodes(*self._label_rules)

    def __call__(self, x: Any) -> Any:
        """Return rows that the extension reads, or binned rows as they are.

        Parameters
        ----------
        x : array-like, frame or sparse matrix of shape (n_rows, n_features)
            A NumPy array, a pandas or polars DataFrame, an Arrow table, a scipy.sparse matrix, or
            nested sequences of numbers. float16 widens to float32, which is exact; a mixed frame
            takes NumPy's common type; labels become codes.

        Returns
        -------
        ndarray of shape (n_rows, n_features), SparseRows, or BinnedRows
            Numbers in native byte order, aligned.

        Raises
        ------
        InputError
            The shape or the names of the columns are not those that the model expects, or a label
            is unknown and the source refuses that.
        InputTypeError
            Something in it is not a number, or a number too wide to be read exactly.
        """
        if isinstance(x, BinnedRows):
            return x
        # Imported here: whoever passes arrays alone never needs them.
        from cordwood._device_rows import is_on_device

        if is_on_device(x):
            return self._of_device(x)
        from cordwood._frames import frame_columns
        from cordwood._row_sparse import is_sparse, sparse_rows

        if is_sparse(x):
            self._check_shape(x)
            return sparse_rows(x, self._absent, self._input_type)
        columns = frame_columns(x)
        if columns is None and self._labels.features:
            columns = _object_columns(x)
        if columns is None:
            return self._finished(_as_array(x))
        if columns.names is not None:
            _check_names(columns.names, self._names, self._blank)
        self.check_count(len(columns.types))
        return self._finished(self._assembled(columns))

    def check_count(self, n_columns: int) -> None:
        """Raise InputError unless rows have as many columns as the model expects."""
        if n_columns != self._n_features:
            message = f"rows have {n_columns} features, the model expects {self._n_features}"
            raise InputError(message)

    def _check_shape(self, array: Any) -> None:
        _check_axes(array)
        self.check_count(array.shape[1])

    def _finished(self, array: np.ndarray) -> np.ndarray:
        """Return the array as the extension reads it: native byte order, aligned."""
        self._check_shape(array)
        if array.dtype == np.float16:
            return array.astype(np.float32)
        native = array.dtype.newbyteorder("=")
        return np.require(np.asarray(array), dtype=native, requirements="A")

    def _of_device(self, x: Any) -> Any:
        """Return an array of a device as it is: the native half gives it to `_model_there`."""
        if self._device != "cpu":
            return x
        message = (
            f"X is {type(x).__name__} in a CUDA device's memory, and the model runs on the cpu; "
            'load it with device="cuda", or copy the rows to the host'
        )
        raise InputTypeError(message)

    def values(self, x: Any) -> np.ndarray | SparseRows:
        """Return rows as `__call__` does, and refuse binned ones."""
        rows: np.ndarray | SparseRows | BinnedRows = self(x)
        if isinstance(rows, BinnedRows):
            message = f"rows are {rows!r}, expected values; they are binned already"
            raise InputTypeError(message)
        if rows is x and not isinstance(rows, np.ndarray):
            message = f"X is {type(x).__name__} on a CUDA device; copy it to the host for this call"
            raise InputTypeError(message)
        return rows

    def dense(self, x: Any) -> np.ndarray:
        """Return rows of values, a sparse matrix as the dense array that it means."""
        rows = self.values(x)
        if isinstance(rows, np.ndarray):
            return rows
        fill = np.nan if rows.absent_is_missing else 0
        n_rows = len(rows.starts) - 1
        array = np.full((n_rows, rows.n_features), fill, dtype=rows.values.dtype)
        array[np.repeat(np.arange(n_rows), np.diff(rows.starts)), rows.columns] = rows.values
        return array

    def _assembled(self, columns: Columns) -> np.ndarray:
        """Copy a frame's columns side by side in the type that NumPy finds for all of them."""
        arrays = [self._column(columns, index) for index in range(len(columns.types))]
        dtype = np.result_type(*arrays) if arrays else np.dtype(np.float64)
        rows = np.empty((columns.n_rows, len(arrays)), dtype=dtype, order="F")
        for index, array in enumerate(arrays):
            rows[:, index] = array
        return rows

    def _column(self, columns: Columns, index: int) -> np.ndarray:
        name = f"column {index if columns.names is None else columns.names[index]!r}"
        codes = self._labels.column(columns, index, name)
        if codes is not None:
            return codes
        array = columns.numbers(index)
        _check_type(array.dtype, f"{name} has", columns.types[index])
        return array


def _object_columns(x: Any) -> Columns | None:
    """Return the columns of an array or nested sequences that hold labels among numbers."""
    array = np.asarray(x) if isinstance(x, np.ndarray) else np.asarray(x, dtype=object)
    if array.ndim != 2 or array.dtype.kind not in "OUST":  # noqa: PLR2004 - rows and columns
        return None
    if all(isinstance(item, int | float | np.number | np.bool_) for item in array.flat):
        return None
    from cordwood._frames import object_columns

    return object_columns(array)


def _as_array(x: Any) -> np.ndarray:
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        message = "rows are a masked array with masked values; fill them, with NaN where missing"
        raise InputTypeError(message)
    if type(x).__module__.startswith("polars.") and hasattr(x, "collect"):
        message = "rows are a LazyFrame, expected one that holds its values; pass X.collect()"
        raise InputTypeError(message)
    try:
        array = as_host_array(x, "rows are")
    except ValueError as error:
        message = f"rows of unequal length or of mixed kinds cannot be made an array: {error}"
        raise InputError(message) from error
    _check_type(array.dtype, "rows have", array.dtype)
    return array


def _check_type(dtype: np.dtype, what: str, name: object) -> None:
    """Refuse what is no number; `name` is the type as its owner calls it."""
    if dtype.kind in _NUMBER_KINDS and dtype.itemsize <= np.dtype(np.float64).itemsize:
        return
    if dtype.kind == "f":
        advice = "cast to float64 first: rounding it is not left to chance"
    elif dtype.kind in "OSUT":
        advice = "turn text and objects into numbers first, categories into their codes"
    elif dtype.kind == "c":
        advice = "pass real numbers"
    else:
        advice = "pass numbers"
    message = f"{what} dtype {name}, expected integers, floats or booleans; {advice}"
    raise InputTypeError(message)


def _check_axes(array: Any) -> None:
    if array.ndim != 2:  # noqa: PLR2004 - rows and columns
        hints = {
            0: "wrap the number: [[x]]",
            1: "use X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature",
        }
        hint = hints.get(array.ndim, "flatten all axes but the first")
        message = f"rows have {array.ndim} dimensions, expected 2 (rows, features); {hint}"
        raise InputError(message)


def _check_names(given: Sequence[object], expected: Sequence[str] | None, blank: str) -> None:
    """Compare names as scikit-learn does: only where both sides have names, and order counts.

    `blank` is what stands for a blank in the model's names.
    """
    if expected is None or not all(isinstance(name, str) for name in given):
        return
    names = [str(name).replace(" ", blank) for name in given]
    if names == list(expected):
        return
    known, seen = set(expected), set(names)
    unseen = [str(own) for own, name in zip(given, names, strict=True) if name not in known]
    missing = [name for name in expected if name not in seen]
    if unseen or missing:
        message = "the columns are not those that the model was trained on"
        message += f"; unexpected: {_list(unseen)}" if unseen else ""
        message += f"; missing: {_list(missing)}" if missing else ""
        raise InputError(message)
    if len(names) != len(expected):
        message = f"rows have {len(names)} features, the model expects {len(expected)}"
        raise InputError(message)
    place = next(i for i, name in enumerate(names) if name != expected[i])
    same = all(own == name for own, name in zip(given, names, strict=True))
    advice = "pass X[model.feature_names_in_]" if same else "reorder them as in training"
    message = (
        f"the columns are in another order: column {place} is {given[place]!r}, the model expects "
        f"{expected[place]!r}; {advice}"
    )
    raise InputError(message)


def _list(names: Sequence[str]) -> str:
    shown = ", ".join(repr(name) for name in names[:_LISTED])
    more = len(names) - _LISTED
    return f"{shown} and {more} more" if more > 0 else shown
