"""The stopwatch: what it times, in which turns, on which rows."""

from __future__ import annotations

import gc
import time

import numpy as np
import pytest

from cordwood.errors import InputError, ResourceError
from cordwood.measure import Candidate, Spread, fresh_process, race, row_blocks


def _spin(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_spread_is_median_and_quartiles() -> None:
    spread = Spread.of([5.0, 1.0, 2.0, 3.0, 4.0])
    assert (spread.low, spread.median, spread.high) == (2.0, 3.0, 4.0)


def test_a_longer_call_takes_longer() -> None:
    result = race(
        [Candidate("short", _spin, [1e-3]), Candidate("long", _spin, [4e-3])], budget_s=0.1
    )
    assert 3.0 < result.ratio("long", "short", "cpu").median < 5.0
    assert result.ratio("short", "short").median == 1.0
    assert result.timings["short"].cpu.median == pytest.approx(1e-3, rel=0.3)


def test_sleeping_costs_wall_time_and_no_cpu_time() -> None:
    timing = race([Candidate("sleep", time.sleep, [5e-3])], budget_s=0.05).timings["sleep"]
    assert timing.wall.median >= 5e-3
    assert timing.busy < 0.5


def test_candidates_take_turns_and_the_order_rotates() -> None:
    order: list[str] = []

    def call(name: str) -> None:
        order.append(name)
        _spin(3e-3)  # longer than a slice, so that a slice is one call

    race([Candidate(n, call, [n]) for n in "abc"], budget_s=0.0, min_rounds=3)
    assert "".join(order[-9:]) == "abcbcacab"


def test_calls_go_through_all_blocks_evenly() -> None:
    seen: list[int] = []
    race([Candidate("a", seen.append, range(7))], budget_s=0.01, min_rounds=3)
    assert [block - seen[0] for block in seen[:14]] == [*range(7), *range(7)]
    counts = np.bincount(seen)
    assert counts.max() - counts.min() <= 1


def test_minimum_of_rounds_holds_without_budget() -> None:
    result = race([Candidate("a", len, ["x"])], budget_s=0.0, min_rounds=4)
    assert len(result.wall_rounds["a"]) == len(result.cpu_rounds["a"]) == 4


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_left_as_it_was(enabled: bool) -> None:
    was = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        states: list[bool] = []
        race([Candidate("a", lambda _: states.append(gc.isenabled()), [0])], budget_s=0.0)
        assert not any(states)
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if was else gc.disable)()


def test_candidates_need_names_and_blocks() -> None:
    with pytest.raises(InputError, match="distinct names"):
        race([])
    with pytest.raises(InputError, match="distinct names"):
        race([Candidate("a", len, [""]), Candidate("a", len, [""])])
    with pytest.raises(InputError, match="'a' has no blocks"):
        race([Candidate("a", len, [])])


def test_blocks_are_different_rows() -> None:
    rows = np.arange(40.0).reshape(20, 2)
    blocks = row_blocks(rows, 3)
    assert len(blocks) == 6
    assert np.array_equal(np.concatenate(blocks), rows[:18])
    assert np.shares_memory(blocks[0], rows)
    assert len(row_blocks(rows, 1, limit=5)) == 5


def test_few_rows_are_repeated_to_fill_a_block() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    (block,) = row_blocks(rows, 7)
    assert np.array_equal(block, rows[[0, 1, 2, 0, 1, 2, 0]])


@pytest.mark.parametrize(
    ("rows", "batch"), [(np.zeros((0, 2)), 1), (np.zeros(3), 1), (np.zeros((2, 2)), 0)]
)
def test_no_blocks_of_nothing(rows: np.ndarray, batch: int) -> None:
    with pytest.raises(InputError, match="a table with rows"):
        row_blocks(rows, batch)


def test_fresh_process_times_each_step() -> None:
    steps = {"quick": "x = 1", "slow": "import time; time.sleep(0.05); assert x == 1"}
    costs = fresh_process(steps, repeats=2)
    assert costs.step_s["slow"].median >= 0.05
    assert costs.step_s["quick"].median < 0.05
    assert costs.total_s.low > costs.step_s["slow"].low
    assert set(costs.resident_bytes) in ({"quick", "slow"}, set())


def test_fresh_process_reports_what_failed() -> None:
    with pytest.raises(ResourceError, match=r"\['bad'\] failed.*no such module") as caught:
        fresh_process({"bad": "raise ImportError('no such module')"}, repeats=1)
    assert "\n" not in str(caught.value)
