"""Write the README's table from the stored run of the demo; no number gets there by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cordwood.bench.report import amount, duration, times
from cordwood.bench.result import OURS

ROOT = Path(__file__).resolve().parent.parent
RESULT = ROOT / "benchmarks" / "results" / "demo.json"
README = ROOT / "README.md"
MARKED = re.compile(r"(<!-- table of the demo -->\n).*?(<!-- end of table -->)", re.DOTALL)

LIBRARIES = {"scikit-learn": "scikit-learn", "xgboost": "XGBoost", "lightgbm": "LightGBM"}


def table(run: dict[str, Any]) -> str:
    """Return the table as Markdown: ratios first, the machine below."""
    head = ["model", "file", "smaller", "one row", "faster", "100 000 rows", "faster", "load"]
    rows = [_row(stored) for stored in run["models"]]
    machine = run["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return "\n".join(
        [
            _line(head),
            _line(["---"] + ["---:"] * (len(head) - 1)),
            *(_line(row) for row in rows),
            "",
            f"One thread of {machine['cpu']} ({machine['isa']}), CPU time per call, source and "
            f"packed model in turns in one process; {versions}.",
            "",
        ]
    )


def _row(stored: dict[str, Any]) -> list[str]:
    model, load = stored["model"], stored["load_s"]
    before, after = stored["source_bytes"], model["bytes"]
    library = LIBRARIES[model["library"]]
    title = f"{library} {model['kind']}, {model['trees']} trees ({stored['question']})"
    cells = [title, f"{amount(before)} → {amount(after)}", f"**{times(before / after)}**"]
    for batch in stored["batches"]:
        ours, theirs = batch["lines"]
        cells.append(f"{duration(theirs['seconds'])} → {duration(ours['seconds'])}")
        cells.append(f"**{times(theirs['ratio']['median'])}**")
    return [*cells, duration(load[OURS])]


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def renewed(readme: str, run: dict[str, Any]) -> str:
    """Return the README with its table replaced."""
    text, count = MARKED.subn(lambda found: found[1] + table(run) + found[2], readme)
    assert count == 1, "README.md has not one pair of table markers"
    return text


def main() -> None:
    run = json.loads(RESULT.read_text(encoding="utf-8"))
    README.write_text(renewed(README.read_text(encoding="utf-8"), run), encoding="utf-8")


if __name__ == "__main__":
    main()
