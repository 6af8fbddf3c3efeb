"""Readers of ranges, triangles and elements by index."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cordwood.frontends._torch_build import Refused, Step, refuse
from cordwood.frontends._torch_elementwise import operand
from cordwood.frontends._torch_registry import reads
from cordwood.frontends._torch_shapes import part
from cordwood.ir_arrays import Binary, Compare, Gather, Transpose, Where

__all__ = ["counted", "from_front"]


def counted(step: Step, size: Any, dtype: str, start: Any = 0) -> str:
    """Return start, start + 1, ...: a part of a constant that is as long as it may have to be."""
    build = step.build
    first, most = start, size
    if not isinstance(start, int):
        most, first = most + start, 0
    most = most if isinstance(most, int) else _largest(step, most)
    numbers = np.arange(first, first + most, dtype=dtype)
    whole = build.constant(numbers, ("range", first, most, dtype), "range")
    if not isinstance(start, int):
        whole = part(step, whole, 0, start, None, 1, most - start)
    return part(step, whole, 0, 0, size, 1, size)


def _largest(step: Step, size: Any) -> int:
    maxima = step.build.sizes.maxima
    free = sorted(str(symbol) for symbol in size.free_symbols if str(symbol) not in maxima)
    if free:
        refuse(
            f"it counts up to a size without a maximum ({', '.join(free)}); declare one in "
            f"dynamic_shapes: torch.export.Dim('sequence', max=512)"
        )
    return int(size.xreplace({symbol: maxima[str(symbol)] for symbol in size.free_symbols}))


@reads("aten.arange")
def _arange(step: Step) -> None:
    start = step.size(step.get("start", 0) or 0)
    pace = step.size(step.get("step", 1) or 1)
    # Some uses of a range need no numbers: see `_each_its_own`, and bags of indices.
    if pace != 1 or not step.dtype.startswith("int"):
        told = f"it counts by {pace} in {step.dtype}, expected integers by 1"
        step.build.late[step.node] = told
        return
    try:
        step.alias(counted(step, step.shape[0], step.dtype, start))
    except Refused as error:
        step.build.late[step.node] = str(error)


@reads("aten.tril", "aten.triu")
def _triangle(step: Step) -> None:
    """Keep what is on one side of a diagonal: where column - row is on that side of its number."""
    build, x = step.build, step.name("self")
    rows, columns = build.shape(x)[-2:]
    row = build.reshape(counted(step, rows, "int64"), (rows, 1))
    column = build.reshape(counted(step, columns, "int64"), (1, columns))
    apart = step.step(Binary, (column, row), (rows, columns), kind="subtract")
    limit = operand(step, int(step["diagonal"]), "int64")
    kind = "less_equal" if "tril" in str(step.node.target) else "greater_equal"
    keep = step.step(Compare, (apart, limit), dtype="bool", kind=kind)
    step.write(Where, (keep, x, operand(step, 0, step.dtype)))


@reads("aten.unfold")
def _windows(step: Step) -> None:
    """Read windows along an axis: positions by window and place, the places then moved last."""
    build, x = step.build, step.name("self")
    shape, axis = build.shape(x), step.axis("dimension", len(build.shape(x)))
    size, pace = int(step["size"]), int(step["step"])
    if not isinstance(shape[axis], int):
        refuse(f"its axis has {shape[axis]} positions, expected a constant number")
    count = (shape[axis] - size) // pace + 1
    places = np.arange(count)[:, None] * pace + np.arange(size)
    wide = (*shape[:axis], count, size, *shape[axis + 1 :])
    found = step.step(Gather, (x, build.constant(places)), wide, dtype=step.dtype, axis=axis)
    order = [number for number in range(len(wide)) if number != axis + 1] + [axis + 1]
    if order == list(range(len(wide))):
        step.alias(found)
    else:
        step.write(Transpose, (found,), axes=tuple(order))


@reads("aten.diagonal")
def _diagonal(step: Step) -> None:
    """Read the elements of a diagonal of two constant axes, which become the last one."""
    build, x = step.build, step.name("self")
    rank = len(build.shape(x))
    pair = [step.axis("dim1", rank), step.axis("dim2", rank)]
    order = [axis for axis in range(rank) if axis not in pair] + pair
    *rest, rows, columns = (build.shape(x)[axis] for axis in order)
    if not isinstance(rows, int) or not isinstance(columns, int):
        refuse(f"its axes have {rows} and {columns} positions, expected constant numbers")
    moved = x
    if order != list(range(rank)):
        moved = step.step(Transpose, (x,), (*rest, rows, columns), axes=tuple(order))
    flat = build.reshape(moved, (*rest, rows * columns))
    places = np.diagonal(np.arange(rows * columns).reshape(rows, columns), int(step["offset"]))
    step.write(Gather, (flat, build.constant(places.copy())), axis=len(rest))


@reads("aten.index_select")
def _index_select(step: Step) -> None:
    x = step.name("self")
    axis = step.axis("dim", len(step.build.shape(x)))
    step.write(Gather, (x, step.name("index")), axis=axis)


@reads("aten.gather")
def _gather(step: Step) -> None:
    build, x, index = step.build, step.name("self"), step.name("index")
    axis = step.axis("dim", len(build.shape(x)))
    for number, length in enumerate(step.shape):
        if number != axis:
            x = part(step, x, number, 0, length, 1, length)
    step.write(Gather, (x, index), axis=axis, form="along")


@reads("aten.index")
def _index(step: Step) -> None:
    """Read ``x[..., i, j, ...]`` of integers: one index into the axes that they take, joined."""
    build, x = step.build, step.name("self")
    given = list(step["indices"])
    axes = [axis for axis, index in enumerate(given) if index is not None]
    if any(given[axis].meta["val"].dtype.is_floating_point for axis in axes) or any(
        "bool" in str(given[axis].meta["val"].dtype) for axis in axes
    ):
        refuse("its indices are a mask, whose number of elements is known at run time only")
    if axes != list(range(axes[0], axes[0] + len(axes))):
        # The axes of the answer that indices make come first then: so do the axes indexed.
        order = axes + [axis for axis in range(len(build.shape(x))) if axis not in axes]
        moved = tuple(build.shape(x)[axis] for axis in order)
        x = step.step(Transpose, (x,), moved, axes=tuple(order))
        given = [given[axis] for axis in axes]
        axes = list(range(len(axes)))
    shape = build.shape(x)
    if _is_range(step, given[axes[0]], shape[axes[0]]):
        _each_its_own(step, x, axes, given)
        return
    index = build.cast(step.name_of(given[axes[0]]), "int64")
    if len(axes) == 1:
        step.write(Gather, (x, index), axis=axes[0])
        return
    sizes = [shape[axis] for axis in axes]
    flat = build.reshape(x, (*shape[: axes[0]], math.prod(sizes), *shape[axes[-1] + 1 :]))
    place = from_front(step, index, sizes[0])
    for axis, size in zip(axes[1:], sizes[1:], strict=True):
        own = build.cast(step.name_of(given[axis]), "int64")
        wide = step.step(Binary, (place, _length(step, size)), kind="multiply")
        joined = _joined(build.shape(wide), build.shape(own))
        place = step.step(Binary, (wide, from_front(step, own, size)), joined, kind="add")
    step.write(Gather, (flat, place), axis=axes[0])


def _is_range(step: Step, node: Any, size: Any) -> bool:
    """Whether an index counts through a whole axis."""
    if not str(node.target).startswith("aten.arange") or node in step.build.constants:
        return False
    own = Step(step.build, node)
    return own.shape == (size,) and own.get("start", 0) == 0


def _each_its_own(step: Step, x: str, axes: list[int], given: list[Any]) -> None:
    """Read ``x[range, i]``: one element of the second axis for each of the first."""
    build, shape = step.build, step.build.shape(x)
    if len(axes) == 1:
        step.alias(x)
        return
    first, second = axes[0], axes[1]
    index = step.name_of(given[second])
    if len(axes) != len((first, second)) or build.shape(index) != (shape[first],):
        refuse("it joins a range with indices of another shape, expected one for each")
    around = [1] * len(shape)
    around[first] = shape[first]
    wide = (*shape[:second], 1, *shape[second + 1 :])
    index = build.expand(build.reshape(index, around), wide)
    one = step.step(Gather, (x, index), wide, dtype=step.dtype, axis=second, form="along")
    step.alias(build.reshape(one, step.shape, step.node.name))


def _length(step: Step, size: Any) -> str:
    if isinstance(size, int):
        return operand(step, size, "int64")
    return step.build.size_value(size, "int64")


def from_front(step: Step, index: str, size: Any) -> str:
    """Return an index whose negative positions count from the front instead of the end."""
    zero = operand(step, 0, "int64")
    negative = step.step(Compare, (index, zero), dtype="bool", kind="less")
    moved = step.step(Binary, (index, _length(step, size)), kind="add")
    return step.step(Where, (negative, moved, index), step.build.shape(index), dtype="int64")


def _joined(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    count = max(len(left), len(right))
    left = (1,) * (count - len(left)) + left
    right = (1,) * (count - len(right)) + right
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))
