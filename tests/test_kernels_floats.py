"""Activations, unary functions, norms and softmax: oracle, scalar, every other row, bit for bit."""

from __future__ import annotations

import importlib
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import cordwood as cw
import oracle_floats as oracle
from cordwood import _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    Doubles = NDArray[np.float64]
    Floats = NDArray[np.float32]

F = np.float32
ISAS = cw.available_isas()
CONSTANTS = {
    "leaky_relu": (0.01, 0),
    "prelu": (0.25, 0),
    "elu": (1.5, 0),
    "celu": (0.7, 0),
    "hard_sigmoid": (1 / 6, 0.5),
    "hard_swish": (1 / 6, 0.5),
    "clip": (-1.5, 2.5),
}
FUNCTIONS = [name for name in oracle.UNARY if name not in ("not", "is_nan", "is_infinite")]
ONE_NAN = 0x7FC00000


def _inputs(seed: int = 0) -> Floats:
    """Bits of every class, numbers of the size that nets have, and ends of ranges."""
    rng = np.random.default_rng(seed)
    drawn = rng.integers(0, 2**32, 30000, dtype=np.uint32).view(F)
    usual = [rng.normal(0, scale, 5000).astype(F) for scale in (0.1, 1.0, 4.0, 40.0)]
    special = np.float32(
        [0.0, 1e-45, 1e-40, 1.1754942e-38, 1.17549435e-38, 2**-25, 0.875, 1.0, 3.95, 5.4, 20.0,
         40.0, 87.3, 88.72284, 88.7229, 89.0, 103.97, 104.0, 2**22, 2**23, 2**24,
         3.4028235e38, np.inf]
    )  # fmt: skip
    with np.errstate(all="ignore"):
        beside = np.nextafter(special, F(np.inf)), np.nextafter(special, F(0))
    edges = np.concatenate([special, *beside])
    payloads = np.array(
        [0x7FC00000, 0xFFC00000, 0x7F800001, 0xFF812345, 0x7FFFFFFF], dtype=np.uint32
    ).view(F)
    halves = np.arange(-20, 20, dtype=F) / 2
    return np.concatenate([drawn, *usual, edges, -edges, payloads, halves])


def _same(found: Floats, wanted: Floats) -> None:
    different = found.view(np.uint32) != wanted.view(np.uint32)
    assert not different.any(), (np.argwhere(different)[:3], found[different][:3],
                                 wanted[different][:3])  # fmt: skip


def _activate(name: str, x: Floats, isa: str, slopes: Floats | None = None) -> Floats:
    alpha, beta = CONSTANTS.get(name, (0, 0))
    return _core.activate(x, isa=isa, kind=oracle.ACTIVATIONS.index(name), alpha=alpha, beta=beta,
                          slopes=slopes)  # fmt: skip


def _unary(name: str, x: Floats, isa: str) -> Floats:
    return _core.unary(x, isa=isa, kind=oracle.UNARY.index(name))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", oracle.ACTIVATIONS)
def test_activations_give_the_oracles_bits(isa: str, name: str) -> None:
    x = _inputs()
    alpha, beta = CONSTANTS.get(name, (0, 0))
    _same(_activate(name, x, isa), oracle.activate(name, x, alpha, beta, None))


@pytest.mark.parametrize("isa", ISAS)
def test_prelu_takes_a_slope_for_each_element(isa: str) -> None:
    x = _inputs()
    slopes = np.random.default_rng(1).normal(size=len(x)).astype(F)
    _same(_activate("prelu", x, isa, slopes), oracle.activate("prelu", x, 0, 0, slopes))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_unary_functions_give_the_oracles_bits(isa: str, name: str) -> None:
    x = _inputs()
    _same(_unary(name, x, isa), oracle.unary(name, x))


@pytest.mark.parametrize("isa", ISAS)
def test_every_length_has_its_tail(isa: str) -> None:
    x = _inputs(2)
    for n in range(71):
        part = x[n * 100 : n * 100 + n]
        for name in oracle.ACTIVATIONS:
            _same(_activate(name, part, isa), _activate(name, part, "scalar"))
        for name in FUNCTIONS:
            _same(_unary(name, part, isa), _unary(name, part, "scalar"))
        slopes = np.arange(n, dtype=F)
        _same(_activate("prelu", part, isa, slopes), _activate("prelu", part, "scalar", slopes))


def _each(function: Callable[[float], float]) -> Callable[[Doubles], Doubles]:
    return lambda x: np.array([function(float(v)) for v in x])


def _softplus(x: Doubles) -> Doubles:
    return np.maximum(x, 0) + np.log1p(np.exp(-abs(x)))


