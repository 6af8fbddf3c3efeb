"""What an extension's kernels were compiled to: what they use, and how long their loops are.

Read from what ``cuobjdump`` prints. A kernel is called as in its source, without the project's
namespaces and without parameters: ``walk<int, 4>``. Addresses are bytes.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

import native_build

PACKAGES = Path(sysconfig.get_path("platlib")) / "nvidia" / "cu13" / "bin"
"""Where pip's packages put NVIDIA's tools."""

LOCAL_MEMORY = r"(LDL|STL)\b"
"""Instructions on a thread's own memory: spilled registers, and arrays that got none."""


@dataclass(frozen=True)
class Use:
    """What one kernel needs on one architecture."""

    arch: str
    kernel: str
    registers: int
    stack_bytes: int
    shared_bytes: int


@dataclass(frozen=True)
class Instruction:
    """One instruction, as ``@!P0 BRA 0x190``."""

    address: int
    text: str

    @property
    def operation(self) -> str:
        """Its name with what belongs to it: ``LDG.E.64``."""
        return re.sub(r"^@!?U?P\w+\s+", "", self.text).split(" ", maxsplit=1)[0]

    @property
    def target(self) -> int | None:
        """Address that a branch goes to, None for every other instruction."""
        found = re.search(r"\b0x([0-9a-f]+)$", self.text)
        return int(found[1], 16) if found and self.operation.startswith("BRA") else None


Code = dict[tuple[str, str], list[Instruction]]
"""The instructions of each kernel, by architecture and name."""


# ---- tools ---------------------------------------------------------------------------------------


def cuobjdump(path: Path, *options: str) -> str:
    """Run ``cuobjdump`` on an extension; skips the test where there is none."""
    folders = os.pathsep.join([str(PACKAGES), os.environ["PATH"], "/usr/local/cuda/bin"])
    tool = shutil.which("cuobjdump", path=folders)
    if tool is None:
        pytest.skip("cuobjdump is not installed: machine code cannot be read here")
    done = subprocess.run(
        [tool, *options, str(path)],
        env={**os.environ, "PATH": folders}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def demangle(text: str) -> str:
    """Replace the symbols in a text by what they stand for in the source."""
    filt = native_build.tool("c++filt", "symbols cannot be read here")
    done = subprocess.run([filt], input=text, capture_output=True, text=True, check=True)
    return done.stdout


def kernel_name(signature: str) -> str:
    """Shorten ``void cordwood::cuda::(anonymous namespace)::walk<4>(int*)`` to ``walk<4>``."""
    name = signature.strip()
    if name.endswith(")"):  # parameters may hold parentheses of their own
        depth = 0
        for place in range(len(name) - 1, -1, -1):
            depth += {")": 1, "(": -1}.get(name[place], 0)
            if depth == 0:
                name = name[:place]
                break
    name = name.removeprefix("void ").replace("(anonymous namespace)::", "")
    return re.sub(r"\bcordwood::(\w+::)*", "", name)


# ---- reading -------------------------------------------------------------------------------------


def uses(text: str) -> list[Use]:
    """Read ``cuobjdump --dump-resource-usage``, demangled."""
    pattern = r"^arch = (\w+)$|^ Function (.+):\n\s+REG:(\d+) STACK:(\d+) SHARED:(\d+)"
    arch, found = "", []
    for match in re.finditer(pattern, text, re.MULTILINE):
        arch = match[1] or arch
        if match[2]:
            registers, stack, shared = map(int, match.groups()[2:])
            found.append(Use(arch, kernel_name(match[2]), registers, stack, shared))
    return found


def instructions(text: str) -> Code:
    """Read ``cuobjdump -sass``, demangled. What fills up a kernel's end is left out."""
    code: Code = {}
    arch: str = ""
    body: list[Instruction] = []
    for line in text.splitlines():
        if match := re.match(r"\s*code for (\w+)$", line):
            arch = match[1]
        elif match := re.match(r"\s*Function : (.+)$", line):
            body = code.setdefault((arch, kernel_name(match[1])), [])
        elif match := re.match(r"\s*/\*([0-9a-f]+)\*/\s+(?!\s|NOP\b)(.+?)\s*;", line):
            body.append(Instruction(int(match[1], 16), " ".join(match[2].split())))
    return code


def loops(body: list[Instruction]) -> Iterator[list[Instruction]]:
    """Yield each loop of a kernel: from where a branch goes back to, through that branch.

    A branch to itself is no loop: it stops what runs past a kernel's end.
    """
    for branch in body:
        if branch.target is not None and branch.target < branch.address:
            yield [i for i in body if branch.target <= i.address <= branch.address]


def innermost_loop(body: list[Instruction], pattern: str, times: int = 1) -> list[Instruction]:
    """Return the shortest loop that has `times` instructions which the pattern matches."""
    fitting = [loop for loop in loops(body) if count(loop, pattern) >= times]
    assert fitting, f"no loop has {pattern}"
    return min(fitting, key=len)


def count(body: Iterable[Instruction], pattern: str) -> int:
    """Count the instructions that a pattern matches from the start of their operation on."""
    return sum(re.match(pattern, i.text[i.text.find(i.operation) :]) is not None for i in body)


# ---- budgets -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Budget:
    """The most that a kernel may need on any architecture."""

    registers: int
    shared_bytes: int = 0
    stack_bytes: int = 0
    local_accesses: int = 0


@dataclass(frozen=True)
class LoopBudget:
    """The most instructions of a kernel's innermost loop around so many of a kind."""

    kernel: str
    pattern: str
    instructions: int
    arch: str = "sm_90a"
    times: int = 1


def over_budget(found: Iterable[Use], code: Code, budgets: Mapping[str, Budget]) -> list[str]:
    """Say which kernels need more than they may, have no budget, or are gone."""
    faults, seen = [], set()
    for use in found:
        seen.add(use.kernel)
        budget = budgets.get(use.kernel)
        if budget is None:
            faults.append(f"{use.kernel}: no budget; it has {use}")
            continue
        local = count(code.get((use.arch, use.kernel), []), LOCAL_MEMORY)
        for what, has, may in (
            ("registers", use.registers, budget.registers),
            ("shared_bytes", use.shared_bytes, budget.shared_bytes),
            ("stack_bytes", use.stack_bytes, budget.stack_bytes),
            ("local_accesses", local, budget.local_accesses),
        ):
            if has > may:
                faults.append(f"{use.kernel}, {use.arch}: {what} {has}, budget {may}")
    return faults + [f"{name}: a budget, and no kernel" for name in budgets if name not in seen]


def loops_over_budget(code: Code, budgets: Iterable[LoopBudget]) -> list[str]:
    """Say which loops have more instructions than they may."""
    faults = []
    for budget in budgets:
        body = code.get((budget.arch, budget.kernel))
        where = f"{budget.kernel}, {budget.arch}, loop of {budget.pattern}"
        if body is None:
            faults.append(f"{where}: no such kernel")
            continue
        has = len(innermost_loop(body, budget.pattern, budget.times))
        if has > budget.instructions:
            faults.append(f"{where}: {has} instructions, budget {budget.instructions}")
    return faults
