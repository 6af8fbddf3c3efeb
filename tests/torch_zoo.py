"""Small modules of the families that people train, for tests of the front end and of passes."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="torch is not installed: pip install cordwood[torch]")
nn, F = torch.nn, torch.nn.functional


def settled(module: Any, seed: int = 5) -> Any:
    """Return the module in evaluation mode, its norms with statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            shape = part.running_mean.shape
            part.running_mean.copy_(0.2 * torch.randn(shape, generator=generator))
            part.running_var.copy_(1 + 0.5 * torch.rand(shape, generator=generator))
    return module.eval()


class Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        self.one = nn.Conv2d(before, after, 3, stride, 1, bias=False)
        self.norm_one = nn.BatchNorm2d(after)
        self.two = nn.Conv2d(after, after, 3, 1, 1, bias=False)
        self.norm_two = nn.BatchNorm2d(after)
        self.shortcut: Any = nn.Identity()
        if stride != 1 or before != after:
            self.shortcut = nn.Sequential(
                nn.Conv2d(before, after, 1, stride, bias=False), nn.BatchNorm2d(after)
            )

    def forward(self, x: Any) -> Any:
        y = F.relu(self.norm_one(self.one(x)), inplace=True)
        return F.relu(self.norm_two(self.two(y)) + self.shortcut(x))


def resnet() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(inplace=True),
        Residual(8, 8, 1),
        Residual(8, 16, 2),
        Residual(16, 24, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(24, 10),
    )


class Inverted(nn.Module):
    """Widen, filter each channel by itself, narrow."""

    def __init__(self, before: int, after: int, stride: int) -> None:
        super().__init__()
        wide = before * 3
        self.net = nn.Sequential(
            nn.Conv2d(before, wide, 1, bias=False),
            nn.BatchNorm2d(wide),
            nn.ReLU6(inplace=True),
            nn.Conv2d(wide, wide, 3, stride, 1, groups=wide, bias=False),
            nn.BatchNorm2d(wide),
            nn.Hardswish(),
            nn.Conv2d(wide, after, 1, bias=False),
            nn.BatchNorm2d(after),
        )
        self.skips = stride == 1 and before == after

    def forward(self, x: Any) -> Any:
        return x + self.net(x) if self.skips else self.net(x)


def mobilenet() -> Any:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 2, 1), Inverted(8, 8, 1), Inverted(8, 12, 2), nn.AvgPool2d(4),
        nn.Flatten(1), nn.Dropout(0.2), nn.Linear(12, 5), nn.Softmax(1),
    )  # fmt: skip


class UNet(nn.Module):
    """Down, up again by transposed convolutions, joined with what was before."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(nn.Conv2d(1, 6, 3, padding=1), nn.GroupNorm(2, 6), nn.SiLU())
        self.down = nn.MaxPool2d(2)
        self.middle = nn.Sequential(nn.Conv2d(6, 12, 3, padding=1), nn.GELU())
        self.up = nn.ConvTranspose2d(12, 6, 2, stride=2)
        self.last = nn.Conv2d(12, 2, 1)

    def forward(self, x: Any) -> Any:
        first = self.first(x)
        up = self.up(self.middle(self.down(first)))
        return {"logits": self.last(torch.cat([first, up], 1)), "mask": up.mean(1) > 0}


def mlp() -> Any:
    return nn.Sequential(
        nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.Tanh(),
        nn.Dropout(), nn.Linear(16, 3), nn.LogSoftmax(-1),
    )  # fmt: skip


class Bert(nn.Module):
    """An encoder as BERT has it, with its names of parameters; answers with a sentence's vector."""

    def __init__(
        self, words: int, places: int, width: int, heads: int, layers: int, wide: int
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(words, width),
                "position_embeddings": nn.Embedding(places, width),
                "token_type_embeddings": nn.Embedding(2, width),
                "LayerNorm": nn.LayerNorm(width, eps=1e-12),
            }
        )
        self.encoder = nn.ModuleDict(
            {"layer": nn.ModuleList([BertLayer(width, heads, wide) for _ in range(layers)])}
        )

    def forward(self, input_ids: Any, attention_mask: Any) -> Any:
        parts = self.embeddings
        places = torch.arange(input_ids.shape[1], device=input_ids.device)
        x = parts["word_embeddings"](input_ids) + parts["position_embeddings"](places)
        x = x + parts["token_type_embeddings"](torch.zeros_like(input_ids))
        x = parts["LayerNorm"](x)
        added = (1.0 - attention_mask[:, None, None, :].to(x.dtype)) * torch.finfo(x.dtype).min
        for layer in self.encoder["layer"]:
            x = layer(x, added)
        seen = attention_mask.unsqueeze(-1).expand(x.shape).float()
        mean = (x * seen).sum(1) / seen.sum(1).clamp(min=1e-9)
        return {"last_hidden_state": x, "sentence": F.normalize(mean, p=2, dim=1)}


