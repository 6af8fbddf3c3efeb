"""Attention and recurrent layers of torch, with sequences of any length."""

from __future__ import annotations

from typing import Any

import pytest

from cordwood import ir_arrays, ir_nets
from torch_nets import agree, draw, torch

nn, F = torch.nn, torch.nn.functional
attend = F.scaled_dot_product_attention


def queries(batch: int, length: int, heads: int = 4, width: int = 6) -> tuple[Any, ...]:
    shapes = ((heads, length, width), (2, length, width), (2, length, 5))
    return tuple(draw(batch, *shape, seed=number) for number, shape in enumerate(shapes))


SEQUENCE = ({0: torch.export.Dim("batch"), 2: torch.export.Dim("sequence", max=32)},) * 3


def test_attention_of_shared_heads() -> None:
    def both(q: Any, k: Any, v: Any) -> tuple[Any, ...]:
        return (
            attend(q, k, v, enable_gqa=True),
            attend(q, k, v, enable_gqa=True, is_causal=True, scale=0.3),
            attend(q[:, 0], k[:, 0], v[:, 0]),
        )

    graph = agree(both, queries(3, 5), queries(1, 4), dynamic_shapes=(SEQUENCE,))
    found = [op for op in graph.operators if isinstance(op, ir_nets.Attention)]
    assert [op.causal for op in found] == [False, True, False]
    assert found[1].scale == 0.3
    assert graph.maxima == {"sequence": 32}


def test_attention_masks() -> None:
    def both(q: Any, k: Any, v: Any, seen: Any, bias: Any) -> tuple[Any, ...]:
        truth = seen[:, None, None, :].bool()
        added = (1.0 - seen[:, None, None, :].float()) * -10000.0
        return (
            attend(q, k[:, :1], v[:, :1], truth),
            attend(q, k[:, :1], v[:, :1], added + bias),
        )

    def given(batch: int) -> tuple[Any, ...]:
        seen = torch.ones(batch, 5, dtype=torch.long)
        seen[0, 3:] = 0
        return (*queries(batch, 5), seen, draw(4, 5, 5))

    agree(both, given(3), given(1))


class Tagger(nn.Module):
    """A word, its neighbours by a recurrent layer, a tag."""

    def __init__(self, layer: Any, width: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 8)
        self.layer = layer
        self.head = nn.Linear(width, 5)

    def forward(self, ids: Any) -> Any:
        found, last = self.layer(self.embed(ids))
        return self.head(found), last


RECURRENT = {
    "lstm": (lambda: nn.LSTM(8, 6, batch_first=True), 6),
    "lstm-deep": (lambda: nn.LSTM(8, 6, 3, batch_first=True, bidirectional=True, dropout=0.3), 12),
    "lstm-no-bias": (lambda: nn.LSTM(8, 6, bias=False, batch_first=True), 6),
    "gru": (lambda: nn.GRU(8, 6, 2, batch_first=True), 6),
    "gru-both": (lambda: nn.GRU(8, 6, batch_first=True, bidirectional=True), 12),
}


