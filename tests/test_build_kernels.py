"""Kernel objects hold no weak symbol, and each row only its own flags.

The linker keeps one copy of a weak function. Were that copy built with AVX-512, code that every
machine runs would stop on an illegal instruction.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def _tool(name: str) -> str:
    """Path of a build tool: beside this interpreter first, then on PATH."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: kernels cannot be built here")
    return path


def _run(*command: str) -> str:
    run = subprocess.run(command, capture_output=True, text=True, check=False)
    assert run.returncode == 0, f"{' '.join(command)}\n{run.stdout}{run.stderr}"
    return run.stdout


@pytest.fixture(scope="module", params=["Release", "Debug"])
def kernel_objects(request: pytest.FixtureRequest, root: Path) -> list[Path]:
    """Build the kernel rows alone, and return their object files."""
    build = root / "build" / f"kernels-{request.param.lower()}"
    cmake = _tool("cmake")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={_tool('ninja')}"]
    options = [f"-DCMAKE_BUILD_TYPE={request.param}", "-DCORDWOOD_PYTHON=OFF"]
    _run(cmake, "-S", str(root), "-B", str(build), *generator, *options)
    jobs = str(os.cpu_count() or 1)
    _run(cmake, "--build", str(build), "--parallel", jobs, "--target", "cordwood_kernels")
    return sorted(build.glob("CMakeFiles/cordwood_kernels_*.dir/**/*.o"))


def test_kernel_objects_have_no_weak_symbol(kernel_objects: list[Path]) -> None:
    nm = _tool("nm")
    assert any("/scalar.cpp" in str(path) for path in kernel_objects)
    for path in kernel_objects:
        symbols = re.findall(r"^[0-9a-f ]+ (\w) (.+)$", _run(nm, "-C", str(path)), re.MULTILINE)
        assert any(kind == "T" for kind, _ in symbols), f"{path}: defines no kernel"
        weak = [name for kind, name in symbols if kind in "WVwvu"]
        assert not weak, f"{path.relative_to(path.parents[3])}: {weak}"