class BertLayer(nn.Module):
    def __init__(self, width: int, heads: int, wide: int) -> None:
        super().__init__()
        self.heads = heads
        linear, norm = nn.Linear, nn.LayerNorm
        self.attention = nn.ModuleDict(
            {
                "self": nn.ModuleDict({n: linear(width, width) for n in ("query", "key", "value")}),
                "output": nn.ModuleDict(
                    {"dense": linear(width, width), "LayerNorm": norm(width, eps=1e-12)}
                ),
            }
        )
        self.intermediate = nn.ModuleDict({"dense": linear(width, wide)})
        self.output = nn.ModuleDict(
            {"dense": linear(wide, width), "LayerNorm": norm(width, eps=1e-12)}
        )

    def forward(self, x: Any, added: Any) -> Any:
        def split(y: Any) -> Any:
            return y.view(x.shape[0], x.shape[1], self.heads, -1).transpose(1, 2)

        q, k, v = (split(part(x)) for part in self.attention["self"].values())
        y = F.scaled_dot_product_attention(q, k, v, added)
        y = y.transpose(1, 2).reshape(x.shape)
        end = self.attention["output"]
        x = end["LayerNorm"](end["dense"](y) + x)
        y = F.gelu(self.intermediate["dense"](x))
        return self.output["LayerNorm"](self.output["dense"](y) + x)


def tokens(batch: int, length: int, words: int) -> tuple[Any, Any]:
    """Return ids and a mask, the first sentence shorter than the others."""
    ids = (torch.arange(batch * length).reshape(batch, length) * 7) % words
    mask = torch.ones(batch, length, dtype=torch.long)
    mask[0, length // 2 + 1 :] = 0
    return ids, mask


def images(batch: int, channels: int, size: int, seed: int = 0) -> Any:
    return torch.randn(batch, channels, size, size, generator=torch.Generator().manual_seed(seed))


def zoo() -> dict[str, tuple[Any, tuple[Any, ...], tuple[Any, ...]]]:
    """Return modules by name, each with example inputs and others of another size."""
    torch.manual_seed(7)
    rows = torch.randn(3, 6, generator=torch.Generator().manual_seed(1))
    made = {
        "mlp": (mlp(), (rows,), (rows[:1],)),
        "resnet": (resnet(), (images(2, 3, 16),), (images(1, 3, 16, 2),)),
        "mobilenet": (mobilenet(), (images(2, 3, 16),), (images(1, 3, 16, 2),)),
        "unet": (UNet(), (images(2, 1, 12),), (images(1, 1, 12, 2),)),
        "bert": (Bert(50, 20, 24, 3, 2, 40), tokens(3, 6, 50), tokens(1, 9, 50)),
    }
    return {name: (settled(module), *rest) for name, (module, *rest) in made.items()}


NAMES = ("mlp", "resnet", "mobilenet", "unet", "bert")
