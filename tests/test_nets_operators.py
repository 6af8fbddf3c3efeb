"""A sweep of torch's functions: through the front end, the file and the runtime, against torch."""

from __future__ import annotations

import math

import numpy as np
import pytest

import cordwood as cw
from cordwood.ir import Graph, Role, Value
from cordwood.ir_arrays import Binary, Reduce
from cordwood.pack import pack
from torch_nets import as_module, flat, torch
from torch_operators import FAMILIES

CASES = [(family, name) for family, cases in FAMILIES.items() for name in cases]


@pytest.mark.parametrize(("family", "name"), CASES)
def test_operator(family: str, name: str) -> None:
    function, drawers = FAMILIES[family][name]
    module = function.eval() if isinstance(function, torch.nn.Module) else as_module(function)
    examples = tuple(draw(2) for draw in drawers)
    net = cw.compress(module, example_inputs=examples)
    for batch in (2, 3):
        given = tuple(draw(batch) for draw in drawers)
        with torch.no_grad():
            wanted = flat(module(*given))
        answers = net(*(x.numpy() for x in given))
        answers = answers if isinstance(answers, tuple) else (answers,)
        assert len(answers) == len(wanted)
        for ours, theirs in zip(answers, wanted, strict=True):
            assert ours.dtype == theirs.numpy().dtype
            assert ours.shape == theirs.shape
            np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5, atol=3e-6)


def one_operator(
    operator: type, n_inputs: int, shape: tuple[object, ...], **rest: object
) -> cw.Net:
    names = [f"x{number}" for number in range(n_inputs)]
    values = [Value(name, "float32", ("batch", 7), Role.INPUT) for name in names]
    values.append(Value("y", "float32", shape, Role.OUTPUT))
    step = operator(inputs=tuple(names), outputs=("y",), **rest)
    net = cw.load(pack(Graph(values=tuple(values), operators=(step,), form="single")))
    assert isinstance(net, cw.Net)
    return net


def test_powers_have_the_ends_of_ieee_754() -> None:
    """Every pair of special numbers as C has it; all others within one unit in the last place."""
    ends = np.array(
        [0.0, -0.0, 1.0, -1.0, 2.0, -2.0, 3.0, -3.0, 0.5, -0.5, 2.5, -2.5, np.inf, -np.inf, np.nan,
         1e-45, -1e-45, 3.4e38, -3.4e38, 2.0**24 + 2, 16777215.0, -16777215.0],
        np.float32,
    )  # fmt: skip
    x, y = (axis.ravel() for axis in np.meshgrid(ends, ends))
    rng = np.random.default_rng(0)
    x = np.append(x, np.exp(rng.uniform(-80, 80, 7000)).astype(np.float32))
    y = np.append(y, rng.normal(0, 2, 7000).astype(np.float32))
    short = len(x) - len(x) % 7
    x, y = x[:short].reshape(-1, 7), y[:short].reshape(-1, 7)
    found = one_operator(Binary, 2, ("batch", 7), kind="power")(x, y)
    with np.errstate(all="ignore"):
        wide = np.power(x.astype(np.float64), y.astype(np.float64))
        wanted = wide.astype(np.float32)
    np.testing.assert_array_max_ulp(found, wanted, 1)
    known = ~np.isnan(wanted)
    assert np.array_equal(np.signbit(found[known]), np.signbit(wanted[known]))


@pytest.mark.parametrize("rows", [1, 40])
def test_log_sum_exp_of_what_is_not_finite(rows: int) -> None:
    x = np.random.default_rng(0).normal(0, 30, (rows, 7)).astype(np.float32)
    lines = [(np.inf, 0.0), (-np.inf,) * 7, (np.nan, 1.0), (-np.inf, 2.0), (200.0, 200.0)]
    for line in lines:
        own = np.append(x, [np.resize(line, 7)], axis=0).astype(np.float32)
        net = one_operator(Reduce, 1, ("batch",), kind="log_sum_exp", axes=(1,))
        wanted = torch.logsumexp(torch.from_numpy(own), 1).numpy()
        np.testing.assert_allclose(net(own), wanted, rtol=1e-6)
    whole = one_operator(Reduce, 1, (), kind="log_sum_exp", axes=(0, 1))(np.zeros((99, 7), "f4"))
    assert whole == pytest.approx(math.log(99 * 7), rel=1e-6)


def test_equal_elements_keep_their_order() -> None:
    """NaN is above all, and of equal ones the first comes first, in both directions."""
    x = np.array([[2.0, np.nan, 2.0, -np.inf, np.inf, np.nan, 2.0]], np.float32)
    for descending in (False, True):
        net = cw.compress(
            as_module(lambda v, d=descending: v.sort(dim=-1, descending=d, stable=True)),
            example_inputs=(torch.zeros(2, 7),),
        )
        values, places = net(x)
        wanted = torch.from_numpy(x).sort(dim=-1, descending=descending, stable=True)
        np.testing.assert_array_equal(values, wanted.values.numpy())
        np.testing.assert_array_equal(places, wanted.indices.numpy())
