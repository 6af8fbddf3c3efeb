"""Rows and answers of the host go to the device and back piece by piece, whatever their strides.

The emulated build has slots of 1024 bytes, and does copies as late as CUDA allows.
"""

from __future__ import annotations

import dataclasses
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import cordwood
from cordwood.errors import CordwoodError, DeviceError, InputError, ResourceError
from drawn import Shape, make_graph, make_rows
from emulated_cuda import DEVICE, Emulator

SLOT = 1024
CALLS = (
    "cudaMemcpyAsync", "cudaStreamSynchronize", "cudaEventCreateWithFlags", "cudaEventRecord",
    "cudaEventSynchronize", "cudaMallocHost", "cudaMallocFromPoolAsync", "cudaFreeAsync",
    "cudaFreeHost",
)  # fmt: skip

pytestmark = pytest.mark.usefixtures("emulator")

# Five values a row: a piece ends within a row, and within a column.
PLAIN = make_graph(Shape(seed=5, n_features=5, n_trees=6, n_outputs=3))
NARROW = make_graph(Shape(seed=5, n_features=5, n_trees=2))
REFUSING = make_graph(Shape(seed=5, n_features=5, n_trees=6, accepts_nan=False))
STAGED = dataclasses.replace(
    make_graph(Shape(seed=3, n_features=5, head="binary", n_trees=4, accumulate_type="float32")),
    trees_per_iteration=1, staged=True,
)  # fmt: skip
# Rows of a few bytes, sums of many.
STAGED_CLASSES = dataclasses.replace(
    make_graph(Shape(seed=3, n_features=2, head="multiclass", n_trees=9, n_outputs=3)),
    trees_per_iteration=3, staged=True,
)  # fmt: skip
# Trees of more leaves than a byte counts, so that bins have two.
WIDE = make_graph(Shape(seed=9, n_features=5, n_trees=12, max_leaves=900, n_outputs=2))


def pair(graph: Any) -> tuple[cordwood.Model, cordwood.Model]:
    data = cordwood.compress(graph).to_bytes()
    return cordwood.load(data), cordwood.load(data, device=DEVICE)


def rows_of(graph: Any, n_rows: int, dtype: str = "float64") -> np.ndarray:
    return make_rows(graph.trees, n_rows, dtype, seed=1)


def answers(model: cordwood.Model, X: Any, *, staged: bool) -> Iterator[np.ndarray]:
    """Answer by every method, and by the one that bins."""
    for method in model.methods:
        yield getattr(model, method)(X)
    if staged:
        yield from model.staged_predict(X)
        yield from model.staged_predict_proba(X)
    yield np.frombuffer(model.bin(X).to_bytes(), np.uint8)


def same(found: Any, expected: Any) -> None:
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


def check(graph: Any, X: Any) -> None:
    found, expected = (answers(model, X, staged=graph is STAGED) for model in pair(graph)[::-1])
    for ours, theirs in zip(found, expected, strict=True):
        same(ours, theirs)


