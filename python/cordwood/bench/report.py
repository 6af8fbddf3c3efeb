"""A benchmark as text: the ratio first, then absolute times, then what was checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cordwood.bench.result import OURS

if TYPE_CHECKING:
    from cordwood.bench.peers import Agreement
    from cordwood.bench.result import Batch, Line, Result
    from cordwood.measure import FreshProcess, Spread

__all__ = ["amount", "duration", "render", "times"]

QUIET = 0.9
"""CPU per wall time below which one thread was disturbed."""


def times(ratio: float) -> str:
    """Write a ratio with three figures: ``3.21x``, ``75.2x``, ``1,234x``."""
    digits = 2 if ratio < 10 else 1 if ratio < 100 else 0  # noqa: PLR2004 - three figures
    return f"{ratio:,.{digits}f}x"


def duration(seconds: float) -> str:
    """Write a time in its natural unit: ``2.91 us``, ``13.4 ms``, ``1.88 s``."""
    for unit, factor in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= factor:
            return f"{_three(seconds / factor)} {unit}"
    return f"{_three(seconds * 1e6)} us"


def amount(n_bytes: float) -> str:
    """Write bytes in their natural unit: ``812 B``, ``13.4 kB``, ``491 MB``."""
    for unit, factor in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if n_bytes >= factor:
            return f"{_three(n_bytes / factor)} {unit}"
    return f"{n_bytes:.0f} B"


def _three(number: float) -> str:
    digits = 2 if number < 10 else 1 if number < 100 else 0  # noqa: PLR2004 - three figures
    return f"{number:.{digits}f}"


def render(result: Result) -> str:
    """Lay out a whole benchmark.

    Parameters
    ----------
    result : Result
        What `cordwood.bench.run.run` returned.

    Returns
    -------
    str
        Lines without a trailing newline.
    """
    model = result.model
    per_node = model["bytes_per_node"]
    lines = [
        result.machine.line(result.threads),
        f"{model['kind']} of {model['library']} {model['library_version']}: "
        f"{model['trees']:,} trees, {model['features']:,} features, {model['bytes']:,} bytes"
        + (f", {per_node:.2f} bytes per inner node" if per_node else ""),
        "",
        *_agreements(result),
        f"{'rows':>8}  {'peer':<12} {'x cordwood':>10}  {'quartiles':<17} "
        f"{result.clock + ' time per call':>18} {'ns/row-tree':>12} {'cpu/wall':>9}",
        *(row for batch in result.batches for row in _batch(batch)),
    ]
    if result.threads == 1 and any(
        line.timing.busy < QUIET for batch in result.batches for line in batch.lines
    ):
        lines.append("cpu/wall below 0.9: something else was running on this machine")
    for name, costs in result.fresh.items():
        lines += _fresh(name, costs)
    return "\n".join(lines)


def _agreements(result: Result) -> list[str]:
    lines = [
        f"{name}: {_checked(found)}"
        for name, found in result.agreements.items()
        if name not in result.refused
    ]
    lines += [f"{name}: {reason}" for name, reason in result.refused.items()]
    return [*lines, ""] if lines else []


def _checked(found: Agreement) -> str:
    if found.rows_equal == found.rows:
        return f"{found.rows:,} answers checked, all the source's bit for bit"
    beyond = f", {found.rows_off:,} beyond that" if found.rows_off else ""
    largest = "" if found.largest is None else f" (largest difference {found.largest:.2g})"
    return (
        f"{found.rows:,} answers checked, {found.rows_equal:,} the source's bit for bit, "
        f"{found.rows - found.rows_equal - found.rows_off:,} within "
        f"{found.tolerance.difference:g}{beyond}{largest}"
    )


def _batch(batch: Batch) -> list[str]:
    return [_line(batch.rows, line) for line in batch.lines]


def _line(rows: int, line: Line) -> str:
    ours = line.name == OURS
    label = f"{rows:,}" if ours else ""
    ratio = "" if ours else times(line.ratio.median)
    quartiles = "" if ours else _range(line.ratio)
    return (
        f"{label:>8}  {line.name:<12} {ratio:>10}  {quartiles:<17} "
        f"{duration(line.seconds):>18} {line.ns_per_row_tree:>12.3g} "
        f"{line.timing.busy:>9.2f}"
    )


def _range(ratio: Spread) -> str:
    return f"{times(ratio.low)} to {times(ratio.high)}"


def _fresh(name: str, costs: FreshProcess) -> list[str]:
    steps = ", ".join(f"{step} {duration(spread.median)}" for step, spread in costs.step_s.items())
    memory = ", ".join(f"after {step} {amount(n)}" for step, n in costs.resident_bytes.items())
    lines = ["", f"{name}, new process to first answer: {duration(costs.total_s.median)} ({steps})"]
    return [*lines, f"  resident memory: {memory}"] if memory else lines
