"""Quantising weights and back, and masks, as a share of what copying the same bytes takes.

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


def masks(w: np.ndarray, isa: str) -> dict[str, tuple[int, Callable[[], object]]]:
    """Return the same for masks, into one at hand, and for the sums of blocks."""
    form = {"signed": False, "threads": 1, "isa": isa}
    mask, n = np.zeros(w.shape, dtype=bool), len(w)
    written = w.nbytes + mask.nbytes
    found: dict[str, tuple[int, Callable[[], object]]] = {}
    for keep, of in ((2, 4), (4, 8)):
        found[f"mask, {keep}:{of}"] = (
            written,
            lambda k=keep, m=of: _core.mask_groups(w, mask, keep=k, of=m, **form),
        )
    for whole, total in ((True, w.size), (False, n)):
        for tenths in (5, 1):
            keep = total * tenths // 10
            _core.mask_top(w, mask, keep=keep, whole=whole, **form)
            kept = mask.sum() if whole else mask.sum(axis=1)
            assert np.all(kept == keep), f"{kept} kept, not {keep}"
            found[f"mask, {tenths} of 10 of {'the matrix' if whole else 'each output'}"] = (
                written,
                lambda k=keep, a=whole: _core.mask_top(w, mask, keep=k, whole=a, **form),
            )
    for rows, inputs in ((16, 1), (32, 1), (4, 4), (1, n)):
        found[f"sums of blocks, {rows}x{inputs}"] = (
            w.nbytes + w.nbytes // (rows * inputs),
            lambda r=rows, c=inputs: _core.mask_sums(w, block_rows=r, block_inputs=c, **form),
        )
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=4096)
    parser.add_argument("--isa", default=cw.active_isa())
    options = parser.parse_args()
    w = np.random.default_rng(0).normal(size=(options.size, options.size)).astype(np.float32)
    out, copied = np.zeros_like(w), np.zeros_like(w)
    calls = cases(w, out, options.isa) | masks(w, options.isa)
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
