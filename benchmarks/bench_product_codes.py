"""Products of 8-bit codes beside those of int8 activations, as ratios of time.

    CORDWOOD_ISA=avx2 python benchmarks/bench_product_codes.py [--size 1024]

Three products of the same weights on one row of kernels: float32 quantised to int8, to uint8, and
uint8 codes in and out. One thread's CPU time, medians of turns in one process. Answers are compared
before their time counts: codes answered are those of the floats that the same codes give.
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from bench_product_rows import ROWS, draw_matrix, thread_seconds

import cordwood as cw
from cordwood import _core


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=1024)
    size = parser.parse_args().size
    dynamic = _core.Coding("uint8", 0.0, 0)
    given, answer = _core.Coding("uint8", 0.02, 128), _core.Coding("uint8", 1.0, 100)
    rng = np.random.default_rng(1)
    for kind in ("int8", "int4"):
        matrix = draw_matrix(kind, size)
        for n_rows in ROWS:
            x = rng.standard_normal((n_rows, size), dtype=np.float32)
            codes = rng.integers(0, 256, (n_rows, size), dtype=np.uint8)
            floats, out = np.empty_like(x), np.empty_like(codes)
            multiply = partial(matrix.matmul, threads=1)
            wanted = np.rint(multiply(codes, x_coding=given)) + 100
            multiply(codes, x_coding=given, coding=answer, out=out)
            assert (out == np.clip(wanted, 0, 255)).all(), f"codes differ: {kind}, {n_rows} rows"
            seconds = thread_seconds({
                "int8": partial(multiply, x, out=floats),
                "uint8": partial(multiply, x, x_coding=dynamic, out=floats),
                "codes": partial(multiply, codes, x_coding=given, coding=answer, out=out),
            })  # fmt: skip
            ratios = (f"{name} {taken / seconds['int8']:.2f}" for name, taken in seconds.items())
            print(f"{cw.active_isa()} {kind} {n_rows:4d} rows:", f"{seconds['int8'] * 1e6:.1f} us,",
                  *ratios, flush=True)  # fmt: skip


if __name__ == "__main__":
    main()
