"""Sparse int8 products against our own dense one, in one process, as ratios.

    python benchmarks/bench_sparse.py [--smoke] [--sizes 1024,4096] [--rows 1,8,32,128]

Each mask is packed in the format that `pack_sparse` chooses; both products then run on one thread,
interleaved, and must agree bit for bit before their time counts. Times are of the thread's own
clock; a cell is the median of dense over sparse. The table is that of ``docs/kernels.md``.
"""

from __future__ import annotations

import argparse
import time
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

import cordwood as cw

if TYPE_CHECKING:
    from collections.abc import Callable

TURN_SECONDS = 0.006
TURNS = 15


def few_of_four(rng: np.random.Generator, n: int, kept: int) -> np.ndarray:
    return (rng.random((n, n // 4, 4)).argsort(axis=2).argsort(axis=2) < kept).reshape(n, n)


def blocks(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    return np.repeat(rng.random((n // 16, n)) < share, 16, axis=0)


def anywhere(rng: np.random.Generator, n: int, share: float) -> np.ndarray:
    return rng.random((n, n)) < share


MASKS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "2:4": partial(few_of_four, kept=2),
    "1:4": partial(few_of_four, kept=1),
    "blocks of 16 x 1, 90 % gone": partial(blocks, share=0.1),
    "blocks of 16 x 1, 70 % gone": partial(blocks, share=0.3),
    "blocks of 16 x 1, 60 % gone": partial(blocks, share=0.4),
    "anywhere, 95 % gone": partial(anywhere, share=0.05),
    "anywhere, 90 % gone": partial(anywhere, share=0.1),
    "anywhere, 80 % gone": partial(anywhere, share=0.2),
    "anywhere, 60 % gone": partial(anywhere, share=0.4),
}


def microseconds(call: Callable[[], object], repeats: int) -> float:
    start = time.thread_time_ns()
    for _ in range(repeats):
        call()
    return (time.thread_time_ns() - start) / repeats / 1e3


def race(s: cw.ops.SparseTensor, n_rows: int, turns: int) -> float:
    """Median of the dense product's time over the sparse one's."""
    x = np.random.default_rng(1).standard_normal((n_rows, s.n_inputs), dtype=np.float32)
    out, dense = np.empty((n_rows, s.n_outputs), dtype=np.float32), s.to_dense()
    ours = partial(cw.ops.sparse_matmul, x, s, out=out, threads=1)
    theirs = partial(cw.ops.qmatmul, x, dense, out=out, threads=1)
    np.testing.assert_array_equal(ours().copy(), theirs())
    repeats = max(1, int(TURN_SECONDS * 1e6 / microseconds(theirs, 3)))
    ratios = [microseconds(theirs, repeats) / microseconds(ours, repeats) for _ in range(turns)]
    return float(np.median(ratios))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", default="1024,4096")
    parser.add_argument("--rows", default="1,8,32,128")
    parser.add_argument("--smoke", action="store_true", help="one small size, few turns")
    options = parser.parse_args()
    sizes = [256] if options.smoke else [int(size) for size in options.sizes.split(",")]
    rows = [int(count) for count in options.rows.split(",")]
    print(f"instruction set {cw.active_isa()}, one thread; dense time / sparse time\n")
    print("| size | mask | format |", " | ".join(f"rows {count}" for count in rows), "|")
    print("| --- | --- | --- |", " | ".join("---" for _ in rows), "|")
    for size in sizes:
        rng = np.random.default_rng(size)
        w = rng.standard_normal((size, size), dtype=np.float32)
        for name, draw in MASKS.items():
            s = cw.ops.pack_sparse(w, draw(rng, size))
            cells = [f"{race(s, count, 3 if options.smoke else TURNS):.2f}" for count in rows]
            print(f"| {size} | {name} | {s.format} |", " | ".join(cells), "|", flush=True)


if __name__ == "__main__":
    main()
