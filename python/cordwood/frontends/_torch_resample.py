"""Readers of resampling that no operator has: one product with a small matrix for each axis."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.frontends._torch_build import refuse
from cordwood.frontends._torch_layers import float32_only
from cordwood.frontends._torch_registry import reads
from cordwood.ir_arrays import Gather, Reduce
from cordwood.ir_nets import Matmul

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cordwood.frontends._torch_build import Step

__all__ = ["average_unevenly", "maximum_unevenly"]

SPACE = 2
"""The first space axis, behind batch and channels."""


def _resampled(step: Step, x: str, matrices: Sequence[np.ndarray]) -> str:
    """Multiply each space axis with a matrix of ``(new, old)`` weights."""
    build = step.build
    for number, matrix in enumerate(matrices):
        shape = build.shape(x)
        axis = SPACE + number
        after = (*shape[:axis], len(matrix), *shape[axis + 1 :])
        weights = build.constant(np.ascontiguousarray(matrix, np.float32))
        if axis == len(shape) - 1:
            x = step.step(Matmul, (x, weights), after, transpose_b=True)
            continue
        # The axis is brought next to the last one, and what is behind it is one axis.
        flat = build.reshape(x, (*shape[: axis + 1], _product(shape[axis + 1 :])))
        wide = (*shape[:axis], len(matrix), _product(shape[axis + 1 :]))
        x = build.reshape(step.step(Matmul, (weights, flat), wide, dtype="float32"), after)
    return x


def _product(sizes: Sequence[Any]) -> Any:
    total: Any = 1
    for size in sizes:
        total = total * size
    return total


@reads("aten.upsample_bicubic2d", "aten._upsample_bilinear2d_aa", "aten._upsample_bicubic2d_aa")
def _smooth(step: Step) -> None:
    """Ask torch for the weights: what it makes of lines that are 1 at one place."""
    import torch

    float32_only(step)
    build, x = step.build, step.name("input" if "input" in step.arguments else "self")
    before, after = build.shape(x)[SPACE:], step.shape[SPACE:]
    if not all(isinstance(size, int) for size in (*before, *after)):
        refuse(f"it brings {before} to {after} positions, expected constant numbers")
    name = str(step.node.target)
    factors = step.get("scale_factors") or (None, None)
    matrices = []
    for old, new, factor in zip(before, after, factors, strict=True):
        # Images as wide as high: torch 2.13 misreads those of width 1 as channels last.
        sizes: dict[str, Any] = (
            {"size": (new, old)} if factor is None else {"scale_factor": (float(factor), 1.0)}
        )
        found = torch.nn.functional.interpolate(
            torch.eye(old)[None, None],
            mode="bicubic" if "bicubic" in name else "bilinear",
            align_corners=bool(step["align_corners"]),
            antialias=name.split(".")[1].endswith("_aa"),
            **sizes,
        )
        matrices.append(found[0, 0].numpy())
    step.alias(_resampled(step, x, matrices))


def average_unevenly(step: Step, x: str) -> None:
    """Read an adaptive average whose windows overlap: they start and end where torch says."""
    before, after = step.build.shape(x)[SPACE:], step.shape[SPACE:]
    matrices = []
    for old, new in zip(before, after, strict=True):
        matrix = np.zeros((new, old), np.float32)
        for row, (start, stop) in zip(matrix, _windows(old, new), strict=True):
            row[start:stop] = 1.0 / (stop - start)
        matrices.append(matrix)
    step.alias(_resampled(step, x, matrices))


def maximum_unevenly(step: Step, x: str) -> None:
    """Read an adaptive maximum whose windows overlap; short ones take their last element twice."""
    build = step.build
    for number, new in enumerate(step.shape[SPACE:]):
        axis, shape = SPACE + number, build.shape(x)
        windows = _windows(shape[axis], new)
        most = max(stop - start for start, stop in windows)
        places = [[min(start + i, stop - 1) for i in range(most)] for start, stop in windows]
        wide = (*shape[:axis], new, most, *shape[axis + 1 :])
        table = build.constant(np.array(places, np.int64))
        taken = step.step(Gather, (x, table), wide, dtype="float32", axis=axis)
        after = (*shape[:axis], new, *shape[axis + 1 :])
        x = step.step(Reduce, (taken,), after, kind="max", axes=(axis + 1,))
    step.alias(x)


def _windows(old: int, new: int) -> list[tuple[int, int]]:
    """Return where each of the windows of an adaptive pool starts and stops."""
    return [(i * old // new, -(-(i + 1) * old // new)) for i in range(new)]
