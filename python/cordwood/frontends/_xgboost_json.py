"""Members of XGBoost's model document, read with the fault named by its path."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from cordwood.errors import SourceFileError
from cordwood.frontends import _ubjson

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["fail", "floats", "member", "number", "parse", "whole_numbers"]


def fail(where: str, found: object, expected: str) -> NoReturn:
    """Raise the error of a malformed member."""
    text = repr(found)
    shown = text if len(text) <= 80 else text[:77] + "..."  # noqa: PLR2004 - a line of a terminal
    message = f"XGBoost model: {where} is {shown}, expected {expected}"
    raise SourceFileError(message)


def member(parent: dict[str, Any], name: str, kind: type | tuple[type, ...], where: str) -> Any:
    """Return the member `name` of `parent`, which must be of type `kind`."""
    if name not in parent:
        message = f"XGBoost model: {where} has no member {name!r}, expected {_noun(kind)}"
        raise SourceFileError(message)
    value = parent[name]
    if not isinstance(value, kind):
        fail(f"{where}.{name}", value, _noun(kind))
    return value


def _noun(kind: type | tuple[type, ...]) -> str:
    if kind is dict:
        return "an object"
    return "a string" if kind is str else "an array"


def number(parent: dict[str, Any], name: str, where: str, default: int | None = None) -> int:
    """Return a count, which XGBoost writes as a string."""
    if default is not None and name not in parent:
        return default
    text = member(parent, name, str, where)
    if not (text.isascii() and text.isdigit() and len(text) <= len(str(2**63))):
        fail(f"{where}.{name}", text, "a whole number of at least 0 as a string")
    return int(text)


def whole_numbers(
    values: Sequence[Any] | np.ndarray, where: str, limits: tuple[int, int] = (0, 2**31 - 1)
) -> np.ndarray:
    """Return a list (JSON) or typed array (UBJSON) of whole numbers within `limits` as int64."""
    least, most = limits
    numbers = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if not all(type(value) is int and least <= value <= most for value in numbers):
        fail(where, numbers, f"whole numbers from {least} to {most}")
    return np.array(numbers, np.int64)


def floats(values: Sequence[Any] | np.ndarray, where: str) -> np.ndarray:
    """Return finite numbers as float32, as which XGBoost holds and writes them."""
    numbers = values.tolist() if isinstance(values, np.ndarray) else list(values)
    if not all(type(value) in (int, float) and abs(value) < 2.0**128 for value in numbers):
        fail(where, numbers, "finite numbers in the range of float32")
    # Written with the fewest digits that name one float32, so going through float64 is exact.
    with np.errstate(over="ignore"):
        single: np.ndarray = np.array(numbers, np.float64).astype(np.float32)
    if not np.isfinite(single).all():
        fail(where, numbers, "finite numbers in the range of float32")
    return single


def parse(data: bytes) -> Any:
    """Read JSON or UBJSON, told apart by the second character.

    Parameters
    ----------
    data : bytes
        A whole model file, or what ``Booster.save_raw`` returns.

    Returns
    -------
    object
        The document.

    Raises
    ------
    SourceFileError
        The bytes are neither.
    """
    head = data.lstrip(b" \t\r\n")[:2]
    if head[:1] != b"{":
        message = (
            f"the file starts with {data[:8]!r}, expected an XGBoost model as JSON or UBJSON, "
            "which starts with '{'; save an older binary model again with Booster.save_model"
        )
        raise SourceFileError(message)
    if head[1:2] not in b' \t\r\n"}':
        return _ubjson.parse(data)
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        message = f"the file starts as JSON but is not: {error}"
        raise SourceFileError(message) from error
