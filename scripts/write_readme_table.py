"""Write the README's tables from stored runs; no number gets there by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from cordwood.bench.report import amount, duration, times
from cordwood.bench.result import OURS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"
README = ROOT / "README.md"

LIBRARIES = {
    "catboost": "CatBoost",
    "daal4py": "daal4py",
    "lightgbm": "LightGBM",
    "lleaves": "lleaves",
    "lleaves32": "lleaves (float32)",
    "nvforest": "nvForest",
    "onnxruntime": "ONNX Runtime",
    "openvino": "OpenVINO",
    "scikit-learn": "scikit-learn",
    "sklearn": "scikit-learn",
    "torch": "torch",
    "treelite": "treelite",
    "xgboost": "XGBoost",
}

NETS = {
    "mlp": "MLP 784-512-512-10",
    "cnn": "small residual CNN",
    "resnet8": "ResNet-8",
    "minilm": "MiniLM-L6",
}

PEER_BATCHES = (1, 32, 1024, 100_000)


def demo_table(run: dict[str, Any]) -> str:
    """Return the demo's table as Markdown: ratios first, the machine below."""
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


def peer_table(runs: dict[str, Any]) -> str:
    """Return the fastest of all peers, model by model and batch by batch."""
    head = ["model", "one row", "32 rows", "1 024 rows", "100 000 rows"]
    rows = [_peer_row(run) for run in runs.values()]
    machine = next(iter(runs.values()))["machine"]
    return "\n".join(
        [
            _line(head),
            _line(["---"] * len(head)),
            *(_line(row) for row in rows),
            "",
            "The fastest peer, how many times longer it takes, and cordwood's own time per row and "
            f"tree. One thread of {machine['cpu']} ({machine['isa']}), CPU time.",
            "",
        ]
    )


def _peer_row(run: dict[str, Any]) -> list[str]:
    model = run["model"]
    batches = {batch["rows"]: batch for batch in run["batches"]}
    names = dict.fromkeys([LIBRARIES[model["library"]], model["kind"]])  # one, where both are alike
    return [
        f"{' '.join(names)}, {model['trees']} trees",
        *(_peer_cell(batches[rows]) for rows in PEER_BATCHES),
    ]


def _peer_cell(batch: dict[str, Any]) -> str:
    ours = next(line for line in batch["lines"] if line["name"] == OURS)
    others = [line for line in batch["lines"] if line["name"] != OURS]
    best = min(others, key=lambda line: line["ratio"]["median"])
    ratio, each = times(best["ratio"]["median"]), ours["ns_per_row_tree"]
    return f"{LIBRARIES[best['name']]} **{ratio}**, {each:.3g} ns"


def ops_table(runs: dict[str, Any]) -> str:
    """Return products on one thread: the fastest peer, our time, our share of the peak."""
    run = runs["1"]
    products: dict[tuple[str, int, int], dict[int, list[Any]]] = {}
    for line in run["lines"]:
        product = products.setdefault((line["kind"], *line["shape"]), {})
        product.setdefault(line["rows"], []).append(line)
    batches = list(next(iter(products.values())))
    machine, peak = run["machine"], run["peak_operations_s"] / 1e9
    return "\n".join(
        [
            _line(["weights", *(f"{rows} rows" if rows > 1 else "one row" for rows in batches)]),
            _line(["---"] * (1 + len(batches))),
            *(
                _line([f"{kind}, {n} x {k}", *(_ops_cell(lines[rows]) for rows in batches)])
                for (kind, n, k), lines in products.items()
            ),
            "",
            "The fastest peer, how many times longer it takes, cordwood's time, and its share of "
            f"the peak of {peak:,.0f} GOP/s. One thread of {machine['cpu']} ({machine['isa']}), "
            "CPU time, quantising the activations included.",
            "",
        ]
    )


def _ops_cell(lines: list[Any]) -> str:
    ours = next(line for line in lines if line["name"] == OURS)
    others = [line for line in lines if line["name"] != OURS]
    best = min(others, key=lambda line: line["ratio"]["median"])
    ratio = times(best["ratio"]["median"])
    return (
        f"{LIBRARIES[best['name']]} **{ratio}**, {duration(ours['seconds'])}, {ours['share']:.0%}"
    )


def nets_table(stored: dict[str, Any]) -> str:
    """Return nets on one thread: in integers and in float32, the fastest peer and our time."""
    machine = stored["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    return "\n".join(
        [
            _line(["net", "input", "int8", "float32"]),
            _line(["---"] * 4),
            *(_line(_net_row(run)) for run in stored["runs"]),
            "",
            "The fastest peer in the same form, how many times longer it takes, and cordwood's "
            f"time. One thread of {machine['cpu']} ({machine['isa']}), CPU time, in turns in one "
            f"process; {versions}.",
            "",
        ]
    )


def _net_row(run: dict[str, Any]) -> list[str]:
    cells = [NETS[run["net"]], " x ".join(map(str, run["shape"]))]
    for form, own in (("int8", "cordwood int8 calibrated"), ("float32", "cordwood float32")):
        times_by_name = {line["name"]: line["seconds"] for line in run["forms"]}
        peers = {
            name.split()[0]: seconds
            for name, seconds in times_by_name.items()
            if name.endswith(f" {form}") and not name.startswith(OURS)
        }
        best, ours = min(peers, key=lambda name: peers[name]), times_by_name[own]
        ratio = times(peers[best] / ours)
        cells.append(f"{LIBRARIES[best]} **{ratio}**, {duration(ours)}")
    return cells


def _line(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


TABLES = {"demo": demo_table, "peers": peer_table, "ops": ops_table, "nets": nets_table}


MARKED = re.compile(r"(<!-- table: (\w+) -->\n).*?(<!-- end of table -->)", re.DOTALL)


def stored() -> dict[str, Any]:
    """Return the stored run behind each table."""
    paths = {name: RESULTS / f"{name}.json" for name in TABLES}
    return {name: json.loads(path.read_text(encoding="utf-8")) for name, path in paths.items()}


def renewed(readme: str, runs: dict[str, Any]) -> str:
    """Return the README with its tables made anew."""
    names = [found[2] for found in MARKED.finditer(readme)]
    assert sorted(names) == sorted(TABLES), f"README.md has markers for the tables {names}"
    return MARKED.sub(lambda found: found[1] + TABLES[found[2]](runs[found[2]]) + found[3], readme)


def main() -> None:
    README.write_text(renewed(README.read_text(encoding="utf-8"), stored()), encoding="utf-8")


if __name__ == "__main__":
    main()
