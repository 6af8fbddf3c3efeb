"""Readers of pools and of resampling."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_layers import float32_only
from cordwood.frontends._torch_registry import reads
from cordwood.frontends._torch_resample import average_unevenly, maximum_unevenly
from cordwood.ir_arrays import Reduce, Resize
from cordwood.ir_nets import Pool

if TYPE_CHECKING:
    from cordwood.frontends._torch_build import Step

__all__: list[str] = []


def _space(step: Step) -> int:
    """Return the number of space axes, which the operator's name ends in."""
    name = str(step.node.target).split(".")[1]
    return int(name[name.index("d") - 1] if "with_indices" in name else name[-2])


def _batched(step: Step, count: int) -> str:
    x = step.name("input" if "input" in step.arguments else "self")
    rank = len(step.build.shape(x))
    if rank != count + len(("batch", "channels")):
        refuse(f"it reads {rank} axes, expected {count + 2}: give images in a batch")
    return x


@reads(
    "aten.max_pool1d",
    "aten.max_pool2d",
    "aten.max_pool3d",
    "aten.max_pool2d_with_indices",
    "aten.max_pool3d_with_indices",
)
def _max_pool(step: Step) -> None:
    count = _space(step)
    _pool(step, count, "max", step.numbers("dilation", count), count_padding=True)
    if "with_indices" in str(step.node.target):
        step.build.made[step.node] = [step.build.made[step.node]]


@reads("aten.avg_pool1d", "aten.avg_pool2d", "aten.avg_pool3d")
def _average_pool(step: Step) -> None:
    count = _space(step)
    if step.get("divisor_override") is not None:
        refuse(f"divisor_override is {step['divisor_override']}, expected None")
    padded = any(step.numbers("padding", count))
    counts = bool(step["count_include_pad"]) and padded
    if counts and step["ceil_mode"]:
        refuse("ceil_mode with count_include_pad divides by parts of windows; leave one of them")
    _pool(step, count, "average", (1,) * count, count_padding=counts)


def _pool(
    step: Step, count: int, kind: str, dilation: tuple[int, ...], count_padding: bool
) -> None:
    float32_only(step)
    x = _batched(step, count)
    kernel = step.numbers("kernel_size", count)
    pad = step.numbers("padding", count)
    step.write(
        Pool,
        (x,),
        kind=kind,
        kernel=kernel,
        stride=step.numbers("stride", count) if step["stride"] else kernel,
        dilation=dilation,
        pad_before=pad,
        pad_after=pad,
        ceil_mode=bool(step["ceil_mode"]),
        count_padding=count_padding,
    )


@reads(
    "aten.adaptive_avg_pool1d",
    "aten.adaptive_avg_pool2d",
    "aten.adaptive_avg_pool3d",
    "aten.adaptive_max_pool1d",
    "aten.adaptive_max_pool2d",
    "aten.adaptive_max_pool3d",
)
def _adaptive(step: Step) -> None:
    float32_only(step)
    count = _space(step)
    x = _batched(step, count)
    kind = "max" if "max" in str(step.node.target) else "average"
    before: tuple[Any, ...] = step.build.shape(x)[2:]
    after: tuple[Any, ...] = step.shape[2:]
    if before == after:
        step.alias(x)
    elif after == (1,) * count and not all(isinstance(size, int) for size in before):
        axes = tuple(range(2, 2 + count))
        named = "max" if kind == "max" else "mean"
        step.write(Reduce, (x,), kind=named, axes=axes, keep_axes=True)
    else:
        if not all(isinstance(size, int) for size in (*before, *after)):
            refuse(f"it brings {before} to {after} positions, expected constant numbers")
        if any(b % a for b, a in zip(before, after, strict=True)):
            (maximum_unevenly if kind == "max" else average_unevenly)(step, x)
            step.build.made[step.node] = [step.build.made[step.node]]
            return
        kernel = tuple(b // a for b, a in zip(before, after, strict=True))
        none, one = (0,) * count, (1,) * count
        step.write(Pool, (x,), kind=kind, kernel=kernel, stride=kernel, dilation=one,
                   pad_before=none, pad_after=none)  # fmt: skip
    if kind == "max":
        step.build.made[step.node] = [step.build.made[step.node]]


@reads(
    "aten.upsample_nearest1d",
    "aten.upsample_nearest2d",
    "aten.upsample_nearest3d",
    "aten._upsample_nearest_exact1d",
    "aten._upsample_nearest_exact2d",
    "aten._upsample_nearest_exact3d",
    "aten.upsample_linear1d",
    "aten.upsample_bilinear2d",
    "aten.upsample_trilinear3d",
)
def _resize(step: Step) -> None:
    float32_only(step)
    nearest = "nearest" in str(step.node.target)
    coordinates = "half_pixel" if "exact" in str(step.node.target) else "asymmetric"
    if not nearest:
        coordinates = "align_corners" if step["align_corners"] else "half_pixel"
    x = step.name("input" if "input" in step.arguments else "self")
    factors, size = step.get("scale_factors"), step.get("output_size")
    mode = "nearest" if nearest else "linear"
    if factors is not None:
        factor = tuple(float(number) for number in factors)
        step.write(Resize, (x,), mode=mode, coordinates=coordinates, factor=factor)
        return
    found = tuple(step.size(number) for number in size)
    if not all(isinstance(number, int) for number in found):
        refuse(f"its size is {found}, expected numbers or a scale_factor")
    step.write(Resize, (x,), mode=mode, coordinates=coordinates, size=found)
