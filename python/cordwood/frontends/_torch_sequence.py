"""Readers of what runs over sequences: attention and recurrent layers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_layers import float32_only
from cordwood.frontends._torch_registry import reads
from cordwood.frontends._torch_shapes import part
from cordwood.ir_arrays import Concat, Transpose
from cordwood.ir_nets import Attention, Gru, Lstm

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step

__all__: list[str] = []

RANK = 4
"""Axes of queries: batch, heads, positions, width."""


@reads("aten.scaled_dot_product_attention")
def _attention(step: Step) -> None:
    float32_only(step)
    build = step.build
    names = [step.name(argument) for argument in ("query", "key", "value")]
    shapes = [build.shape(name) for name in names]
    if step.number("dropout_p"):
        refuse(f"dropout_p is {step['dropout_p']}, expected 0: call .eval() on the module")
    if any(len(shape) > RANK for shape in shapes):
        refuse(f"its queries have {len(shapes[0])} axes, expected at most {RANK}")
    names = [_four(step, name) for name in names]
    query, key, value = (build.shape(name) for name in names)
    batch = next((s[0] for s in (query, key, value) if s[0] != 1), 1)
    names = [build.expand(name, (batch, *build.shape(name)[1:])) for name in names]
    if step["is_causal"] and query[2] != key[2]:
        refuse(
            f"is_causal with {query[2]} queries and {key[2]} keys, which torch aligns at the "
            f"first key; give attn_mask instead"
        )
    mask = step["attn_mask"]
    if mask is not None:
        masked = step.name("attn_mask")
        masked = build.cast(masked, "float32") if build.dtype(masked) != "bool" else masked
        if len(shapes[0]) != RANK and len(build.shape(masked)) == len(shapes[0]):
            masked = _four(step, masked)
        names.append(masked)
    scale = step["scale"]
    if scale is not None and not isinstance(scale, int | float):
        refuse("its scale depends on a size, expected a number")
    scale = 1.0 / math.sqrt(query[3]) if scale is None else float(scale)
    causal = bool(step["is_causal"])
    if len(step.shape) == RANK:
        step.write(Attention, names, scale=scale, causal=causal)
        return
    full = (batch, *query[1:3], value[3])
    found = step.step(Attention, names, full, dtype="float32", scale=scale, causal=causal)
    step.alias(build.reshape(found, step.shape, step.node.name))


def _four(step: Step, name: str) -> str:
    """Give a value the axes of batch and heads that it lacks, heads first."""
    shape = step.build.shape(name)
    if len(shape) == RANK - 1:
        return step.build.reshape(name, (shape[0], 1, *shape[1:]))
    return step.build.reshape(name, (1,) * (RANK - len(shape)) + shape)


@reads("cordwood.lstm", "cordwood.gru")
def _recurrence(step: Step) -> None:
    """Read a stack of layers, each of one or two directions, as one operator a layer."""
    float32_only(step)
    build = step.build
    gated = 2 if "lstm" in str(step.node.target) else 1
    both, layers = bool(step["bidirectional"]), int(step["layers"])
    directions = 2 if both else 1
    x = step.name("x")
    if not step["batch_first"]:
        x = _swapped(step, x)
    states = None if all(map(_is_zero, step["states"])) else [
        step.name_of(state) for state in step["states"]]  # fmt: skip
    each = (4 if step["has_biases"] else 2) * directions
    if len(step["parameters"]) != each * layers:
        refuse(f"it has {len(step['parameters'])} parameters, expected {each * layers}: proj_size "
               f"must be 0")  # fmt: skip
    parameters = [build.constants.float32(node, "parameter") for node in step["parameters"]]
    last: list[list[str]] = [[] for _ in range(gated)]
    for layer in range(layers):
        own = parameters[layer * each : (layer + 1) * each]
        start = layer * directions
        before = [_rows(step, s, start, directions) for s in states] if states else []
        x, ends = _layer(step, (x, *before), own, both)
        for found, end in zip(last, ends, strict=True):
            found.append(end)
    if not step["batch_first"]:
        x = _swapped(step, x)
    build.made[step.node] = [x, *(_joined(step, found) for found in last)]


def _layer(
    step: Step, inputs: tuple[str, ...], own: list[np.ndarray], both: bool
) -> tuple[str, list[str]]:
    build = step.build
    directions = 2 if both else 1
    each = len(own) // directions
    parts = [own[number * each : (number + 1) * each] for number in range(directions)]
    batch, sequence, _ = build.shape(inputs[0])
    hidden = parts[0][1].shape[1]
    lstm = "lstm" in str(step.node.target)
    name = step.node.name
    ends = [build.add(f"{name}_{end}", "float32", (directions, batch, hidden))
            for end in (("h", "c") if lstm else ("h",))]  # fmt: skip
    target = build.add(name, "float32", (batch, sequence, hidden * directions))
    common: dict[str, Any] = {
        "direction": "both" if both else "forward",
        "weight_x": tuple(part[0] for part in parts),
        "weight_h": tuple(part[1] for part in parts),
    }
    biased = each == len(("weight_x", "weight_h", "bias_x", "bias_h"))
    if lstm:
        common["bias"] = tuple(_sum(part[2], part[3]) if biased else None for part in parts)
    else:
        common["bias_x"] = tuple(part[2] if biased else None for part in parts)
        common["bias_h"] = tuple(part[3] if biased else None for part in parts)
    build.emit(Lstm if lstm else Gru, inputs, (target, *ends), **common)
    return target, ends


def _sum(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Add two biases, rounded once."""
    total: np.ndarray = (left.astype(np.float64) + right).astype(np.float32)
    return total


def _swapped(step: Step, x: str) -> str:
    first, second, *rest = step.build.shape(x)
    return step.step(Transpose, (x,), (second, first, *rest), axes=(1, 0, 2))


def _rows(step: Step, state: str, start: int, count: int) -> str:
    return part(step, state, 0, start, start + count, 1, count)


def _joined(step: Step, names: list[str]) -> str:
    if len(names) == 1:
        return names[0]
    first, *rest = step.build.shape(names[0])
    return step.step(Concat, names, (first * len(names), *rest), axis=0)


def _is_zero(node: Any) -> bool:
    """Whether a state is what torch makes where none is given."""
    target = str(getattr(node, "target", ""))
    return target.startswith("aten.zeros") or (
        target.startswith("aten.full.") and node.args[1] == 0
    )
