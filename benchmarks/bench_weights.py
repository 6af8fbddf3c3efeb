"""Quantising a matrix of weights and back, as a share of what copying the same bytes takes.

    python benchmarks/bench_weights.py [--size 4096] [--isa NAME]

On one thread, by its CPU time, in one process, each beside a copy: ``np.copyto`` of the float32
matrix. Bytes moved are those read and those written. A result is checked before its time counts.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import numpy as np

import cordwood as cw
from cordwood import _core

REPEATS = 15


def thread_seconds(call: Callable[[], object]) -> float:
    start = time.thread_time()
    call()
    return time.thread_time() - start


def cases(w: np.ndarray, out: np.ndarray, isa: str) -> dict[str, tuple[int, Callable[[], object]]]:
    """Name of each call, the bytes that it moves, and the call."""
    found: dict[str, tuple[int, Callable[[], object]]] = {}
    for bits in (8, 4, 3, 2):
        for group in (0, 128, 32):
            form = {"bits": bits, "group_size": group, "threads": 1, "isa": isa}
            both = {**form, "axis": 0, "symmetric": True, "half_scales": False}
            payload, scales, _ = _core.quantize_weights(w, **both)
            _core.decode_weights(payload, scales, None, out, **form)
            most = np.abs(out - w).max() / scales.max()
            assert most <= 0.5001, f"{bits} bits, groups of {group}: {most} steps off"
            moved = w.nbytes + payload.nbytes + scales.nbytes
            name = f"{bits} bits, {f'groups of {group}' if group else 'per output'}"
            found[f"quantize, {name}"] = moved, lambda both=both: _core.quantize_weights(w, **both)
            found[f"dequantize, {name}"] = (
                moved,
                lambda p=payload, s=scales, f=form: _core.decode_weights(p, s, None, out, **f),
            )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--isa", default=cw.active_isa())
    options = parser.parse_args()
    w = np.random.default_rng(0).normal(size=(options.size, options.size)).astype(np.float32)
    out, copied = np.zeros_like(w), np.zeros_like(w)
    calls = cases(w, out, options.isa)
    copies = []
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(REPEATS):
        for name, (_, call) in calls.items():
            copies.append(thread_seconds(lambda: np.copyto(copied, w)))
            seconds[name].append(thread_seconds(call))
    copy_speed = 2 * w.nbytes / float(np.median(copies))
    print(f"{options.isa}, {options.size} square; copy {copy_speed / 1e9:.1f} GB/s (median)")
    for name, (moved, _) in calls.items():
        middle = float(np.median(seconds[name]))
        speed = moved / middle
        print(f"{name:36} {middle * 1e3:6.2f} ms {speed / 1e9:6.1f} GB/s {speed / copy_speed:6.2f}")


if __name__ == "__main__":
    main()
