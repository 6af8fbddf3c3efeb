"""Products on every instruction-set row of this machine, in GOP/s and beside the best row.

    CORDWOOD_THREADS=1 python benchmarks/bench_product_rows.py [--sizes 1024 4096]

One thread's CPU time, medians of turns in one process. A row that is named asks the processor what
it has, which takes some ten microseconds in a virtual machine: that is measured on a tiny product
and taken off. The answers of all rows are compared bit for bit before their time counts.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

import cordwood as cw
from cordwood import _core

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_SECONDS = 1e-3
SECONDS = 0.4
ROWS = (1, 8, 32, 128)


def thread_seconds(calls: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median CPU time of each call, made in turns."""
    first = next(iter(calls.values()))
    first()
    start = time.thread_time()
    first()
    repeats = max(1, int(TURN_SECONDS / max(time.thread_time() - start, 1e-6)))
    taken: dict[str, list[float]] = {name: [] for name in calls}
    end = time.perf_counter() + SECONDS * len(calls)
    while time.perf_counter() < end:
        for name, call in calls.items():
            start = time.thread_time()
            for _ in range(repeats):
                call()
            taken[name].append((time.thread_time() - start) / repeats)
    return {name: float(np.median(times)) for name, times in taken.items()}


def draw_matrix(kind: str, size: int) -> Any:
    """Square weights: int8 with a scale an output, int4 in groups of 64, or float32."""
    rng = np.random.default_rng(0)
    w = rng.standard_normal((size, size), dtype=np.float32)
    if kind == "float32":
        return _core.QuantizedMatrix(w, kind=kind)
    bits, group = (8, None) if kind == "int8" else (4, 64)
    q = cw.ops.quantize(w, bits=bits, group_size=group)
    return _core.QuantizedMatrix(
        q.payload, q.scales, q.zero_points, bits=bits, group_size=group or 0, n_inputs=size
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[1024, 4096])
    options = parser.parse_args()
    isas = [isa for isa in cw.available_isas() if isa != "scalar"]
    tiny, one = draw_matrix("float32", 64), np.zeros((1, 64), dtype=np.float32)
    naming = thread_seconds({isa: partial(tiny.matmul, one, isa=isa) for isa in isas})
    plain = thread_seconds({"": partial(tiny.matmul, one)})[""]
    for size in options.sizes:
        for kind in ("int8", "int4", "float32"):
            matrix = draw_matrix(kind, size)
            for n_rows in ROWS:
                x = np.random.default_rng(1).standard_normal((n_rows, size), dtype=np.float32)
                out = np.empty((n_rows, size), dtype=np.float32)
                answers = {matrix.matmul(x, isa=isa).tobytes() for isa in isas}
                assert len(answers) == 1, f"rows differ: {kind}, {size}, {n_rows} rows"
                seconds = thread_seconds(
                    {isa: partial(matrix.matmul, x, out=out, isa=isa) for isa in isas}
                )
                rates = {
                    isa: 2e-9 * n_rows * size * size / (seconds[isa] - naming[isa] + plain)
                    for isa in isas
                }
                said = (f"{isa} {rate:.0f} ({rate / rates[isas[0]]:.2f})"
                        for isa, rate in rates.items())  # fmt: skip
                print(f"{size} {kind} {n_rows:4d} rows:", *said, flush=True)


if __name__ == "__main__":
    main()
