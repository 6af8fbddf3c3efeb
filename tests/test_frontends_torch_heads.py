"""torch's own multi-head attention, in every way that it is called."""

from __future__ import annotations

from typing import Any

import pytest

from cordwood import ir_nets
from torch_nets import agree, draw, torch

nn = torch.nn


class Mixer(nn.Module):
    """Attention with masks made inside or given."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        more: dict[str, Any] = {"kdim": 6, "vdim": 10} if kind == "separate" else {}
        self.kind, self.mix = kind, nn.MultiheadAttention(8, 2, batch_first=True, **more).eval()

    def forward(self, x: Any, seen: Any) -> Any:
        length, kind = x.shape[1], self.kind
        after = torch.ones(length, length, dtype=torch.bool).triu(1)
        minus = torch.zeros(length, length).masked_fill(after, float("-inf"))
        more: dict[str, Any] = {
            "padding": {"key_padding_mask": ~seen},
            "causal": {"attn_mask": after, "is_causal": True},
            "bools": {"attn_mask": after, "key_padding_mask": ~seen},
            "floats": {"attn_mask": minus},
            "by-head": {"attn_mask": minus.expand(x.shape[0] * 2, -1, -1)},
            "weights": {"need_weights": True},
        }.get(kind, {})
        key, value = (x[..., :6], torch.cat([x, x[..., :2]], -1)) if kind == "separate" else (x, x)
        y, weights = self.mix(x, key, value, **{"need_weights": False, **more})
        return y if weights is None else (y, weights)


KINDS = ("plain", "padding", "causal", "bools", "floats", "by-head", "separate", "weights")


@pytest.mark.parametrize("kind", KINDS)
def test_attention(kind: str) -> None:
    torch.manual_seed(6)
    dims = torch.export.Dim("batch"), torch.export.Dim("sequence", max=16)
    shapes = {"x": dict(enumerate(dims)), "seen": dict(enumerate(dims))}

    def given(batch: int, length: int) -> tuple[Any, Any]:
        seen = torch.ones(batch, length, dtype=torch.bool)
        seen[0, length - 1] = False
        return draw(batch, length, 8), seen

    graph = agree(Mixer(kind), given(3, 5), given(2, 7), dynamic_shapes=shapes)
    found = [step for step in graph.operators if isinstance(step, ir_nets.Attention)]
    assert len(found) == (kind != "weights")
    assert [step.causal for step in found] == [kind == "causal"] * len(found)


def test_decoder_layer() -> None:
    """Attention over what came before, then over another sequence."""
    torch.manual_seed(6)
    layer = nn.TransformerDecoderLayer(8, 2, 12, batch_first=True, norm_first=True)
    batch, ours, theirs = (torch.export.Dim(name, max=32) for name in ("batch", "ours", "theirs"))
    shapes = {"x": {0: batch, 1: ours}, "memory": {0: batch, 1: theirs}}

    class Decoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any, memory: Any) -> Any:
            mask = nn.Transformer.generate_square_subsequent_mask(x.shape[1])
            return self.layer(x, memory, tgt_mask=mask, tgt_is_causal=True)

    given = {"x": draw(3, 5, 8), "memory": draw(3, 4, 8, seed=1)}
    other = {"x": draw(2, 3, 8), "memory": draw(2, 6, 8, seed=1)}
    graph = agree(Decoder(), given, other, dynamic_shapes=shapes)
    assert [value.name for value in graph.values[:2]] == ["x", "memory"]


def test_masks_of_a_whole_transformer() -> None:
    """Whether a mask is causal torch looks; a Graph takes it as it is, causal or not."""
    torch.manual_seed(8)
    net = nn.Transformer(8, 2, 1, 1, 12, batch_first=True)
    look = nn.modules.transformer._detect_is_causal_mask
    given = {
        "src": draw(3, 5, 8),
        "tgt": draw(3, 5, 8, seed=1),
        "src_mask": nn.Transformer.generate_square_subsequent_mask(5),
        "tgt_mask": nn.Transformer.generate_square_subsequent_mask(5),
    }
    agree(net, given, {**given, "tgt_mask": draw(5, 5, seed=3)})
    assert nn.modules.transformer._detect_is_causal_mask is look
