"""Calibration for nets: brought into one form, and refused where it does not fit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._model_net_inputs import as_array
from cordwood.errors import InputError
from cordwood.ir import Role

if TYPE_CHECKING:
    from collections.abc import Iterable

    from cordwood.ir import Graph, Value

__all__ = ["MOST", "check_read", "joined", "read_batches"]

MOST = 2.0**60
"""What layers read lies below it: sums of squares of float32 then stay finite."""


def read_batches(graph: Graph, calibration: Any) -> list[dict[str, np.ndarray]]:
    """Bring calibration into one form: a list of inputs by name.

    Parameters
    ----------
    graph : Graph
        A net.
    calibration : iterable of inputs, or None
        Batches: each an array, a tuple of arrays in the order of the inputs, or a dict of arrays by
        name. One array, or one dict, is one batch.

    Returns
    -------
    list of dict
        Empty without calibration. Batches without entries are left out.

    Raises
    ------
    InputError
        Calibration is none of the above, holds no entries, or a batch does not fit the net's
        inputs or holds NaN.
    InputTypeError
        An input is no array of numbers.
    """
    if calibration is None:
        return []
    inputs = [value for value in graph.values if value.role is Role.INPUT]
    batches = []
    for number, batch in enumerate(_listed(calibration)):
        named = _named(batch, [value.name for value in inputs], f"calibration batch {number}")
        arrays = {
            value.name: _checked(named[value.name], value, f"calibration batch {number}")
            for value in inputs
        }
        if any(array.size for array in arrays.values()):
            batches.append(arrays)
    if not batches:
        message = "calibration holds no batches with entries, expected one at least"
        raise InputError(message)
    return batches


def check_read(rows: np.ndarray, name: str, number: int) -> None:
    """Refuse what no code can be chosen by.

    Parameters
    ----------
    rows : ndarray of float32
        What the layers that read a value have met.
    name : str
        Of the value.
    number : int
        Of the batch.

    Raises
    ------
    InputError
        A number is NaN, infinite, or of `MOST` and more.
    """
    if rows.size and not (rows.min() > -MOST and rows.max() < MOST):
        message = (
            f"layers read {rows[~(np.abs(rows) < MOST)].flat[0]} in value {name!r} when calibration"
            f" batch {number} runs through the net, expected finite numbers below {MOST:.3g}: leave"
            " that batch out, or look at the layers before it"
        )
        raise InputError(message)


def joined(rows: list[np.ndarray], name: str) -> np.ndarray:
    """Put what batches showed of a value behind one another.

    Raises
    ------
    InputError
        There is nothing.
    """
    if not any(part.size for part in rows):
        message = (
            f"no calibration batch holds anything in value {name!r}, which layers read; expected"
            " one batch at least that does"
        )
        raise InputError(message)
    return np.concatenate(rows)


def _listed(calibration: Any) -> Iterable[Any]:
    if isinstance(calibration, dict) or hasattr(calibration, "dtype"):
        return [calibration]
    if not hasattr(calibration, "__iter__") or isinstance(calibration, str | bytes):
        message = (
            f"calibration is of type {type(calibration).__name__}, expected a list of batches, each"
            " an array, a tuple of arrays in the order of the inputs, or a dict by name"
        )
        raise InputError(message)
    listed: Iterable[Any] = calibration
    return listed


def _named(batch: Any, names: list[str], where: str) -> dict[str, Any]:
    if isinstance(batch, dict):
        if set(batch) != set(names):
            message = f"{where} has inputs {sorted(map(str, batch))}, expected {names}"
            raise InputError(message)
        return batch
    arrays = batch if isinstance(batch, tuple | list) else (batch,)
    if len(arrays) != len(names):
        message = (
            f"{where} holds {len(arrays)} arrays, expected {len(names)}: {', '.join(names)}; a"
            " batch is one array, a tuple of arrays, or a dict by name"
        )
        raise InputError(message)
    return dict(zip(names, arrays, strict=True))


def _checked(given: Any, value: Value, where: str) -> np.ndarray:
    array = as_array(given, f"{where}, input {value.name!r}", np.dtype(value.dtype))
    fits = array.ndim == len(value.shape) and all(
        isinstance(wanted, str) or size == wanted
        for size, wanted in zip(array.shape, value.shape, strict=True)
    )
    if not fits:
        expected = ", ".join(map(str, value.shape))
        message = (
            f"{where}, input {value.name!r} has shape {array.shape}, expected ({expected}); a batch"
            " has all axes of the net's inputs"
        )
        raise InputError(message)
    if array.dtype.kind == "f" and np.isnan(array).any():
        message = f"{where}, input {value.name!r} holds NaN"
        raise InputError(message)
    return array
