"""Importing is light: what a process pays that only wants to predict."""

from __future__ import annotations

from cordwood.measure import fresh_process

MOST_SECONDS = 0.030
"""Beside NumPy, on a machine where NumPy itself takes 75 ms."""

MOST_OF_NUMPY = 0.4
"""The same as a share, for machines that are slower or busier."""


def test_import_is_light() -> None:
    """CPU time, and the best of many processes: the rest measures the neighbours."""
    steps = {"numpy": "import numpy", "cordwood": "import cordwood"}
    runs = [fresh_process(steps, repeats=2).step_cpu_s for _ in range(4)]
    fastest = min(run["cordwood"].low for run in runs)
    share = min(run["cordwood"].median / run["numpy"].median for run in runs)
    assert fastest < MOST_SECONDS or share < MOST_OF_NUMPY
