"""Rows of the host answered by packed trees: in a fresh array, or in the caller's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core
from cordwood._ops_calls import check_form
from cordwood._ops_checks import MATRIX
from cordwood._row_sparse import SparseRows
from cordwood._rows import RowsDoor
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from cordwood._ops_trees import PackedTrees

TARGETS: dict[str, str] = {"margin": "margin", "leaf": "leaves"}
"""What a model calls the answers of tree_predict."""

_IN_PLACE = frozenset(np.dtype(kind) for kind in "?bBhHiIlLqQfd")
"""Types of rows that need no door."""
_OVERLAP_EFFORT: Any = 10_000
"""Candidates that NumPy tries to tell whether arrays share memory; for rows a few suffice.

Any, since NumPy's annotations know its two constants alone.
"""
_TooHard: type[Exception] = getattr(np, "exceptions", np).TooHardError


class TreesDoor(RowsDoor):
    """The door of rows for trees that a caller packed.

    Parameters
    ----------
    n_features : int
        Columns that rows have.
    counted : bool
        Whether nobody said so: the trees test no higher one.
    input_type : {"float32", "float64"}
        What values are rounded to.
    """

    def __init__(self, n_features: int, *, counted: bool, input_type: str) -> None:
        super().__init__(n_features, input_type=input_type, absent="zero")
        self._counted = counted

    def values(self, x: Any) -> np.ndarray | SparseRows:
        """Return rows that the extension reads; those that were here before, as they are."""
        return x if isinstance(x, SparseRows) else super().values(x)

    def check_count(self, n_columns: int) -> None:
        """Raise InputError unless rows have as many columns as the trees expect."""
        check_columns(n_columns, self._n_features, counted=self._counted)


def check_columns(n_columns: int, n_features: int, *, counted: bool) -> None:
    """Raise InputError unless rows have `n_features` columns, and say what pack_trees was told."""
    if n_columns == n_features:
        return
    reason = "the n_features that pack_trees was told"
    if counted:
        reason = "up to the highest that a node tests, as pack_trees was not told n_features"
        reason += f"; pass it n_features={n_columns}" if n_columns > n_features else ""
    message = f"rows have {n_columns} features, the trees expect {n_features}, {reason}"
    raise InputError(message)


def bind(trees: PackedTrees, output: str, n_threads: int) -> Callable[[Any], NDArray[Any]]:
    """Return a function that answers rows; two threads may both make it, and agree.

    Parameters
    ----------
    trees : PackedTrees
        They keep the function.
    output : {"margin", "leaf"}
        What it answers.
    n_threads : int
        Most threads; 0 for all permitted cores.
    """
    native, door = _loaded(trees)
    function = native.bind(
        "run",
        TARGETS[output],
        flat=trees.flat and output == "margin",
        threads=_core.resolve_threads(n_threads),
        prepare=door.values,
    )
    trees._prepared["cpu", output, n_threads] = function
    return function


def bind_into(
    trees: PackedTrees, output: str, n_threads: int
) -> Callable[[Any, Any], NDArray[Any]]:
    """Return a function of rows and the array that takes the answers; see :func:`bind`."""
    native, door = _loaded(trees)
    afresh = bind(trees, output, n_threads)
    target, threads = TARGETS[output], _core.resolve_threads(n_threads)
    columns, dtype = native.form(target)
    flat = trees.flat and output == "margin"

    def answer(X: Any, out: Any) -> NDArray[Any]:
        rows: Any = X if _is_in_place(X, native.n_features) else door.values(X)
        sparse = isinstance(rows, SparseRows)
        n_rows = len(rows.starts) - 1 if sparse else len(rows)
        array = check_form(out, (n_rows,) if flat else (n_rows, columns), dtype)
        for held in (rows.starts, rows.columns, rows.values) if sparse else (rows,):
            _check_apart(array, held)
        if sparse:  # block by block, as a dense copy might need much more than the answer
            array[...] = afresh(rows)
        else:
            native.run_into(target, rows, array.reshape(n_rows, columns), threads=threads)
        return array

    trees._prepared["into", output, n_threads] = answer
    return answer


def _loaded(trees: PackedTrees) -> tuple[_core.Model, TreesDoor]:
    """Return the model of the host, made at first use, and the door of its rows."""
    known: tuple[_core.Model, TreesDoor] | None = trees._prepared.get("cpu")
    if known is None:
        native = _core.Model(trees.data, check_all=False)
        door = TreesDoor(native.n_features, counted=trees.counted, input_type=native.input_type)
        known = trees._prepared["cpu"] = native, door
    return known


def _is_in_place(X: Any, n_features: int) -> bool:
    """Whether rows are an array that the extension reads."""
    if type(X) is not np.ndarray or X.dtype not in _IN_PLACE:
        return False
    return X.ndim == MATRIX and X.shape[1] == n_features and X.flags.aligned


def _check_apart(out: NDArray[Any], rows: NDArray[Any]) -> None:
    """Raise where an answer would be written over rows, or where NumPy cannot tell."""
    if not np.may_share_memory(out, rows):
        return
    message = "out shares memory with X; expected an array of its own"
    try:
        if not np.shares_memory(out, rows, max_work=_OVERLAP_EFFORT):
            return
    except _TooHard:
        message = "out may share memory with X, too tangled to tell; expected an array of its own"
    raise InputError(message)
