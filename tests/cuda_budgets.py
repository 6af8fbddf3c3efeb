"""What each kernel of ``cordwood._cuda`` may need. Raise a figure only with its reason."""

from __future__ import annotations

import itertools

from machine_code import Budget, LoopBudget

_LEAVES = ("unsigned char", "unsigned short", "unsigned int")
_SUMS = ("float", "double")
_RESERVED = 1024
"""Shared memory that the system takes of each block that asks for any, from sm_90 on."""


def _instances(name: str, budget: Budget, *parameters: tuple[str, ...]) -> dict[str, Budget]:
    """Give one budget to all instances of a kernel."""
    return {f"{name}<{', '.join(chosen)}>": budget for chosen in itertools.product(*parameters)}


BUDGETS: dict[str, Budget] = {
    **_instances("bin_kernel", Budget(32, _RESERVED), _SUMS, _LEAVES[:2]),
    **_instances("turn_kernel", Budget(40, _RESERVED), _SUMS, _LEAVES[:2]),
    **_instances("copy_kernel", Budget(32, _RESERVED), _LEAVES[:2]),
    **_instances("judge_kernel", Budget(32, _RESERVED), _SUMS),
    # Two blocks of sixteen warps a processor.
    **_instances("slice_kernel", Budget(64, _RESERVED), ("8u", "16u", "32u")),
    # Eight blocks of eight warps: all that a processor holds.
    **_instances("walk_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances("pair_kernel", Budget(32, _RESERVED), _LEAVES, ("1u", "2u")),
    # Five blocks: a record is eight registers, and a lane has up to four at once.
    **_instances("sector_kernel", Budget(48, _RESERVED), _LEAVES, ("1u", "2u")),
    **_instances("walk_far_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances("number_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances(
        "sum_kernel", Budget(44, _RESERVED), _LEAVES, _SUMS, ("1u", "4u"), ("false", "true")
    ),
    **_instances("sum_few_kernel", Budget(48, _RESERVED), _LEAVES, _SUMS, ("false", "true")),
    **_instances("linear_kernel", Budget(40), _LEAVES, _SUMS, _SUMS),
    **_instances("median_kernel", Budget(40), _LEAVES, _SUMS),
    **_instances("link_kernel", Budget(56), _SUMS),
    **_instances("decide_kernel", Budget(32), _SUMS),
}
"""By kernel, for each of its instances; a kernel without a budget fails the test."""

_ARCHITECTURES = ("sm_80", "sm_90a", "sm_100")
_NODE = "LDG.E.64.CONSTANT"

LOOPS: tuple[LoopBudget, ...] = (
    # Four nodes of a tree, 16 bytes each.
    *(
        LoopBudget(f"slice_kernel<{n}u>", "LDG.E.128.CONSTANT", 68, arch, times=4)
        for n in (8, 16, 32)
        for arch in _ARCHITECTURES
    ),
    # Four levels of four rows.
    *(
        LoopBudget(f"pair_kernel<{leaf}, 2u>", _NODE, 172, arch, times=16)
        for leaf in _LEAVES
        for arch in _ARCHITECTURES
    ),
    # Three levels of four rows.
    *(
        LoopBudget(f"sector_kernel<{leaf}, 2u>", "LDG.E.128.CONSTANT", 140, arch, times=8)
        for leaf in _LEAVES
        for arch in _ARCHITECTURES
    ),
    # A level of two rows, with category sets.
    *(
        LoopBudget(f"{kernel}<{leaf}>", _NODE, 144, arch)
        for kernel in ("walk_kernel", "walk_far_kernel")
        for leaf in _LEAVES
        for arch in _ARCHITECTURES
    ),
    # Four trees of four rows.
    *(
        LoopBudget(f"sum_kernel<unsigned char, {sum_}, 4u, true>", add, 162, arch, times=16)
        for sum_, add in (("float", "FADD"), ("double", "DADD"))
        for arch in _ARCHITECTURES
    ),
    # Four levels of a search; sixteen on sm_100.
    *(LoopBudget("bin_kernel<float, unsigned char>", "LDG.E ", 27, a) for a in ("sm_80", "sm_90a")),
    *(
        LoopBudget("bin_kernel<double, unsigned char>", "LDG.E.64", 27, a)
        for a in ("sm_80", "sm_90a")
    ),
    LoopBudget("bin_kernel<float, unsigned char>", "LDG.E ", 83, "sm_100"),
    LoopBudget("bin_kernel<double, unsigned char>", "LDG.E.64", 83, "sm_100"),
)
"""Loops whose length is the kernel's speed."""
