"""What every test shares: Hypothesis settings, the project's folder, and who may run on a GPU."""

from __future__ import annotations

import ctypes
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from emulated_cuda import emulator_fixture  # noqa: F401

ROOT = Path(__file__).resolve().parent.parent

# Machines of very different speed run these tests: a deadline would measure the neighbours.
_COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow], "print_blob": True}
# `make test` draws the same examples every time; `make test-full` looks for new ones.
settings.register_profile("default", max_examples=40, derandomize=True, **_COMMON)
settings.register_profile("full", max_examples=400, **_COMMON)
settings.load_profile(os.environ.get("CORDWOOD_HYPOTHESIS", "default"))


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the checkout."""
    return ROOT


def _why_no_gpu() -> str | None:
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return "no CUDA driver (libcuda.so.1) on this machine"
    count = ctypes.c_int(0)
    if driver.cuInit(0) != 0 or driver.cuDeviceGetCount(ctypes.byref(count)) != 0:
        return "the CUDA driver does not start on this machine"
    return None if count.value else "no CUDA device on this machine"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests marked ``gpu`` where no device can run them."""
    marked = [item for item in items if item.get_closest_marker("gpu")]
    reason = _why_no_gpu() if marked else None
    if reason:
        for item in marked:
            item.add_marker(pytest.mark.skip(reason=reason))
