"""What each kernel of ops in ``cordwood._cuda`` may need. Raise a figure only with its reason."""

from __future__ import annotations

from machine_code import Budget, LoopBudget

_OF_SYSTEM = 1024
"""Shared memory that later devices keep for themselves in a kernel that has any."""

_ENCODE = {
    f"encode_kernel<{bits}u, {team}u>": Budget(40, _OF_SYSTEM)
    for bits in (2, 3, 4, 8)
    for team in (4, 16, 256)
}
_DECODE = {f"decode_kernel<{bits}u>": Budget(32) for bits in (2, 3, 4, 8)}

OPS_BUDGETS: dict[str, Budget] = {
    # Masks: 32 registers let a processor hold all threads it can, 40 three quarters of them.
    "group_kernel<4u>": Budget(24),
    "group_kernel<8u>": Budget(32),
    "neighbour_kernel": Budget(32),
    "narrow_kernel": Budget(48),
    "wide_kernel": Budget(64),  # eight loads under way
    "spread_kernel": Budget(40),
    "row_kernel": Budget(40, _OF_SYSTEM),
    "count_kernel": Budget(32, _OF_SYSTEM),
    "digit_kernel": Budget(32, _OF_SYSTEM),
    "tie_kernel": Budget(32, _OF_SYSTEM),
    "before_kernel": Budget(32, _OF_SYSTEM),
    "mark_kernel": Budget(40, _OF_SYSTEM),
    # Weights. The sums of a group's halves are a stack, which groups of 128 and less never use.
    "clip_kernel": Budget(40, _OF_SYSTEM, stack_bytes=432, local_accesses=4),
    **_ENCODE,
    **_DECODE,
}
"""By kernel, for each of its instances."""

OPS_LOOPS: tuple[LoopBudget, ...] = (
    # Both ways to load eight weights are in each: 16 bytes at a time, and one by one.
    LoopBudget("encode_kernel<4u, 16u>", r"LDG\.E\.128", 160),
    LoopBudget("encode_kernel<4u, 16u>", r"FRND", 168),
    LoopBudget("encode_kernel<8u, 16u>", r"FRND", 176),
    LoopBudget("mark_kernel", r"LDG\.E\.128", 96),
    LoopBudget("count_kernel", r"ATOMS", 24),
    LoopBudget("clip_kernel", r"FRND", 32),
)
"""Loops whose length is the kernel's speed."""
