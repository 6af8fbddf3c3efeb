"""The choice of an instruction set, and a floating-point mode that a host has changed."""

from __future__ import annotations

import ctypes
import os
import platform
import subprocess
import sys

import pytest

import cordwood
from drawn import Shape, make_graph, make_rows


def _python(code: str, isa: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "CORDWOOD_ISA": isa},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_scalar_is_everywhere_and_last() -> None:
    assert cordwood.available_isas()[-1] == "scalar"
    assert cordwood.active_isa() in cordwood.available_isas()


def test_the_best_row_is_the_default() -> None:
    run = _python("import cordwood; print(cordwood.active_isa())", "")
    assert run.stdout.strip() == cordwood.available_isas()[0]


@pytest.mark.parametrize("isa", cordwood.available_isas())
def test_the_environment_forces_a_row(isa: str) -> None:
    run = _python("import cordwood; print(cordwood.active_isa())", isa)
    assert run.stdout.strip() == isa, run.stderr


@pytest.mark.parametrize("isa", ["SCALAR", "sse9", "{}", "x" * 500])
def test_an_unknown_row_is_refused_with_the_valid_ones(isa: str) -> None:
    code = """
import cordwood, pytest
from drawn import Shape, make_graph
for call in (cordwood.active_isa, lambda: cordwood.compress(make_graph(Shape()))):
    with pytest.raises(cordwood.DeviceError) as caught:
        call()
    print(caught.value)
"""
    run = _python(code, isa)
    assert run.returncode == 0, run.stderr
    first, second = run.stdout.splitlines()
    assert first == second
    assert "no instruction set of this build" in first
    assert first.endswith(", ".join(cordwood.available_isas()))


@pytest.mark.skipif(platform.machine() not in {"x86_64", "AMD64"}, reason="sets x86's MXCSR")
def test_a_hosts_floating_point_mode_changes_no_bit() -> None:
    # glibc has no portable call for flush-to-zero, but fesetenv takes the whole environment: the
    # MXCSR word lies at byte 28 of it.
    libm = ctypes.CDLL("libm.so.6")
    graph = make_graph(Shape(seed=8, head="binary", n_outputs=1, n_trees=40, max_leaves=20))
    model = cordwood.compress(graph)
    rows = make_rows(graph.trees, 500, "float64", 2)
    targets = ("margin", "leaves", "probability")
    expected = [model._run(rows, target).tobytes() for target in targets]
    before, changed = (ctypes.c_ubyte * 32)(), (ctypes.c_ubyte * 32)()
    assert libm.fegetenv(before) == 0
    ctypes.memmove(changed, before, 32)
    changed[28:32] = list((0x1F80 | 0x8040 | 0x6000).to_bytes(4, "little"))  # FTZ, DAZ, truncate
    assert libm.fesetenv(changed) == 0
    try:
        found = [model._run(rows, target).tobytes() for target in targets]
        after = (ctypes.c_ubyte * 32)()
        libm.fegetenv(after)
    finally:
        libm.fesetenv(before)
    assert found == expected
    assert bytes(after[28:32])[1] & 0xE0 == 0xE0  # the host's mode is back
