"""A run of `bench_gpu.py` in lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PEERS = ("nvforest", "xgboost", "hummingbird")
KERNELS_HEAD = f"{'model':<6} {'kernel':<46} {'ms':>9} {'ps/row-tree':>12}"
HEAD = f"{'model':<6} {'who':<46} {'ms':>9} {'ps/row-tree':>12} {'ratio':>8}  quartiles"


def _picoseconds(seconds: float, shape: Mapping[str, Any]) -> float:
    return float(seconds * 1e12 / (shape["rows"] * shape["trees"]))


def _line(name: str, what: str, seconds: float, shape: Mapping[str, Any], after: str = "") -> str:
    picoseconds = _picoseconds(seconds, shape)
    return f"{name:<6} {what:<46} {seconds * 1e3:>9.3f} {picoseconds:>12.3g} {after}".rstrip()


def _ratio(ratio: Mapping[str, float] | None) -> str:
    if ratio is None:
        return ""
    return f"{ratio['median']:>7.2f}x  {ratio['low']:.2f}x to {ratio['high']:.2f}x"


def _times(ratio: Mapping[str, float] | None) -> str:
    return "-" if ratio is None else f"{ratio['median']:.2f}x"


def _engine(summary: str) -> str:
    """Return the line of a model's summary that names its engine, and why it is that one."""
    lines = [line.strip() for line in summary.splitlines()]
    return next((line for line in lines if line.startswith("engine ")), "engine    not known")


def shape_lines(name: str, result: Mapping[str, Any]) -> list[str]:
    """Lay out one model: who was timed, who was not, and where the time goes."""
    if name in result["failed"]:
        return [f"{name}: FAILED: {result['failed'][name]}"]
    shape = result["shapes"][name]
    found = [
        f"{name}: {shape['trees']} trees, {shape['features']} features, {shape['buffers']} buffers "
        f"in turn of {shape['rows']:,} rows each",
        f"{name:<6} distinct rows: of {shape['sampled']:,} that travelled, each with a quarter "
        f"of another's values; {shape['checked']:,} of a buffer compared: the CPU's bits",
        f"{name:<6} {_engine(shape['runs'])}",
        HEAD,
    ]
    for who, seconds in shape["seconds"].items():
        after = _ratio(shape["ratios"].get(who))
        found.append(_line(name, shape["names"][who], seconds["median"], shape, after))
    found += [f"{name:<6} {why}" for why in shape["absent"].values()]
    found.append(_line(name, "rows of the host and back", shape["host_rows_s"]["median"], shape))
    for batch, timed in shape["latency"].items():
        for who, spent in timed.items():
            what = f"{batch} {'row' if batch == '1' else 'rows'}, {who}, until its answer is there"
            after = ""
            if "queued_s" in spent:
                queued = spent["queued_s"]["median"] * 1e6
                after = f"; ours alone, calls in a queue: {queued:.1f} us each"
            found.append(f"{name:<6} {what:<46} {spent['wall_s']['median'] * 1e6:.1f} us{after}")
    return found


def kernel_lines(name: str, shape: Mapping[str, Any]) -> list[str]:
    """Lay out the kernels of one model, the longest first."""
    kernels = shape["kernels_s"]
    if isinstance(kernels, str):
        return [f"{name:<6} {kernels}"]
    ordered = sorted(kernels.items(), key=lambda item: -item[1])
    return [_line(name, kernel, seconds, shape) for kernel, seconds in ordered]


def _moved(n_bytes: float, seconds: float, copied: float) -> str:
    rate = n_bytes / seconds
    return f"{seconds * 1e3:.3f} ms, {rate / 1e9:,.0f} GB/s, {rate / copied:.0%} of a copy"


def _ops_line(name: str, timed: Any, copied: float) -> str:
    if isinstance(timed, str):
        return f"{name}: {timed}"
    rows, columns = timed["shape"]
    moved = _moved(timed["bytes"], timed["seconds"]["median"], copied)
    return f"{name}, {rows:,} x {columns:,}: a call, host's time and all: {moved}"


def ops_kernel_lines(name: str, result: Mapping[str, Any]) -> list[str]:
    """Lay out the kernels of an operation: their sum, and each."""
    timed = result["ops"][name]
    kernels = timed["kernels_s"]
    if isinstance(kernels, str):
        return [f"{name}: {kernels}"]
    moved = _moved(timed["bytes"], sum(kernels.values()), result["copy_bytes_per_s"])
    ordered = sorted(kernels.items(), key=lambda item: -item[1])
    each = ", ".join(f"{kernel} {seconds * 1e3:.3f} ms" for kernel, seconds in ordered)
    return [f"{name}: kernels alone: {moved} ({each})"]


def lines(result: Mapping[str, Any]) -> list[str]:
    """Lay out the whole run in a few lines: what there is to quote."""
    copied = result["copy_bytes_per_s"]
    heads = "".join(f"{peer:>13}" for peer in PEERS)
    found = [
        "",
        f"{result['name']}, {result['arrays']} arrays; a copy moves {copied / 1e9:,.0f} GB/s",
        f"{'model':<6} {'ps/row-tree':>12} {'million rows/s':>15}{heads}",
    ]
    for name, shape in result["shapes"].items():
        seconds = shape["seconds"]["cordwood"]["median"]
        cells = "".join(f"{_times(shape['ratios'].get(peer)):>13}" for peer in PEERS)
        rate = shape["rows"] / seconds / 1e6
        found.append(f"{name:<6} {_picoseconds(seconds, shape):>12.3g} {rate:>15.1f}{cells}")
    found += [f"{name:<6} FAILED: {why}" for name, why in result["failed"].items()]
    found += [_ops_line(name, timed, copied) for name, timed in result["ops"].items()]
    return found
