"""Importing is light: what a process pays that only wants to predict."""

from __future__ import annotations

from cordwood.measure import fresh_process

MOST_SECONDS = 0.030
"""Beside NumPy."""


def test_import_takes_at_most_30_ms() -> None:
    """CPU time, and the fastest of many processes: the rest measures the neighbours."""
    steps = {"numpy": "import numpy", "cordwood": "import cordwood"}
    fastest = min(fresh_process(steps, repeats=2).step_cpu_s["cordwood"].low for _ in range(4))
    assert fastest < MOST_SECONDS
