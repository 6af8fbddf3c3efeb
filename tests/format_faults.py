"""The list of ways in which a file can be wrong; each breaks a valid file in that way alone.

The ways themselves are in ``format_faults_file.py``, ``format_faults_records.py`` and
``format_faults_program.py``, which register here when they are imported.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from cord_file import CordFile

__all__ = ["FAULTS", "breaks"]

FAULTS: list[tuple[str, Callable[[CordFile], bytes | None]]] = []
"""Name of the status, and what earns it: the function edits the file, or returns other bytes."""


def breaks(status: str) -> Callable[[Callable[[CordFile], bytes | None]], None]:
    """Register the decorated function as a way to earn `status`."""

    def register(function: Callable[[CordFile], bytes | None]) -> None:
        FAULTS.append((status, function))

    return register
