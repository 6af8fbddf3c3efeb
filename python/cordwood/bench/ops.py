"""Products with quantised weights: ours and the peers in turns, each answer checked first."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core, ops
from cordwood.bench import machine as machines
from cordwood.bench import ops_peers
from cordwood.bench.peers import CannotTakeModelError
from cordwood.bench.report import duration, times
from cordwood.bench.result import OURS
from cordwood.errors import MissingDependencyError
from cordwood.measure import Candidate, Spread, race

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from cordwood._typing import AnyArray
    from cordwood.bench.machine import Machine
    from cordwood.measure import Clock

__all__ = ["ROWS", "SHAPES", "OpsLine", "OpsResult", "render_ops", "run_ops"]

SHAPES = ((1024, 1024), (4096, 4096))
ROWS = (1, 8, 32, 128)
KINDS: dict[str, Any] = {
    "int8": {"bits": 8},
    "int4": {"bits": 4, "group_size": 64},
}
TOLERANCE = 0.03
"""Largest error of an answer by the exact product's norm; int8 activations cost about 0.01."""
PEAK_ROUNDS = 400_000
BLOCKS = 8
"""Different rows that the calls go through."""


@dataclass(frozen=True)
class OpsLine:
    """One candidate at one product.

    Attributes
    ----------
    name : str
        ``"cordwood"`` or a peer.
    kind : str
        ``"int8"`` or ``"int4"``.
    shape : tuple of int
        Outputs and inputs of the weights.
    rows : int
        Rows of a call.
    seconds : float
        Median of a call: CPU time on one thread, wall time on several.
    ratio : Spread
        Its time over ours, round by round.
    share : float or None
        Multiply-adds a second over the measured peak of the instruction, quantising included.
    weight_bytes_s : float
        Bytes of packed weights and scales that a call goes through, a second.
    error : float
        Norm of the answer's error over the norm of the exact product.
    """

    name: str
    kind: str
    shape: tuple[int, int]
    rows: int
    seconds: float
    ratio: Spread
    share: float | None
    weight_bytes_s: float
    error: float


@dataclass(frozen=True)
class OpsResult:
    """A benchmark of products.

    Attributes
    ----------
    machine : Machine
        Where it ran.
    threads : int
        Threads of every candidate.
    peak_operations_s : float or None
        Byte multiplications and additions a second of all threads; None without the instruction.
    lines : tuple of OpsLine
        Ours first at each product.
    refused : dict of str to str
        Peers that were left out, and why.
    """

    machine: Machine
    threads: int
    peak_operations_s: float | None
    lines: tuple[OpsLine, ...]
    refused: dict[str, str]

    def to_dict(self) -> dict[str, Any]:
        """Return JSON-ready facts."""
        return asdict(self)


def run_ops(
    *,
    shapes: Sequence[tuple[int, int]] = SHAPES,
    rows: Sequence[int] = ROWS,
    peers: Sequence[str] = (),
    threads: int = 1,
    budget_s: float = 1.0,
) -> OpsResult:
    """Time products with int8 and int4 weights, and peers with them.

    Parameters
    ----------
    shapes : sequence of (int, int)
        Outputs and inputs of the weight matrices; inputs a multiple of 64.
    rows : sequence of int
        Rows of a call.
    peers : sequence of str
        Among `cordwood.bench.ops_peers.NAMES`.
    threads : int
        For everyone.
    budget_s : float
        Seconds for each product.

    Returns
    -------
    OpsResult
        Peers that are not installed, have no such product or answer wrongly are listed.

    Raises
    ------
    InputError
        A peer is unknown.
    """
    refused: dict[str, str] = {}
    peak = _peak(threads)
    lines: list[OpsLine] = []
    for shape in shapes:
        for kind, options in KINDS.items():
            w = np.random.default_rng(0).standard_normal(shape, dtype=np.float32)
            product = ops_peers.Product(w, ops.quantize(w, **options), threads)
            candidates = _candidates(kind, product, peers, refused)
            for n_rows in rows:
                lines += _race(kind, product, candidates, n_rows, peak, budget_s, refused)
    return OpsResult(machines.describe(peers), threads, peak, tuple(lines), refused)


