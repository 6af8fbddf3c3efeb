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