@pytest.mark.parametrize("name", RECURRENT)
def test_tagger(name: str) -> None:
    layer, width = RECURRENT[name]
    torch.manual_seed(2)
    graph = agree(
        Tagger(layer(), width),
        (torch.arange(12).reshape(3, 4),),
        (torch.arange(9)[None],),
        (torch.arange(5)[:, None],),
    )
    steps = [type(op).__name__ for op in graph.operators]
    assert steps[1] in ("Lstm", "Gru"), "a state of zeros is no value"


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_time_first_with_states(kind: str) -> None:
    layer = getattr(nn, kind)(8, 6, 2, bidirectional=True)
    batch, time = torch.export.Dim("batch"), torch.export.Dim("time")
    shapes = [{0: time, 1: batch}, {1: batch}, {1: batch}]

    class Stated(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = layer

        def forward(self, x: Any, h: Any, c: Any) -> Any:
            return self.layer(x, (h, c)) if kind == "LSTM" else self.layer(x, h + 0 * c)

    def given(length: int, size: int) -> tuple[Any, ...]:
        return draw(length, size, 8), draw(4, size, 6, seed=1), draw(4, size, 6, seed=2)

    graph = agree(Stated(), given(7, 3), given(2, 1), dynamic_shapes=tuple(shapes))
    assert graph.values[0].shape == ("time", "batch", 8)


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("before", [True, False])
def test_encoder_layers_of_torch(first: bool, before: bool) -> None:
    torch.manual_seed(3)
    layer = nn.TransformerEncoderLayer(
        16, 4, 24, activation="gelu", batch_first=first, norm_first=before
    )
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.encoder = nn.Embedding(30, 16), encoder

        def forward(self, ids: Any, seen: Any) -> Any:
            x = self.embed(ids)
            x = x if first else x.transpose(0, 1)
            return self.encoder(x, src_key_padding_mask=~seen)

    def given(batch: int, length: int) -> tuple[Any, ...]:
        seen = torch.ones(batch, length, dtype=torch.bool)
        seen[0, length // 2 + 1 :] = False
        return torch.arange(batch * length).reshape(batch, length) % 30, seen

    graph = agree(Encoder(), given(3, 5), given(1, 8))
    assert [v.shape for v in graph.values[:2]] == [("batch", "sequence")] * 2


class Decoder(nn.Module):
    """One layer of a decoder; what it has seen before comes in and goes out."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(30, 16)
        self.place = nn.Embedding(64, 16)
        self.norm = nn.RMSNorm(16)
        self.mix = nn.Linear(16, 16 + 2 * 8)
        self.out = nn.Linear(16, 16)

    def forward(self, ids: Any, keys: Any, values: Any) -> dict[str, Any]:
        past, length = keys.shape[2], ids.shape[1]
        places = torch.arange(past, past + length)
        x = self.embed(ids) + self.place(places)
        q, k, v = self.mix(self.norm(x)).split([16, 8, 8], dim=-1)
        q = q.view(*ids.shape, 4, 4).transpose(1, 2)
        keys = torch.cat([keys, k.view(*ids.shape, 2, 4).transpose(1, 2)], 2)
        values = torch.cat([values, v.view(*ids.shape, 2, 4).transpose(1, 2)], 2)
        may = places[:, None] >= torch.arange(past + length)[None]
        y = attend(q, keys, values, may, enable_gqa=True).transpose(1, 2).flatten(2)
        logits = (x + self.out(y)) @ self.embed.weight.T
        return {"logits": logits, "keys": keys, "values": values}


def test_decoder_with_caches() -> None:
    torch.manual_seed(4)
    dim = torch.export.Dim
    batch, length, past = dim("batch"), dim("length", max=16), dim("past", max=32)
    shapes = {
        "ids": {0: batch, 1: length},
        "keys": {0: batch, 2: past},
        "values": {0: batch, 2: past},
    }

    def given(size: int, new: int, old: int) -> dict[str, Any]:
        caches = {n: draw(size, 2, old, 4, seed=i) for i, n in enumerate(("keys", "values"))}
        return {"ids": torch.arange(size * new).reshape(size, new) % 30, **caches}

    graph = agree(Decoder(), given(2, 3, 4), given(1, 1, 7), given(3, 5, 2), dynamic_shapes=shapes)
    assert graph.form == "dict"
    assert [value.name for value in graph.values[:3]] == ["ids", "keys", "values"]
    assert [value.name for value in graph.values[-3:]] == ["logits", "keys_out", "values_out"]
    assert graph.maxima == {"length": 16, "past": 32}
    tables = [op.table for op in graph.operators if isinstance(op, ir_nets.Embedding)]
    assert len(tables) == 2
    assert not any(isinstance(op, ir_arrays.Expand) for op in graph.operators)
