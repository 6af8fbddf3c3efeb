"""Arithmetic, reductions, views and indexing of torch become operators that answer alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from cordwood import ir_arrays
from torch_nets import agree, draw, torch

F = torch.nn.functional

FLOATS = {
    "neg": lambda x: -x,
    "abs": abs,
    "sign": torch.sign,
    "floor": torch.floor,
    "ceil": torch.ceil,
    "round": torch.round,
    "trunc": torch.trunc,
    "sqrt": lambda x: x.abs().sqrt(),
    "reciprocal": torch.reciprocal,
    "square": torch.square,
    "isnan": torch.isnan,
    "isinf": torch.isinf,
    "exp": torch.exp,
    "expm1": torch.expm1,
    "log": lambda x: x.abs().log(),
    "log1p": lambda x: x.abs().log1p(),
    "erf": torch.erf,
    "sin": torch.sin,
    "cos": torch.cos,
    "rsqrt": lambda x: x.abs().rsqrt(),
    "add": lambda x: x + 1,
    "alpha": lambda x: x.add(x, alpha=3),
    "rsub": lambda x: 2 - x,
    "div": lambda x: 3 / x,
    "floor_div": lambda x: x // 0.7,
    "trunc_div": lambda x: torch.div(x, 0.7, rounding_mode="trunc"),
    "remainder": lambda x: x % 0.75,
    "cube": lambda x: x**3,
    "half": lambda x: x.abs() ** 0.5,
    "power": lambda x: x.abs() ** 2.5,
    "tensor_power": lambda x: x.abs().pow(x),
    "base": lambda x: 2.0**x,
    "maximum": lambda x: torch.maximum(x, -x),
    "minimum": lambda x: torch.minimum(x, x[:1]),
    "clamp_min": lambda x: x.clamp(min=0.1),
    "clamp_tensor": lambda x: x.clamp(max=x[:1]),
    "less": lambda x: x < 0.5,
    "equal": lambda x: x == x[0],
    "logic": lambda x: (x > 0) & (x < 1) | ~(x > -1) ^ (x > 2),
    "where": lambda x: torch.where(x > 0, x, -1.0),
    "masked_fill": lambda x: x.masked_fill(x > 0, float("-inf")),
    "not": torch.logical_not,
    "to": lambda x: x.to(torch.int32),
    "double": lambda x: x.double() * 2,
    "bool": lambda x: x.bool(),
    "type_as": lambda x: (x > 0).type_as(x),
    "mixed": lambda x: x * (x > 0),
    "by_integers": lambda x: x + torch.arange(4),
    "full_like": lambda x: x + torch.ones_like(x),
}

REDUCED = {
    "sum": lambda x: x.sum(-1),
    "sum_axes": lambda x: x.sum((0, 2), keepdim=True),
    "all_of_it": lambda x: x.sum(),
    "mean": lambda x: x.mean(1),
    "mean_all": lambda x: x.mean(),
    "amax": lambda x: x.amax((1, 2)),
    "amin": lambda x: x.amin(1, keepdim=True),
    "max": lambda x: x.max(),
    "max_dim": lambda x: tuple(x.max(1)),
    "min_dim": lambda x: x.min(2, keepdim=True).indices,
    "argmax": lambda x: x.argmax(1),
    "argmax_flat": lambda x: x.argmax(),
    "argmin": lambda x: x.argmin(-1, keepdim=True),
    "prod": lambda x: x.prod(1),
    "any": lambda x: (x > 1).any(1),
    "any_all": lambda x: (x > 9).any(),
    "all": lambda x: (x > -2).all(-1),
    "var": lambda x: x.var(1),
    "var_biased": lambda x: x.var(-1, unbiased=False),
    "var_batch": lambda x: x.var(0),
    "std": lambda x: x.std((1, 2), keepdim=True),
    "var_mean": lambda x: torch.var_mean(x, 1),
    "norm": lambda x: x.norm(dim=-1),
    "norm_one": lambda x: x.norm(1, dim=1),
    "norm_inf": lambda x: torch.linalg.vector_norm(x, math.inf, dim=1),
    "normalize": lambda x: F.normalize(x, dim=1),
    "logsumexp": lambda x: x.logsumexp(1),
    "by_length": lambda x: x.sum(0) / x.shape[0],
    "count": lambda x: (x > 0).sum(1),
    "of_bools": lambda x: (x > 0).float().mean(0),
}

SHAPED = {
    "view": lambda x: x.view(x.shape[0], -1),
    "merge": lambda x: x.reshape(-1, 6),
    "permute": lambda x: x.permute(2, 0, 1),
    "transpose": lambda x: x.transpose(-1, 0),
    "unsqueeze": lambda x: x.unsqueeze(1),
    "squeeze": lambda x: x[:, :1].squeeze(1),
    "expand": lambda x: x[:, :1].expand(-1, 5, -1),
    "repeat": lambda x: x.repeat(2, 1, 3),
    "repeat_new": lambda x: x.repeat(2, 1, 1, 1),
    "interleave": lambda x: x.repeat_interleave(2, dim=1),
    "cat": lambda x: torch.cat([x, x * 2], -1),
    "stack": lambda x: torch.stack([x, -x], 1),
    "split": lambda x: x.split(4, dim=2),
    "split_sizes": lambda x: x.split([1, 3], dim=1),
    "chunk": lambda x: x.chunk(3, dim=-1),
    "unbind": lambda x: x.unbind(1),
    "select": lambda x: x[:, 2],
    "last": lambda x: x[:, -1],
    "slice": lambda x: x[:, 1:3, ::2],
    "tail": lambda x: x[..., -2:],
    "narrow": lambda x: x.narrow(2, 1, 4),
    "none": lambda x: x[:, None, ..., 0],
    "first_rows": lambda x: x[: x.shape[0] - 1],
    "flip": lambda x: x.flip(1, 2),
    "roll": lambda x: x.roll(1, 2),
    "index_select": lambda x: x.index_select(2, torch.tensor([5, 0, 0])),
    "index": lambda x: x[:, torch.tensor([3, 1, -1])],
    "index_two": lambda x: x[:, torch.tensor([3, 1]), torch.tensor([-1, 2])],
    "gather": lambda x: x.gather(1, torch.zeros(x.shape[0], 2, 6, dtype=torch.long) + 3),
    "by_argmax": lambda x: x[torch.arange(x.shape[0]), x.sum(-1).argmax(1)],
    "pad": lambda x: F.pad(x, (1, 2, 0, 1), value=0.5),
    "pad_cut": lambda x: F.pad(x, (-1, 2)),
    "pad_reflect": lambda x: F.pad(x, (2, 1), mode="reflect"),
    "pad_replicate": lambda x: F.pad(x, (2, 1), mode="replicate"),
    "pad_circular": lambda x: F.pad(x, (2, 1), mode="circular"),
    "tril": lambda x: x.tril(),
    "triu": lambda x: x.triu(1),
    "constant": lambda x: x + torch.eye(4)[:, :1],
    "same": lambda x: x.contiguous().detach().clone().view_as(x),
    "itself": lambda x: x,
    "zeros": lambda x: torch.zeros(x.shape[0], 3),
    "new_ones": lambda x: x.new_ones(2, x.shape[0]) * x.sum(),
    "meshed": lambda x: torch.broadcast_to(x[:, :1], x.shape),
    "movedim": lambda x: x.movedim(0, -1),
    "unfolded": lambda x: x.unflatten(2, (2, 3)),
    "diff": lambda x: x[:, 1:] - x[:, :-1],
}


def gathered(family: dict[str, Any], names: list[str]) -> Any:
    return lambda x: {name: family[name](x) for name in names}


@pytest.mark.parametrize("part", range(3))
@pytest.mark.parametrize("family", ["floats", "reduced", "shaped"])
def test_functions(family: str, part: int) -> None:
    functions = {"floats": FLOATS, "reduced": REDUCED, "shaped": SHAPED}[family]
    shape = (6, 4) if family == "floats" else (5, 4, 6)
    names = list(functions)[part::3]
    small = draw(2, *shape[1:], seed=5)
    agree(gathered(functions, names), (draw(*shape) * 2,), (small,))


def test_integers() -> None:
    def integers(ids: Any) -> dict[str, Any]:
        return {
            "add": ids + 3,
            "mul": ids * ids,
            "div": ids / 4,
            "floor": ids // 3,
            "mod": ids % 3,
            "not": ~ids,
            "clamp": ids.clamp(0, 5),
            "square": ids**2,
            "half": ids * 0.5,
            "equal": ids == 2,
            "positive": ids > 0.5,
            "sum": ids.sum(1),
            "mean": ids.float().mean(),
            "position": torch.arange(ids.shape[1]) + ids,
            "shifted": torch.arange(2, ids.shape[1] + 2),
        }

    ids = torch.arange(-6, 15).reshape(3, 7)
    agree(integers, (ids,), (ids[:2, :3],))


def test_masks_of_a_sequence() -> None:
    """Triangles and ranges of a symbolic length are starts of constants, compared."""

    def masks(ids: Any) -> tuple[Any, ...]:
        length = ids.shape[1]
        causal = torch.tril(torch.ones(length, length, dtype=torch.bool))
        minus = torch.full((length, length), float("-inf")).triu(1)
        place = torch.arange(length)
        return causal, minus, place[None] <= place[:, None], torch.ones(length, length).tril(-1)

    ids = torch.zeros(2, 5, dtype=torch.long)
    graph = agree(masks, (ids,), (ids[:1, :3],))
    tensors = [op.tensor for op in graph.operators if isinstance(op, ir_arrays.Constant)]
    assert max(np.ndim(tensor) for tensor in tensors) == 1
    assert graph.maxima == {"sequence": 4096}


def test_constants_are_folded() -> None:
    table = torch.linspace(0, 1, 12).reshape(3, 4)

    def folded(x: Any) -> Any:
        scale = (table.exp() @ table.T).softmax(-1).sum(0) * math.sqrt(2)
        return x * scale

    graph = agree(folded, (draw(2, 3),))
    assert [type(op).__name__ for op in graph.operators] == ["Constant", "Binary"]
