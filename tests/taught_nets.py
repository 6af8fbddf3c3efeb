"""Small nets of the families that people train, taught in seconds on data that is at hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install 'cordwood[torch]'")
nn, F = torch.nn, torch.nn.functional
# Nets this small are taught sooner by one thread.
torch.set_num_threads(1)

DOCS = Path(__file__).resolve().parent.parent / "docs"
TAUGHT = 1400
"""Digits that nets learn from; the other 397 judge them."""


def digits() -> tuple[Any, Any]:
    """Return images of 8 x 8 from 0 to 1, and what they show."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    pixels = torch.tensor(images / 16.0, dtype=torch.float32).reshape(-1, 1, 8, 8)
    return pixels, torch.tensor(labels)


def taught(net: Any, inputs: Any, targets: Any, *, epochs: int = 6, rate: float = 4e-3) -> Any:
    """Teach a net that was made after a seed was set; returns it in evaluation mode."""
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)
    generator = torch.Generator().manual_seed(1)
    net.train()
    for _ in range(epochs):
        for part in torch.randperm(len(inputs), generator=generator).split(64):
            optimizer.zero_grad()
            scores = net(inputs[part])
            F.cross_entropy(scores.flatten(0, -2), targets[part].flatten()).backward()
            optimizer.step()
    return net.eval()


class Block(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(after), nn.BatchNorm2d(after)])
        self.aside = nn.Conv2d(before, after, 1, stride)

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norms[0](self.one(x)))
        return F.relu(self.norms[1](self.two(y)) + self.aside(x))


def depthwise(before: int, after: int) -> Any:
    return nn.Sequential(
        nn.Conv2d(before, before, 3, 1, 1, groups=before, bias=False), nn.BatchNorm2d(before),
        nn.ReLU6(), nn.Conv2d(before, after, 1, bias=False), nn.BatchNorm2d(after), nn.Hardswish(),
    )  # fmt: skip


class Reader(nn.Module):
    """Reads an image line by line with a recurrent layer."""

    def __init__(self, kind: Any) -> None:
        super().__init__()
        self.layer = kind(8, 24, batch_first=True, bidirectional=True)
        self.head = nn.Linear(48, 10)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x.squeeze(1))[0].amax(1))


def classifier(name: str) -> Any:
    """Return an untaught net for digits."""
    torch.manual_seed(0)
    if name == "resnet":
        return nn.Sequential(Block(1, 12, 1), Block(12, 24, 2), nn.AdaptiveAvgPool2d(1),
                             nn.Flatten(), nn.Linear(24, 10))  # fmt: skip
    if name == "mobilenet":
        return nn.Sequential(
            nn.Conv2d(1, 12, 3, 1, 1), nn.ReLU(), depthwise(12, 24), nn.MaxPool2d(2),
            depthwise(24, 32), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(32, 10),
        )  # fmt: skip
    return Reader({"lstm": nn.LSTM, "gru": nn.GRU}[name])


def text() -> np.ndarray:
    """Return the repository's documentation as numbers of characters, those above 126 as 0."""
    joined = "".join(path.read_text(encoding="utf-8") for path in sorted(DOCS.glob("*.md")))
    codes = np.frombuffer(joined.encode("utf-32-le"), np.uint32).astype(np.int64)
    return np.where(codes < 127, codes, 0)


class DecoderLayer(nn.Module):
    """Causal attention over a cache that grows, and a gated product; norms of root mean squares."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads, self.each = heads, width // heads
        self.joint = nn.Linear(width, width + width // 2 * 2, bias=False)
        self.out = nn.Linear(width, width, bias=False)
        self.norms = nn.ModuleList([nn.RMSNorm(width, 1e-6), nn.RMSNorm(width, 1e-6)])
        self.gate, self.up = nn.Linear(width, 2 * width), nn.Linear(width, 2 * width)
        self.down = nn.Linear(2 * width, width)

    def forward(self, x: Any, keys: Any, values: Any, mask: Any) -> Any:
        batch, length, width = x.shape
        shared = self.heads // 2
        joint = self.joint(self.norms[0](x))
        query, key, value = joint.split([width, width // 2, width // 2], -1)
        query = query.view(batch, length, self.heads, self.each).transpose(1, 2)
        keys = torch.cat([keys, key.view(batch, length, shared, self.each).transpose(1, 2)], 2)
        values = torch.cat(
            [values, value.view(batch, length, shared, self.each).transpose(1, 2)], 2
        )
        seen = F.scaled_dot_product_attention(query, keys, values, attn_mask=mask, enable_gqa=True)
        x = x + self.out(seen.transpose(1, 2).reshape(batch, length, width))
        y = self.norms[1](x)
        return x + self.down(F.silu(self.gate(y)) * self.up(y)), keys, values


class Decoder(nn.Module):
    """A model of characters: what it has seen is an input, and an output for the next call."""

    LONGEST = 256

    def __init__(self, width: int = 48, heads: int = 4, layers: int = 2) -> None:
        super().__init__()
        self.words = nn.Embedding(127, width)
        self.places = nn.Embedding(self.LONGEST, width)
        self.layers = nn.ModuleList(DecoderLayer(width, heads) for _ in range(layers))
        self.norm = nn.RMSNorm(width, 1e-6)
        self.shape = (heads // 2, width // heads)

    def forward(self, ids: Any, keys: Any, values: Any) -> Any:
        """Ids (batch, length); keys and values (layers, batch, heads, seen, width)."""
        seen, length = keys.shape[3], ids.shape[1]
        place = torch.arange(self.LONGEST)
        # Row i of the ids stands at position seen + i, and sees all that is not after it.
        own = place[seen : seen + length]
        mask = place[None, : seen + length] <= own[:, None]
        x = self.words(ids) + self.places(own)
        found: list[Any] = []
        for number, layer in enumerate(self.layers):
            x, own_keys, own_values = layer(x, keys[number], values[number], mask)
            found.append((own_keys, own_values))
        scores = F.linear(self.norm(x), self.words.weight)
        new_keys, new_values = (torch.stack([pair[k] for pair in found]) for k in (0, 1))
        return {"scores": scores, "new_keys": new_keys, "new_values": new_values}

    def empty(self, batch: int, seen: int = 0) -> Any:
        """Return a cache of so many positions, all zeros."""
        heads, each = self.shape
        return torch.zeros(len(self.layers), batch, heads, seen, each)


def decoder(steps: int = 100) -> Any:
    """Return a decoder that has read some of the documentation."""
    torch.manual_seed(0)
    net = Decoder()
    letters = torch.from_numpy(text())
    optimizer = torch.optim.Adam(net.parameters(), lr=4e-3)
    generator = torch.Generator().manual_seed(2)
    for _ in range(steps):
        starts = torch.randint(0, len(letters) - 65, (16,), generator=generator)
        lines = torch.stack([letters[start : start + 65] for start in starts])
        cache = net.empty(len(lines))
        optimizer.zero_grad()
        scores = net(lines[:, :-1], cache, cache)["scores"]
        F.cross_entropy(scores.flatten(0, 1), lines[:, 1:].flatten()).backward()
        optimizer.step()
    return net.eval()