EXACT = {
    "exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "erf": _each(math.erf),
    "tanh": np.tanh, "sigmoid": lambda x: np.where(x < 0, np.exp(x), 1) / (1 + np.exp(-abs(x))),
    "softplus": _softplus, "sin": np.sin, "cos": np.cos, "silu": lambda x: x / (1 + np.exp(-x)),
    "gelu": lambda x: x * _each(math.erfc)(-x / math.sqrt(2)) / 2,
    "gelu_tanh": lambda x: x / 2 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "mish": lambda x: x * np.tanh(_softplus(x)),
    "elu": lambda x: np.where(x < 0, 1.5 * np.expm1(x), x),
    "selu": lambda x: 1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(x), x),
    "celu": lambda x: np.where(x < 0, F(0.7) * np.expm1(x / F(0.7)), x),
    "rsqrt": lambda x: 1 / np.sqrt(x),
}  # fmt: skip


@pytest.mark.parametrize("name", EXACT)
def test_errors_stay_within_the_bounds(name: str) -> None:
    """A sweep of all finite numbers in steps of their bits, and one of the usual range."""
    bits = np.arange(0, 2**32, 100_003, dtype=np.int64).astype(np.uint32).view(F)
    x = np.concatenate([bits[np.isfinite(bits)], np.linspace(-12, 12, 60_001, dtype=F)])
    found = (_unary if name in oracle.UNARY else _activate)(name, x, "scalar")
    with np.errstate(all="ignore"):
        exact = EXACT[name](x.astype(np.float64))
        rounded = exact.astype(F)
        size = abs(x).astype(np.float64)
        if name in ("sin", "cos"):
            bound = np.where(size <= 2**20, 2.0**-23, np.inf)
            assert np.all(abs(found) <= 1)
        elif name in ("gelu", "gelu_tanh", "silu", "mish"):
            bound = np.maximum(2.0**-22 * size, 2.0**-149)
        else:
            units = 2 if name in oracle.UNARY else 4
            bound = units * np.spacing(abs(rounded)).astype(np.float64)
    usual = np.isfinite(rounded)
    assert np.all(abs(found[usual] - exact[usual]) <= bound[usual])
    _same(found[~usual], oracle.clean(rounded[~usual]))


def test_functions_of_nothing_and_of_much_are_their_limits() -> None:
    x = np.float32([-np.inf, -1e30, -200, -0.0, 0.0, 200, 1e30, np.inf])
    for name in ("gelu", "gelu_tanh", "silu", "mish", "hard_swish"):
        _same(_activate(name, x, "scalar"), np.where(x > 0, x, np.copysign(F(0), x)))
    tiny = np.float32([1e-45, -1e-45, -0.0, 3e-39])
    for name in ("expm1", "log1p"):
        _same(_unary(name, tiny, "scalar"), tiny)
    _same(_activate("tanh", tiny, "scalar"), tiny)


