"""Functions of torch that users' nets call, by family, for a sweep through file and runtime.

Each is drawn inputs of shapes whose axis 0 is the batch; what a Graph cannot say is in
`tests/test_frontends_torch_refused.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from torch_nets import seeded, torch

if TYPE_CHECKING:
    from collections.abc import Callable

nn, F = torch.nn, torch.nn.functional


def floats(*shape: int) -> Any:
    """Return what draws normal numbers for a batch of any size, the same ones each time."""
    return lambda batch: torch.randn(batch, *shape, generator=seeded(len(shape) + batch))


def positive(*shape: int) -> Any:
    return lambda batch: torch.rand(batch, *shape, generator=seeded(batch)) + 0.1


def whole(below: int, *shape: int) -> Any:
    return lambda batch: torch.randint(0, below, (batch, *shape), generator=seeded(batch))


def truths(*shape: int) -> Any:
    return lambda batch: torch.rand(batch, *shape, generator=seeded(batch)) > 0.5


X, ROW, IMAGE, LINE = floats(4, 6), floats(6), floats(3, 8, 8), floats(3, 10)
SIGNED = lambda batch: whole(9, 4, 6)(batch) - 4  # noqa: E731 - a drawer like the others
INDEX = whole(4, 3)

Case = tuple["Callable[..., Any]", tuple[Any, ...]]


def written(places: Any, value: Any) -> Callable[[Any], Any]:
    """Return a function that writes into a copy, as modules do in place."""

    def write(x: Any) -> Any:
        y = x.clone()
        y[places] = value(x) if callable(value) else value
        return y

    return write


WRITES: dict[str, Case] = {
    "slice": (written((slice(None), slice(1, 3)), 0.0), (X,)),
    "slice of two axes": (written((slice(None), slice(0, 2), slice(1, None, 2)), 2.0), (X,)),
    "one position": (written((slice(None), -1), lambda x: x[:, 1] * 2), (X,)),
    "by mask": (lambda x: torch.where(x < 0, 0.5, x), (X,)),
    "by mask in place": (lambda x: written(x < 0, 0.5)(x), (X,)),
    "listed": (written((slice(None), [0, 2]), 1.0), (X,)),
    "listed from others": (written((slice(None), [0, 2]), lambda x: x[:, [1, 3]]), (X,)),
    "index_fill": (lambda x: x.index_fill(1, torch.tensor([0, 2]), 3.0), (X,)),
    "index_copy": (lambda x: x.index_copy(1, torch.tensor([3, 0]), x[:, :2]), (X,)),
    "found at run time": (
        lambda x, i: torch.zeros(9, 6).index_copy(0, i, x),
        (ROW, lambda batch: torch.tensor([5, 0, 8])[:batch]),
    ),
    "scatter": (lambda i: torch.zeros(i.shape[0], 4).scatter(1, i, 1.0), (INDEX,)),
    "scatter_from": (lambda x: x.scatter(1, x.argsort(1), x * 2), (ROW,)),
    "scatter_add": (
        lambda x, i: torch.ones(x.shape[0], 4).scatter_add(1, i, x[:, : i.shape[1]]),
        (floats(3), INDEX),
    ),
    "one_hot": (lambda i: F.one_hot(i, 4), (INDEX,)),
}

ORDER: dict[str, Case] = {
    "topk": (lambda x: x.topk(3, -1), (X,)),
    "smallest": (lambda x: x.topk(2, 1, largest=False), (X,)),
    "sort": (lambda x: x.sort(-1), (X,)),
    "argsort": (lambda x: torch.argsort(x, dim=1, descending=True), (X,)),
    "kthvalue": (lambda x: x.kthvalue(2, -1), (X,)),
    "cumsum": (lambda x: x.cumsum(1), (X,)),
    "cumsum of truth": (lambda x: x.cumsum(-1), (truths(4, 6),)),
    "bucketize": (lambda x: torch.bucketize(x, torch.tensor([-1.0, 0.0, 1.0])), (X,)),
    "searchsorted": (
        lambda x: torch.searchsorted(torch.tensor([-1.0, 0.0, 1.0]), x, right=True), (X,),
    ),
}  # fmt: skip

MATHS: dict[str, Case] = {
    "log2": (torch.log2, (positive(4, 6),)),
    "log10": (torch.log10, (positive(4, 6),)),
    "exp2": (torch.exp2, (X,)),
    "tan": (torch.tan, (X,)),
    "sinh": (torch.sinh, (X,)),
    "cosh": (torch.cosh, (X,)),
    "power": (lambda x, y: x**y, (positive(4, 6), X)),
    "quartic": (lambda x: x**4, (X,)),
    "inverse square": (lambda x: x**-2, (X,)),
    "base": (lambda x: 10**x, (X,)),
    "logsumexp": (lambda x: x.logsumexp(-1), (X,)),
    "logsumexp of two axes": (lambda x: x.logsumexp((1, 2), keepdim=True), (X,)),
    "logaddexp": (torch.logaddexp, (X, X)),
    "towards zero": (lambda x: torch.div(x, 3, rounding_mode="trunc"), (SIGNED,)),
    "softplus with a threshold": (nn.Softplus(threshold=1.0), (X,)),
    "rrelu": (nn.RReLU().eval(), (X,)),
    "local response norm": (nn.LocalResponseNorm(2), (IMAGE,)),
    "norm of order 3": (lambda x: torch.linalg.vector_norm(x, 3, -1), (X,)),
    "count": (lambda x: torch.linalg.vector_norm(x.round(), 0, -1), (X,)),
    "cdist": (torch.cdist, (X, floats(5, 6))),
    "cdist of order 1": (lambda x, y: torch.cdist(x, y, p=1.0), (X, floats(5, 6))),
    "addmm": (lambda x: torch.addmm(torch.ones(3), x, torch.ones(6, 3), beta=2.0, alpha=0.5),
              (ROW,)),
    "rms_norm of two axes": (nn.RMSNorm((4, 6)), (X,)),
}  # fmt: skip

PARTS: dict[str, Case] = {
    "windows": (lambda x: x.unfold(-1, 4, 2), (LINE,)),
    "diagonal": (lambda x: x.diagonal(1, 1, 2), (X,)),
    "trace": (lambda x: torch.diagonal(x, 0, 1, 2).sum(-1), (X,)),
    "axes apart": (lambda x: x[:, [0, 1], :, [3, 4]], (IMAGE,)),
    "bags": (nn.EmbeddingBag(4, 5), (INDEX,)),
    "sums of bags": (nn.EmbeddingBag(4, 5, mode="sum"), (INDEX,)),
    "adaptive average": (nn.AdaptiveAvgPool2d((3, 7)), (IMAGE,)),
    "adaptive average of lines": (nn.AdaptiveAvgPool1d(4), (LINE,)),
    "adaptive maximum": (nn.AdaptiveMaxPool2d((3, 5)), (IMAGE,)),
    "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), (IMAGE,)),
    "bicubic by corners": (
        lambda x: F.interpolate(x, (5, 12), mode="bicubic", align_corners=True), (IMAGE,),
    ),
    "antialiased": (
        lambda x: F.interpolate(x, (4, 6), mode="bilinear", antialias=True), (IMAGE,),
    ),
    "einsum": (lambda x, y: torch.einsum("bhid,bjhd->bihj", x, y), (floats(2, 4, 6),
                                                                 floats(5, 2, 6))),
    "roll": (lambda x: x.roll((1, -1), (1, 2)), (X,)),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), (floats(8, 3, 3),)),
}  # fmt: skip

CELLS: dict[str, Case] = {
    "lstm cell": (nn.LSTMCell(6, 5), (ROW,)),
    "gru cell": (nn.GRUCell(6, 5), (ROW, floats(5))),
    "rnn cell": (nn.RNNCell(6, 5), (ROW, floats(5))),
}

FAMILIES = {"writes": WRITES, "order": ORDER, "maths": MATHS, "parts": PARTS, "cells": CELLS}
