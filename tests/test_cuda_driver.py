"""Without a CUDA device cordwood imports, works, and says why there is none.

What a process finds holds for its life, so each test starts one. Drivers are stood in for by
``stub_driver.c``, which the CUDA runtime takes for ``libcuda.so.1``.
"""

from __future__ import annotations

import ctypes
import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

import cordwood
from drawn import Shape, make_graph
from echo_device import compiler

SOURCE = Path(__file__).with_name("stub_driver.c")
BUILT = importlib.util.find_spec("cordwood._cuda") is not None

if not BUILT:
    pytest.skip("cordwood._cuda is not built here", allow_module_level=True)

LOAD = """
import re, sys, time
import pytest, cordwood
cuda = cordwood.cuda_available()
assert not cuda
print(cuda.reason)
assert cordwood._core.devices() == {"cpu": None, "cuda": cuda.reason}
for _ in range(2):
    with pytest.raises(cordwood.DeviceError) as caught:
        cordwood.load(sys.argv[1], device="cuda")
    assert str(caught.value) == f"device cuda: {cuda.reason}"
cordwood.load(sys.argv[1])
start = time.perf_counter()
for _ in range(100):
    assert cordwood.cuda_available().reason == cuda.reason
assert time.perf_counter() - start < 0.1
"""


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.cord"
    cordwood.compress(make_graph(Shape(seed=1, n_features=3))).save(path)
    return path


@pytest.fixture(scope="module")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the stub, and return its folder."""
    folder = tmp_path_factory.mktemp("driver")
    command = [compiler("cc", "gcc", "clang"), "-std=c11", "-Wall", "-Wextra", "-shared", "-fPIC"]
    command += [str(SOURCE), "-o", str(folder / "libcuda.so.1")]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return folder


def _python(code: str, packed: Path, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(packed)],
        env={**os.environ, **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


def _has_driver() -> bool:
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return False
    return True


def test_importing_asks_no_driver(packed: Path) -> None:
    code = """
import cordwood._cuda
assert list(cordwood._core.devices()) == ["cpu", "cuda"]
assert cordwood._cuda.__version__ == cordwood.__version__
"""
    _python("import sys; before = set(sys.modules)" + code, packed)
    loaded = "import cordwood._cuda; print('libcuda.so' in open('/proc/self/maps').read())"
    assert _python(loaded, packed) == "False"


@pytest.mark.skipif(_has_driver(), reason="this machine has a driver")
def test_no_driver(packed: Path) -> None:
    assert _python(LOAD, packed).startswith("no NVIDIA driver: ")


@pytest.mark.parametrize(
    ("version", "start", "reason"),
    [
        (12040, 0, "the NVIDIA driver is for CUDA 12.4, which is older than "),
        (11080, 0, "the NVIDIA driver is for CUDA 11.8, which is older than "),
        (99000, 100, "no CUDA device: there is none, or CUDA_VISIBLE_DEVICES hides it"),
        (99000, 803, "NVIDIA driver: the driver in use is not the one that is installed"),
        (99000, 999, "NVIDIA driver: a call failed (CUDA error 999)"),
    ],
)
def test_a_driver_that_gives_no_device(
    version: int, start: int, reason: str, driver: Path, packed: Path
) -> None:
    found = _python(
        LOAD, packed, LD_LIBRARY_PATH=str(driver), STUB_VERSION=str(version), STUB_START=str(start)
    )
    assert found.startswith(reason)


@pytest.mark.gpu
def test_hidden_devices_are_no_devices(packed: Path) -> None:
    assert _python(LOAD, packed, CUDA_VISIBLE_DEVICES="").startswith("no CUDA device")


@pytest.mark.gpu
def test_a_forked_process_is_told(packed: Path) -> None:
    code = """
import os, warnings, cordwood
warnings.simplefilter("ignore")  # of forking a process that has threads
assert cordwood.cuda_available()
child = os.fork()
if child == 0:
    os._exit(0 if "forked" in (cordwood.cuda_available().reason or "") else 1)
assert os.waitpid(child, 0)[1] == 0
assert cordwood.cuda_available()
"""
    _python(code, packed)
