"""The extension for CUDA needs no driver's library, serves its devices, and keeps its budgets."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import machine_code
import native_build
from cuda_budgets import BUDGETS, LOOPS
from cuda_ops_budgets import OPS_BUDGETS, OPS_LOOPS
from machine_code import Code, Use

ARCHITECTURES = {"sm_80", "sm_90a", "sm_100"}


@pytest.fixture(scope="module")
def extension() -> Path:
    spec = importlib.util.find_spec("cordwood._cuda")
    if spec is None or spec.origin is None:
        pytest.skip("cordwood._cuda is not built here")
    return Path(spec.origin)


@pytest.fixture(scope="module")
def uses(extension: Path) -> list[Use]:
    text = machine_code.cuobjdump(extension, "--dump-resource-usage")
    return machine_code.uses(machine_code.demangle(text))


@pytest.fixture(scope="module")
def code(extension: Path) -> Code:
    text = machine_code.cuobjdump(extension, "-sass")
    return machine_code.instructions(machine_code.demangle(text))


def test_no_library_of_cuda_is_needed(extension: Path) -> None:
    readelf = native_build.tool("readelf", "libraries cannot be read here")
    needed = re.findall(r"NEEDED\).*\[(.+)\]", native_build.run(readelf, "-d", str(extension)))
    systems = r"(libc|libm|libdl|librt|libpthread|libgcc_s|libstdc\+\+|ld-linux[\w-]*)\.so\.\d+"
    assert needed
    assert [name for name in needed if not re.fullmatch(systems, name)] == []


def test_nothing_of_the_cuda_runtime_is_exported(extension: Path) -> None:
    nm = native_build.tool("nm")
    names = native_build.run(nm, "-D", "--defined-only", str(extension))
    assert re.findall(r"^\w+ T (.+)$", names, re.MULTILINE) == ["PyInit__cuda"]
    assert not re.search(r" cuda[A-Z]", names)


def test_devices_are_served(extension: Path) -> None:
    binaries = machine_code.cuobjdump(extension, "--list-elf")
    assert set(re.findall(r"\.(sm_\w+)\.cubin", binaries)) == ARCHITECTURES
    # Later devices get what is compiled from this.
    assert set(re.findall(r"\.(sm_\w+)\.ptx", machine_code.cuobjdump(extension, "--list-ptx"))) == {
        "sm_80"
    }


def test_every_kernel_keeps_its_budget(uses: list[Use], code: Code) -> None:
    assert {use.arch for use in uses} == ARCHITECTURES
    assert {(use.arch, use.kernel) for use in uses} == set(code)
    assert machine_code.over_budget(uses, code, BUDGETS | OPS_BUDGETS) == []


def test_inner_loops_keep_their_budgets(code: Code) -> None:
    assert machine_code.loops_over_budget(code, LOOPS + OPS_LOOPS) == []
