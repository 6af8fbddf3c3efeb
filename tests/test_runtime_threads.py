"""Threads change no bit, none is started without being asked for, and a fork starts its own."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest

import cordwood
from cordwood import _core
from drawn import Shape, make_graph, make_rows

SHAPE = Shape(seed=4, n_features=6, n_trees=60, max_leaves=30)
ROWS = 20_000


@pytest.fixture(scope="module")
def data() -> bytes:
    return cordwood.compress(make_graph(SHAPE)).to_bytes()


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    return make_rows(make_graph(SHAPE).trees, ROWS, "float64", 1)


def test_the_number_of_threads_changes_no_bit(data: bytes, rows: np.ndarray) -> None:
    alone = cordwood.load(data, threads=1)
    margin, leaves = alone._run(rows, "margin"), alone._run(rows, "leaves")
    for threads in (2, 3, 8):
        model = cordwood.load(data, threads=threads)
        assert model._run(rows, "margin").tobytes() == margin.tobytes()
        assert model._run(rows, "leaves").tobytes() == leaves.tobytes()


def test_the_first_refused_row_is_named_whatever_the_threads() -> None:
    graph = make_graph(Shape(seed=4, n_features=6, n_trees=60, max_leaves=30, accepts_nan=False))
    rows = np.zeros((ROWS, 6))
    for row in (ROWS - 1, 12_345, 7_001):
        rows[row, 3] = np.nan
    for threads in (1, 2, 5):
        model = cordwood.load(cordwood.compress(graph).to_bytes(), threads=threads)
        with pytest.raises(cordwood.InputError, match="row 7001, feature 3"):
            model.predict(rows)


def test_callers_at_once_all_progress(data: bytes, rows: np.ndarray) -> None:
    model = cordwood.load(data, threads=2)
    expected = model._run(rows, "margin").tobytes()
    answers: list[bytes] = []

    def call() -> None:
        answers.extend(model._run(rows, "margin").tobytes() for _ in range(5))

    callers = [threading.Thread(target=call) for _ in range(4)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=120)
    assert not any(caller.is_alive() for caller in callers)
    assert answers == [expected] * 20


def _python(code: str, **environment: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), **environment},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    return run.stdout.strip()


PREPARE = """
import numpy as np, cordwood, os
from cordwood import _core
from drawn import Shape, make_graph, make_rows
graph = make_graph(Shape(seed=4, n_features=6, n_trees=60, max_leaves=30))
rows = make_rows(graph.trees, 20_000, "float64", 1)
data = cordwood.compress(graph).to_bytes()
"""


def test_one_thread_starts_none() -> None:
    code = (
        PREPARE
        + """
cordwood.load(data, threads=1).predict(rows)
assert _core.live_workers() == 0
assert len(os.listdir("/proc/self/task")) == before, os.listdir("/proc/self/task")
"""
    )
    _python(code.replace("data =", "before = len(os.listdir('/proc/self/task'))\ndata =", 1))


def test_small_work_stays_on_the_caller() -> None:
    code = (
        PREPARE
        + """
model = cordwood.load(data, threads=4)
model.predict(rows[:100])
assert _core.live_workers() == 0
model.predict(rows)
print(_core.live_workers())
"""
    )
    assert int(_python(code)) in {1, 2, 3}


def test_a_fork_starts_a_pool_of_its_own() -> None:
    code = (
        PREPARE
        + """
model = cordwood.load(data, threads=2)
expected = model._run(rows, "margin").tobytes()
assert _core.live_workers() == 1
import warnings
warnings.simplefilter("ignore", DeprecationWarning)
child = os.fork()
if child == 0:
    fresh = _core.live_workers() == 0
    same = model._run(rows, "margin").tobytes() == expected
    os._exit(0 if fresh and same and _core.live_workers() == 1 else 1)
_, status = os.waitpid(child, 0)
assert os.waitstatus_to_exitcode(status) == 0
assert model._run(rows, "margin").tobytes() == expected
"""
    )
    _python(code)


def test_the_environment_caps_the_process() -> None:
    code = PREPARE + "print(cordwood.load(data, threads=8).threads, cordwood.load(data).threads)"
    assert _python(code, CORDWOOD_THREADS="1") == "1 1"


@pytest.mark.parametrize("value", ["0", "-2", "two", "3 "])
def test_a_cap_that_is_no_count_is_refused(
    data: bytes, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORDWOOD_THREADS", value)
    with pytest.raises(cordwood.InputError, match="CORDWOOD_THREADS: expected a whole number"):
        cordwood.load(data)


def test_permitted_cores_respect_affinity() -> None:
    allowed = len(os.sched_getaffinity(0))
    assert 1 <= _core.permitted_cores() <= allowed
    code = """
import os
from cordwood import _core
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
print(_core.permitted_cores())
"""
    assert _python(code) == "1"


@pytest.mark.parametrize("threads", [0, -1, 1025, True, False, 2.0, "2", np.bool_(True)])
def test_threads_that_are_no_count_are_refused(data: bytes, threads: object) -> None:
    with pytest.raises(cordwood.InputError, match=r"threads is .*expected a whole number"):
        cordwood.load(data, threads=threads)


def test_threads_may_be_any_whole_number(data: bytes) -> None:
    assert cordwood.load(data, threads=np.int64(3)).threads == min(
        3, int(os.environ.get("CORDWOOD_THREADS") or 3)
    )


def test_a_thread_that_is_at_work_when_the_process_ends() -> None:
    """The interpreter takes its time to end: the call is done before, and asks for its lock."""
    code = (
        PREPARE
        + """
import sys, threading, time
model = cordwood.load(data)
class Slow:
    def __del__(self, sleep=time.sleep):
        sleep(0.5)
def work():
    while True:
        model.predict(rows)
sys.kept = Slow()
threading.Thread(target=work, daemon=True).start()
time.sleep(0.2)
print("over", flush=True)
"""
    )
    assert _python(code) == "over"
