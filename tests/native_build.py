"""Builds of the native half outside the package, and what their kernel objects may hold."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest


def tool(name: str, why: str = "kernels cannot be built here") -> str:
    """Path of a tool: beside this interpreter first, then on PATH; skips the test without it."""
    path = shutil.which(name, path=str(Path(sys.executable).parent)) or shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed: {why}")
    return path


def run(*command: str) -> str:
    """Run a command that must succeed, and return what it prints."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done.stdout


def build(root: Path, folder: str, targets: tuple[str, ...], *options: str) -> Path:
    """Configure the checkout without Python in ``build/<folder>``, build, and return the folder."""
    path = root / "build" / folder
    cmake = tool("cmake")
    generator = ["-G", "Ninja", f"-DCMAKE_MAKE_PROGRAM={tool('ninja')}", "-DCORDWOOD_PYTHON=OFF"]
    run(cmake, "-S", str(root), "-B", str(path), *generator, *options)
    jobs = str(os.cpu_count() or 1)
    run(cmake, "--build", str(path), "--parallel", jobs, "--target", *targets)
    return path


def kernel_objects(folder: Path) -> list[Path]:
    """List the object files of all kernel rows of a build."""
    return sorted(folder.glob("CMakeFiles/cordwood_kernels_*.dir/**/*.o"))


def check_symbols(nm: str, path: Path) -> None:
    """Check that a kernel object defines something, and nothing weak."""
    symbols = re.findall(r"^[0-9a-f ]+ (\w) (.+)$", run(nm, "-C", str(path)), re.MULTILINE)
    assert any(kind == "T" for kind, _ in symbols), f"{path}: defines no kernel"
    weak = [name for kind, name in symbols if kind in "WVwvu"]
    assert not weak, f"{path.relative_to(path.parents[3])}: {weak}"
