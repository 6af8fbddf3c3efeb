"""Frames as columns: names, types, and each column as an array of numbers or as labels.

Frames are known by the module of their class, so that pandas, polars and pyarrow are not imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cordwood._typing import AnyArray

__all__ = ["NUMBER_KINDS", "Columns", "Labelled", "frame_columns", "object_columns"]

NUMBER_KINDS: Final = "biuf"
_NULLABLE_BOOLEANS: Final = ("bool", "boolean")


class Labelled(NamedTuple):
    """A column of labels: codes into a list of them.

    Attributes
    ----------
    codes : ndarray of integers, shape (n_rows,)
        Positions in `labels`; -1 where the value is missing.
    labels : sequence
        The labels that occur, each once.
    key : object
        Stands for `labels`: the same object means the same labels.
    """

    codes: AnyArray
    labels: Sequence[object]
    key: object


class Columns(NamedTuple):
    """A frame: names and types of its columns, its rows, and how to get a column.

    Attributes
    ----------
    names : list or None
        Names of the columns; None where it has none.
    types : list
        Types as their owner calls them.
    n_rows : int
        Number of rows.
    numbers : callable
        Returns column i as an array; of dtype object where it holds no numbers.
    labelled : callable
        Returns column i as `Labelled`, or None where it holds numbers.
    """

    names: list[object] | None
    types: list[object]
    n_rows: int
    numbers: Callable[[int], AnyArray]
    labelled: Callable[[int], Labelled | None]


def frame_columns(x: Any) -> Columns | None:
    """Return the columns of a pandas or polars DataFrame or an Arrow table; None for all else."""
    library = type(x).__module__.partition(".")[0]
    if library == "pandas" and hasattr(x, "iloc") and hasattr(x, "columns"):
        return Columns(
            list(x.columns),
            list(x.dtypes),
            len(x),
            lambda i: _pandas_numbers(x.iloc[:, i]),
            lambda i: _pandas_labels(x.iloc[:, i]),
        )
    if library == "polars" and hasattr(x, "to_series"):
        return Columns(
            list(x.columns),
            list(x.dtypes),
            x.height,
            lambda i: _without_none(x.to_series(i).to_numpy(), x.dtypes[i]),
            lambda i: _polars_labels(x.to_series(i)),
        )
    if library == "pyarrow" and hasattr(x, "column_names"):
        return Columns(
            list(x.column_names),
            list(x.schema.types),
            x.num_rows,
            lambda i: _without_none(_arrow_numbers(x.column(i)), x.schema.types[i]),
            lambda i: _arrow_labels(x.column(i)),
        )
    return None


def object_columns(x: AnyArray) -> Columns:
    """Return the columns of a two-dimensional array of objects or text."""

    def numbers(i: int) -> AnyArray:
        try:
            return x[:, i].astype(np.float64)
        except (TypeError, ValueError):
            return x[:, i]

    types: list[object] = [x.dtype] * x.shape[1]
    return Columns(None, types, len(x), numbers, lambda i: _listed(x[:, i].tolist()))


def _pandas_numbers(series: Any) -> AnyArray:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _without_none(series.to_numpy(), dtype)
    if getattr(dtype, "kind", "O") not in NUMBER_KINDS or not hasattr(dtype, "na_value"):
        return np.empty(0, dtype=object)  # a category, a string, a date
    if series.hasnans or series.isna().any():
        missing: AnyArray = series.to_numpy(dtype=np.float64, na_value=np.nan)
        return missing
    whole: AnyArray = series.to_numpy(dtype=dtype.type if dtype.kind != "b" else np.bool_)
    return whole


def _pandas_labels(series: Any) -> Labelled | None:
    dtype = series.dtype
    if hasattr(dtype, "categories"):
        return Labelled(series.cat.codes.to_numpy(), dtype.categories, dtype.categories)
    if isinstance(dtype, np.dtype) and dtype.kind in NUMBER_KINDS:
        return None
    if not isinstance(dtype, np.dtype) and getattr(dtype, "kind", "O") in NUMBER_KINDS:
        return None
    return _listed(series.astype(object).tolist())


def _arrow_numbers(column: Any) -> AnyArray:
    array = (
        column.to_numpy() if hasattr(column, "chunks") else column.to_numpy(zero_copy_only=False)
    )
    return np.asarray(array)


def _arrow_labels(column: Any) -> Labelled | None:
    whole = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    if hasattr(whole, "dictionary"):
        codes = whole.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        return Labelled(codes, whole.dictionary.to_pylist(), None)
    if str(column.type) in ("string", "large_string", "string_view"):
        return _listed(whole.to_pylist())
    return None


def _polars_labels(series: Any) -> Labelled | None:
    if type(series.dtype).__name__ in ("Categorical", "Enum") or str(series.dtype) == "String":
        return _listed(series.to_list())
    return None


def _listed(values: list[Any]) -> Labelled:
    """Give the labels of a plain list codes, in the order in which they come."""
    positions: dict[object, int] = {}
    codes = np.fromiter(
        (-1 if _is_missing(v) else positions.setdefault(v, len(positions)) for v in values),
        dtype=np.int64,
        count=len(values),
    )
    return Labelled(codes, list(positions), None)


def _is_missing(value: Any) -> bool:
    """Tell whether a value is None, NaN or pandas' NA, which equals nothing."""
    if value is None:
        return True
    try:
        return bool(value != value)  # noqa: PLR0124 - NaN alone differs from itself
    except TypeError:
        return True


def _without_none(array: AnyArray, kind: object) -> AnyArray:
    """Make NaN of the None that stands for a missing value in a column of booleans."""
    if array.dtype == object and str(kind).lower() in _NULLABLE_BOOLEANS:
        return array.astype(np.float64)
    return array
