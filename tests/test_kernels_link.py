"""Links: every instruction set gives the same bits, within 1.25 units of the exact value."""

from __future__ import annotations

import itertools
from decimal import Decimal, localcontext

import numpy as np
import pytest

import cordwood
from cordwood import _core

IDENTITY, SIGMOID, EXP, SOFTMAX = range(4)
BOUND = 1.25  # units in the last place, measured 1.17 over a million values
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
def test_float32_is_the_float64_answer_rounded_once(isa: str) -> None:
    x = _float32(_values()[:, None])
    for kind in (SIGMOID, EXP):
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
    cases = [(IDENTITY, 5), (SIGMOID, 1), (SIGMOID, 3), (EXP, 2), (SOFTMAX, 1), (SOFTMAX, 7)]
    for (kind, columns), complement in itertools.product(cases, (False, True)):
        if complement and (columns != 1 or kind == SOFTMAX):
            continue
        x = np.resize(values[::-1], (n_rows, columns))
        reference = _core.link(x, isa=first, kind=kind, scale=0.9, complement=complement)
        for isa in others:
            found = _core.link(x, isa=isa, kind=kind, scale=0.9, complement=complement)
            assert found.tobytes() == reference.tobytes(), (isa, kind, columns)


def test_unknown_instruction_set_is_refused() -> None:
    with pytest.raises(cordwood.DeviceError, match="available_isas"):
        _core.link(np.zeros((1, 1)), isa="abacus", kind=EXP)
