"""Sparse matrices as rows: the parts that the extension scatters into blocks of dense ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cordwood.errors import InputError, InputTypeError

__all__ = ["SparseRows", "is_sparse", "sparse_rows"]

if TYPE_CHECKING:
    from cordwood.ir import Absent


class SparseRows(NamedTuple):
    """A matrix in CSR form, and what an entry that it does not store means.

    Attributes
    ----------
    starts : ndarray of int64, shape (n_rows + 1,)
        First stored entry of each row.
    columns : ndarray of int32, shape (n_stored,)
        Column of each entry, below `n_features`.
    values : ndarray of shape (n_stored,)
        The entries: floats, or where absent means zero integers.
    n_features : int
        Columns of the matrix.
    absent_is_missing : bool
        Whether an entry that is not stored is NaN; it is zero otherwise.
    """

    starts: np.ndarray
    columns: np.ndarray
    values: np.ndarray
    n_features: int
    absent_is_missing: bool


def is_sparse(x: Any) -> bool:
    """Tell whether `x` is a matrix or array of scipy.sparse, which is not imported for that."""
    return hasattr(x, "tocsr") and hasattr(x, "nnz")


def sparse_rows(x: Any, absent: Absent, input_type: str) -> SparseRows:
    """Bring a sparse matrix into the form that the extension reads.

    Parameters
    ----------
    x : scipy.sparse matrix or array of shape (n_rows, n_features)
        CSR is read as it lies; any other form is converted to CSR first. Entries stored twice add
        up, as they do in ``x.toarray()``.
    absent : {"zero", "missing", "refused"}
        What an entry that is not stored means to the source.
    input_type : {"float32", "float64"}
        What the model casts rows to.

    Raises
    ------
    InputError
        The matrix is inconsistent: an index lies outside.
    InputTypeError
        The source takes no sparse rows, or the entries are no numbers.
    """
    if absent == "refused":
        message = (
            "rows are a sparse matrix, and the source of this model takes dense rows alone; "
            "pass X.toarray()"
        )
        raise InputTypeError(message)
    matrix = x.tocsr()
    if not matrix.has_canonical_format:
        matrix = matrix.copy()
        matrix.sum_duplicates()
    values = matrix.data
    if values.dtype.kind not in "biuf" or values.dtype.itemsize > np.dtype(np.float64).itemsize:
        message = (
            f"rows are a sparse matrix of dtype {values.dtype}, expected integers, floats or "
            f"booleans of up to 8 bytes"
        )
        raise InputTypeError(message)
    if values.dtype == np.float16:
        values = values.astype(np.float32)
    if values.dtype.kind != "f" and absent == "missing":
        values = values.astype(input_type)  # NaN beside them needs a float
    n_rows, n_features = matrix.shape
    starts = matrix.indptr.astype(np.int64, copy=False)
    columns = matrix.indices
    inside = len(columns) == 0 or (columns.min() >= 0 and columns.max() < n_features)
    ordered = starts[0] == 0 and starts[-1] == len(columns) and bool((np.diff(starts) >= 0).all())
    if not (inside and ordered and len(starts) == n_rows + 1 and len(values) == len(columns)):
        message = (
            "the sparse matrix is inconsistent: its indptr and indices do not describe entries of "
            f"a matrix of shape {matrix.shape}; see its check_format method"
        )
        raise InputError(message)
    native = values.dtype.newbyteorder("=")
    return SparseRows(
        np.ascontiguousarray(starts),
        np.ascontiguousarray(columns, dtype=np.int32),
        np.ascontiguousarray(values, dtype=native),
        n_features,
        absent == "missing",
    )
