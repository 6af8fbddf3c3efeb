"""Readers of reductions, and of what is composed of them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_registry import READERS, reads
from cordwood.ir_arrays import ArgReduce, Binary, Compare, Reduce, Unary

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step
    from cordwood.frontends._torch_registry import Reader

__all__: list[str] = []

EUCLIDEAN = 2
"""The order of a norm that is the root of a sum of squares."""

KINDS = {
    "sum": "sum", "mean": "mean", "amax": "max", "amin": "min", "prod": "product", "any": "any",
    "all": "all", "logsumexp": "log_sum_exp",
}  # fmt: skip


def _axes(given: Any, rank: int) -> tuple[int, ...]:
    """Return the axes that are reduced, ascending; all where none is given."""
    if given is None or given == []:
        return tuple(range(rank))
    listed = [given] if isinstance(given, int) else list(given)
    return tuple(sorted({axis % max(rank, 1) for axis in listed}))


def _kept(shape: tuple[Any, ...], axes: tuple[int, ...]) -> tuple[Any, ...]:
    return tuple(1 if axis in axes else size for axis, size in enumerate(shape))


def _reduction(kind: str) -> Reader:
    def read(step: Step) -> None:
        x = step.name("self")
        x = step.build.cast(x, "bool" if kind in ("any", "all") else step.dtype)
        axes = _axes(step.get("dim"), len(step.build.shape(x)))
        if not axes:
            step.alias(x)
            return
        step.write(Reduce, (x,), kind=kind, axes=axes, keep_axes=bool(step.get("keepdim", False)))

    return read


READERS.update({f"aten.{name}": _reduction(kind) for name, kind in KINDS.items()})


@reads("aten.max", "aten.min")
def _extreme(step: Step) -> None:
    """Read ``max(x)``, ``max(x, dim)`` with its positions, or ``max(x, other)``."""
    kind = str(step.node.target).split(".")[1]
    build, x = step.build, step.name("self")
    if "other" in step.arguments:
        names = (build.cast(x, step.dtype), build.cast(step.name("other"), step.dtype))
        step.write(Binary, names, kind=f"{kind}imum")
        return
    rank = len(build.shape(x))
    if step.get("dim") is None:
        step.write(Reduce, (x,), kind=kind, axes=tuple(range(rank)))
        return
    axis, keep = step.axis("dim", rank), bool(step["keepdim"])
    step.write(Reduce, (x,), kind=kind, axes=(axis,), keep_axes=keep)
    place = build.add(f"{step.node.name}_indices", "int64", step.shape)
    build.emit(ArgReduce, (x,), (place,), kind=kind, axis=axis, keep_axes=keep)
    build.made[step.node] = [build.made[step.node], place]


@reads("aten.argmax", "aten.argmin")
def _position(step: Step) -> None:
    kind = "max" if "argmax" in str(step.node.target) else "min"
    build, x = step.build, step.name("self")
    if step["dim"] is None:
        if step["keepdim"]:
            refuse("keepdim without dim, expected a dim")
        count = math.prod(build.shape(x))
        flat = build.reshape(x, (count,))
        step.write(ArgReduce, (flat,), kind=kind, axis=0)
        return
    axis = step.axis("dim", len(build.shape(x)))
    step.write(ArgReduce, (x,), kind=kind, axis=axis, keep_axes=bool(step["keepdim"]))


@reads("aten.var", "aten.std", "aten.var_mean", "aten.std_mean")
def _variance(step: Step) -> None:
    """Compose: the mean, the squared distances from it, their sum over count less correction."""
    build, x = step.build, step.name("self")
    shape = build.shape(x)
    axes = _axes(step.get("dim"), len(shape))
    correction = step.get("correction")
    if correction is None:
        correction = 0 if step.get("unbiased") is False else 1
    mean = step.step(Reduce, (x,), _kept(shape, axes), kind="mean", axes=axes, keep_axes=True)
    apart = step.step(Binary, (x, mean), shape, kind="subtract")
    keep = bool(step.get("keepdim", False))
    total = step.step(Reduce, (apart,), step.shape, kind="sum_square", axes=axes, keep_axes=keep)
    count = math.prod(shape[axis] for axis in axes)
    less = _count(step, count, [shape[axis] for axis in axes], correction)
    found = step.step(Binary, (total, less), step.shape, kind="divide")
    name = str(step.node.target).split(".")[1]
    if name.startswith("std"):
        found = step.step(Unary, (found,), kind="sqrt")
    if name.endswith("_mean"):
        build.made[step.node] = [found, build.reshape(mean, step.shape)]
    else:
        step.alias(found)


def _count(step: Step, count: Any, sizes: list[Any], correction: float) -> str:
    """Return the number of elements less the correction, as a value."""
    build = step.build
    if isinstance(count, int):
        return build.constant(np.array(max(count - correction, 0), step.dtype))
    found = build.constant(np.array(math.prod(s for s in sizes if isinstance(s, int)), step.dtype))
    for size in sizes:
        if not isinstance(size, int):
            own = build.size_value(size, step.dtype)
            found = step.step(Binary, (found, own), (), kind="multiply")
    less = build.constant(np.array(correction, step.dtype))
    return step.step(Binary, (found, less), (), kind="subtract")


@reads("aten.linalg_vector_norm", "aten.norm")
def _norm(step: Step) -> None:
    build, x = step.build, step.build.cast(step.name("self"), step.dtype)
    order = step.get("ord", step.get("p", 2))
    order = 2 if order is None else order
    axes = _axes(step.get("dim"), len(build.shape(x)))
    keep = bool(step.get("keepdim", False))
    if order == EUCLIDEAN:
        kind = "sum_square"
    else:
        x = step.step(Unary, (x,), kind="absolute")
        kind = {1: "sum", math.inf: "max", -math.inf: "min"}.get(order, "")
    if not kind:
        _norm_of_order(step, x, axes, float(order))
        return
    if kind != "sum_square":
        step.write(Reduce, (x,), kind=kind, axes=axes, keep_axes=keep)
        return
    total = step.step(Reduce, (x,), step.shape, kind=kind, axes=axes, keep_axes=keep)
    step.write(Unary, (total,), kind="sqrt")


def _norm_of_order(step: Step, x: str, axes: tuple[int, ...], order: float) -> None:
    """Sum powers of distances and take the root; of order 0, count what is not zero."""
    build, keep = step.build, bool(step.get("keepdim", False))
    if order == 0:
        zero = build.constant(np.array(0, build.dtype(x)))
        other = step.step(Compare, (x, zero), dtype="bool", kind="not_equal")
        step.write(Reduce, (build.cast(other, step.dtype),), kind="sum", axes=axes, keep_axes=keep)
        return
    exponent, root = (build.constant(np.array(p, np.float32)) for p in (order, 1 / order))
    powers = step.step(Binary, (x, exponent), kind="power")
    total = step.step(Reduce, (powers,), step.shape, kind="sum", axes=axes, keep_axes=keep)
    step.write(Binary, (total, root), kind="power")


@reads("aten._cdist_forward", "aten.cdist", "aten._euclidean_dist")
def _distances(step: Step) -> None:
    """Read the distance of each row of one matrix from each of another."""
    build, order = step.build, float(step.get("p", 2.0))
    if order not in (1.0, 2.0):
        refuse(f"its order is {order}, expected 1 or 2")
    one, two = step.name("x1"), step.name("x2")
    rows, others = build.shape(one), build.shape(two)
    one = build.reshape(one, (*rows[:-1], 1, rows[-1]))
    two = build.reshape(two, (*others[:-2], 1, *others[-2:]))
    wide = (*step.shape, rows[-1])
    apart = step.step(Binary, (one, two), wide, kind="subtract")
    last = (len(wide) - 1,)
    if order == 1.0:
        step.write(Reduce, (step.step(Unary, (apart,), kind="absolute"),), kind="sum", axes=last)
        return
    total = step.step(Reduce, (apart,), step.shape, kind="sum_square", axes=last)
    step.write(Unary, (total,), kind="sqrt")
