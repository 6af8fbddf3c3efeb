"""`make demo`: train real models, pack them, prove them equal, and race them on one thread.

Every number on the screen is measured while it runs. With ``--save`` the run is also stored, and
scripts/write_readme_table.py makes the README's table of it.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from demo_models import Trained, makers

import cordwood
from cordwood.bench import peers
from cordwood.bench.report import amount, duration, times
from cordwood.bench.result import OURS, Result
from cordwood.bench.run import library_of, run
from cordwood.measure import Candidate, race

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "demo.json"
BATCHES = (1, 100_000)
VERIFIED_ROWS = 2_000


def show(trained: Trained, folder: Path) -> tuple[Result, dict[str, Any]]:
    """Pack, prove and race one model."""
    packed, original = folder / "model.cord", folder / f"model{trained.suffix}"
    trained.save(original)
    cordwood.compress(trained.source).save(packed)
    report = cordwood.verify(trained.source, packed, trained.rows[:VERIFIED_ROWS])
    report.raise_if_different()

    model = cordwood.load(packed, threads=1)
    result = run(model, trained.rows, source=trained.source, batches=BATCHES)
    library = library_of(trained.source)
    load = race(
        [
            Candidate(OURS, lambda path: cordwood.load(path, threads=1), [packed]),
            Candidate(library, peers.loader(library), [original]),
        ],
        budget_s=0.5,
        min_rounds=3,
    )
    facts = {
        "question": trained.question,
        "rows": len(trained.rows),
        "source_bytes": original.stat().st_size,
        "source_suffix": trained.suffix,
        "load_s": {name: timing.cpu.median for name, timing in load.timings.items()},
        "verify": {
            "identical": report.identical,
            "regions": report.structure.regions,
            "trees": report.structure.trees,
            "probed_rows": report.probes.rows if report.probes else 0,
            "margins": sum(proof.margins for proof in (report.probes, report.rows) if proof),
        },
    }
    return result, facts


def record(result: Result, facts: dict[str, Any]) -> dict[str, Any]:
    """Return what is stored of one model."""
    whole = result.to_dict()
    kept = ("threads", "clock", "model", "agreements", "batches")
    return {**facts, **{key: whole[key] for key in kept}}


def lines(stored: dict[str, Any]) -> list[str]:
    """Lay out one model: what it is, what it costs, what was proved."""
    model, proof, load = stored["model"], stored["verify"], stored["load_s"]
    library = next(name for name in load if name != OURS)
    cells = [change("file", stored["source_bytes"], model["bytes"], amount)]
    for batch in stored["batches"]:
        ours, theirs = batch["lines"]
        what = f"{batch['rows']:,} row{'s' if batch['rows'] > 1 else ''}"
        ratio = theirs["ratio"]["median"]
        cells.append(change(what, theirs["seconds"], ours["seconds"], duration, ratio))
    cells.append(change("load", load[library], load[OURS], duration))
    return [
        f"{model['kind']} of {model['library']}, {model['trees']} trees, {stored['question']}",
        "  " + "   ".join(cells[:2]),
        "  " + "   ".join(cells[2:]),
        f"  routing proved identical, {proof['regions']:,} regions; "
        f"{proof['margins']:,} margins equal bit for bit",
    ]


def change(
    what: str,
    before: float,
    after: float,
    write: Callable[[float], str],
    ratio: float | None = None,
) -> str:
    """Write ``1 row  4.40 ms -> 15.4 us  286x``; the ratio of a race is that of its rounds."""
    shown = times(before / after if ratio is None else ratio)
    return f"{what:<12} {write(before):>8} -> {write(after):>8} {shown:>7}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--save", action="store_true", help="store the run for the README")
    arguments = parser.parse_args()
    screen, stored, machine = [], [], None
    todo = makers()
    for number, make in enumerate(todo, 1):
        print(f"model {number} of {len(todo)}: train, pack, prove, race", file=sys.stderr)
        with tempfile.TemporaryDirectory() as folder:
            result, facts = show(make(), Path(folder))
        stored.append(record(result, facts))
        screen += lines(stored[-1])
        machine = machine or result.machine
        machine.versions.update(result.machine.versions)
    assert machine is not None
    print("\n".join(["", "source -> packed, one thread", "", *screen, "", machine.line(1)]))
    if arguments.save:
        text = json.dumps({"machine": machine.to_dict(), "models": stored}, indent=1)
        RESULT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
