"""Readers of layers: products, convolutions, norms, embeddings, softmax."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from cordwood.frontends._torch_build import Step, refuse
from cordwood.frontends._torch_registry import reads
from cordwood.ir_arrays import Binary, Transpose
from cordwood.ir_nets import (
    BatchNorm,
    Bfloat16,
    Conv,
    Embedding,
    GroupNorm,
    LayerNorm,
    Linear,
    Matmul,
    RmsNorm,
    Softmax,
)

__all__: list[str] = []

MATRIX = 2
"""Axes of a weight matrix."""


def float32_only(step: Step) -> None:
    """Refuse a layer that does not compute in float32."""
    if step.dtype != "float32":
        refuse(f"it computes in {step.dtype}, expected float32; call .float() on the module first")


@reads("aten.linear")
def _linear(step: Step) -> None:
    float32_only(step)
    x = step.name("input")
    if step["weight"] in step.build.constants and step.has_parameter("bias"):
        step.write(Linear, (x,), weight=step.array("weight"), bias=step.parameter("bias"))
        return
    weight = step.name("weight")
    if step["bias"] is None:
        step.write(Matmul, (x, weight), transpose_b=True)
        return
    product = step.step(Matmul, (x, weight), step.shape, transpose_b=True)
    step.write(Binary, (product, step.name("bias")), kind="add")


@reads("aten.addmm", "aten.baddbmm")
def _addmm(step: Step) -> None:
    float32_only(step)
    weights = (step.number("alpha"), step.number("beta"))
    first, second = ("mat1", "mat2") if "mat1" in step.arguments else ("batch1", "batch2")
    bias = step["self"]
    plain = weights == (1, 1)
    if plain and step[second] in step.build.constants and bias in step.build.constants:
        vector = step.parameter("self")
        matrix = step.build.constants.float32(step[second], second)
        if vector.ndim == 1 and matrix.ndim == MATRIX:
            step.write(Linear, (step.name(first),), weight=_turned(matrix), bias=vector)
            return
    product = step.step(Matmul, (step.name(first), step.name(second)), step.shape)
    parts = [product, step.name("self")]
    for number, weight in enumerate(weights):
        if weight != 1:
            factor = step.build.constant(np.array(weight, np.float32))
            parts[number] = step.step(Binary, (parts[number], factor), kind="multiply")
    step.write(Binary, parts, kind="add")


def _turned(weight: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(weight.T)


@reads("aten.mm", "aten.bmm", "aten.matmul", "aten.dot", "aten.mv")
def _matmul(step: Step) -> None:
    float32_only(step)
    left, right = list(step.arguments)[:2]
    if step[right] in step.build.constants:
        weight = step.build.constants.float32(step[right], right)
        if weight.ndim == MATRIX:
            step.write(Linear, (step.name(left),), weight=_turned(weight))
            return
    build, names = step.build, [step.name(left), step.name(right)]
    # A vector is a matrix of one row or one column, which the answer does not keep.
    if len(build.shape(names[0])) == 1:
        names[0] = build.reshape(names[0], (1, *build.shape(names[0])))
    if len(build.shape(names[1])) == 1:
        names[1] = build.reshape(names[1], (*build.shape(names[1]), 1))
    a, b = (build.shape(name) for name in names)
    full = (*_broadcast(a[:-2], b[:-2]), a[-2], b[-1])
    if full == step.shape:
        step.write(Matmul, names)
    else:
        step.alias(build.reshape(step.step(Matmul, names, full), step.shape))


def _broadcast(left: tuple[Any, ...], right: tuple[Any, ...]) -> tuple[Any, ...]:
    count = max(len(left), len(right))
    left = (1,) * (count - len(left)) + left
    right = (1,) * (count - len(right)) + right
    return tuple(b if a == 1 else a for a, b in zip(left, right, strict=True))


@reads("aten.convolution")
def _convolution(step: Step) -> None:
    float32_only(step)
    weight = step.array("weight")
    shape = weight.bits.shape if isinstance(weight, Bfloat16) else weight.shape
    count = len(shape) - 2
    x = step.name("input")
    if not 1 <= count <= len(("depth", "height", "width")):
        refuse(f"its weight has {len(shape)} axes, expected 3 to 5")
    pad = step.numbers("padding", count)
    step.write(
        Conv,
        (x,),
        weight=weight,
        bias=step.parameter("bias"),
        stride=step.numbers("stride", count),
        dilation=step.numbers("dilation", count),
        pad_before=pad,
        pad_after=pad,
        output_padding=step.numbers("output_padding", count),
        groups=int(step["groups"]),
        transposed=bool(step["transposed"]),
    )


@reads("aten._native_batch_norm_legit_no_training")
def _batch_norm(step: Step) -> None:
    _stored_norm(step)


def _stored_norm(step: Step) -> None:
    """Fold stored mean and variance to a factor and an offset, in float64."""
    float32_only(step)
    mean, variance = (step.parameter(name) for name in ("running_mean", "running_var"))
    weight, bias = (step.parameter(name) for name in ("weight", "bias"))
    factor = 1.0 / np.sqrt(variance.astype(np.float64) + float(step["eps"]))
    if weight is not None:
        factor = factor * weight
    offset = -mean.astype(np.float64) * factor
    if bias is not None:
        offset = offset + bias
    step.write(
        BatchNorm,
        (step.name("input"),),
        factor=factor.astype(np.float32),
        offset=offset.astype(np.float32),
    )


@reads("aten.instance_norm")
def _instance_norm(step: Step) -> None:
    float32_only(step)
    if not step["use_input_stats"]:
        _stored_norm(step)
        return
    x = step.name("input")
    groups = step.build.shape(x)[1]
    _group(step, x, groups, step.number("eps"))


@reads("aten.group_norm")
def _group_norm(step: Step) -> None:
    float32_only(step)
    _group(step, step.name("input"), int(step["num_groups"]), step.number("eps"))


def _group(step: Step, x: str, groups: Any, epsilon: Any) -> None:
    weight, bias = step.parameter("weight"), step.parameter("bias")
    step.write(GroupNorm, (x,), groups=groups, epsilon=float(epsilon), weight=weight, bias=bias)


@reads("aten.layer_norm")
def _layer_norm(step: Step) -> None:
    float32_only(step)
    step.write(
        LayerNorm,
        (step.name("input"),),
        axes=len(step["normalized_shape"]),
        epsilon=float(step["eps"]),
        weight=step.parameter("weight"),
        bias=step.parameter("bias"),
    )


@reads("aten.rms_norm")
def _rms_norm(step: Step) -> None:
    float32_only(step)
    build, x, count = step.build, step.name("input"), len(step["normalized_shape"])
    epsilon = float(np.finfo(np.float32).eps if step["eps"] is None else step["eps"])
    weight = step.parameter("weight")
    if count == 1:
        step.write(RmsNorm, (x,), epsilon=epsilon, weight=weight)
        return
    # Several axes are one, whose elements lie in the same order.
    joined = (*step.shape[:-count], math.prod(step.shape[-count:]))
    flat = None if weight is None else weight.reshape(-1)
    found = step.step(RmsNorm, (build.reshape(x, joined),), joined, epsilon=epsilon, weight=flat)
    step.alias(build.reshape(found, step.shape, step.node.name))


@reads("aten.softmax", "aten._softmax", "aten.log_softmax", "aten._log_softmax")
def _softmax(step: Step) -> None:
    float32_only(step)
    x = step.build.cast(step.name("self"), "float32")
    axis = step.axis("dim", len(step.shape))
    step.write(Softmax, (x,), axis=axis, log="log" in str(step.node.target))


@reads("aten.embedding")
def _embedding(step: Step) -> None:
    float32_only(step)
    step.write(Embedding, (step.name("indices"),), table=step.array("weight"))


@reads("aten.embedding_bag")
def _embedding_bag(step: Step) -> None:
    """Read bags of one size, which torch makes of a matrix: offsets that count by that size."""
    float32_only(step)
    offsets = step["offsets"]
    by = Step(step.build, offsets)
    if "arange" not in str(offsets.target) or step.build.sizes.of(by.get("start") or 0) != 0:
        refuse("its bags are of sizes that vary; give a matrix of indices, a row for each bag")
    if step["per_sample_weights"] is not None or step.get("padding_idx") not in (None, -1):
        refuse("it weighs or leaves out indices; use an Embedding and a sum over its axis")
    size = by.size(by.get("step", 1))
    table = step.array("weight")
    rows = step.build.reshape(step.name("indices"), (step.shape[0], size))
    combine = ("sum", "mean", "max")[step["mode"]]
    step.write(Embedding, (rows,), table=table, combine=combine)
    step.build.made[step.node] = [step.build.made[step.node]]


@reads("aten.t", "aten.transpose", "aten.permute", "aten.numpy_T")
def _permute(step: Step) -> None:
    x = step.name("self")
    rank = len(step.build.shape(x))
    axes = list(range(rank))
    if step.get("dims") is not None:
        axes = [int(axis) % rank for axis in step["dims"]]
    elif step.get("dim0") is not None:
        one, two = step.axis("dim0", rank), step.axis("dim1", rank)
        axes[one], axes[two] = two, one
    else:
        axes.reverse()
    if axes == list(range(rank)):
        step.alias(x)
    else:
        step.write(Transpose, (x,), axes=tuple(axes))
