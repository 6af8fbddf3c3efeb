"""A plain bar on a terminal for work that takes more than a moment; elsewhere nothing at all."""

from __future__ import annotations

import sys
import time
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["bar", "reached"]

_PATIENCE_S = 1.0
_BETWEEN_S = 0.1
_WIDTH = 30


class _Bar:
    """One line that is drawn over itself, and wiped when the work is done."""

    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal
        self._next = time.monotonic() + _PATIENCE_S
        self._share = 0.0
        self._shown = 0

    def show(self, share: float, doing: str) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + _BETWEEN_S
        self._share = max(self._share, share)  # a stage may come twice; the bar never goes back
        full = round(_WIDTH * self._share)
        line = f"cordwood [{'#' * full}{'.' * (_WIDTH - full)}] {self._share:4.0%} {doing}"
        self._write(line)
        self._shown = len(line)

    def wipe(self) -> None:
        if self._shown:
            self._write("")
            self._terminal.write("\r")
            self._terminal.flush()

    def _write(self, line: str) -> None:
        self._terminal.write("\r" + line.ljust(self._shown))
        self._terminal.flush()


_active: ContextVar[_Bar | None] = ContextVar("cordwood_progress", default=None)


@contextmanager
def bar() -> Iterator[None]:
    """Let `reached` draw while the block runs, if standard error is a terminal.

    Nothing is drawn within the first second, nor by a bar within another.
    """
    terminal = sys.stderr
    if terminal is None or not terminal.isatty() or _active.get() is not None:
        yield
        return
    drawn = _Bar(terminal)
    token = _active.set(drawn)
    try:
        yield
    finally:
        _active.reset(token)
        drawn.wipe()


def reached(share: float, doing: str) -> None:
    """Say how much of the work is done, and what comes now.

    Parameters
    ----------
    share : float
        From 0 to 1.
    doing : str
        A few words.
    """
    active = _active.get()
    if active is not None:
        active.show(share, doing)
