"""From what a program writes to what a source's method returns: labels, lists, matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood._typing import AnyArray, Float64Array, Int64Array

__all__ = ["as_dense_embedding", "as_sparse_embedding", "labels_of", "split_by_output"]


def labels_of(indices: Int64Array, classes: AnyArray | Sequence[AnyArray]) -> AnyArray:
    """Return the labels of class indices.

    Parameters
    ----------
    indices : ndarray of int64, shape (n_rows,) or (n_rows, n_outputs)
        Places among the classes of their output.
    classes : ndarray, or sequence of n_outputs ndarrays
        Labels by class index.

    Returns
    -------
    ndarray of the shape of `indices`
        Of the labels' type; of objects where outputs have labels of several kinds.
    """
    if isinstance(classes, np.ndarray):
        return classes.take(indices.reshape(len(indices)))
    kinds = {labels.dtype.kind for labels in classes}
    dtype = np.dtype(object) if len(kinds) > 1 else np.result_type(*classes)
    answer = np.empty(indices.shape, dtype=dtype)
    for output, labels in enumerate(classes):
        answer[:, output] = labels.take(indices[:, output])
    return answer


def split_by_output(table: AnyArray, classes: Sequence[AnyArray]) -> list[AnyArray]:
    """Return the columns of each output of a classifier as an array of its own.

    Parameters
    ----------
    table : ndarray of shape (n_rows, classes of all outputs)
        Probabilities.
    classes : sequence of n_outputs ndarrays
        Labels of each output.
    """
    ends = np.cumsum([len(labels) for labels in classes])
    return [np.ascontiguousarray(part) for part in np.split(table, ends[:-1], axis=1)]


def as_sparse_embedding(columns: Float64Array, n_columns: int) -> Any:
    """Return a CSR matrix with a one in each column listed, as scikit-learn's encoder writes it.

    Parameters
    ----------
    columns : ndarray of float64, shape (n_rows, n_trees)
        Whole numbers, ascending in a row.
    n_columns : int
        Columns of the matrix.

    Raises
    ------
    MissingDependencyError
        scipy is not installed.
    """
    try:
        from scipy.sparse import csr_matrix
    except ImportError as error:
        message = (
            "transform gives a scipy.sparse matrix, which needs scipy: pip install scipy; or pass "
            "sparse=False for a dense array"
        )
        raise MissingDependencyError(message) from error
    n_rows, n_trees = columns.shape
    starts = np.arange(n_rows + 1) * n_trees
    parts = (np.ones(columns.size), columns.reshape(-1).astype(np.int32), starts)
    return csr_matrix(parts, shape=(n_rows, n_columns))


def as_dense_embedding(columns: Float64Array, n_columns: int) -> Float64Array:
    """Return an array with a one in each column listed; parameters as of `as_sparse_embedding`."""
    answer = np.zeros((len(columns), n_columns))
    np.put_along_axis(answer, columns.astype(np.int64), 1.0, axis=1)
    return answer