def _rows(n_rows: int, n: int, seed: int) -> Floats:
    x = np.random.default_rng(seed).normal(0.5, 2, (n_rows, n)).astype(F)
    if n_rows > 3:
        x[1] *= F(1e20)
        x[2, n // 2] = [np.nan, np.inf, -np.inf][seed % 3]
        x[3] = 0
    return x


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("n", [*range(1, 71), 128, 384, 1000])
def test_norms_of_rows(isa: str, n: int) -> None:
    rng = np.random.default_rng(n)
    x, added = _rows(5, n, n), _rows(5, n, n + 1)
    weight, bias = rng.normal(size=(2, n)).astype(F)
    for w, b in ((weight, bias), (weight, None), (None, bias), (None, None)):
        found = _core.layer_norm(x, isa=isa, weight=w, bias=b, epsilon=1e-5)
        _same(found, oracle.layer_norm(x, w, b, 1e-5))
    with np.errstate(all="ignore"):
        total = oracle.clean(x + added)
    kept = np.empty_like(x)
    for sums in (kept, None):
        found = _core.layer_norm(x, isa=isa, weight=weight, bias=bias, residual=added, total=sums,
                                 epsilon=1e-6)  # fmt: skip
        _same(found, oracle.layer_norm(total, weight, bias, 1e-6))
    _same(kept, total)
    for w, offset in ((weight, 0), (weight, 1), (None, 0)):
        found = _core.rms_norm(x, isa=isa, weight=w, epsilon=1e-5, weight_offset=offset)
        _same(found, oracle.rms_norm(x, w, offset, 1e-5))
    kept[:] = 0
    found = _core.rms_norm(x, isa=isa, residual=added, total=kept, epsilon=1e-5)
    _same(found, oracle.rms_norm(total, None, 0, 1e-5))
    _same(kept, total)


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize(
    ("channels", "groups", "positions"),
    [(1, 1, 1), (4, 2, 1), (6, 3, 5), (6, 6, 17), (8, 1, 49), (3, 1, 33), (4, 4, 64)],
)
def test_norms_of_groups(isa: str, channels: int, groups: int, positions: int) -> None:
    rng = np.random.default_rng(positions)
    x = rng.normal(1, 3, (3, channels, positions)).astype(F)
    x[2, 0, 0] = np.nan
    weight, bias = rng.normal(size=(2, channels)).astype(F)
    for w, b in ((weight, bias), (weight, None), (None, bias), (None, None)):
        found = _core.group_norm(x, isa=isa, groups=groups, weight=w, bias=b, epsilon=1e-5)
        _same(found, oracle.group_norm(x, groups, w, b, 1e-5))


@pytest.mark.parametrize("isa", ISAS)
@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("inner", [1, 2, 7, 16, 33])
def test_softmax_along_any_axis(isa: str, log: bool, inner: int) -> None:
    for n in (*range(1, 70 if inner == 1 else 20), 100, 257):
        x = _rows(5, n * inner, n).reshape(5, n, inner)
        x[4] *= F(30)
        x[0, 0] = -np.inf
        _same(_core.softmax(x, isa=isa, log=log), oracle.softmax(x, logarithm=log))


def test_nan_of_results_has_no_payload_and_no_sign() -> None:
    x = np.array([0xFFC12345, 0x7F800001], dtype=np.uint32).view(F)
    for isa in ISAS:
        answers = [_activate(name, x, isa) for name in oracle.ACTIVATIONS]
        answers += [_unary(name, x, isa) for name in FUNCTIONS]
        answers += [_unary(name, np.float32([-1, -1]), isa) for name in ("sqrt", "log", "rsqrt")]
        answers.append(_core.layer_norm(x[None], isa=isa)[0])
        answers.append(_core.softmax(x[None, :, None], isa=isa)[0, :, 0])
        assert all(np.all(y.view(np.uint32) == ONE_NAN) for y in answers)


PRODUCT_KINDS = ("gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "softplus", "mish", "selu",
                 "hard_sigmoid", "hard_swish")  # fmt: skip


@pytest.mark.parametrize("name", PRODUCT_KINDS)
def test_products_apply_them_to_finished_answers(name: str) -> None:
    rng = np.random.default_rng(3)
    w = rng.normal(size=(67, 96)).astype(F)
    x = rng.normal(size=(37, 96)).astype(F)
    bias = rng.normal(size=67).astype(F)
    sparse = cw.ops.pack_sparse(w, cw.ops.prune_mask(w, "2:4"))
    packed = cw.ops.quantize(w, bits=4, group_size=32)
    for multiply, weights in ((cw.ops.qmatmul, packed), (cw.ops.sparse_matmul, sparse),
                              (cw.ops.qmatmul, cw.ops.pack_dense(w, "float32"))):  # fmt: skip
        plain = multiply(x, weights, bias=bias)
        for threads in (1, 2):
            found = multiply(x, weights, bias=bias, activation=name, threads=threads)
            _same(found, _activate(name, plain.ravel(), cw.active_isa()).reshape(plain.shape))


def test_coefficients_come_from_the_script(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The last bits of a fit may depend on the library that solves it; the rest does not."""
    monkeypatch.syspath_prepend(str(root / "scripts"))
    script = importlib.import_module("fit_polynomials")
    for name, (value, _) in script.constants().items():
        assert oracle.K[name] == F(value), name
    assert [wanted.name for wanted in script.FITS] == list(oracle.POLYNOMIALS)
    for wanted in script.FITS:
        np.testing.assert_allclose(oracle.POLYNOMIALS[wanted.name], script.fit(wanted)[0], 1e-4)


def test_refused_by_name() -> None:
    w = cw.ops.pack_dense(np.ones((2, 2), dtype=F), "float32")
    with pytest.raises(cw.InputError, match="activation is 'swish'; expected one of None, 'relu'"):
        cw.ops.qmatmul(np.ones((1, 2), dtype=F), w, activation="swish")
    several: Any = ["relu"]
    with pytest.raises(cw.InputError, match=r"activation is \['relu'\]; expected one of None"):
        cw.ops.qmatmul(np.ones((1, 2), dtype=F), w, activation=several)
    with pytest.raises(ValueError, match="kind 2; expected"):
        _core.Cut.function(2)
    with pytest.raises(ValueError, match="11; expected a kind"):
        _core.unary(np.ones(1, dtype=F), isa="scalar", kind=11)
