"""A run of `bench_gpu.py` in lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

PEERS = ("nvforest", "xgboost", "hummingbird")
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


def shape_lines(name: str, result: Mapping[str, Any]) -> list[str]:
    """Lay out one model: who was timed, who was not, and where the time goes."""
    if name in result["failed"]:
        return [f"{name}: FAILED: {result['failed'][name]}"]
    shape = result["shapes"][name]
    found = [
        f"{name}: {shape['trees']} trees, {shape['features']} features, {shape['rows']:,} rows, "
        f"{shape['buffers']} buffers in turn; the CPU's bits",
        HEAD,
    ]
    for who, seconds in shape["seconds"].items():
        after = _ratio(shape["ratios"].get(who))
        found.append(_line(name, shape["names"][who], seconds["median"], shape, after))
    found += [f"{name:<6} {why}" for why in shape["absent"].values()]
    kernels = shape["kernels_s"]
    if isinstance(kernels, str):
        found.append(f"{name:<6} kernels apart: {kernels}")
    else:
        found += [
            _line(name, f"kernel {kernel}", seconds, shape)
            for kernel, seconds in sorted(kernels.items(), key=lambda item: -item[1])
        ]
    found.append(_line(name, "rows of the host and back", shape["host_rows_s"]["median"], shape))
    for batch, timed in shape["latency"].items():
        for who, spent in timed.items():
            wall, queued = (spent[key]["median"] * 1e6 for key in ("wall_s", "queued_s"))
            what = f"{batch} rows, {who}"
            found.append(f"{name:<6} {what:<46} {wall:.1f} us alone, {queued:.1f} us in a queue")
    return found


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
    for name, timed in result["ops"].items():
        if isinstance(timed, str):
            found.append(f"{name}: {timed}")
            continue
        spent, rate = timed["seconds"]["median"] * 1e3, timed["bytes_per_s"]
        share = f"{rate / copied:.0%} of a copy"
        found.append(f"{name}: {spent:.3f} ms, {rate / 1e9:,.0f} GB/s, {share}")
    return found
