"""What each kernel of ``cordwood._cuda`` may need. Raise a figure only with its reason."""

from __future__ import annotations

from machine_code import Budget, LoopBudget

BUDGETS: dict[str, Budget] = {}
"""By kernel, for each of its instances; a kernel without a budget fails the test."""

LOOPS: tuple[LoopBudget, ...] = ()
"""Loops whose length is the kernel's speed."""
