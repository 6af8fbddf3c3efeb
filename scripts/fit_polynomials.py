"""Fit the polynomials of ``csrc/kernels/math`` and write ``polynomials.hpp``.

Each is a minimax fit: Remez's exchange in float64, which leaves the largest weighted error as
small as the degree allows. Coefficients then become float32; the error that is printed and written
into the header is of the rounded ones.

    python scripts/fit_polynomials.py           print each fit and its error
    python scripts/fit_polynomials.py --write   write the header
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Function = Callable[[Floats], Floats]

HEADER = Path(__file__).parent.parent / "csrc" / "kernels" / "math" / "polynomials.hpp"
LOG_2 = math.log(2)
ROUNDS = 60
SERIES_UP_TO = 0.1
TINY = 1e-9


@dataclass(frozen=True)
class Fit:
    """What a polynomial stands for, and where."""

    name: str
    says: str
    function: Function
    weight: Function
    low: float
    high: float
    degree: int


def _each(function: Callable[[float], float]) -> Function:
    return lambda x: np.array([function(float(v)) for v in np.atleast_1d(x)])


def _series(x: Floats, first: int, term: Callable[[int], float]) -> Floats:
    """Sum of ``term(i) * x**(i - first)`` from `first` on, for small `x`."""
    return sum((term(i) * x ** (i - first) for i in range(first, first + 60)), np.zeros_like(x))


def _exp_tail(r: Floats) -> Floats:
    """``(exp(r) - 1 - r) / r**2``."""
    return _series(r, 2, lambda i: 1 / math.factorial(i))


def _exp2_slope(f: Floats) -> Floats:
    """``(2**f - 1) / f``."""
    return _series(f * LOG_2, 1, lambda i: 1 / math.factorial(i)) * LOG_2


def _log_tail(f: Floats) -> Floats:
    """``(log(1 + f) - f + f**2 / 2) / f**3``."""
    small = np.abs(f) < SERIES_UP_TO
    safe = np.where(small, 1.0, f)
    far = (np.log1p(safe) - safe + safe**2 / 2) / safe**3
    return np.where(small, _series(np.where(small, f, 0.0), 3, lambda i: (-1) ** (i + 1) / i), far)


def _erf_over(z: Floats, at_zero: float) -> Floats:
    safe = np.where(z < TINY, 1.0, z)
    return np.where(z < TINY, at_zero, _each(math.erf)(z) / safe)


GELU_END = 5.4
GELU_SCALE = 2 / GELU_END**2


def _gelu_core(w: Floats) -> Floats:
    """``(Phi(x) - 1/2) / x`` of ``w = x**2 * GELU_SCALE - 1``."""
    x = np.sqrt(np.maximum((w + 1) / GELU_SCALE, 0))
    return _erf_over(x / math.sqrt(2), 2 / math.sqrt(math.pi)) / (2 * math.sqrt(2))


def _gelu_weight(w: Floats) -> Floats:
    return np.sqrt(np.maximum((w + 1) / GELU_SCALE, 0)) + 0.3


ERF_MIDDLE = 0.875
ERF_END = 3.95


def _erfc_log(t: Floats) -> Floats:
    """``log(erfc(z))`` of ``z = t + ERF_MIDDLE``."""
    return np.log(_each(math.erfc)(t + ERF_MIDDLE))


def _ones(x: Floats) -> Floats:
    return np.ones_like(x)


def _sin_tail(s: Floats) -> Floats:
    """``(sin(r) / r - 1) / s`` of ``s = r**2``."""
    return sum(
        ((-1) ** i / math.factorial(2 * i + 1) * s ** (i - 1) for i in range(1, 12)),
        np.zeros_like(s),
    )


def _cos_tail(s: Floats) -> Floats:
    """``(cos(r) - 1 + s / 2) / s**2`` of ``s = r**2``."""
    return sum(
        ((-1) ** i / math.factorial(2 * i) * s ** (i - 2) for i in range(2, 12)),
        np.zeros_like(s),
    )


QUARTER = (math.pi / 4 + 0.04) ** 2

FITS = (
    Fit("Exp", "(exp(r) - 1 - r) / r^2, |r| <= log(2) / 2", _exp_tail,
        lambda r: r * r, -LOG_2 / 2 - 1e-3, LOG_2 / 2 + 1e-3, 4),
    Fit("Exp2", "(2^f - 1) / f, |f| <= 1/2", _exp2_slope,
        lambda f: np.abs(f) * np.where(f < 0, 2, 1), -0.5, 0.5, 4),
    Fit("Log", "(log(1 + f) - f + f^2 / 2) / f^3, f from sqrt(1/2) - 1 to sqrt(2) - 1", _log_tail,
        lambda f: f * f, math.sqrt(0.5) - 1, math.sqrt(2) - 1, 7),
    Fit("Gelu", "(Phi(x) - 1/2) / x in w = x^2 * kGeluScale - 1", _gelu_core, _gelu_weight,
        -1.0, 1.0, 14),
    Fit("Erf", "erf(z) / z - 1 in z^2, |z| <= kErfMiddle",
        lambda s: _erf_over(np.sqrt(s), 2 / math.sqrt(math.pi)) - 1, _ones, 0.0, ERF_MIDDLE**2, 6),
    Fit("Erfc", "log(erfc(z)) in t = z - kErfMiddle, z from kErfMiddle to kErfEnd", _erfc_log,
        lambda t: _each(math.erfc)(t + ERF_MIDDLE), 0.0, ERF_END - ERF_MIDDLE, 9),
    Fit("Sin", "(sin(r) / r - 1) / r^2 in r^2, |r| a little over pi / 4", _sin_tail,
        lambda s: s, 0.0, QUARTER, 3),
    Fit("Cos", "(cos(r) - 1 + r^2 / 2) / r^4 in r^2, |r| a little over pi / 4", _cos_tail,
        lambda s: s * s, 0.0, QUARTER, 3),
)  # fmt: skip


def _minimax(target: Floats, weight: Floats, basis: Floats) -> tuple[Floats, float]:
    """Coefficients of the columns of `basis` with the least largest ``weight * |error|``."""
    n_points, n_terms = basis.shape
    spots = np.cos(np.pi * (np.arange(n_terms + 1) + 0.5) / (n_terms + 1))
    chosen = np.unique(((1 - spots) / 2 * (n_points - 1)).round().astype(int))
    weight = np.maximum(weight, weight.max() * 1e-6)
    best, least = np.zeros(n_terms), np.inf
    for _ in range(ROUNDS):
        signs = (-1.0) ** np.arange(n_terms + 1)
        system = np.column_stack([basis[chosen], signs / weight[chosen]])
        found = np.linalg.solve(system, target[chosen])[:n_terms]
        error = weight * (target - basis @ found)
        largest = float(np.abs(error).max())
        if largest < least:
            best, least = found, largest
        ends = np.flatnonzero(np.diff(np.sign(error))) + 1
        pieces = np.split(np.arange(n_points), ends)
        peaks = [int(piece[np.abs(error[piece]).argmax()]) for piece in pieces]
        while len(peaks) > n_terms + 1:
            peaks.pop(0 if abs(error[peaks[0]]) < abs(error[peaks[-1]]) else -1)
        if len(peaks) <= n_terms or list(chosen) == peaks:
            break
        chosen = np.array(peaks)
    return best, least


def fit(wanted: Fit) -> tuple[list[float], float]:
    """Coefficients in float32, the lowest first, and the largest weighted error they leave."""
    spots = np.cos(np.linspace(np.pi, 0, 8001))
    x = wanted.low + (wanted.high - wanted.low) * (spots + 1) / 2
    target, weight = wanted.function(x), wanted.weight(x)
    powers = x[:, None] ** np.arange(wanted.degree + 1)
    found, _ = _minimax(target, weight, powers)
    done = [float(value) for value in found.astype(np.float32)]
    error = np.abs(weight * (target - powers @ np.array(done))).max()
    return done, float(error)


def _split(value: float, bits: int, parts: int) -> list[float]:
    """Parts of `bits` bits that add up to `value`; the last has all that float32 holds."""
    found: list[float] = []
    for _ in range(parts - 1):
        unit = 2.0 ** (math.frexp(value)[1] - bits)
        found.append(round(value / unit) * unit)
        value -= found[-1]
    return [*found, float(np.float32(value))]


def constants() -> dict[str, tuple[float, str]]:
    """Numbers that belong to the fits."""
    log_2, log_2_rest = _split(LOG_2, 15, 2)
    # math.pi is pi rounded to float64; what it lacks, 1.2e-16, is far below the third part.
    pi_1, pi_2, pi_3 = _split(math.pi / 2, 24, 3)
    return {
        "Log2e": (1 / LOG_2, "1 / log(2)"),
        "Log2High": (log_2, "log(2) to 15 bits: times an exponent it is exact"),
        "Log2Low": (log_2_rest, "the rest of log(2)"),
        "GeluEnd": (GELU_END, "Phi is 1 from here on, in float32"),
        "GeluScale": (GELU_SCALE, "2 / kGeluEnd^2"),
        "ErfMiddle": (ERF_MIDDLE, "below it kErf, above it kErfc"),
        "ErfEnd": (ERF_END, "erf is 1 from here on, in float32"),
        "TwoOverPi": (2 / math.pi, "2 / pi"),
        "HalfPi1": (pi_1, "pi / 2 in three parts"),
        "HalfPi2": (pi_2, ""),
        "HalfPi3": (pi_3, ""),
        "SeluAlpha": (1.6732632423543772, "the fixed point of mean 0 and variance 1"),
        "SeluScale": (1.0507009873554805, ""),
        "GeluTanhSlope": (2 * math.sqrt(2 / math.pi), "2 * sqrt(2 / pi)"),
        "GeluTanhCube": (2 * math.sqrt(2 / math.pi) * 0.044715, "the cubic term's factor"),
    }


def _hex(value: float) -> str:
    """Return a float32 as C++ writes it."""
    digits, power = value.hex().split("p")
    return f"{digits.rstrip('0').removesuffix('.')}p{power}f"


def header() -> str:
    """Return the text of ``polynomials.hpp``."""
    lines = [
        "// Coefficients of the functions of this folder, the lowest first.",
        "// Written by scripts/fit_polynomials.py, which says how they are found.",
        "#pragma once",
        "// clang-format off: one coefficient a line",
        "",
        "namespace cordwood::kernels::math {",
        "namespace {",
        "",
    ]
    for name, (value, says) in constants().items():
        lines += [f"/// {says}."] if says else []
        lines.append(f"constexpr float k{name} = {_hex(float(np.float32(value)))};")
    for wanted in FITS:
        found, error = fit(wanted)
        lines += ["", f"/// {wanted.says}; {error:.1e} off at most."]
        lines.append(f"constexpr float k{wanted.name}[] = {{")
        lines += [f"    {_hex(value)}," for value in found]
        lines.append("};")
    return "\n".join([*lines, "", "}  // namespace", "}  // namespace cordwood::kernels::math", ""])


def main() -> None:
    """Print the fits, or write the header."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help=f"write {HEADER.name}")
    if parser.parse_args().write:
        HEADER.write_text(header(), encoding="utf-8")
        return
    for wanted in FITS:
        found, error = fit(wanted)
        print(f"{wanted.name}: largest weighted error {error:.2e}")
        print("   ", *(f"{value:.9g}" for value in found))


if __name__ == "__main__":
    main()
