"""The narrow door for rows that are not yet an array the extension reads in place.

Arrays of a common number type never come here. Frames are known by the module of their class, so
that pandas, polars and pyarrow are not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["as_rows"]

_NUMBER_KINDS: Final = "biuf"
_BOOLEANS: Final = ("bool", "boolean")
_LISTED: Final = 5  # names that a message lists before it says how many more there are


def as_rows(
    x: Any, n_features: int, feature_names: Sequence[str] | None, library: object = None
) -> np.ndarray:
    """Make rows of anything that stands for them, or say why it cannot be done.

    Parameters
    ----------
    x : array-like or frame of shape (n_rows, n_features)
        A NumPy array, a pandas or polars DataFrame, an Arrow table, or nested sequences of numbers.
        float16 widens to float32, which is exact; a mixed frame takes NumPy's common type.
    n_features : int
        Columns that the model expects.
    feature_names : sequence of str, optional
        Their names; compared with those of a frame, order included.
    library : object, optional
        Library of the source as its provenance names it: ``"lightgbm"`` holds an underscore for
        each blank of a name, so a frame may have either.

    Returns
    -------
    ndarray of shape (n_rows, n_features)
        Numbers in native byte order, aligned.

    Raises
    ------
    InputError
        The shape or the names of the columns are not those that the model expects.
    InputTypeError
        Something in it is not a number, or a number too wide to be read exactly.
    """
    columns = _columns(x)
    if columns is not None:
        _check_names(columns.names, feature_names, blank="_" if library == "lightgbm" else " ")
        array = _assemble(columns)
    else:
        array = _as_array(x)
    _check_shape(array, n_features)
    if array.dtype == np.float16:
        return array.astype(np.float32)
    native = array.dtype.newbyteorder("=")
    return np.require(np.asarray(array), dtype=native, requirements="A")


class _Columns:
    """Names and types of a frame's columns, its number of rows, how to get a column as an array."""

    def __init__(
        self,
        names: Sequence[object],
        types: Sequence[object],
        n_rows: int,
        column: Callable[[int], np.ndarray],
    ) -> None:
        self.names = list(names)
        self.types = list(types)
        self.n_rows = n_rows
        self.column = column


def _columns(x: Any) -> _Columns | None:
    library = type(x).__module__.partition(".")[0]
    if library == "pandas" and hasattr(x, "iloc") and hasattr(x, "columns"):
        return _Columns(x.columns, x.dtypes, len(x), lambda i: _pandas_column(x.iloc[:, i]))
    if library == "polars" and hasattr(x, "to_series"):
        return _Columns(x.columns, x.dtypes, x.height, lambda i: x.to_series(i).to_numpy())
    if library == "pyarrow" and hasattr(x, "column_names"):
        types = x.schema.types
        return _Columns(x.column_names, types, x.num_rows, lambda i: _arrow_column(x.column(i)))
    return None


def _pandas_column(series: Any) -> np.ndarray:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        array: np.ndarray = series.to_numpy()
        return array
    if getattr(dtype, "kind", "O") not in _NUMBER_KINDS or not hasattr(dtype, "na_value"):
        return np.empty(0, dtype=object)  # a category, a string, a date
    if series.hasnans or series.isna().any():
        missing: np.ndarray = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return missing
    whole: np.ndarray = series.to_numpy(dtype=dtype.type if dtype.kind != "b" else np.bool_)
    return whole


def _arrow_column(column: Any) -> np.ndarray:
    array = (
        column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
    )
    return np.asarray(array)


def _assemble(columns: _Columns) -> np.ndarray:
    """Copy a frame's columns side by side in the type that NumPy finds for all of them."""
    arrays = [columns.column(index) for index in range(len(columns.names))]
    for index, (name, kind) in enumerate(zip(columns.names, columns.types, strict=True)):
        array = arrays[index]
        if array.dtype == object and str(kind).lower() in _BOOLEANS:
            arrays[index] = array = array.astype(np.float64)  # None, a missing value, becomes NaN
        _check_type(array.dtype, f"column {name!r} has", kind)
    dtype = np.result_type(*arrays) if arrays else np.dtype(np.float64)
    rows = np.empty((columns.n_rows, len(arrays)), dtype=dtype, order="F")
    for index, array in enumerate(arrays):
        rows[:, index] = array
    return rows


def _as_array(x: Any) -> np.ndarray:
    if hasattr(x, "toarray") and hasattr(x, "nnz"):
        message = "rows are a sparse matrix, expected a dense one; pass X.toarray()"
        raise InputTypeError(message)
    if isinstance(x, np.ma.MaskedArray) and np.ma.is_masked(x):
        message = "rows are a masked array with masked values; fill them, with NaN where missing"
        raise InputTypeError(message)
    if type(x).__module__.startswith("polars.") and hasattr(x, "collect"):
        message = "rows are a LazyFrame, expected one that holds its values; pass X.collect()"
        raise InputTypeError(message)
    try:
        array = np.asarray(x)
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


def _check_shape(array: np.ndarray, n_features: int) -> None:
    if array.ndim != 2:  # noqa: PLR2004 - rows and columns
        hints = {
            0: "wrap the number: [[x]]",
            1: "use X.reshape(1, -1) for one row, X.reshape(-1, 1) for one feature",
        }
        hint = hints.get(array.ndim, "flatten all axes but the first")
        message = f"rows have {array.ndim} dimensions, expected 2 (rows, features); {hint}"
        raise InputError(message)
    if array.shape[1] != n_features:
        message = f"rows have {array.shape[1]} features, the model expects {n_features}"
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
