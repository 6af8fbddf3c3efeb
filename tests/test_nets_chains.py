"""Chains of a net's operators, run in blocks: no block sees what another has left behind."""

from __future__ import annotations

from typing import Any

import pytest

import cordwood as cw
from cordwood.recipe import Recipe

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")

ROWS = 4000
"""Two blocks of one thread."""


class Apart(torch.nn.Module):  # type: ignore[misc, name-defined]
    """Two products of one value; a maximum between them ends a chain, so the second begins one."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = torch.nn.Linear(width, 8)
        self.second = torch.nn.Linear(width, width)
        self.third = torch.nn.Linear(width, width)

    def forward(self, x: Any) -> Any:
        return self.first(x).amax(0), self.third(torch.tanh(self.second(x)))


@pytest.mark.parametrize("rows", ["int8-dynamic", "uint8-dynamic"])
def test_blocks_do_not_take_over_codes_of_rows(rows: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(ROWS, 64)
    recipe = Recipe(weights="int8", activations=rows)
    made = cw.compress(Apart(64).eval(), recipe, example_inputs=(x[:5],))
    net = cw.Net(made.to_bytes(), threads=1)
    answers = net(x)[1]
    for start in range(0, ROWS, 1000):
        alone = net(x[start : start + 1000])[1]
        assert alone.tobytes() == answers[start : start + 1000].tobytes()