def _candidates(
    kind: str, product: ops_peers.Product, peers: Sequence[str], refused: dict[str, str]
) -> dict[str, Callable[[AnyArray], AnyArray]]:
    """Everyone who can multiply, ours first."""
    codes, threads = product.codes, product.threads
    found: dict[str, Callable[[AnyArray], AnyArray]] = {
        OURS: lambda x: ops.qmatmul(x, codes, threads=threads)
    }
    for name in peers:
        try:
            found[name] = ops_peers.prepare(name, product)
        except (MissingDependencyError, CannotTakeModelError) as error:  # noqa: PERF203 - few
            refused[f"{name} {kind}"] = str(error)
    return found


def _race(
    kind: str,
    product: ops_peers.Product,
    candidates: dict[str, Callable[[AnyArray], AnyArray]],
    n_rows: int,
    peak: float | None,
    budget_s: float,
    refused: dict[str, str],
) -> Iterator[OpsLine]:
    n_outputs, n_inputs = product.w.shape
    generator = np.random.default_rng(n_rows)
    blocks = [
        generator.standard_normal((n_rows, n_inputs), dtype=np.float32) for _ in range(BLOCKS)
    ]
    exact = blocks[0].astype(np.float64) @ product.w.T.astype(np.float64)
    limit = TOLERANCE + _weight_error(product)
    errors = {
        name: float(np.linalg.norm(call(blocks[0]) - exact) / np.linalg.norm(exact))
        for name, call in candidates.items()
    }
    for name, error in errors.items():
        if not error <= limit:
            refused[f"{name} {kind} {n_outputs}x{n_inputs} {n_rows}"] = (
                f"its answer is {error:.1%} off, {limit:.1%} was expected"
            )
    right = [name for name in candidates if errors[name] <= limit]
    if OURS not in right:
        return
    timed = race([Candidate(n, candidates[n], blocks) for n in right], budget_s=budget_s)
    clock: Clock = "cpu" if product.threads == 1 else "wall"
    operations = 2.0 * n_rows * n_outputs * n_inputs
    for name in right:
        seconds = timed.timings[name].spread(clock).median
        yield OpsLine(
            name=name,
            kind=kind,
            shape=(n_outputs, n_inputs),
            rows=n_rows,
            seconds=seconds,
            ratio=timed.ratio(name, OURS, clock),
            share=None if peak is None else operations / seconds / peak,
            weight_bytes_s=product.codes.nbytes / seconds,
            error=errors[name],
        )


def _weight_error(product: ops_peers.Product) -> float:
    """Error that quantising the weights alone causes."""
    lost: AnyArray = product.w - np.asarray(ops.dequantize(product.codes))
    return float(np.linalg.norm(lost) / np.linalg.norm(product.w))


def _peak(threads: int) -> float | None:
    """Best of several runs, of one thread, times the threads."""
    best = 0.0
    for _ in range(5):
        start = time.thread_time()
        operations = _core.multiply_adds(PEAK_ROUNDS)
        best = max(best, operations / max(time.thread_time() - start, 1e-9))
    return best * threads or None


def render_ops(result: OpsResult) -> str:
    """Lay out a benchmark of products: a line for each candidate, ratios to ours."""
    head = (
        f"{'rows':>6}  {'':<12}{'a call':>9} {'ratio':>7}  {'of peak':>7} {'GB/s':>6} {'error':>6}"
    )
    lines = [result.machine.line(result.threads)]
    if result.peak_operations_s is not None:
        lines.append(f"peak: {result.peak_operations_s / 1e9:,.0f} GOP/s of byte multiply-adds")
    lines += [f"{name}: {why}" for name, why in result.refused.items()]
    place = ("", (0, 0), 0)
    for line in result.lines:
        if (line.kind, line.shape) != place[:2]:
            lines += ["", f"{line.kind} weights, {line.shape[0]} x {line.shape[1]}", head]
        rows = f"{line.rows:>6}" if (line.kind, line.shape, line.rows) != place else " " * 6
        share = "" if line.share is None else f"{line.share:.1%}"
        lines.append(
            f"{rows}  {line.name:<12}{duration(line.seconds):>9} "
            f"{times(line.ratio.median):>7}  {share:>7} {line.weight_bytes_s / 1e9:>6.1f} "
            f"{line.error:>6.2%}"
        )
        place = (line.kind, line.shape, line.rows)
    return "\n".join(lines)
