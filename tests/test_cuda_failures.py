"""Every error of the CUDA runtime becomes a Status with words, and none is forgotten."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from pathlib import Path
from typing import NamedTuple

import pytest

SOURCES = (
    "tests/cuda_failures.cpp",
    "cuda/status.cpp",
    "cuda/memory.cpp",
    "cuda/memory_pool.cpp",
    "csrc/base/result.cpp",
)


class Line(NamedTuple):
    """What a failure became."""

    status: str
    text: str
    lost: bool


def _nvcc() -> str:
    places = [Path(sysconfig.get_path("platlib")) / "nvidia/cu13/bin", "/usr/local/cuda/bin"]
    path = os.pathsep.join([os.environ["PATH"], *map(str, places)])
    found = os.environ.get("CUDACXX") or shutil.which("nvcc", path=path)
    if not found:
        pytest.skip("no nvcc on this machine")
    return found


@pytest.fixture(scope="module")
def program(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("failures") / "failures"
    nvcc = _nvcc()
    libraries = Path(nvcc).resolve().parent.parent / "lib"
    command = [nvcc, "-std=c++20", f"-I{root}", f"-I{root / 'csrc'}", f"-L{libraries}", "-O1"]
    command += ["-cudart=static", *(str(root / name) for name in SOURCES), "-o", str(path)]
    made = subprocess.run(command, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    return path


def _lines(program: Path, **environment: str) -> dict[str, Line]:
    run = subprocess.run(
        [program], capture_output=True, text=True, check=True, env={**os.environ, **environment}
    )
    found = {}
    for line in run.stdout.splitlines():
        name, status, text, lost = line.split("\t")
        found[name] = Line(status, text, lost == "1")
    return found


@pytest.fixture(scope="module")
def lines(program: Path) -> dict[str, Line]:
    """Run without a device, also where there is one."""
    return _lines(program, CUDA_VISIBLE_DEVICES="")


def test_memory_without_a_device_says_so(lines: dict[str, Line]) -> None:
    assert lines["nothing"].status == "ok"
    assert lines["too many"].status == "device_out_of_memory"
    assert lines["too many"].text == (
        "memory of the device: 18446744073709551615 bytes are more than there can be"
    )
    assert lines["too many pinned"].text.startswith("pinned memory of the host: ")
    for name in ("device", "stream", "pinned", "guard"):
        assert lines[name].status == "device_not_available", name
        assert not lines[name].lost


@pytest.mark.gpu
def test_no_error_is_left_in_the_runtime(program: Path) -> None:
    lines = _lines(program, CUDA_VISIBLE_DEVICES="0")
    assert {lines[name].status for name in ("device", "stream", "pinned")} == {"ok"}
    assert lines["guard"].status == "device_not_available"
    assert lines["huge"].status == "device_out_of_memory"
    assert lines["huge"].text.startswith("memory of the device: 1152921504606846976 bytes")
    assert lines["left"][:2] == ("cudaSuccess", "0 bytes")


def test_the_macro_returns_failures_alone(lines: dict[str, Line]) -> None:
    assert lines["macro ok"].status == "ok"
    assert lines["macro"].status == "device_failed"
    assert (
        lines["macro"].text
        == "macro: a call was given a value that it does not take (CUDA error 1)"
    )


def test_errors_that_lose_the_context_are_remembered(lines: dict[str, Line]) -> None:
    lost = {name for name, line in lines.items() if line.lost}
    assert lost == {name for name, line in lines.items() if line.status == "device_lost"}
    # The runtime's reference says of these that the process or its context must go.
    assert lost == {
        "cudaErrorAssert",
        "cudaErrorContained",
        "cudaErrorECCUncorrectable",
        "cudaErrorExternalDevice",
        "cudaErrorHardwareStackError",
        "cudaErrorIllegalAddress",
        "cudaErrorIllegalInstruction",
        "cudaErrorInvalidAddressSpace",
        "cudaErrorInvalidPc",
        "cudaErrorLaunchFailure",
        "cudaErrorLaunchTimeout",
        "cudaErrorMisalignedAddress",
        "cudaErrorNvlinkUncorrectable",
        "cudaErrorTensorMemoryLeak",
    }
    assert all("started anew" in lines[name].text for name in lost)


def test_each_error_has_its_number_in_words(lines: dict[str, Line]) -> None:
    errors = {name: line for name, line in lines.items() if name.startswith("cudaError")}
    assert len(errors) > 100
    assert all(re.match(r"here: .*\(CUDA error \d+\)", line.text) for line in errors.values())
    assert all(len(line.text) < 300 for line in errors.values())
    assert errors["cudaErrorMemoryAllocation"].status == "device_out_of_memory"
    for name in ("NoDevice", "InvalidDevice", "InsufficientDriver", "InitializationError"):
        assert errors[f"cudaError{name}"].status == "device_not_available"
    assert errors["cudaErrorNotReady"].status == "device_failed"
