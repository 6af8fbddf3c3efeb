"""The reader of kernels' machine code reads what NVIDIA's tools print, and budgets bind."""

from __future__ import annotations

import pytest

import machine_code
from machine_code import Budget, Instruction, LoopBudget, Use

RESOURCES = """
Fatbin ptx code:
================
arch = sm_80
code version = [9,0]

Fatbin elf code:
================
arch = sm_80
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function cordwood::cuda::(anonymous namespace)::scale(float*, float const*, int):
  REG:11 STACK:0 SHARED:64 LOCAL:0 CONSTANT[0]:372 TEXTURE:0 SURFACE:0 SAMPLER:0

Fatbin elf code:
================
arch = sm_90a
code version = [1,8]

Resource usage:
 Common:
  GLOBAL:0
 Function void cordwood::cuda::trees::walk<(cordwood::cuda::Way)1, 4>(int (*) [8], int):
  REG:40 STACK:16 SHARED:0 LOCAL:0 CONSTANT[0]:548 TEXTURE:0 SURFACE:0 SAMPLER:0
 Function cordwood::cuda::(anonymous namespace)::scale(float*, float const*, int):
  REG:12 STACK:0 SHARED:64 LOCAL:0 CONSTANT[0]:548 TEXTURE:0 SURFACE:0 SAMPLER:0
"""

CODE = """
\tcode for sm_90a
\t.target\tsm_90a

\t\tFunction : cordwood::cuda::(anonymous namespace)::scale(float*, float const*, int)
\t.headerflags\t@"EF_CUDA_SM90 EF_CUDA_VIRTUAL_SM(EF_CUDA_SM90)"
        /*0000*/                   S2R R2, SR_CTAID.X ;              /* 0x0000000000027919 */
                                                                     /* 0x000e220000002500 */
        /*0010*/                   ISETP.LT.AND P0, PT, RZ, c[0x0][0x170], PT ;   /* 0x0 */
        /*0020*/              @!P0 BRA 0xb0 ;                        /* 0x000000f000008947 */
        /*0030*/                   LDG.E R2, [R2.64] ;               /* 0x0000000402027981 */
        /*0040*/                   LDS.64 R4, [R3] ;                 /* 0x0000000402027981 */
        /*0050*/                   FADD R7, R6, R7 ;                 /* 0x0000000706077221 */
        /*0060*/               @P1 BRA 0x40 ;                        /* 0xffffff6000008947 */
        /*0070*/                   STL [R1], R7 ;                    /* 0x0000000706077221 */
        /*0080*/                   IADD3 R0, R0, 0x1, RZ ;           /* 0x0000000100007810 */
        /*0090*/                   BRA.U !UP0, 0x30 ;                /* 0xffffff6000008947 */
        /*00a0*/              @!P2 LDL.64 R8, [R1+0x8] ;             /* 0xffffff6000008947 */
        /*00b0*/                   EXIT ;                            /* 0x000000000000794d */
        /*00c0*/                   BRA 0xc0;                         /* 0xfffffff000007947 */
        /*00d0*/                   NOP;                              /* 0x0000000000007918 */
\t\t..........
"""


def _body() -> list[Instruction]:
    return machine_code.instructions(CODE)["sm_90a", "scale"]


def test_uses_are_read() -> None:
    assert machine_code.uses(RESOURCES) == [
        Use("sm_80", "scale", registers=11, stack_bytes=0, shared_bytes=64),
        Use("sm_90a", "walk<(Way)1, 4>", registers=40, stack_bytes=16, shared_bytes=0),
        Use("sm_90a", "scale", registers=12, stack_bytes=0, shared_bytes=64),
    ]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("_ZN8cordwood4cuda43_GLOBAL__N__e291d37c_10_scratch_cu_ade12f6a5scaleEPfPKfi", "scale"),
        ("_ZN8cordwood4cuda4walkILi4EhEEvPFivE", "walk<4, unsigned char>"),
        ("bare", "bare"),
    ],
)
def test_kernels_are_called_as_in_the_source(symbol: str, name: str) -> None:
    assert machine_code.kernel_name(machine_code.demangle(symbol)) == name


def test_instructions_are_read_without_filling() -> None:
    body = _body()
    assert len(body) == 13
    assert [i.operation for i in body[3:7]] == ["LDG.E", "LDS.64", "FADD", "BRA"]
    assert body[4] == Instruction(0x40, "LDS.64 R4, [R3]")
    assert [i.target for i in body if i.target is not None] == [0xB0, 0x40, 0x30, 0xC0]


def test_the_innermost_loop_is_found() -> None:
    body = _body()
    assert len(list(machine_code.loops(body))) == 2  # neither a branch on nor one to itself
    assert [i.address for i in machine_code.innermost_loop(body, "LDS")] == [0x40, 0x50, 0x60]
    outer = machine_code.innermost_loop(body, r"LDG\b")
    assert [outer[0].address, outer[-1].address, len(outer)] == [0x30, 0x90, 7]
    with pytest.raises(AssertionError, match="no loop has LDGSTS"):
        machine_code.innermost_loop(body, "LDGSTS")


def test_what_a_pattern_matches_is_the_operation() -> None:
    body = _body()
    assert machine_code.count(body, machine_code.LOCAL_MEMORY) == 2
    assert machine_code.count(body, "R7") == 0
    assert machine_code.count(body, r"BRA .*0x30$|BRA\.U .*0x30$") == 1


def test_budgets_bind() -> None:
    uses = [use for use in machine_code.uses(RESOURCES) if use.kernel == "scale"]
    code = machine_code.instructions(CODE)
    enough = Budget(12, shared_bytes=64, local_accesses=2)
    assert machine_code.over_budget(uses, code, {"scale": enough}) == []
    assert machine_code.over_budget(uses, code, {"scale": Budget(11, shared_bytes=63)}) == [
        "scale, sm_80: shared_bytes 64, budget 63",
        "scale, sm_90a: registers 12, budget 11",
        "scale, sm_90a: shared_bytes 64, budget 63",
        "scale, sm_90a: local_accesses 2, budget 0",
    ]


def test_kernels_and_budgets_belong_together() -> None:
    uses = machine_code.uses(RESOURCES)
    faults = machine_code.over_budget(uses, {}, {"scale": Budget(99, 99), "gone": Budget(1)})
    assert len(faults) == 2
    assert faults[0].startswith("walk<(Way)1, 4>: no budget; it has Use(arch='sm_90a'")
    assert faults[1] == "gone: a budget, and no kernel"


def test_budgets_of_loops_bind() -> None:
    code = machine_code.instructions(CODE)
    assert machine_code.loops_over_budget(code, [LoopBudget("scale", "LDS", 3)]) == []
    assert machine_code.loops_over_budget(
        code, [LoopBudget("scale", "LDS", 2), LoopBudget("scale", "LDS", 9, arch="sm_80")]
    ) == [
        "scale, sm_90a, loop of LDS: 3 instructions, budget 2",
        "scale, sm_80, loop of LDS: no such kernel",
    ]
