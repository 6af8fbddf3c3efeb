"""What all peers share: the task, a peer ready to answer, and when an answer agrees."""

from __future__ import annotations

import contextlib
import logging
import textwrap
import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from cordwood._typing import AnyArray

__all__ = [
    "Agreement",
    "CannotTakeModelError",
    "Prepared",
    "Task",
    "Tolerance",
    "agreement",
    "converting",
    "first_line",
    "refuse_large",
]

Answer = Literal["predict_proba", "predict"]

MAX_INNER_NODES = 500_000
"""Converters that walk the nodes in Python take minutes beyond this."""


class CannotTakeModelError(Exception):
    """A peer cannot run a model; the message says why."""


@dataclass(frozen=True)
class Task:
    """A model and the question put to every peer.

    Attributes
    ----------
    source : object
        The source library's own model: an estimator or a Booster.
    library : {"sklearn", "xgboost", "lightgbm", "catboost"}
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
    cache : Path, optional
        Folder for machine code that takes minutes to make; without it, it is made anew.
    """

    source: Any
    library: str
    answer: Answer
    n_features: int
    n_inner: int
    input_type: str
    threads: int
    cache: Path | None = None


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
    holder : callable, optional
        What the library itself keeps rows in, where that is no array; filled before the clock
        starts.
    """

    name: str
    version: str
    call: Callable[[Any], AnyArray]
    row_type: str
    tolerance: Tolerance
    holder: Callable[[AnyArray], Any] | None = None

    def held(self, rows: AnyArray) -> Any:
        """Return rows as `call` takes them."""
        converted = rows.astype(self.row_type, copy=False)
        return self.holder(converted) if self.holder else converted


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


def refuse_large(task: Task) -> None:
    """Refuse a model whose conversion would take minutes.

    Raises
    ------
    CannotTakeModelError
        It has more than `MAX_INNER_NODES` inner nodes.
    """
    if task.n_inner > MAX_INNER_NODES:
        message = (
            f"conversion of {task.n_inner:,} inner nodes takes minutes; at most"
            f" {MAX_INNER_NODES:,} are converted here"
        )
        raise CannotTakeModelError(message)


@contextlib.contextmanager
def converting() -> Iterator[None]:
    """Keep a converter's notes to itself, and make its failure a reason.

    Raises
    ------
    CannotTakeModelError
        Whatever exception the converter's inner parts raised; an ImportError goes through.
    """
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (ImportError, CannotTakeModelError):
        raise
    except Exception as error:
        message = f"conversion fails with {type(error).__name__}: {first_line(error)}"
        raise CannotTakeModelError(message) from error
    finally:
        logging.disable(level)


def _table(answers: AnyArray) -> np.ndarray:
    wide = np.asarray(answers).astype(np.float64)
    return wide.reshape(len(wide), -1)
