"""What a service pays besides batches: loading, cold start, slow calls, many callers, two threads.

    python benchmarks/bench_serving.py [--smoke] [--models ABDEFG] [--save]

Cordwood beside the source library. A cold start is the time from starting a process to its first
answer, less that of a process that only imports NumPy. Calls are of one row, timed one by one by
the wall clock, on one thread and from eight threads at once. Two threads against one are cordwood's
own, at 100 000 rows. With ``--save`` each model goes to ``benchmarks/results/serving.json``, where
models that were not run keep theirs.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import models
import numpy as np
from bench_peers import EVERY, store
from bench_sizes import write_source

import cordwood as cw
from cordwood import _core
from cordwood._measure_calls import time_calls
from cordwood.bench import machine, peers
from cordwood.bench.peers import Prepared
from cordwood.bench.report import duration, times
from cordwood.bench.result import OURS
from cordwood.bench.run import fresh, library_of, openmp_limit, our_tolerance, task_of
from cordwood.measure import Candidate, Spread, fresh_process, race, row_blocks

RESULT = Path(__file__).resolve().parent / "results" / "serving.json"
BATCH = 100_000
CALLERS = 8
CHECKED_ROWS = 10_000


def both(model: cw.Model, source: Any, rows: np.ndarray) -> dict[str, Prepared]:
    """Return cordwood and the source library, ready; the answers are compared first."""
    task = task_of(model, source)
    tolerance = our_tolerance(_core.inspect(model.to_bytes()))
    call = getattr(model, task.answer)
    ours = Prepared(OURS, cw.__version__, call, rows.dtype.name, tolerance)
    theirs = peers.prepare(task.library, task)
    checked = rows[:CHECKED_ROWS]
    found = peers.agreement(theirs.call(theirs.held(checked)), call(checked), tolerance)
    assert found.holds, f"{found.rows_off:,} of {found.rows:,} rows differ"
    return {OURS: ours, task.library: theirs}


def cold(model: cw.Model, source: Any, repeats: int) -> dict[str, Any]:
    """Load and cold start, in new processes."""
    library = library_of(source)
    with tempfile.TemporaryDirectory() as folder:
        packed, original = Path(folder) / "model.cord", write_source(source, Path(folder))
        model.save(packed)
        costs = fresh(
            packed, model.n_features_in_, library=library, source_path=original, repeats=repeats
        )
    only_numpy = fresh_process({"numpy": "import numpy"}, repeats=repeats).total_s.median
    return {
        name: {
            "load_s": cost.step_s["load"].median,
            "cold_start_s": cost.total_s.median - only_numpy,
            "step_s": {step: spread.median for step, spread in cost.step_s.items()},
            "resident_bytes": cost.resident_bytes,
        }
        for name, cost in costs.items()
    }


def speedup(model: cw.Model, rows: np.ndarray, seconds: float) -> dict[str, Any]:
    """Two threads against one on a large batch, by the wall clock."""
    blocks = row_blocks(rows, BATCH)
    data = model.to_bytes()
    answers = {
        name: cw.load(data, threads=threads).predict for name, threads in (("one", 1), ("two", 2))
    }
    assert np.array_equal(answers["one"](blocks[0]), answers["two"](blocks[0]))
    candidates = [Candidate(name, call, blocks) for name, call in answers.items()]
    found = race(candidates, budget_s=seconds)
    ratio: Spread = found.ratio("one", "two", "wall")
    return {
        "ratio": ratio.median,
        "low": ratio.low,
        "high": ratio.high,
        "cpu_per_wall": found.timings["two"].busy,
    }


def measure(name: str, size: models.Size, seconds: float, repeats: int) -> dict[str, Any]:
    """Measure one model; its letter is that of `models`."""
    case = models.load(name, size)
    model = models.packed(case.source)
    facts = _core.inspect(model.to_bytes())
    kind = facts["operators"][0]["attributes"]["input_type"]
    rows = np.ascontiguousarray(case.rows, kind)
    ready = both(model, case.source, rows)
    found: dict[str, Any] = {
        "machine": machine.describe([library_of(case.source)]).to_dict(),
        "two_threads": speedup(model, rows, seconds),
        "fresh": cold(model, case.source, repeats),
        "calls": {},
    }
    # All libraries are loaded by now, which is when a limit reaches them.
    with openmp_limit(1):
        for peer in ready.values():
            blocks = [peer.held(block) for block in row_blocks(rows, 1)]
            found["calls"][peer.name] = {
                label: time_calls(peer.call, blocks, callers=callers, seconds=seconds).to_dict()
                for label, callers in (("one", 1), ("several", CALLERS))
            }
    return found


HEAD = (
    f"{'m':<2} {'':<9} {'load':>9} {'cold start':>10} {'p50':>9} {'p99':>9} {'calls/s':>10}"
    f" {f'{CALLERS} at once':>10} {'p99':>9} {'2 threads':>10}"
)


def lines(name: str, found: dict[str, Any]) -> list[str]:
    """Lay out one model: cordwood, then its source."""
    shown = []
    for peer, calls in found["calls"].items():
        fresh_one, one, several = found["fresh"][peer], calls["one"], calls["several"]
        threads = times(found["two_threads"]["ratio"]) if peer == OURS else ""
        shown.append(
            f"{name:<2} {peer:<9} {duration(fresh_one['load_s']):>9}"
            f" {duration(fresh_one['cold_start_s']):>10} {duration(one['p50_s']):>9}"
            f" {duration(one['p99_s']):>9} {one['per_second']:>10,.0f}"
            f" {several['per_second']:>10,.0f} {duration(several['p99_s']):>9} {threads:>10}"
        )
    return shown


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small models, for CI")
    parser.add_argument("--models", default=EVERY, help="letters, in the order to run")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each kind of call")
    parser.add_argument("--repeats", type=int, default=7, help="new processes of each kind")
    parser.add_argument("--save", action="store_true", help="store the run beside the others")
    arguments = parser.parse_args()
    if arguments.smoke and arguments.save:
        parser.error("small models are not stored")
    size = models.SMOKE if arguments.smoke else models.FULL
    missing = peers.absent(("catboost",))
    print(machine.describe(("sklearn", "xgboost", "lightgbm", "catboost")).line(1), HEAD, sep="\n")
    for letter in arguments.models:
        if letter in models.BY_HAND and missing:
            print(f"{letter}  {missing['catboost']}")
            continue
        found = measure(letter, size, arguments.seconds, arguments.repeats)
        print(*lines(letter, found), sep="\n", flush=True)
        if arguments.save:
            store({letter: found}, RESULT)


if __name__ == "__main__":
    main()
