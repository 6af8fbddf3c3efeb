"""Single calls and many callers; the scripts that print and store the tables."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from cordwood._measure_calls import WARM_UP_CALLS, time_calls
from cordwood.errors import InputError

ROOT = Path(__file__).resolve().parent.parent


def test_percentiles_show_the_slow_calls() -> None:
    found = time_calls(time.sleep, [1e-4] * 9 + [1e-2], seconds=0.3)
    assert 1e-4 <= found.p50_s < 5e-3
    assert found.p99_s >= 1e-2
    assert found.largest_s >= found.p99_s
    assert found.per_second == pytest.approx(found.calls / 0.3, rel=0.2)


def test_callers_wait_at_the_same_time() -> None:
    one = time_calls(time.sleep, [5e-4] * 8, seconds=0.2)
    four = time_calls(time.sleep, [5e-4] * 8, callers=4, seconds=0.2)
    assert (one.callers, four.callers) == (1, 4)
    assert four.per_second > 2.0 * one.per_second


def test_each_caller_has_its_own_blocks() -> None:
    seen: dict[int, set[str]] = {}

    def call(block: str) -> None:
        seen.setdefault(threading.get_ident(), set()).add(block)

    found = time_calls(call, "abcdef", callers=3, seconds=0.01)
    assert sorted("".join(sorted(part)) for part in seen.values()) == ["ad", "be", "cf"]
    assert json.loads(json.dumps(found.to_dict()))["callers"] == 3


def test_a_call_that_fails_is_raised() -> None:
    turns = iter(range(10 * WARM_UP_CALLS))

    def call(_: str) -> None:
        if next(turns) == WARM_UP_CALLS + 3:
            message = "one call failed"
            raise RuntimeError(message)

    with pytest.raises(RuntimeError, match="one call failed"):
        time_calls(call, "ab", callers=2, seconds=0.01)


@pytest.mark.parametrize("callers", [0, 3])
def test_callers_need_blocks(callers: int) -> None:
    with pytest.raises(InputError, match="a block for each"):
        time_calls(print, "ab", callers=callers)


def _script(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, *arguments]
    return subprocess.run(
        command, cwd=ROOT / "benchmarks", capture_output=True, text=True, check=False
    )


def test_the_race_of_peers_prints_a_table() -> None:
    run = _script("bench_peers.py", "--smoke", "--models", "A", "--seconds", "0.01")
    assert run.returncode == 0, run.stderr
    table = [line.split() for line in run.stdout.splitlines() if line.startswith("A  ")]
    assert [line[1] for line in table if line[1][0].isdigit()] == ["1", "32", "1,024", "100,000"]
    # Raced, refused, or not installed: each is named.
    assert all(peer in run.stdout for peer in ("lleaves", "daal4py", "nvforest"))


def test_a_peer_that_is_named_must_be_there() -> None:
    run = _script("bench_peers.py", "--smoke", "--models", "A", "--peers", "nobody")
    assert run.returncode != 0
    assert "InputError: unknown peer 'nobody'" in run.stderr


@pytest.mark.parametrize("script", ["bench_peers.py", "bench_serving.py"])
def test_small_models_are_not_stored(script: str) -> None:
    run = _script(script, "--smoke", "--save")
    assert run.returncode == 2
    assert "small models are not stored" in run.stderr


def test_serving_prints_both_sides() -> None:
    run = _script(
        *("bench_serving.py", "--smoke", "--models", "A", "--seconds", "0.01", "--repeats", "1")
    )
    assert run.returncode == 0, run.stderr
    names = [line.split()[1] for line in run.stdout.splitlines() if line.startswith("A  ")]
    assert names == ["cordwood", "lightgbm"]


def test_a_stored_model_leaves_the_others_alone(tmp_path: Path) -> None:
    code = (
        "import sys\n"
        "from pathlib import Path\n"
        "from bench_peers import store\n"
        "store({'B': 1, 'A': 1}, Path(sys.argv[1]))\n"
        "store({'B': 2}, Path(sys.argv[1]))\n"
    )
    run = _script("-c", code, str(tmp_path / "runs.json"))
    assert run.returncode == 0, run.stderr
    stored = json.loads((tmp_path / "runs.json").read_text(encoding="utf-8"))
    assert list(stored.items()) == [("A", 1), ("B", 2)]
