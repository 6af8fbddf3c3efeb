"""What all peers share: the task, a peer ready to answer, and when an answer agrees."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._typing import AnyArray

__all__ = [
    "Agreement",
    "CannotTakeModelError",
    "Prepared",
    "Task",
    "Tolerance",
    "agreement",
    "first_line",
]

Answer = Literal["predict_proba", "predict"]


class CannotTakeModelError(Exception):
    """A peer cannot run a model; the message says why."""


@dataclass(frozen=True)
class Task:
    """A model and the question put to every peer.

    Attributes
    ----------
    source : object
        The source library's own model: an estimator or a Booster.
    library : {"sklearn", "xgboost", "lightgbm"}
        Whose it is.
    answer : {"predict_proba", "predict"}
        The method whose answer is compared and timed.
    n_features : int
        Columns of the rows.
    n_inner : int
        Inner nodes of the model: what conversion time grows with.
    input_type : {"float32", "float64"}
        Type that the source casts rows to; every peer is handed rows that hold such numbers.
    threads : int
        Threads that each peer may use.
    """

    source: Any
    library: str
    answer: Answer
    n_features: int
    n_inner: int
    input_type: str
    threads: int


@dataclass(frozen=True)
class Tolerance:
    """How far an answer may be from the source's.

    Attributes
    ----------
    difference : float
        Largest ``abs(a - b) / max(1, abs(b))`` that still agrees.
    rows_off : float
        Share of rows that may be further off and are reported.
    why : str
        Reason for both.
    """

    difference: float
    rows_off: float
    why: str


EXACT = Tolerance(0.0, 0.0, "bit for bit")


@dataclass(frozen=True)
class Prepared:
    """A peer ready to answer.

    Attributes
    ----------
    name, version : str
        The peer.
    call : callable
        Block of rows to answers.
    row_type : {"float32", "float64"}
        Type of the blocks it takes; rows are converted before the clock starts.
    tolerance : Tolerance
        When its answers count as the source's.
    """

    name: str
    version: str
    call: Callable[[Any], AnyArray]
    row_type: str
    tolerance: Tolerance


@dataclass(frozen=True)
class Agreement:
    """How a peer's answers compare with the source's.

    Attributes
    ----------
    rows, rows_equal, rows_off : int
        Rows compared, rows equal bit for bit, rows beyond the tolerance.
    largest : float or None
        Largest difference, measured as the tolerance is; None where the answers cannot be compared:
        their shapes differ, or one is NaN or infinite and the other is not.
    tolerance : Tolerance
        What was allowed.
    holds : bool
        Whether no more rows are off than the tolerance allows.
    """

    rows: int
    rows_equal: int
    rows_off: int
    largest: float | None
    tolerance: Tolerance
    holds: bool


def agreement(expected: AnyArray, given: AnyArray, tolerance: Tolerance) -> Agreement:
    """Compare answers row by row.

    Parameters
    ----------
    expected, given : ndarray of shape (n_rows,) or (n_rows, n_outputs)
        Answers of the source and of a peer. Where one gives both columns of two classes and the
        other only that of the second, the second is compared.
    tolerance : Tolerance
        What is allowed.

    Returns
    -------
    Agreement
        Counts; answers of different shapes agree in no row. NaN equals NaN.
    """
    left, right = _table(expected), _table(given)
    narrow = min(left.shape[1], right.shape[1])
    if narrow == 1 and max(left.shape[1], right.shape[1]) == 2:  # noqa: PLR2004 - two classes
        left, right = left[:, -1:], right[:, -1:]
    rows = len(left)
    if left.shape != right.shape:
        return Agreement(rows, 0, rows, None, tolerance, holds=False)
    equal = (left == right) | (np.isnan(left) & np.isnan(right))
    with np.errstate(invalid="ignore"):
        off = np.abs(right - left) / np.maximum(1.0, np.abs(left))
    off = np.where(equal, 0.0, np.where(np.isnan(off), np.inf, off))
    largest = float(off.max(initial=0.0))
    rows_off = int((off > tolerance.difference).any(axis=1).sum())
    return Agreement(
        rows=rows,
        rows_equal=int(equal.all(axis=1).sum()),
        rows_off=rows_off,
        largest=largest if np.isfinite(largest) else None,
        tolerance=tolerance,
        holds=rows_off <= tolerance.rows_off * rows,
    )


def first_line(error: Exception) -> str:
    """Return the start of what another library complains of, fit for one line."""
    lines = str(error).strip().splitlines() or ["no message"]
    return textwrap.shorten(lines[0], 120, placeholder=" ...")


def _table(answers: AnyArray) -> np.ndarray:
    wide = np.asarray(answers).astype(np.float64)
    return wide.reshape(len(wide), -1)
