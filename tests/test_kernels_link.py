"""Links: every instruction set gives the same bits, within its bound of the exact value."""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest

import cordwood
import oracle
from cordwood import _core
from cordwood.ir import Link

IDENTITY, SIGMOID, EXP, SOFTMAX, SOFTPLUS, SIGNED_SQUARE = range(6)
SIGMOID_PAIR, NEGATIVE_EXP2, SHIFT, STEP, LOGIT = range(8, 13)
BOUND = 1.25  # units in the last place, measured 1.21 over a million values
CLIP = 2.0**-23
SPECIAL = np.array(
    [0.0, -0.0, np.inf, -np.inf, np.nan, 5e-324, -5e-324, 1e-310, 1e308, -1e308,
     709.78, 709.79, 710.0, -708.4, -745.13, -745.14, -746.0, 36.7, -36.8, 1e-17, 0.3465736]
)  # fmt: skip

isas = pytest.mark.parametrize("isa", cordwood.available_isas())


def _values(n: int = 4000, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    parts = [rng.uniform(-750, 712, n), rng.uniform(-2, 2, n), rng.normal(0, 12, n), SPECIAL]
    return np.concatenate(parts)


def _float32(x: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return x.astype(np.float32)


def _ulps(found: np.ndarray, exact: np.ndarray) -> np.ndarray:
    """Distance from the exact value, in units in the last place of the type of `found`."""
    unit = np.spacing(np.abs(exact).astype(found.dtype))
    return np.abs(found.astype(np.longdouble) - exact) / unit


def _exact_sigmoid(x: np.ndarray, scale: float) -> np.ndarray:
    z = np.longdouble(scale) * x.astype(np.longdouble)
    raised = np.exp(-np.abs(z))
    return np.where(z < 0, raised, 1) / (1 + raised)


@isas
def test_exp_is_within_a_unit(isa: str) -> None:
    x = _values()
    found = _core.link(x[:, None], isa=isa, kind=EXP)[:, 0]
    finite = np.isfinite(x) & (x < 709.78)
    assert _ulps(found[finite], np.exp(x[finite].astype(np.longdouble))).max() <= 1.0
    np.testing.assert_array_equal(found[x >= 709.79], np.inf)
    np.testing.assert_array_equal(found[x <= -746], 0.0)
    assert np.isnan(found[np.isnan(x)]).all()


@isas
def test_exp_agrees_with_decimal_arithmetic(isa: str) -> None:
    # The long double of other tests is another library's; this one is exact to fifty digits.
    x = _values(200, seed=1)
    x = x[np.isfinite(x) & (np.abs(x) < 700)]
    found = _core.link(x[:, None], isa=isa, kind=EXP)[:, 0]
    with localcontext() as context:
        context.prec = 50
        for value, answer in zip(x.tolist(), found.tolist(), strict=True):
            error = abs(Decimal(answer) - Decimal(value).exp())
            assert error <= Decimal(float(np.spacing(answer))), value


@isas
@pytest.mark.parametrize("scale", [1.0, 0.7, 3.25])
def test_sigmoid_is_within_its_bound(isa: str, scale: float) -> None:
    x = _values()
    x = x[np.isfinite(x) & (np.abs(x) < 1e300)]
    found = _core.link(x[:, None], isa=isa, kind=SIGMOID, scale=scale)[:, 0]
    assert _ulps(found, _exact_sigmoid(x, scale)).max() <= BOUND


@isas
def test_sigmoid_at_its_ends(isa: str) -> None:
    x = np.array([[np.inf], [-np.inf], [0.0], [-0.0], [np.nan], [1e308], [-1e308]])
    found = _core.link(x, isa=isa, kind=SIGMOID)[:, 0]
    np.testing.assert_array_equal(found, [1.0, 0.0, 0.5, 0.5, np.nan, 1.0, 0.0])


@isas
@pytest.mark.parametrize("n_columns", [1, 2, 3, 10, 300])
def test_softmax_is_within_its_bound(isa: str, n_columns: int) -> None:
    rng = np.random.default_rng(n_columns)
    x = rng.normal(0, 25, (max(1, 2000 // n_columns), n_columns))
    wide = x.astype(np.longdouble)
    raised = np.exp(wide - wide.max(axis=1, keepdims=True))
    exact = raised / raised.sum(axis=1, keepdims=True)
    assert _ulps(_core.link(x, isa=isa, kind=SOFTMAX), exact).max() <= BOUND


@isas
def test_softmax_of_values_that_are_no_numbers(isa: str) -> None:
    x = np.array([[np.nan, 0.0], [0.0, np.nan], [np.inf, 0.0], [-np.inf, 0.0], [-np.inf, -np.inf]])
    found = _core.link(x, isa=isa, kind=SOFTMAX)
    nan = [np.nan, np.nan]
    np.testing.assert_array_equal(found, [nan, nan, nan, [0.0, 1.0], nan])


@isas
@pytest.mark.parametrize("scale", [0.1, 1 / 3, 0.625, 7.3])
@pytest.mark.parametrize("n_columns", [2, 3, 17])
def test_softmax_is_scaled_below_its_maximum(isa: str, n_columns: int, scale: float) -> None:
    x = np.random.default_rng(n_columns).normal(0, 25, (500, n_columns))
    exact = oracle.exact_link(Link(source="m", target="p", kind="softmax", scale=scale), x)
    assert _ulps(_core.link(x, isa=isa, kind=SOFTMAX, scale=scale), exact).max() <= BOUND
    far = np.array([[1e300, -1e300], [-np.inf, 1.0]])
    found = _core.link(far, isa=isa, kind=SOFTMAX, scale=scale)
    np.testing.assert_array_equal(found, [[1.0, 0.0], [0.0, 1.0]])


def _one_column(seed: int = 0) -> np.ndarray:
    x = _values(seed=seed)
    small = np.random.default_rng(seed).uniform(-12, 2.8, len(x))
    return np.concatenate((x, -(10.0**small), 10.0**small))[:, None]


@isas
@pytest.mark.parametrize(
    ("kind", "number"),
    [("softplus", SOFTPLUS), ("negative_exp2", NEGATIVE_EXP2), ("sigmoid_pair", SIGMOID_PAIR)],
)
def test_links_of_one_column_are_within_their_bound(isa: str, kind: str, number: int) -> None:
    scale = 0.37 if kind == "sigmoid_pair" else 1.0
    x = _one_column()
    x = x[np.isfinite(x[:, 0]) & (np.abs(x[:, 0]) < 1000)]
    exact = oracle.exact_link(Link(source="m", target="p", kind=kind, scale=scale), x)
    found = _core.link(x, isa=isa, kind=number, scale=scale)
    assert found.shape == exact.shape
    assert _ulps(found, exact).max() <= BOUND


@isas
def test_links_of_one_column_at_their_ends(isa: str) -> None:
    x = np.array([[np.inf], [-np.inf], [np.nan], [1e308], [-1e308], [0.0], [3.0]])
    at_0, at_3 = (float(np.log1p(np.exp(np.longdouble(x)))) for x in (0, 3))
    expected = {
        SOFTPLUS: [np.inf, 0.0, np.nan, 1e308, 0.0, at_0, at_3],
        NEGATIVE_EXP2: [0.0, -np.inf, np.nan, 0.0, -np.inf, -1.0, -0.125],
        SIGNED_SQUARE: [np.inf, -np.inf, np.nan, np.inf, -np.inf, 0.0, 9.0],
        SHIFT: [np.inf, -np.inf, np.nan, 1e308, -1e308, -0.75, 2.25],
        STEP: [1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0],
    }
    for kind, answers in expected.items():
        offset = 0.75 if kind == SHIFT else 0.0
        found = _core.link(x, isa=isa, kind=kind, offset=offset)[:, 0]
        np.testing.assert_array_equal(found, answers)
        assert not np.signbit(found[2]), "a NaN has a clear sign"


@isas
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_exact_links_round_once_in_the_type(isa: str, dtype: type) -> None:
    x = _float32(_one_column()).astype(dtype)
    for kind, number in (("signed_square", SIGNED_SQUARE), ("shift", SHIFT), ("step", STEP)):
        offset = 0.3330078125 if kind == "shift" else 0.0
        exact = oracle.exact_link(Link(source="m", target="p", kind=kind, offset=offset), x)
        found = _core.link(x, isa=isa, kind=number, offset=offset)
        np.testing.assert_array_equal(found, exact)


@isas
def test_sigmoid_pair_is_two_sigmoids(isa: str) -> None:
    x = _one_column()
    both = [_core.link(sign * x, isa=isa, kind=SIGMOID, scale=0.3) for sign in (-1, 1)]
    found = _core.link(x, isa=isa, kind=SIGMOID_PAIR, scale=0.3)
    np.testing.assert_array_equal(found, np.concatenate(both, axis=1))


@pytest.mark.parametrize("n_columns", [1, 2, 3, 4, 50])
def test_logit_is_within_its_bound(n_columns: int) -> None:
    rng = np.random.default_rng(n_columns)
    x = rng.uniform(0, 1, (2000, n_columns)) ** rng.choice([0.01, 1, 30], (2000, n_columns))
    x = np.concatenate((x, np.zeros((1, n_columns)), np.ones((1, n_columns)), 1 - x, x * 0 + 0.5))
    op = Link(source="m", target="p", kind="logit", scale=0.5, offset=CLIP)
    exact = oracle.exact_link(op, x)
    found = _core.link(x, isa="scalar", kind=LOGIT, scale=0.5, offset=CLIP)
    assert found.shape == (len(x), 1 if n_columns <= 2 else n_columns)
    if n_columns <= 2:
        assert _ulps(found, exact)[exact != 0].max() <= BOUND
        assert (found[exact == 0] == 0).all()
        return
    largest = np.abs(np.log(np.clip(x, CLIP, 1 - CLIP))).max(axis=1, keepdims=True)
    assert (np.abs(found - exact) / largest).max() <= 2.0**-50


def test_logit_of_what_is_no_probability() -> None:
    x = np.array([[np.nan], [-3.0], [np.inf], [0.5]])
    found = _core.link(x, isa="scalar", kind=LOGIT, offset=CLIP)[:, 0]
    edge = _core.link(np.array([[CLIP]]), isa="scalar", kind=LOGIT, offset=CLIP).item()
    np.testing.assert_array_equal(found[[0, 1, 3]], [np.nan, edge, 0.0])
    assert found[2] == pytest.approx(-edge, rel=1e-15)
    several = np.array([[0.2, np.nan, 0.5]])
    assert np.isnan(_core.link(several, isa="scalar", kind=LOGIT, offset=CLIP)).all()


@isas
def test_float32_is_the_float64_answer_rounded_once(isa: str) -> None:
    x = _float32(_values()[:, None])
    for kind in (SIGMOID, EXP, SOFTPLUS, NEGATIVE_EXP2, SIGMOID_PAIR):
        wide = _core.link(x.astype(np.float64), isa=isa, kind=kind)
        np.testing.assert_array_equal(_core.link(x, isa=isa, kind=kind), _float32(wide))


@isas
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_complement_is_rounded_in_the_output_type(isa: str, dtype: type) -> None:
    x = _float32(_values()[:, None]).astype(dtype)
    p = _core.link(x, isa=isa, kind=SIGMOID)
    both = _core.link(x, isa=isa, kind=SIGMOID, complement=True)
    np.testing.assert_array_equal(both, np.concatenate((dtype(1) - p, p), axis=1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_rows", [0, 1, 7, 8, 9, 16, 40])
def test_every_instruction_set_gives_the_same_bits(dtype: type, n_rows: int) -> None:
    values = _float32(_values(300, seed=n_rows)).astype(dtype)
    first, *others = cordwood.available_isas()
    cases = [(IDENTITY, 5), (SIGMOID, 1), (SIGMOID, 3), (EXP, 2), (SOFTMAX, 1), (SOFTMAX, 7),
             (SOFTPLUS, 1), (SOFTPLUS, 3), (SIGNED_SQUARE, 2), (NEGATIVE_EXP2, 1), (SHIFT, 3),
             (STEP, 2), (SIGMOID_PAIR, 1), (LOGIT, 2), (LOGIT, 5)]  # fmt: skip
    for (kind, columns), complement in itertools.product(cases, (False, True)):
        if complement and (columns != 1 or kind not in (IDENTITY, SIGMOID, EXP)):
            continue
        x = np.resize(values[::-1], (n_rows, columns))
        reference = _core.link(
            x, isa=first, kind=kind, scale=0.9, offset=0.25, complement=complement
        )
        for isa in others:
            found = _core.link(x, isa=isa, kind=kind, scale=0.9, offset=0.25, complement=complement)
            assert found.tobytes() == reference.tobytes(), (isa, kind, columns)


def test_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(cordwood.DeviceError, match="available_isas"):
        _core.link(np.zeros((1, 1)), isa="abacus", kind=EXP)
