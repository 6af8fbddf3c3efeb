"""Readers of what puts elements in order, or counts along an axis: as comparisons of all pairs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_elementwise import operand
from cordwood.frontends._torch_index import counted
from cordwood.frontends._torch_registry import reads
from cordwood.ir_arrays import ArgReduce, Binary, Compare, Gather, Reduce, Unary, Where

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step

__all__: list[str] = []

MOST = 1024
"""Elements that are put in order: the comparisons are the square of it."""


@reads("aten.sort", "aten.topk", "aten.kthvalue")
def _sort(step: Step) -> None:
    """Take the elements of each rank; equal ones keep their order, which torch leaves open."""
    build, x = step.build, step.name("self")
    shape = build.shape(x)
    name = str(step.node.target).split(".")[1]
    axis = step.axis("dim", len(shape))
    size = shape[axis] if shape else 1
    if not isinstance(size, int) or size > MOST:
        refuse(f"it puts {size} elements in order, expected a constant number up to {MOST}")
    descending = bool(step.get("descending") or (name == "topk" and step["largest"]))
    first, count = (int(step["k"]) - 1, 1) if name == "kthvalue" else (0, int(step.get("k", size)))
    ranks = np.arange(first, first + count).reshape(count, *(1,) * (len(shape) - axis))
    rank = _ranks(step, x, axis, descending=descending)
    wide = (*shape[:axis], count, *shape[axis:])
    rank = build.reshape(rank, (*shape[:axis], 1, *shape[axis:]))
    truth = step.step(Compare, (rank, build.constant(ranks)), wide, dtype="bool", kind="equal")
    after = (*shape[:axis], count, *shape[axis + 1 :])
    places = step.step(ArgReduce, (truth,), after, dtype="int64", kind="max", axis=axis + 1)
    values = step.step(Gather, (x, places), after, dtype=build.dtype(x), axis=axis, form="along")
    build.made[step.node] = [build.reshape(values, step.shape), build.reshape(places, step.shape)]


def _ranks(step: Step, x: str, axis: int, *, descending: bool) -> str:
    """Return how many elements of its line come before each; NaN is above all, as in torch."""
    build, shape = step.build, step.build.shape(x)
    size = shape[axis]
    wide = (*shape[:axis], size, *shape[axis:])

    def mine(value: str) -> str:
        return build.reshape(value, (*shape[: axis + 1], 1, *shape[axis + 1 :]))

    def theirs(value: str) -> str:
        return build.reshape(value, (*shape[:axis], 1, *shape[axis:]))

    def joined(left: str, right: str, kind: str) -> str:
        return step.step(Binary, (left, right), wide, kind=kind)

    pair = (theirs(x), mine(x))
    before = step.step(Compare, pair, wide, dtype="bool",
                       kind="greater" if descending else "less")  # fmt: skip
    same = step.step(Compare, pair, wide, dtype="bool", kind="equal")
    if build.dtype(x).startswith("float"):
        missing = step.step(Unary, (x,), dtype="bool", kind="is_nan")
        known = step.step(Unary, (missing,), kind="not")
        high, low = (missing, known) if descending else (known, missing)
        before = joined(before, joined(theirs(high), mine(low), "and"), "or")
        same = joined(same, joined(theirs(missing), mine(missing), "and"), "or")
    earlier = np.tri(size, k=-1, dtype=bool).reshape(size, size, *(1,) * (len(shape) - axis - 1))
    before = joined(before, joined(same, build.constant(earlier), "and"), "or")
    return step.step(Reduce, (build.cast(before, "int64"),), shape, kind="sum", axes=(axis + 1,))


@reads("aten.cumsum")
def _cumsum(step: Step) -> None:
    """Add, for each position, what is at and before it."""
    build, x = step.build, step.build.cast(step.name("self"), step.dtype)
    shape, axis = build.shape(x), step.axis("dim", len(step.shape))
    if not shape:
        step.alias(x)
        return
    size = shape[axis]
    rest = (1,) * (len(shape) - axis - 1)
    number = counted(step, size, "int64")
    row, column = build.reshape(number, (size, 1, *rest)), build.reshape(number, (1, size, *rest))
    until = step.step(Compare, (column, row), (size, size, *rest), dtype="bool", kind="less_equal")
    wide = (*shape[:axis], size, *shape[axis:])
    apart = build.reshape(x, (*shape[:axis], 1, *shape[axis:]))
    kept = step.step(Where, (until, apart, operand(step, 0, step.dtype)), wide)
    step.write(Reduce, (kept,), kind="sum", axes=(axis + 1,))


@reads("aten.bucketize", "aten.searchsorted")
def _bucketize(step: Step) -> None:
    """Count the borders below each element; NaN is above all of them."""
    build = step.build
    bucketize = "bucketize" in str(step.node.target)
    borders_name = "boundaries" if bucketize else "sorted_sequence"
    borders = step.array(borders_name)
    if borders.ndim != 1 or step.get("sorter") is not None or step.get("side"):
        refuse(f"its {borders_name} has {borders.ndim} axes or a sorter or side, expected one axis")
    x: Any = step.name("self")
    shape = build.shape(x)
    x = build.reshape(build.cast(x, str(borders.dtype)), (*shape, 1))
    kind = "less" if step["right"] else "less_equal"
    wide = (*shape, len(borders))
    below = step.step(Compare, (x, build.constant(borders)), wide, dtype="bool", kind=kind)
    above = build.cast(step.step(Unary, (below,), kind="not"), step.dtype)
    step.write(Reduce, (above,), kind="sum", axes=(len(shape),))
