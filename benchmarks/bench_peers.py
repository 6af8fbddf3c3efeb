"""Cordwood against every peer that takes the model, on one thread: who comes closest.

    python benchmarks/bench_peers.py [--smoke] [--models ABDEFG] [--peers lleaves,daal4py] [--save]

For each model and batch size all candidates take turns in one process on the same rows, after each
has answered as the source does. The table names the fastest peer beside the source library. With
``--save`` each model's whole run goes to ``benchmarks/results/peers.json``, where models that were
not run keep theirs. A peer that is not installed is listed with the package that brings it; one
that is named and not installed is an error.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import models

from cordwood.bench import peers
from cordwood.bench.report import duration, times
from cordwood.bench.result import OURS, Batch, Result
from cordwood.bench.run import BATCHES, library_of, run

RESULT = Path(__file__).resolve().parent / "results" / "peers.json"
EVERY = "ABCDEFG"


def measure(
    name: str, size: models.Size, wanted: Sequence[str], seconds: float
) -> tuple[str, Result]:
    """Race one model, whose letter is that of `models`; its library stands first."""
    case = models.load(name, size)
    result = run(
        models.packed(case.source),
        case.rows,
        source=case.source,
        peers=wanted,
        batches=BATCHES,
        budget_s=seconds,
        cache=models.CACHE,
    )
    assert result.passed, result.refused[OURS]
    return library_of(case.source), result


def lines(name: str, result: Result, library: str) -> list[str]:
    """Lay out one model: who cannot take it, then a line for each batch size."""
    return [
        *(f"{name}  {peer}: {why}" for peer, why in result.refused.items()),
        *(_line(name, batch, library) for batch in result.batches),
    ]


def _line(name: str, batch: Batch, library: str) -> str:
    others = [line for line in batch.lines if line.name != OURS]
    best = min(others, key=lambda line: line.ratio.median)
    ours, source = batch.line(OURS), batch.line(library)
    spread = f"{times(best.ratio.low)} to {times(best.ratio.high)}"
    return (
        f"{name}  {batch.rows:>7,} {duration(ours.seconds):>9} {ours.ns_per_row_tree:>8.3g}"
        f"  {best.name:<12} {duration(best.seconds):>9} {times(best.ratio.median):>8}"
        f"  {spread:<17} {library:>9} {times(source.ratio.median):>8} {ours.timing.busy:>9.2f}"
    )


HEAD = (
    f"{'m':<2} {'rows':>7} {'cordwood':>9} {'ns/tree':>8}  {'best peer':<12} {'its time':>9}"
    f" {'ratio':>8}  {'quartiles':<17} {'source':>9} {'ratio':>8} {'cpu/wall':>9}"
)


def store(runs: dict[str, Any], path: Path) -> None:
    """Write results by model into a file that may hold others."""
    before = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    whole = dict(sorted((before | runs).items()))
    path.write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small models, for CI")
    parser.add_argument("--models", default=EVERY, help="letters, in the order to run")
    parser.add_argument("--peers", help="comma-separated; all that are installed where left out")
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each batch size")
    parser.add_argument("--save", action="store_true", help="store the run beside the others")
    arguments = parser.parse_args()
    if arguments.smoke and arguments.save:
        parser.error("small models are not stored")
    size = models.SMOKE if arguments.smoke else models.FULL
    missing = {} if arguments.peers else peers.absent(peers.NAMES)
    # A source library runs its own models anyway, and no others.
    wanted = [name for name in peers.NAMES if name not in {*missing, *peers.SOURCES}]
    if arguments.peers:
        wanted = arguments.peers.split(",")
    for why in missing.values():
        print(why)
    for letter in arguments.models:
        if letter in models.BY_HAND and "catboost" in missing:
            continue
        library, result = measure(letter, size, wanted, arguments.seconds)
        print(f"\n{result.machine.line(result.threads)}")
        print(HEAD, *lines(letter, result, library), sep="\n", flush=True)
        if arguments.save:
            store({letter: result.to_dict()}, RESULT)


if __name__ == "__main__":
    main()
