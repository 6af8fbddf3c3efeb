"""Kernel objects hold no weak symbol, and each row only its own flags.

The linker keeps one copy of a weak function. Were that copy built with AVX-512, code that every
machine runs would stop on an illegal instruction.
"""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

import native_build

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module", params=["Release", "Debug"])
def kernel_objects(request: pytest.FixtureRequest, root: Path) -> list[Path]:
    """Build the kernel rows alone, and return their object files."""
    folder = f"kernels-{request.param.lower()}"
    kind = f"-DCMAKE_BUILD_TYPE={request.param}"
    return native_build.kernel_objects(
        native_build.build(root, folder, ("cordwood_kernels",), kind)
    )


def test_kernel_objects_have_no_weak_symbol(kernel_objects: list[Path]) -> None:
    nm = native_build.tool("nm")
    assert any("/scalar.cpp" in str(path) for path in kernel_objects)
    for path in kernel_objects:
        native_build.check_symbols(nm, path)


def test_weights_are_asked_for_ahead(kernel_objects: list[Path], root: Path) -> None:
    """GCC drops calls of what does nothing but prefetch, unless it is inlined by order."""
    objdump = native_build.tool("objdump")
    for path in kernel_objects:
        source = root / "csrc" / str(path).split("/csrc/")[1].removesuffix(".o")
        # A build folder may hold objects of files that are gone.
        if source.is_file() and "_mm_prefetch(" in source.read_text():
            listing = subprocess.run(
                [objdump, "-d", path], check=True, capture_output=True, text=True
            ).stdout
            assert "prefetch" in listing, source