def in_thread(work: Callable[[], Any]) -> Any:
    """Work in a thread of its own, whose scratch is made and goes with it."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(work).result()


class Held(NamedTuple):
    """What the threads of this process hold of the runtime."""

    pinned: int
    handles: int
    used: int


def held(emulator: Emulator) -> Held:
    return Held(emulator.pinned_bytes(), emulator.handles(), emulator.used_bytes())


def wait_until(reached: Callable[[], bool]) -> None:
    """Wait for what a thread gives back after it was joined."""
    end = time.monotonic() + 10
    while not reached():
        assert time.monotonic() < end
        time.sleep(0.001)


# ---- pieces --------------------------------------------------------------------------------------

# 40 bytes a row: around one piece, two and three, and around a pass of 256 KiB.
LENGTHS = (1, 25, 26, 51, 52, 76, 77, 103, 700, 5001)


@pytest.mark.parametrize("n_rows", LENGTHS)
@pytest.mark.parametrize("graph", [PLAIN, REFUSING, STAGED, WIDE])
def test_lengths(graph: Any, n_rows: int) -> None:
    check(graph, rows_of(graph, n_rows))


@pytest.mark.parametrize("dtype", ["int8", "int16", "float32", "float64"])
def test_strides(dtype: str) -> None:
    X = rows_of(WIDE, 1290, dtype)
    fortran = np.asfortranarray(X)
    wide = np.tile(X, 3)
    for rows in (
        X, fortran, X[::-1], X[::3], fortran[::-1], fortran[::2], fortran[5:900], X[:, ::-1],
        fortran[:, ::-1], wide[:, 5:10], wide[:, ::3], np.asfortranarray(wide)[:, ::3],
        np.broadcast_to(X[:1], X.shape), np.broadcast_to(X[:, :1], X.shape),
    ):  # fmt: skip
        check(WIDE, rows)


@given(
    st.integers(1, 140), st.integers(-3, 3), st.integers(-3, 3), st.booleans(),
    st.sampled_from(("float32", "float64")),
)  # fmt: skip
def test_drawn_strides(n_rows: int, down: int, across: int, turned: bool, dtype: str) -> None:
    here, there = pair(NARROW)
    values = rows_of(NARROW, 3 * 140, dtype)
    room = np.tile(values, 3)
    if turned:
        room = np.asfortranarray(room)
    step, hop = down or 1, across or 1
    rows = room[::step][:n_rows][:, ::hop][:, :5]
    if not down:
        rows = np.broadcast_to(rows[:1], rows.shape)
    if not across:
        rows = np.broadcast_to(rows[:, :1], rows.shape)
    same(there.predict(rows), here.predict(rows))


def test_sums_of_many_pieces_follow_rows_of_one() -> None:
    """The slot of the rows is waited for though it has no event."""
    here, there = pair(STAGED_CLASSES)
    X = rows_of(STAGED_CLASSES, 200, "int8")
    found, expected = (list(model.staged_predict_proba(X)) for model in (there, here))
    for ours, theirs in zip(found, expected, strict=True):
        same(ours, theirs)


def test_bins_of_two_bytes_are_turned() -> None:
    here, there = pair(WIDE)
    X = rows_of(WIDE, 5001)
    bins = there.bin(X)
    assert bins.dtype == np.uint16
    assert bins.to_bytes() == here.bin(X).to_bytes()
    for part in (bins, bins[3:40], bins[1000:4321]):
        same(there.predict(part), here.predict(part))


@pytest.mark.parametrize("n_rows", [1, 127, 128, 129, 170, 256])
def test_bins_of_two_bytes_that_fit_a_slot(n_rows: int) -> None:
    graph = make_graph(Shape(seed=9, n_features=2, n_trees=12, max_leaves=900))
    here, there = pair(graph)
    bins = there.bin(rows_of(graph, n_rows))
    assert bins.dtype == np.uint16
    assert 1 < bins.n_columns <= 3
    assert bins.to_bytes() == here.bin(rows_of(graph, n_rows)).to_bytes()


def test_a_refusal_leaves_the_answer_alone() -> None:
    """Pieces of an answer are under way when a value is refused: the next call is right."""
    here, there = pair(REFUSING)
    X = rows_of(REFUSING, 700)
    expected = here.apply(X)
    for row in (0, 333, 699):
        rows = X.copy()
        rows[row, 3] = np.nan
        with pytest.raises(InputError, match=f"row {row}, feature 3 is NaN"):
            there.apply(rows)
        same(there.apply(X), expected)


# ---- what a call costs ---------------------------------------------------------------------------


def costs(emulator: Emulator, work: Callable[[], Any]) -> Counter[str]:
    """Count the calls of the runtime that some work makes."""
    before = {name: emulator.calls(name.encode()) for name in CALLS}
    work()
    return Counter({name: emulator.calls(name.encode()) - before[name] for name in CALLS}) + (
        Counter()
    )


@pytest.mark.parametrize("graph", [PLAIN, REFUSING])
def test_what_fits_a_slot_needs_no_event(emulator: Emulator, graph: Any) -> None:
    there = pair(graph)[1]

    def work() -> None:
        there.predict(rows_of(graph, 25))
        for n_rows in (1, 20, 25):
            X = rows_of(graph, n_rows)
            found = costs(emulator, lambda X=X: there.predict(X))
            assert found == {"cudaMemcpyAsync": 2, "cudaStreamSynchronize": 1}

    assert costs(emulator, lambda: in_thread(work))["cudaEventCreateWithFlags"] == 0


def test_what_fills_a_slot_needs_no_event(emulator: Emulator) -> None:
    graph = make_graph(Shape(seed=5, n_features=1, n_trees=2))
    there = pair(graph)[1]
    X = rows_of(graph, SLOT // 8)

    def work() -> None:
        there.predict(X)
        found = costs(emulator, lambda: there.predict(X))
        assert found == {"cudaMemcpyAsync": 2, "cudaStreamSynchronize": 1}

    assert costs(emulator, lambda: in_thread(work))["cudaEventCreateWithFlags"] == 0


def test_a_stage_that_fits_a_slot_needs_no_event(emulator: Emulator) -> None:
    there = pair(STAGED)[1]
    X = rows_of(STAGED, 20)
    list(there.staged_predict(X))
    stages = there.staged_predict(X)
    next(stages)
    assert costs(emulator, lambda: next(stages)) == {
        "cudaMemcpyAsync": 3,
        "cudaStreamSynchronize": 1,
    }


def test_each_piece_is_one_copy_and_one_event(emulator: Emulator) -> None:
    there = pair(NARROW)[1]
    X = rows_of(NARROW, 700)
    there.predict(X)
    up, back = -(-X.nbytes // SLOT), -(-8 * len(X) // SLOT)
    found = costs(emulator, lambda: there.predict(X))
    waits = up - 2 + back
    assert found == {
        "cudaMemcpyAsync": up + back,
        "cudaEventRecord": up + back,
        "cudaEventSynchronize": waits,
    }


def test_a_thread_pins_two_slots_and_a_line(emulator: Emulator) -> None:
    here, there = pair(PLAIN)
    X = rows_of(PLAIN, 5001)
    before = held(emulator)

    def work() -> None:
        for n_rows in (1, 700, 5001):
            same(there.apply(X[:n_rows]), here.apply(X[:n_rows]))
            assert held(emulator).pinned - before.pinned == 2 * SLOT
        assert held(emulator).handles - before.handles == 3  # a stream, and an event a slot

    in_thread(work)
    wait_until(lambda: held(emulator) == before)


# ---- what would go wrong -------------------------------------------------------------------------


# What has many pieces in each: rows alone, answers alone, both and the sums between.
WAYS: dict[str, tuple[Any, int, str, Callable[[cordwood.Model, Any], bytes]]] = {
    "rows": (NARROW, 120, "float64", lambda model, X: model.predict(X).tobytes()),
    "answers": (PLAIN, 100, "int8", lambda model, X: model._run(X, "margin").tobytes()),
    "stages": (
        STAGED, 600, "int8",
        lambda model, X: b"".join(part.tobytes() for part in model.staged_predict_proba(X)),
    ),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_a_slot_that_is_not_waited_for_gives_wrong_bits(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The waits for events are needed, and a test finds that they are missing."""
    graph, n_rows, dtype, call = WAYS[way]
    here, there = pair(graph)
    X = rows_of(graph, n_rows, dtype)
    expected = call(here, X)
    assert call(there, X) == expected
    monkeypatch.setenv("CORDWOOD_EMULATED_DEAF_EVENTS", "1")
    assert in_thread(lambda: call(there, X)) != expected
    monkeypatch.delenv("CORDWOOD_EMULATED_DEAF_EVENTS")
    assert call(there, X) == expected


