"""Readers of views, joins and parts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_elementwise import operand
from cordwood.frontends._torch_registry import reads
from cordwood.ir_arrays import Concat, Pad, Slice

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step

__all__ = ["part"]

OPEN = 2**62
"""A stop from here on is an open end."""


@reads(
    "aten.view",
    "aten.reshape",
    "aten._unsafe_view",
    "aten.unsqueeze",
    "aten.squeeze",
    "aten.flatten",
    "aten.unflatten",
    "aten.view_as",
    "aten._reshape_copy",
)
def _view(step: Step) -> None:
    step.alias(step.build.reshape(step.name("self"), step.shape, step.node.name))


@reads("aten.expand", "aten.expand_as", "aten.broadcast_to")
def _expand(step: Step) -> None:
    step.alias(step.build.expand(step.name("self"), step.shape, step.node.name))


@reads(
    "aten.clone",
    "aten.alias",
    "aten.detach",
    "aten.contiguous",
    "aten.lift_fresh_copy",
    "aten.dropout",
    "aten.native_dropout",
    "aten.alpha_dropout",
    "aten.feature_dropout",
)
def _same(step: Step) -> None:
    if step.get("train"):
        refuse("it drops at random; call .eval() on the module")
    step.alias(step.name("self" if "self" in step.arguments else "input"))


@reads("aten._to_copy", "aten.to", "aten.type_as", "aten._conj")
def _cast(step: Step) -> None:
    if step.dtype in ("float16", "bfloat16"):
        refuse(f"it rounds to {step.dtype}, expected float32; call .float() on the module first")
    step.alias(step.build.cast(step.name("self"), step.dtype))


@reads("aten.repeat")
def _repeat(step: Step) -> None:
    build, x = step.build, step.name("self")
    times = [step.size(count) for count in step["repeats"]]
    own = (1,) * (len(times) - len(build.shape(x))) + build.shape(x)
    apart: list[Any] = []
    wide: list[Any] = []
    for count, size in zip(times, own, strict=True):
        # An axis of length 1 is repeated as it is; another one gets one in front.
        new = count != 1 and size != 1
        apart += [1, size] if new else [size]
        wide += [count, size] if new else [count if size == 1 else size]
    x = build.expand(build.reshape(x, apart), wide)
    step.alias(build.reshape(x, step.shape, step.node.name))


@reads("aten.cat", "aten.concat")
def _cat(step: Step) -> None:
    build = step.build
    # An empty vector joins anything: torch's own rule, from before there were empty matrices.
    nodes = [node for node in step["tensors"] if build.sizes.shape(node.meta["val"]) != (0,)]
    names = [build.cast(step.name_of(node), step.dtype) for node in nodes]
    if len(names) == 1:
        step.alias(names[0])
    else:
        step.write(Concat, names, axis=step.axis("dim", len(step.shape)))


@reads("aten.stack")
def _stack(step: Step) -> None:
    build, axis = step.build, step.axis("dim", len(step.shape))
    shape = (*step.shape[:axis], 1, *step.shape[axis + 1 :])
    names = [build.cast(step.name_of(node), step.dtype) for node in step["tensors"]]
    names = [build.reshape(name, shape) for name in names]
    step.write(Concat, names, axis=axis)


def part(step: Step, x: str, axis: int, start: Any, stop: Any, pace: int, length: Any) -> str:
    """Return positions `start` to `stop` of an axis; sizes may be expressions."""
    build = step.build
    shape = build.shape(x)
    after = (*shape[:axis], length, *shape[axis + 1 :])
    if after == shape and pace == 1:
        return x
    inputs = [x]
    ends: list[Any] = []
    for end in (start, stop):
        found = end
        if end is not None and not isinstance(end, int):
            found = build.refer(inputs, end)
            if found is None:
                # From the end: what is left is a size that another value may have.
                found = build.refer(inputs, shape[axis] + end)
            if found is None:
                found = build.refer_sum(inputs, end)
            if found is None:
                refuse(f"it ends at {end}, a size that no other value has")
        ends.append(found)
    rank = len(shape)

    def by_axis(here: Any, elsewhere: Any) -> tuple[Any, ...]:
        return tuple(here if number == axis else elsewhere for number in range(rank))

    target = build.add(f"{step.node.name}_part", build.dtype(x), after)
    return build.emit(Slice, inputs, (target,), start=by_axis(ends[0], 0),
                      stop=by_axis(ends[1], None), step=by_axis(pace, 1))  # fmt: skip


def _stop(stop: Any) -> Any:
    return None if stop is None or (isinstance(stop, int) and stop >= OPEN) else stop


@reads("aten.slice")
def _slice(step: Step) -> None:
    x = step.name("self")
    axis = step.axis("dim", len(step.build.shape(x)))
    size, length = step.build.shape(x)[axis], step.shape[axis]
    start = 0 if step["start"] is None else step.size(step["start"])
    stop = None if step["end"] is None else _stop(step.size(step["end"]))
    if stop == size:
        stop = None
    elif isinstance(start, int) and start == 0 and step["step"] == 1 and stop is not None:
        stop = length
    step.alias(part(step, x, axis, start, stop, int(step["step"]), length))


@reads("aten.narrow")
def _narrow(step: Step) -> None:
    x = step.name("self")
    axis = step.axis("dim", len(step.build.shape(x)))
    start, length = step.size(step["start"]), step.size(step["length"])
    step.alias(part(step, x, axis, start, start + length, 1, length))


@reads("aten.select")
def _select(step: Step) -> None:
    build, x = step.build, step.name("self")
    axis = step.axis("dim", len(build.shape(x)))
    index = step.size(step["index"])
    stop = None if isinstance(index, int) and index == -1 else index + 1
    one = part(step, x, axis, index, stop, 1, 1)
    step.alias(build.reshape(one, step.shape, step.node.name))


@reads("aten.split_with_sizes", "aten.split", "aten.chunk", "aten.tensor_split", "aten.unbind")
def _split(step: Step) -> None:
    build, x = step.build, step.name("self")
    axis = step.axis("dim", len(build.shape(x)))
    single = "unbind" in str(step.node.target)
    found, start = [], 0
    for value in step.node.meta["val"]:
        shape = build.sizes.shape(value)
        length = 1 if single else shape[axis]
        one = part(step, x, axis, start, start + length, 1, length)
        found.append(build.reshape(one, shape) if single else one)
        start = start + length
    build.made[step.node] = found


@reads("aten.pad", "aten.constant_pad_nd")
def _pad(step: Step) -> None:
    build, x = step.build, step.name("self")
    rank = len(build.shape(x))
    given = [step.size(size) for size in step["pad"]]
    if not all(isinstance(size, int) for size in given):
        refuse(f"it pads by {given}, expected numbers")
    before, after = [0] * rank, [0] * rank
    for number in range(len(given) // 2):
        axis = rank - 1 - number
        before[axis], after[axis] = given[2 * number], given[2 * number + 1]
        if min(before[axis], after[axis]) < 0:
            x = _cut(step, x, axis, min(before[axis], 0), min(after[axis], 0))
    mode = step.get("mode") or "constant"
    before, after = ([max(size, 0) for size in sizes] for sizes in (before, after))
    if not any(before) and not any(after):
        step.alias(x)
        return
    value = float(step.get("value") or 0.0)
    step.write(Pad, (x,), before=tuple(before), after=tuple(after), mode=mode, value=value)


def _cut(step: Step, x: str, axis: int, before: int, after: int) -> str:
    length = step.build.shape(x)[axis] + before + after
    return part(step, x, axis, -before, after or None, 1, length)


@reads(
    "aten.full",
    "aten.full_like",
    "aten.zeros",
    "aten.zeros_like",
    "aten.ones",
    "aten.ones_like",
    "aten.empty",
    "aten.empty_like",
    "aten.new_full",
    "aten.new_zeros",
    "aten.new_ones",
    "aten.scalar_tensor",
)
def _full(step: Step) -> None:
    name = str(step.node.target).split(".")[1]
    given: Any = 1 if "ones" in name else 0
    if "full" in name:
        given = step["fill_value"]
    elif name == "scalar_tensor":
        given = step["s"]
    value = operand(step, given, step.dtype)
    step.alias(step.build.expand(value, step.shape, step.node.name))


@reads("aten.flip")
def _flip(step: Step) -> None:
    x = step.name("self")
    shape = step.build.shape(x)
    turned = {axis % len(shape) for axis in step["dims"]}
    pace = tuple(-1 if axis in turned else 1 for axis in range(len(shape)))
    start = tuple(-1 if axis in turned else 0 for axis in range(len(shape)))
    step.write(Slice, (x,), start=start, stop=(None,) * len(shape), step=pace)
