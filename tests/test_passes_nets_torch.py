"""Whole modules of torch stay what they are when their nets are simplified."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from cordwood.frontends.torch import read_module
from cordwood.passes.simplify_net import simplify_net
from torch_nets import agree, torch
from torch_zoo import NAMES, tokens, zoo

COUNTS: dict[str, dict[str, int]] = {
    "mlp": {"Linear": 3, "Softmax": 1},
    "resnet": {"Conv": 9, "Pool": 1, "Reshape": 1, "Linear": 1},
    "mobilenet": {"Conv": 7, "Pool": 1, "Reshape": 1, "Linear": 1, "Softmax": 1},
}
"""Operators that are left, where every one can be named."""


@pytest.mark.parametrize("name", NAMES)
def test_module(name: str) -> None:
    module, examples, others = zoo()[name]
    graph = agree(module, examples, others, passes=(simplify_net,))
    found = Counter(type(step).__name__ for step in graph.operators)
    assert found["BatchNorm"] == 0
    assert found == COUNTS.get(name, found)
    assert simplify_net(graph) is graph, "a second time changes nothing"


def test_bert_has_nothing_between_its_products() -> None:
    module, examples, _ = zoo()["bert"]
    graph = simplify_net(read_module(module, examples))
    layer = [type(step).__name__ for step in graph.operators if step.place.startswith("encoder")]
    per_layer = Counter(layer)
    assert per_layer["Linear"] == 12
    assert per_layer["Transpose"] == 0
    assert per_layer["Activation"] == 0


def test_an_encoder_of_torch_has_no_transposes() -> None:
    nn = torch.nn
    torch.manual_seed(3)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layer = nn.TransformerEncoderLayer(16, 4, 24, batch_first=True)
            self.embed = nn.Embedding(30, 16)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)

        def forward(self, ids: Any, mask: Any) -> Any:
            return self.encoder(self.embed(ids), src_key_padding_mask=mask == 0)

    graph = agree(Encoder(), tokens(3, 5, 30), tokens(1, 8, 30), passes=(simplify_net,))
    found = Counter(type(step).__name__ for step in graph.operators)
    assert found["Transpose"] == 0
    assert found["Linear"] == 12


class Written(torch.nn.Module):
    """Attention by hand, heads of keys and values shared by two each."""

    def __init__(self, masked: bool) -> None:
        super().__init__()
        linear = torch.nn.Linear
        self.masked = masked
        self.q, self.k, self.v, self.out = (linear(12, n) for n in (12, 6, 6, 12))

    def forward(self, x: Any) -> Any:
        def split(y: Any, heads: int) -> Any:
            return y.view(x.shape[0], x.shape[1], heads, 3).transpose(1, 2)

        def repeat(y: Any) -> Any:
            wide = y[:, :, None].expand(x.shape[0], 2, 2, x.shape[1], 3)
            return wide.reshape(x.shape[0], 4, x.shape[1], 3)

        q, k, v = split(self.q(x), 4), split(self.k(x), 2), split(self.v(x), 2)
        called = torch.nn.functional.scaled_dot_product_attention(q, repeat(k), repeat(v))
        k, v = split(self.q(x), 4), split(self.q(x + 1), 4)
        scores = q @ k.transpose(-1, -2) * 3**-0.5
        if self.masked:
            scores = scores + (x[:, None, None, :, 0] > 3) * -10000.0
        written = scores.softmax(-1) @ v
        return self.out((called + written).transpose(1, 2).flatten(2))


@pytest.mark.parametrize("masked", [False, True])
def test_written_attention(masked: bool) -> None:
    torch.manual_seed(3)
    dims = torch.export.Dim("batch"), torch.export.Dim("sequence", max=16)
    x = torch.randn(3, 5, 12)
    more: dict[str, Any] = {"dynamic_shapes": (dict(enumerate(dims)),)}
    graph = agree(Written(masked), (x,), (x[:1, :4],), passes=(simplify_net,), **more)
    found = Counter(type(step).__name__ for step in graph.operators)
    assert found["Expand"] == 0, "shared heads are not repeated"
    assert found["Attention"] == (1 if masked else 2), "a mask may leave nothing: it stays apart"
    assert found["Matmul"] == (2 if masked else 0)


def test_heads_that_are_tiled_are_not_shared() -> None:
    """Copies of all heads after one another are another order than copies of each."""

    def tiled(q: Any, k: Any) -> Any:
        wide = k.repeat(1, 2, 1, 1)
        return torch.nn.functional.scaled_dot_product_attention(q, wide, wide)

    q, k = torch.randn(3, 4, 5, 6), torch.randn(3, 2, 5, 6)
    graph = agree(tiled, (q, k), passes=(simplify_net,))
    assert "Expand" in [type(step).__name__ for step in graph.operators]
