"""Importing is light: what a process pays that only wants to predict."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cordwood.measure import fresh_process

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

MOST_SECONDS = 0.030
"""Beside NumPy, on a machine where NumPy itself takes 75 ms."""

MOST_OF_NUMPY = 0.4
"""The same as a share, for machines that are slower or busier."""


def test_import_is_light(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """CPU time, and the best of many processes: the rest measures the neighbours.

    From bytecode, as an installed package has it, whatever this environment says about caches.
    """
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.setenv("PYTHONPYCACHEPREFIX", str(tmp_path))
    steps = {"numpy": "import numpy", "cordwood": "import cordwood"}
    runs = [fresh_process(steps, repeats=2).step_cpu_s for _ in range(4)]
    fastest = min(run["cordwood"].low for run in runs)
    share = min(run["cordwood"].median / run["numpy"].median for run in runs)
    assert fastest < MOST_SECONDS or share < MOST_OF_NUMPY