FAILING = {
    "cudaMallocHost": (1,),
    "cudaStreamCreateWithFlags": (1,),
    "cudaMallocFromPoolAsync": (1, 2),
    "cudaMemcpyAsync": (1, 2, 3, 27, 28, 29, 30, 40, 45),
    "cudaEventCreateWithFlags": (1, 2),
    "cudaEventRecord": (1, 2, 3, 28, 29, 30, 40, 45),
    "cudaEventSynchronize": (1, 2, 26, 27, 28, 43),
}
"""Calls of the way there, of its last piece, and of the way back."""


@pytest.mark.parametrize("function", FAILING)
@pytest.mark.parametrize("graph", [PLAIN, REFUSING])
def test_a_call_that_fails_leaves_nothing_under_way(
    graph: Any, function: str, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair(graph)
    X, other = rows_of(graph, 700), rows_of(graph, 690)[::-1]
    expected, after = here.apply(X), here.apply(other)
    before = held(emulator)

    def work(count: int) -> None:
        monkeypatch.setenv("CORDWOOD_EMULATED_FAIL_CALL", f"{function}:{count}")
        with pytest.raises(DeviceError, match=r"a call failed \(CUDA error 999\)"):
            there.apply(X)
        monkeypatch.delenv("CORDWOOD_EMULATED_FAIL_CALL")
        same(there.apply(other), after)
        same(there.apply(X), expected)

    for count in FAILING[function]:
        in_thread(lambda count=count: work(count))
        wait_until(lambda: held(emulator) == before)


def test_a_failed_call_is_the_threads_last(
    emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its slots are freed with copies behind them that were never waited for."""
    there = pair(PLAIN)[1]
    X = rows_of(PLAIN, 700)
    before = held(emulator)

    def work() -> None:
        for function, count in (("cudaEventRecord", 2), ("cudaEventSynchronize", 27)):
            monkeypatch.setenv("CORDWOOD_EMULATED_FAIL_CALL", f"{function}:{count}")
            with pytest.raises(DeviceError):
                there.apply(X)
            monkeypatch.delenv("CORDWOOD_EMULATED_FAIL_CALL")

    in_thread(work)
    wait_until(lambda: held(emulator) == before)


def test_pinned_memory_that_cannot_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair(PLAIN)
    X = rows_of(PLAIN, 700)

    def work() -> None:
        monkeypatch.setenv("CORDWOOD_EMULATED_FAIL_CALL", "cudaMallocHost:1:2")
        with pytest.raises(ResourceError, match=f"pinned memory of the host: {2 * SLOT} bytes"):
            there.predict(X)
        monkeypatch.delenv("CORDWOOD_EMULATED_FAIL_CALL")
        same(there.predict(X), here.predict(X))

    in_thread(work)


@pytest.mark.parametrize("function", ["cudaMemcpyAsync", "cudaEventRecord", "cudaEventSynchronize"])
def test_stages_and_bins_go_on_after_a_failure(
    function: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = pair(STAGED)
    X = rows_of(STAGED, 700)
    calls: tuple[Callable[[cordwood.Model], bytes], ...] = (
        lambda model: b"".join(part.tobytes() for part in model.staged_predict(X)),
        lambda model: model.bin(X).to_bytes(),
    )
    for call in calls:
        expected = call(here)
        failed = 0
        for count in (1, 5, 28, 30, 33, 34, 60, 64):
            monkeypatch.setenv("CORDWOOD_EMULATED_FAIL_CALL", f"{function}:{count}")
            try:
                call(there)
            except CordwoodError:
                failed += 1
            monkeypatch.delenv("CORDWOOD_EMULATED_FAIL_CALL")
            assert call(there) == expected
        assert failed >= 4
