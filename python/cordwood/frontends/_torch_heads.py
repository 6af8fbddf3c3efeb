"""Multi-head attention of torch, written so that an exported module shows its parts.

torch projects queries, keys and values at once, with the sequence first, and counts heads as part
of the batch. The same sums in another layout leave only views around three products.
"""

from __future__ import annotations

import inspect
from typing import Any

__all__ = ["multi_head_attention"]

RANK = 3
"""Axes of queries: positions, batch, width."""


def multi_head_attention(function: Any, args: Any, kwargs: Any) -> Any:
    """Return what ``torch.nn.functional.multi_head_attention_forward`` returns.

    Parameters
    ----------
    function : function
        torch's own, which answers for what is rare: weights asked for, biases of keys and values.
    args, kwargs : tuple, dict
        Of the call.

    Returns
    -------
    tuple of tensor and None
        The mixed values, sequence first; the weights.
    """
    bound = inspect.signature(function).bind(*args, **kwargs)
    bound.apply_defaults()
    given = bound.arguments
    rare = ("bias_k", "bias_v", "static_k", "static_v")
    if given["need_weights"] or given["add_zero_attn"] or given["query"].dim() != RANK:
        return function(*args, **kwargs)
    if any(given[name] is not None for name in rare):
        return function(*args, **kwargs)
    return _plain(given), None


def _plain(given: dict[str, Any]) -> Any:
    import torch
    from torch.nn import functional

    linear = functional.linear
    heads = given["num_heads"]
    if given["use_separate_proj_weight"]:
        weights = [given[f"{name}_proj_weight"] for name in "qkv"]
    else:
        weights = list(given["in_proj_weight"].chunk(3))
    biases = [None] * 3
    if given["in_proj_bias"] is not None:
        biases = list(given["in_proj_bias"].chunk(3))
    parts = []
    for name, weight, bias in zip(("query", "key", "value"), weights, biases, strict=True):
        x = linear(given[name].transpose(0, 1), weight, bias)
        parts.append(x.view(x.shape[0], x.shape[1], heads, -1).transpose(1, 2))
    query, key, _ = parts
    mask = given["attn_mask"]
    causal = bool(given["is_causal"]) and given["key_padding_mask"] is None
    if causal:
        mask = None
    elif mask is not None and mask.dim() == RANK:
        mask = mask.view(query.shape[0], heads, query.shape[2], key.shape[2])
    mask = _joined(mask, given["key_padding_mask"])
    mixed = torch.nn.functional.scaled_dot_product_attention(*parts, mask, is_causal=causal)
    mixed = mixed.transpose(1, 2).flatten(2)
    return linear(mixed, given["out_proj_weight"], given["out_proj_bias"]).transpose(0, 1)


def _joined(mask: Any, padding: Any) -> Any:
    """Return one mask in scaled_dot_product_attention's sense: true may attend, floats are added.

    Those given are in torch.nn's older sense, in which true is left out.
    """
    import torch

    if padding is not None:
        padding = padding[:, None, None, :]
    found = [part for part in (mask, padding) if part is not None]
    if not found:
        return None
    if all(part.dtype == torch.bool for part in found):
        out = found[0] if len(found) == 1 else found[0] | found[1]
        return ~out
    added = [
        torch.zeros_like(part, dtype=torch.float32).masked_fill(part, float("-inf"))
        if part.dtype == torch.bool
        else part
        for part in found
    ]
    return added[0] if len(added) == 1 else added[0] + added[1]
