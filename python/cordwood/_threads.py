"""How many threads a caller asks for."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from cordwood.errors import InputError

_MAX_THREADS = 1024


def check_threads(threads: Any) -> int | None:
    """Return `threads` as an int, or None for all permitted cores; raise for all else."""
    if threads is None:
        return None
    if not isinstance(threads, bool | np.bool_):
        try:
            count = operator.index(threads)
        except TypeError:
            count = 0
        if 1 <= count <= _MAX_THREADS:
            return count
    message = f"threads is {threads!r}, expected a whole number from 1 to {_MAX_THREADS}, or None"
    raise InputError(message)
