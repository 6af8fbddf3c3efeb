"""Timing that can be trusted: candidates take turns in one process, on rows that change.

Nothing else in the project holds a stopwatch. Three habits make a number here worth reading:

* Candidates are interleaved, and the order rotates, so that a machine that slows down slows all of
  them. A ratio is the median over rounds of the ratio within a round.
* Every call takes the next block of rows. The same row over and over lets the branch predictor
  learn it, and flatters small batches two to four times.
* CPU time is kept beside wall time. Where the two differ on one thread the machine was busy, and
  CPU time is the fairer of the two: long calls are interrupted more often than short ones.
"""

from __future__ import annotations

import contextlib
import gc
import json
import math
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood.errors import InputError, ResourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cordwood._typing import AnyArray, Float64Array

__all__ = [
    "Candidate",
    "Clock",
    "FreshProcess",
    "Race",
    "Spread",
    "Timing",
    "fresh_process",
    "race",
    "row_blocks",
]

Clock = Literal["wall", "cpu"]

SLICE_SECONDS = 2e-3
"""Calls are bundled into slices of about this length: the clock costs below 0.1 % of one."""

WARM_UP_SECONDS = 0.02
"""Each candidate runs for this long, and at least once, before anything counts."""


@dataclass(frozen=True)
class Spread:
    """Median of a sample with its quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, sample: Sequence[float] | Float64Array) -> Spread:
        """Summarise a sample of at least one number."""
        low, median, high = np.quantile(np.asarray(sample, dtype=np.float64), [0.25, 0.5, 0.75])
        return cls(float(median), float(low), float(high))


@dataclass(frozen=True)
class Candidate:
    """Something to time.

    Parameters
    ----------
    name : str
        Unique in its race.
    call : callable
        Takes one block; its answer is dropped.
    blocks : sequence
        Arguments, handed out in turn.
    """

    name: str
    call: Callable[[Any], Any]
    blocks: Sequence[Any]


@dataclass(frozen=True)
class Timing:
    """What one candidate took.

    Attributes
    ----------
    wall, cpu : Spread
        Seconds per call. CPU time is that of the whole process, helper threads included.
    calls : int
        Calls behind the figures.
    """

    name: str
    wall: Spread
    cpu: Spread
    calls: int

    def spread(self, clock: Clock) -> Spread:
        """Return the figures of one clock."""
        return self.cpu if clock == "cpu" else self.wall

    @property
    def busy(self) -> float:
        """CPU time per wall time: near the number of threads on a quiet machine."""
        return self.cpu.median / self.wall.median


@dataclass(frozen=True)
class Race:
    """Timings of candidates that took turns, and the rounds behind them.

    Attributes
    ----------
    timings : dict of str to Timing
        By candidate.
    wall_rounds, cpu_rounds : dict of str to ndarray of float64, shape (n_rounds,)
        Seconds per call in each round, by candidate.
    """

    timings: dict[str, Timing]
    wall_rounds: dict[str, Float64Array]
    cpu_rounds: dict[str, Float64Array]

    def ratio(self, name: str, base: str, clock: Clock = "wall") -> Spread:
        """How many times longer `name` takes than `base`, round by round."""
        rounds = self.cpu_rounds if clock == "cpu" else self.wall_rounds
        return Spread.of(rounds[name] / rounds[base])


class _Runner:
    """A candidate on its way through its blocks."""

    def __init__(self, candidate: Candidate) -> None:
        if not len(candidate.blocks):
            message = f"candidate {candidate.name!r} has no blocks of rows; give at least one"
            raise InputError(message)
        self._call = candidate.call
        self._blocks = candidate.blocks
        self._next = 0
        self.calls_per_slice = 1
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def _bundle(self, calls: int) -> list[Any]:
        blocks, start = self._blocks, self._next
        self._next = (start + calls) % len(blocks)
        return [blocks[(start + step) % len(blocks)] for step in range(calls)]

    def slice(self, calls: int) -> tuple[float, float]:
        """Wall and CPU seconds of so many calls."""
        call, bundle = self._call, self._bundle(calls)
        cpu = time.process_time_ns()
        wall = time.perf_counter_ns()
        for block in bundle:
            call(block)
        wall = time.perf_counter_ns() - wall
        cpu = time.process_time_ns() - cpu
        return wall * 1e-9, cpu * 1e-9

    def warm_up(self) -> None:
        """Fill caches and find how many calls make a slice."""
        calls, spent = 1, 0.0
        while True:
            wall, _ = self.slice(calls)
            spent += wall
            if wall >= SLICE_SECONDS or spent >= WARM_UP_SECONDS:
                break
            calls *= 2
        self.calls_per_slice = max(1, math.ceil(SLICE_SECONDS * calls / max(wall, 1e-9)))

    def round(self) -> None:
        """Add one sample."""
        wall, cpu = self.slice(self.calls_per_slice)
        self.wall.append(wall / self.calls_per_slice)
        self.cpu.append(cpu / self.calls_per_slice)


def race(candidates: Sequence[Candidate], *, budget_s: float = 1.0, min_rounds: int = 5) -> Race:
    """Time candidates against each other, in turns.

    Parameters
    ----------
    candidates : sequence of Candidate
        In any order; the order rotates from round to round.
    budget_s : float
        Seconds after which no further round begins.
    min_rounds : int
        Rounds that are run whatever they take.

    Returns
    -------
    Race
        Medians with quartiles, and the rounds themselves.

    Raises
    ------
    InputError
        There is no candidate, two share a name, or one has no blocks.
    """
    runners = {candidate.name: _Runner(candidate) for candidate in candidates}
    if not runners or len(runners) != len(candidates):
        message = f"expected candidates of distinct names, got {[c.name for c in candidates]}"
        raise InputError(message)
    with _no_garbage_collection():
        for runner in runners.values():
            runner.warm_up()
        end = time.perf_counter() + budget_s
        turns = list(runners.values())
        done = 0
        while done < min_rounds or time.perf_counter() < end:
            for runner in turns:
                runner.round()
            turns.append(turns.pop(0))
            done += 1
    timings = {
        name: Timing(name, Spread.of(r.wall), Spread.of(r.cpu), done * r.calls_per_slice)
        for name, r in runners.items()
    }
    return Race(
        timings,
        wall_rounds={name: np.array(r.wall) for name, r in runners.items()},
        cpu_rounds={name: np.array(r.cpu) for name, r in runners.items()},
    )


def row_blocks(rows: AnyArray, batch: int, *, limit: int = 1000) -> list[AnyArray]:
    """Cut rows into different blocks of `batch` rows, at most `limit` of them.

    Parameters
    ----------
    rows : ndarray of shape (n_rows, n_features)
        C-contiguous; blocks are views of it where it has enough rows.
    batch : int
        Rows of a block. Where `rows` has fewer, it is repeated to fill one block.
    limit : int
        Most blocks.

    Returns
    -------
    list of ndarray, each of shape (batch, n_features)
        At least one.

    Raises
    ------
    InputError
        `rows` is empty or not a table, or `batch` is below one.
    """
    if rows.ndim != 2 or not len(rows) or batch < 1:  # noqa: PLR2004 - rows are a table
        message = f"expected a table with rows and a batch of at least 1, got {rows.shape}, {batch}"
        raise InputError(message)
    if len(rows) < batch:
        rows = np.resize(rows, (batch, rows.shape[1]))
    count = min(limit, len(rows) // batch)
    return [rows[start * batch : (start + 1) * batch] for start in range(count)]


@contextlib.contextmanager
def _no_garbage_collection() -> Iterator[None]:
    was_on = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


@dataclass(frozen=True)
class FreshProcess:
    """What a new process pays.

    Attributes
    ----------
    total_s : Spread
        Seconds from starting the interpreter to the end of the last step.
    step_s, step_cpu_s : dict of str to Spread
        Wall and CPU seconds of each step.
    resident_bytes : dict of str to int
        Resident memory after each step (median); empty where the system does not tell.
    """

    total_s: Spread
    step_s: dict[str, Spread]
    step_cpu_s: dict[str, Spread]
    resident_bytes: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)


_CHILD = """
import json, os, sys, time

