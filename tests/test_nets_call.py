"""A call of a net: what it takes, how it answers, and that calls do not disturb one another."""

from __future__ import annotations

import gc
import sys
import weakref
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest

import cordwood as cw
from cordwood import _core
from cordwood.errors import InputError, InputTypeError
from cordwood.ir import Graph, Role, Value
from cordwood.ir_arrays import Binary
from cordwood.pack import pack


def sums(count: int, form: str) -> bytes:
    """Pack a net that answers each input plus the first: as many outputs as inputs."""
    values = [Value(f"x{i}", "float32", ("n", 3), Role.INPUT) for i in range(count)]
    values += [Value(f"y{i}", "float32", ("n", 3), Role.OUTPUT) for i in range(count)]
    operators = [
        Binary(inputs=(f"x{i}", "x0"), outputs=(f"y{i}",), kind="add") for i in range(count)
    ]
    return pack(Graph(values=tuple(values), operators=tuple(operators), form=form))  # type: ignore[arg-type]


def rows(count: int, n: int = 2) -> list[np.ndarray]:
    return [np.arange(3 * n, dtype=np.float32).reshape(n, 3) + 10 * i for i in range(count)]


@pytest.mark.parametrize("count", [1, 2, 4, 5, 9])
@pytest.mark.parametrize("form", ["tuple", "dict"])
def test_answers_have_the_form_and_the_order_of_the_source(count: int, form: str) -> None:
    net = cw.load(sums(count, form), threads=1)
    given = rows(count)
    names = [f"x{i}" for i in range(count)]
    by_name = dict(zip(names, given, strict=True))
    backwards = dict(reversed(by_name.items()))
    for answers in (net(*given), net(by_name), net(backwards), net(**backwards),
                    net(given[0], **dict(list(by_name.items())[1:]))):  # fmt: skip
        assert type(answers) is (tuple if form == "tuple" else dict)
        found = answers
        if isinstance(answers, dict):
            assert list(answers) == [f"y{i}" for i in range(count)]
            found = tuple(answers.values())
        for answer, x in zip(found, given, strict=True):
            assert np.array_equal(answer, x + given[0])
            assert answer.flags.owndata
            assert answer.flags.writeable


def test_a_single_answer_stands_alone() -> None:
    net = cw.load(sums(1, "single"), threads=1)
    (x,) = rows(1)
    assert type(net(x)) is np.ndarray
    assert np.array_equal(net(x), 2 * x)
    assert np.array_equal(net({"x0": x}), 2 * x)


def test_arrays_that_lie_otherwise_are_converted() -> None:
    net = cw.load(sums(1, "single"), threads=1)
    (x,) = rows(1, 4)
    odd = np.frombuffer(b"\0" + x.tobytes(), np.uint8)[1:].view(np.float32).reshape(4, 3)
    fixed = x.copy()
    fixed.flags.writeable = False
    for same in (x.tolist(), x.astype(np.float64), np.asfortranarray(x), np.repeat(x, 2, 0)[::2],
                 x.astype(">f4"), odd, fixed, x.view(np.recarray)):  # fmt: skip
        assert np.array_equal(net(same), 2 * x)
    with pytest.raises(InputTypeError, match=r"input 'x0' has dtype complex64, expected float32"):
        net(x.astype(np.complex64))
    with pytest.raises(InputTypeError, match="dtype object"):
        net(None)


def test_what_is_missing_or_too_much_is_named() -> None:
    net = cw.load(sums(2, "tuple"), threads=1)
    a, b = rows(2)
    for wrong, words in (
        (net, "Missing: x0, x1"),
        (lambda: net(a), "Missing: x1"),
        (lambda: net(a, b, a), "3 were given in order"),
        (lambda: net(a, b, x1=b), "given twice: x1"),
        (lambda: net({"x0": a}), "Missing: x1"),
        (lambda: net(a, y=b), "unknown: y"),
        (lambda: net(a, b[:1]), "another input's like axis has 2"),
    ):
        with pytest.raises(InputError, match=words):
            wrong()
    assert np.array_equal(net(a, b)[1], a + b)


