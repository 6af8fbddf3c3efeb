"""Weights and activations at random, for the kernels of products."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

import oracle_products as oracle
from cordwood import _core
from cordwood._ops_tensor import pack_codes

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Case:
    """Shape and kind of a product with codes."""

    bits: int = 8
    group: int | None = None
    n_outputs: int = 33
    n_inputs: int = 100
    n_rows: int = 5
    symmetric: bool = True
    bias: bool = False
    residual: bool = False
    cut: tuple[float, float] | None = None
    x_groups: bool = False
    static_scale: float | None = None
    seed: int = 0


@dataclass(frozen=True)
class Weights:
    """Codes with what they stand for."""

    codes: NDArray[np.uint8]
    scales: Floats
    zeros: NDArray[np.uint8] | None
    bits: int
    group: int | None

    def matrix(self) -> Any:
        """Lay the weights out for products."""
        return _core.QuantizedMatrix(
            pack_codes(self.codes, self.bits), self.scales, self.zeros,
            bits=self.bits, group_size=self.group or 0, n_inputs=self.codes.shape[1],
        )  # fmt: skip

    def zero_points(self) -> NDArray[np.uint8]:
        """Return zero points, of symmetric weights too."""
        middle = np.uint8(1 << (self.bits - 1))
        return np.full(self.scales.shape, middle) if self.zeros is None else self.zeros

    def piece(self) -> int:
        """Return how many inputs of an output without groups are summed at once."""
        return oracle.PIECE if self.zeros is None else oracle.PIECE // 2

    def numbers(self) -> Floats:
        """Widen the codes to what they stand for, in float32."""
        n_inputs = self.codes.shape[1]
        group = np.arange(n_inputs) // (self.group or n_inputs)
        whole = self.codes.astype(np.int32) - self.zero_points()[:, group]
        return whole.astype(np.float32) * self.scales[:, group]


def draw_weights(case: Case, rng: np.random.Generator) -> Weights:
    """Draw codes, scales and zero points; an output of zeros now and then."""
    n_groups = 1 if case.group is None else -(-case.n_inputs // case.group)
    shape = (case.n_outputs, n_groups)
    scales = rng.random(shape).astype(np.float32)
    scales[rng.random(shape) < 0.1] = 0
    codes = rng.integers(0, 1 << case.bits, (case.n_outputs, case.n_inputs)).astype(np.uint8)
    zeros = rng.integers(0, 1 << case.bits, shape).astype(np.uint8)
    return Weights(codes, scales, None if case.symmetric else zeros, case.bits, case.group)


def draw_rows(case: Case, rng: np.random.Generator) -> Floats:
    """Draw activations of very different sizes; rows of zeros and tiny ones now and then."""
    x = rng.standard_normal((case.n_rows, case.n_inputs)).astype(np.float32)
    size = rng.choice([1, 1, 1, 1e-20, 1e30, 2.0**-101, 0], (case.n_rows, 1))
    return np.asarray(x * size, dtype=np.float32)


def draw_numbers(
    kind: str, shape: tuple[int, int], seed: int, *, infinite: bool = True
) -> tuple[NDArray[Any], Floats]:
    """Draw weights of every magnitude, infinities too, as they are stored and in float32."""
    rng = np.random.default_rng(seed)
    if kind == "float32":
        wide = rng.standard_normal(shape) * 10.0 ** rng.integers(-44, 30, shape)
        if infinite:
            wide[0, : shape[1] // 8] = np.inf
        stored = wide.astype(np.float32)
        return stored, stored
    halves = rng.integers(0, 1 << 16, shape).astype(np.uint16)
    exponent = 0x7C00 if kind == "float16" else 0x7F80
    special = (halves & exponent) == exponent
    infinities = rng.random(int(special.sum())) < (0.1 if infinite else 0)
    halves[special] = np.where(infinities, exponent, 0x0001)
    if kind == "float16":
        return halves.view(np.float16), halves.view(np.float16).astype(np.float32)
    return halves, (halves.astype(np.uint32) << 16).view(np.float32)
