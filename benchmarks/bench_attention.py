"""Attention on one thread: each row's time beside the float32 product it is made of.

    python benchmarks/bench_attention.py

Medians of thread CPU time, cases taken in turns, less that of a call without a query: naming a row
asks the processor what it can do, which takes as long as a small case. GOP/s count a multiplication
and an addition as two, of all keys, seen or not. Each answer is compared with the scalar row's bits
before it counts.
"""

from __future__ import annotations

import statistics
import time
from typing import Any

import numpy as np

import cordwood as cw
from cordwood import _core

CASES = (
    (12, 128, 128, 32, False),
    (12, 128, 128, 32, True),
    (1, 2048, 2048, 64, False),
    (1, 2048, 2048, 64, True),
    (12, 1, 512, 64, False),
)
"""Heads, queries, keys, width, causal."""
TURNS = 40


def _arrays(heads: int, n: int, m: int, d: int) -> list[Any]:
    """Draw queries, keys, values and room for the answer, heads side by side in each."""
    rng = np.random.default_rng(0)
    arrays = [rng.standard_normal((1, size, heads, d)).astype(np.float32) for size in (n, m, m, n)]
    return [array.transpose(0, 2, 1, 3) for array in arrays]


def _time(call: Any) -> float:
    """Microseconds of CPU time of one call."""
    start = time.thread_time_ns()
    call()
    return (time.thread_time_ns() - start) / 1e3


def main() -> None:
    """Print a line for each case and row."""
    rows = [isa for isa in cw.available_isas() if isa in ("avx512", "avx2", "neon")]
    x = np.ones((256, 1024), dtype=np.float32)
    matrix = _core.QuantizedMatrix(np.ones((1024, 1024), dtype=np.float32), kind="float32")
    for isa in rows:
        spent = [_time(lambda: matrix.matmul(x, threads=1, isa=isa)) for _ in range(TURNS)]  # noqa: B023
        rate = 2 * 256 * 1024 * 1024 / statistics.median(spent) / 1e3
        print(f"qmatmul_f32, 256 x 1024 x 1024, {isa}: {rate:.0f} GOP/s")
    for heads, n, m, d, causal in CASES:
        q, k, v, out = _arrays(heads, n, m, d)

        def run(isa: str, room: Any = out, args: Any = (q, k, v), sees: bool = causal) -> None:
            _core.attention(*args, None, room, scale=0.17, causal=sees, threads=1, isa=isa)

        run("scalar")
        wanted = out.copy()
        none = [array[:0] for array in (q, k, v, out)]
        spent_by: dict[str, list[float]] = {isa: [] for isa in rows}
        for _ in range(TURNS):
            for isa in rows:
                naming = _time(lambda: run(isa, none[3], none[:3]))  # noqa: B023
                spent_by[isa].append(_time(lambda: run(isa)) - naming)  # noqa: B023
                np.testing.assert_array_equal(out, wanted)
        for isa, spent in spent_by.items():
            middle = statistics.median(spent)
            rate = 4 * heads * n * m * d / middle / 1e3
            shape = f"{heads} heads, {n} x {m} x {d}{', causal' if causal else ''}"
            print(f"{shape}, {isa}: {middle:.0f} us, {rate:.0f} GOP/s")


if __name__ == "__main__":
    main()
