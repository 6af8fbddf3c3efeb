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
    **_instances("bin_kernel", Budget(32), _SUMS, _LEAVES[:2]),
    **_instances("copy_kernel", Budget(32), _LEAVES[:2]),
    **_instances("judge_kernel", Budget(24), _SUMS),
    # Two blocks of sixteen warps a processor.
    **_instances("slice_kernel", Budget(64, _RESERVED), ("8u", "16u", "32u")),
    # Eight blocks of eight warps: all that a processor holds.
    **_instances("walk_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances("walk_far_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances("number_kernel", Budget(32, _RESERVED), _LEAVES),
    **_instances("sum_kernel", Budget(36, _RESERVED), _LEAVES, _SUMS),
    **_instances("linear_kernel", Budget(40), _LEAVES, _SUMS, _SUMS),
    **_instances("median_kernel", Budget(40), _LEAVES, _SUMS),
    **_instances("link_kernel", Budget(48), _SUMS),
    **_instances("decide_kernel", Budget(32), _SUMS),
}
"""By kernel, for each of its instances; a kernel without a budget fails the test."""

_ARCHITECTURES = ("sm_80", "sm_90a", "sm_100")
_NODE = "LDG.E.64.CONSTANT"

LOOPS: tuple[LoopBudget, ...] = (
    # Four nodes of a tree; on sm_100 the shortest loop has one, the last ones of a tree.
    *(LoopBudget(f"slice_kernel<{n}u>", _NODE, 105, "sm_80") for n in (8, 16, 32)),
    *(LoopBudget(f"slice_kernel<{n}u>", _NODE, 105, "sm_90a") for n in (8, 16, 32)),
    *(LoopBudget(f"slice_kernel<{n}u>", _NODE, 31, "sm_100") for n in (8, 16, 32)),
    # A level of two rows, with category sets.
    *(
        LoopBudget(f"{kernel}<{leaf}>", _NODE, 144, arch)
        for kernel in ("walk_kernel", "walk_far_kernel")
        for leaf in _LEAVES
        for arch in _ARCHITECTURES
    ),
    # One of the last trees of a row; eight at a time are 160.
    *(LoopBudget("sum_kernel<unsigned char, double>", "DADD", 27, arch) for arch in _ARCHITECTURES),
    *(LoopBudget("sum_kernel<unsigned char, float>", "FADD", 27, arch) for arch in _ARCHITECTURES),
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
