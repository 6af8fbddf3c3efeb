"""The extension of ``cuda/`` on the emulator: built once, and registered as a device of its own."""

from __future__ import annotations

import ctypes
import functools
import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from native_build import run, tool

DEVICE = "cuda-emulated"
ROOT = Path(__file__).resolve().parent.parent
MODULE = "_cuda_emulated"


class Emulator:
    """What ``cuda_emulator/emulator_access.h`` offers of the loaded extension."""

    def __init__(self, path: Path) -> None:
        """Open a library that this process has loaded."""
        self._library = ctypes.CDLL(str(path))
        address, size = ctypes.c_void_p, ctypes.c_size_t
        signatures: dict[str, tuple[Any, tuple[Any, ...]]] = {
            "reset": (None, ()),
            "allocate": (address, (size,)),
            "free": (ctypes.c_int, (address,)),
            "copy": (ctypes.c_int, (address, address, size)),
            "create_stream": (address, ()),
            "destroy_stream": (ctypes.c_int, (address,)),
            "last_stream": (address, ()),
            "set_device": (ctypes.c_int, (ctypes.c_int,)),
            "used_bytes": (size, ()),
            "pinned_bytes": (size, ()),
            "handles": (size, ()),
            "calls": (ctypes.c_ulonglong, (ctypes.c_char_p,)),
            "launches": (ctypes.c_ulonglong, ()),
        }
        for name, (result, arguments) in signatures.items():
            function = getattr(self._library, f"cordwood_cuda_emulator_{name}")
            function.restype, function.argtypes = result, arguments
            setattr(self, name, function)

    def __getattr__(self, name: str) -> Any:
        """Say what is missing; functions are attributes of the instance."""
        message = f"the emulator has no function {name}"
        raise AttributeError(message)


@functools.cache
def build() -> Path:
    """Build the extension where its sources have changed, and return its file."""
    import pybind11

    folder = ROOT / f"build/emulator-{sys.implementation.cache_tag}"
    cmake, ninja = tool("cmake"), tool("ninja")
    if not (folder / "build.ninja").exists():
        options = {
            "CMAKE_MAKE_PROGRAM": ninja,
            "CORDWOOD_CUDA_EMULATOR": "ON",
            "CORDWOOD_CUDA": "OFF",
            "CORDWOOD_WERROR": "ON",
            "Python_EXECUTABLE": sys.executable,
            "pybind11_DIR": pybind11.get_cmake_dir(),
        }
        defines = [f"-D{name}={value}" for name, value in options.items()]
        run(cmake, "-S", str(ROOT), "-B", str(folder), "-G", "Ninja", *defines)
    run(cmake, "--build", str(folder), "--target", MODULE)
    (found,) = folder.rglob(f"{MODULE}*.so")
    return found


@functools.cache
def load() -> Emulator:
    """Register the device in this process, and return what else its extension offers."""
    path = build()
    sys.path.insert(0, str(path.parent))
    try:
        importlib.import_module(MODULE)
    finally:
        sys.path.remove(str(path.parent))
    return Emulator(path)


def python(code: str, *arguments: str, **environment: str) -> str:
    """Run Python in a process of its own, whose device may fail, and return what it prints."""
    clean = {name: value for name, value in os.environ.items() if "_EMULAT" not in name}
    folders = os.pathsep.join([str(ROOT / "tests"), str(build().parent)])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        env=clean | {"PYTHONPATH": folders} | environment,
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture(scope="session", name="emulator")
def emulator_fixture() -> Emulator:
    """Return the emulator, whose device this process then has."""
    return load()
