"""Norms whose columns are moved together: codes of a row then span what varies, not where it lies.

Columns of a norm that lie far out in every row stretch the range that a row's codes share. Where
linear layers alone read the norm, its bias moves those columns in, and the readers' biases put back
what is missing: nothing is left to do when the net runs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cordwood.ir import Role
from cordwood.ir_nets import LayerNorm, Linear, RowCoding
from cordwood.passes import Loss
from cordwood.passes.net_parts import net_operators
from cordwood.passes.quantize_products import codable
from cordwood.passes.refit_linear import as_coded

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cordwood.ir import Graph
    from cordwood.ir_nets import NetOperator

__all__ = ["centrable", "centre_norms"]

SHIFT_STEPS = 200
"""Steps in which a shift is looked for: twice as many take away no more."""

SHIFT_ROWS = 4096
"""Rows that are looked at in each step."""


def centrable(graph: Graph) -> tuple[str, ...]:
    """Name the values that norms make and linear layers alone read, as rows or as residuals."""
    read: dict[str, list[NetOperator]] = {}
    for step in net_operators(graph):
        for name in step.reads():
            read.setdefault(name, []).append(step)
    kept = {value.name for value in graph.values if value.role is Role.OUTPUT}
    return tuple(
        step.outputs[0]
        for step in net_operators(graph)
        if isinstance(step, LayerNorm)
        and step.axes == 1
        and step.outputs[0] not in kept
        and any(reader.inputs[0] == step.outputs[0] for reader in read.get(step.outputs[0], ()))
        and all(_takes_a_shift(reader) for reader in read[step.outputs[0]])
    )


def centre_norms(
    graph: Graph, seen: Mapping[str, np.ndarray], rows: RowCoding
) -> tuple[Graph, Loss]:
    """Move the columns of norms to where rows have short ranges, and the readers' biases with them.

    Parameters
    ----------
    graph : Graph
        A net with float32 weights.
    seen : mapping of str to ndarray
        Rows of the values that `centrable` names, each of shape (rows, size).
    rows : RowCoding
        How layers will code them.

    Returns
    -------
    Graph, Loss
        A norm whose codes err no less when moved stays as it is. Answers change by the rounding
        of biases alone.
    """
    shifts = {name: _shift(seen[name], rows) for name in centrable(graph)}
    steps = []
    for step in graph.operators:
        changed = step
        if isinstance(step, LayerNorm) and step.outputs[0] in shifts:
            shift = shifts[step.outputs[0]]
            bias = -shift if step.bias is None else step.bias - shift
            changed = replace(step, bias=bias.astype(np.float32)) if shift.any() else step
        elif isinstance(step, Linear):
            changed = _reader(step, shifts)
        steps.append(changed)
    return replace(graph, operators=tuple(steps)), Loss("centre_norms")


def _takes_a_shift(step: NetOperator) -> bool:
    return isinstance(step, Linear) and codable(step) and step.bias is not None


def _shift(seen: np.ndarray, rows: RowCoding) -> np.ndarray:
    """Return what columns are moved by; zeros where codes of rows err no less for it."""
    unsigned = rows.kind.startswith("uint8")
    dynamic = RowCoding("uint8-dynamic" if unsigned else "int8-dynamic", rows.group_size)
    found = _least_ranges(seen)
    moved = seen - found.astype(np.float32)
    apart = np.linalg.norm(as_coded(moved, dynamic) - moved)
    return found if apart < np.linalg.norm(as_coded(seen, dynamic) - seen) else np.zeros_like(found)


def _least_ranges(seen: np.ndarray) -> np.ndarray:
    """Return the shift of columns that makes the mean square of rows' ranges small.

    It is a convex function of the shift, so steps against its gradient that grow shorter find its
    least; the mean of the later ones is returned. Each row pulls at its two outermost columns.
    """
    some = seen[:: max(1, len(seen) // SHIFT_ROWS)]
    every = np.arange(len(some))
    shift: np.ndarray = some.mean(0, dtype=np.float64)
    later = np.zeros_like(shift)
    for step in range(SHIFT_STEPS):
        moved = some - shift.astype(np.float32)
        high, low = moved.argmax(1), moved.argmin(1)
        ranges = (moved[every, high] - moved[every, low]).astype(np.float64)
        size = float(ranges @ ranges)
        if size == 0.0:
            return shift
        pull = np.bincount(high, ranges, len(shift)) - np.bincount(low, ranges, len(shift))
        length = 0.5 * len(shift) ** 0.5 * ranges.mean() * (1 - step / SHIFT_STEPS)
        shift = shift + pull * (length / size)
        if step >= SHIFT_STEPS // 2:
            later += shift
    later /= SHIFT_STEPS - SHIFT_STEPS // 2
    return later


def _reader(step: Linear, shifts: Mapping[str, np.ndarray]) -> Linear:
    """Return a layer whose bias makes up for rows and residuals that have been moved."""
    missing = np.zeros(1)
    if step.inputs[0] in shifts:
        assert isinstance(step.weight, np.ndarray)
        missing = missing + step.weight.astype(np.float64) @ shifts[step.inputs[0]]
    if len(step.inputs) > 1 and step.inputs[1] in shifts:
        missing = missing + shifts[step.inputs[1]]
    if not missing.any():
        return step
    assert step.bias is not None
    return replace(step, bias=(step.bias + missing).astype(np.float32))