class Asks:
    """An input whose array is made by another call of nets, on the same thread."""

    def __init__(self, call: Any) -> None:
        self._call = call

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        return np.asarray(self._call(), dtype)


def test_a_call_may_stand_inside_another() -> None:
    outer, inner = cw.load(sums(2, "tuple"), threads=1), cw.load(sums(1, "single"), threads=1)
    a, b = rows(2)
    (longer,) = rows(1, 7)

    def ask() -> np.ndarray:
        inner(longer)
        outer(longer, longer)
        answer: np.ndarray = inner(b)
        return answer

    assert np.array_equal(outer(a, Asks(ask))[1], a + 2 * b)


def test_calls_leave_no_references() -> None:
    net = cw.load(sums(2, "dict"), threads=1)
    a, b = rows(2)
    net(a, b)
    before = sys.getrefcount(a), sys.getrefcount(b), sys.getrefcount(a.dtype)
    for _ in range(50):
        net(a, b)
        net(a, x1=b)
        with pytest.raises(InputError):
            net(a, b[:, :1])
    after = sys.getrefcount(a), sys.getrefcount(b), sys.getrefcount(a.dtype)
    assert all(late <= early + 3 for early, late in zip(before, after, strict=True))
    answer = net(a, b)["y0"]
    assert sys.getrefcount(answer) == 2
    gone = weakref.ref(net)
    gc.disable()
    try:
        del net
        assert gone() is None  # a net holds no cycle
    finally:
        gc.enable()


def test_threads_share_a_net() -> None:
    net = cw.load(sums(3, "tuple"), threads=1)

    def call(n: int) -> bool:
        given = [x + n for x in rows(3, 1 + n % 5)]
        return all(
            np.array_equal(y, x + given[0])
            for _ in range(200)
            for y, x in zip(net(*given), given, strict=True)
        )

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(call, range(12)))


def test_the_builtin_refuses_what_its_makers_get_wrong() -> None:
    native = _core.Net(sums(2, "tuple"))
    with pytest.raises(ValueError, match="'single', 'tuple' or 'dict'"):
        native.caller(lambda *_: (), lambda *_: None, form="list", threads=1)
    with pytest.raises(ValueError, match="one output"):
        native.caller(lambda *_: (), lambda *_: None, form="single", threads=1)
    call = native.caller(lambda *_: (1,), lambda *_: [], form="tuple", threads=1)
    with pytest.raises(TypeError, match="one input for each place"):
        call()
    with pytest.raises(TypeError, match="inputs must be arrays"):
        call(1, 2)


def test_summary_tells_what_each_operator_takes() -> None:
    """In time for all operators, those in blocks of rows too, and only where inputs are given."""
    torch = pytest.importorskip("torch")
    layers = torch.nn
    module = layers.Sequential(layers.Linear(64, 512), layers.GELU(), layers.Linear(512, 3)).eval()
    x = np.ones((3000, 64), np.float32)
    net = cw.compress(module, "int8", example_inputs=(torch.tensor(x),))
    assert " us" not in net.summary()
    timed = [line for line in net.summary(x).splitlines() if line.startswith("  linear")]
    small = [line for line in net.summary(x[:1]).splitlines() if line.startswith("  linear")]
    times, few = ([float(line.split(" us")[0].split()[-1].replace(",", "")) for line in lines]
                  for lines in (timed, small))  # fmt: skip
    assert len(times) == 2
    assert all(many > one >= 0 for many, one in zip(times, few, strict=True))
    assert net(x).tobytes() == net(x).tobytes()
    with pytest.raises(cw.InputError):
        net.summary(x[:, :5])
    with pytest.raises(ValueError, match="an entry for each operator"):
        net._caller(np.zeros(1))