def resident():
    try:
        with open("/proc/self/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        return None

names, seconds, cpu, memory = {}, {}, {}, {}
for name, code in json.loads(sys.argv[1]).items():
    code = compile(code, name, "exec")
    start, start_cpu = time.perf_counter(), time.process_time()
    exec(code, names)
    seconds[name], cpu[name] = time.perf_counter() - start, time.process_time() - start_cpu
    memory[name] = resident()
print("\\n" + json.dumps([seconds, cpu, memory]), flush=True)
"""


def fresh_process(steps: Mapping[str, str], *, repeats: int = 5) -> FreshProcess:
    """Run steps of Python code in a new interpreter, several times over, and time each.

    Parameters
    ----------
    steps : mapping of str to str
        Code by name, run in order in one namespace.
    repeats : int
        Processes that count; one more comes first, to fill the file cache.

    Returns
    -------
    FreshProcess
        Medians with quartiles.

    Raises
    ------
    ResourceError
        A step failed; the message holds the last line of its traceback.
    """
    runs = [_fresh_run(steps) for _ in range(repeats + 1)][1:]
    memory = {name: [run[3][name] for run in runs] for name in steps}
    return FreshProcess(
        total_s=Spread.of([run[0] for run in runs]),
        step_s={name: Spread.of([run[1][name] for run in runs]) for name in steps},
        step_cpu_s={name: Spread.of([run[2][name] for run in runs]) for name in steps},
        resident_bytes={
            name: int(np.median(sizes)) for name, sizes in memory.items() if None not in sizes
        },
    )


def _fresh_run(steps: Mapping[str, str]) -> tuple[float, Any, Any, Any]:
    command = [sys.executable, "-c", _CHILD, json.dumps(dict(steps))]
    start = time.perf_counter()
    # The total ends where the answer arrives: interpreter shutdown is nobody's cold start.
    with (
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True) as child,
    ):
        lines, total = [], math.nan
        for line in child.stdout or ():
            total = time.perf_counter() - start
            lines.append(line)
        child.wait()
        errors.seek(0)
        complaint = errors.read()
    if child.returncode != 0:
        reason = complaint.strip().splitlines()[-1:] or ["no message"]
        message = f"steps {list(steps)} failed in a new process: {reason[0]}"
        raise ResourceError(message)
    return (total, *json.loads(lines[-1]))
