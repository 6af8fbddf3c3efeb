"""Readers of writes: parts and elements of a tensor replaced by others, as new tensors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_elementwise import operand
from cordwood.frontends._torch_index import counted, from_front
from cordwood.frontends._torch_registry import reads
from cordwood.frontends._torch_shapes import part
from cordwood.ir_arrays import ArgReduce, Binary, Compare, Concat, Gather, Reduce, Where

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step

__all__: list[str] = []


@reads("aten.copy", "aten.fill")
def _copy(step: Step) -> None:
    source = step["src"] if "src" in step.arguments else step["value"]
    step.alias(step.build.expand(operand(step, source, step.dtype), step.shape, step.node.name))


@reads("aten.slice_scatter")
def _write_slice(step: Step) -> None:
    x, source = step.name("self"), step.build.cast(step.name("src"), step.dtype)
    axis = step.axis("dim", len(step.shape))
    size, length = step.shape[axis], step.build.shape(source)[axis]
    start: Any = 0 if step["start"] is None else step.size(step["start"])
    if isinstance(start, int) and start < 0:
        start = start + size
    _write(step, x, source, axis, start, length, int(step["step"]))


@reads("aten.select_scatter")
def _write_one(step: Step) -> None:
    build, x = step.build, step.name("self")
    axis = step.axis("dim", len(step.shape))
    index: Any = step.size(step["index"])
    if isinstance(index, int) and index < 0:
        index = index + step.shape[axis]
    source = build.cast(step.name("src"), step.dtype)
    source = build.reshape(source, (*step.shape[:axis], 1, *step.shape[axis + 1 :]))
    _write(step, x, source, axis, index, 1, 1)


def _write(step: Step, x: str, source: str, axis: int, start: Any, length: Any, pace: int) -> None:
    """Replace positions of an axis: what is before them, the source, what is after."""
    size = step.shape[axis]
    if pace != 1:
        if not isinstance(size, int) or not isinstance(start, int):
            refuse(f"it writes every {pace}th of {size} positions, expected a constant size")
        _write_at(step, x, source, axis, np.arange(start, size, pace)[: int(length)])
        return
    parts = [source]
    if start != 0:
        parts.insert(0, part(step, x, axis, 0, start, 1, start))
    left = size - start - length
    if left != 0:
        parts.append(part(step, x, axis, start + length, None, 1, left))
    if len(parts) == 1:
        step.alias(source)
    else:
        step.write(Concat, parts, axis=axis)


def _write_at(step: Step, x: str, source: str, axis: int, places: np.ndarray) -> None:
    """Replace known positions of an axis: each takes its element from one of two tensors."""
    size = step.shape[axis]
    taken = np.arange(size)
    taken[places] = size + np.arange(len(places))
    joined = (*step.shape[:axis], size + len(places), *step.shape[axis + 1 :])
    both = step.step(Concat, (x, source), joined, axis=axis)
    step.write(Gather, (both, step.build.constant(taken.astype(np.int64))), axis=axis)


@reads("aten.index_put")
def _index_put(step: Step) -> None:
    given = list(step["indices"])
    axes = [axis for axis, index in enumerate(given) if index is not None]
    if step.get("accumulate"):
        refuse("it adds to elements by index, which no operator does; use products or torch.where")
    if len(axes) != 1:
        refuse(f"it writes to places of {len(axes)} axes at once, expected one axis or a mask")
    axis, index = axes[0], given[axes[0]]
    if step.build.dtype(step.name_of(index)) == "bool":
        _write_masked(step, index, axis)
        return
    build, shape = step.build, step.shape
    own = build.shape(step.name_of(index))
    if len(own) != 1:
        refuse(f"its index has {len(own)} axes, expected one")
    source = operand(step, step["values"], step.dtype)
    source = build.expand(source, (*shape[:axis], own[0], *shape[axis + 1 :]))
    if index in build.constants and isinstance(shape[axis], int):
        places = np.asarray(build.constants.array(index)) % shape[axis]
        _write_at(step, step.name("self"), source, axis, places)
        return
    around = [1] * len(shape)
    around[axis] = own[0]
    places_value = from_front(step, build.cast(step.name_of(index), "int64"), shape[axis])
    _write_found(step, source, build.reshape(places_value, around), axis)


def _write_masked(step: Step, mask: Any, axis: int) -> None:
    """Read ``x[mask] = value`` of one value for all."""
    build, x = step.build, step.name("self")
    value = operand(step, step["values"], step.dtype)
    if any(size != 1 for size in build.shape(value)):
        refuse("it writes a tensor through a mask; give one value, or use torch.where")
    truth = step.name_of(mask)
    own = build.shape(truth)
    rest = len(step.shape) - axis - len(own)
    truth = build.reshape(truth, (*(1,) * axis, *own, *(1,) * rest))
    step.write(Where, (truth, build.reshape(value, ()), x))


def _write_found(step: Step, source: str, places: str, axis: int) -> None:
    """Replace positions that are known at run time: each asks which of the places it is."""
    build, x, shape = step.build, step.name("self"), step.shape
    truth, wide = _hits(step, places, axis)
    position = step.step(ArgReduce, (truth,), _without(wide, axis + 1), dtype="int64",
                         kind="max", axis=axis + 1)  # fmt: skip
    any_hit = step.step(Reduce, (truth,), _without(wide, axis + 1), kind="any", axes=(axis + 1,))
    position = build.expand(position, shape)
    written = step.step(Gather, (source, position), shape, dtype=step.dtype, axis=axis,
                        form="along")  # fmt: skip
    step.write(Where, (any_hit, written, x))


def _hits(step: Step, places: str, axis: int) -> tuple[str, tuple[Any, ...]]:
    """Return, for each position of an axis and each place, whether the place is there."""
    build, own, size = step.build, step.build.shape(places), step.shape[axis]
    number = counted(step, size, "int64")
    around: list[Any] = [1] * (len(own) + 1)
    around[axis] = size
    number = build.reshape(number, around)
    places = build.reshape(places, (*own[:axis], 1, *own[axis:]))
    wide = (*own[:axis], size, *own[axis:])
    return step.step(Compare, (number, places), wide, dtype="bool", kind="equal"), wide


def _without(shape: tuple[Any, ...], axis: int) -> tuple[Any, ...]:
    return (*shape[:axis], *shape[axis + 1 :])


@reads("aten.scatter", "aten.scatter_add")
def _scatter(step: Step) -> None:
    """Read a scatter along an axis as a question of each position: which index is mine."""
    build, index = step.build, step.build.cast(step.name("index"), "int64")
    axis, own = step.axis("dim", len(step.shape)), build.shape(index)
    if step.get("reduce"):
        refuse(f"reduce is {step['reduce']!r}, expected none")
    if _without(own, axis) != _without(step.shape, axis):
        refuse(f"its index is of shape {own}, expected that of {step.shape} but for axis {axis}")
    if "value" in step.arguments:
        truth, wide = _hits(step, index, axis)
        found = step.step(Reduce, (truth,), _without(wide, axis + 1), kind="any", axes=(axis + 1,))
        step.write(Where, (found, operand(step, step["value"], step.dtype), step.name("self")))
        return
    source = build.cast(step.name("src"), step.dtype)
    source = part(step, source, axis, 0, own[axis], 1, own[axis])
    if "scatter_add" not in str(step.node.target):
        _write_found(step, source, index, axis)
        return
    truth, wide = _hits(step, index, axis)
    apart = build.reshape(source, (*own[:axis], 1, *own[axis:]))
    added = step.step(Where, (truth, apart, operand(step, 0, step.dtype)), wide)
    total = step.step(Reduce, (added,), step.shape, kind="sum", axes=(axis + 1,))
    step.write(Binary, (step.name("self"), total), kind="add")
