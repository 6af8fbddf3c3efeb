"""Sizes, conversion and loading of the six models, each step in a process of its own.

    python benchmarks/bench_sizes.py [--smoke] [--models ABDEF] [--json]

Beside the packed file stand the source's own file, the same squeezed by ``gzip -9`` and ``xz -9``,
and treelite's checkpoint. Below each model: where its bytes are, tensor by tensor.
"""

from __future__ import annotations

import argparse
import gzip
import json
import lzma
import pickle
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import models

from cordwood import _core
from cordwood._pack_sizes import tree_sizes
from cordwood.bench import machine
from cordwood.bench.report import amount
from cordwood.measure import fresh_process

LARGEST_SQUEEZED = 64 << 20
"""Longer source files are not squeezed: xz takes minutes for them."""

FIRST_TO_SHOW = 0.002
"""Tensors below this share of a file are added up in one line."""

CONVERT = """
import json, pickle, sys, time
from pathlib import Path

def kilobytes(name):  # ru_maxrss would count the parent, up to the moment of exec
    status = Path("/proc/self/status").read_text()
    return 1024 * int(status.partition(name + ":")[2].split()[0])

source, target = sys.argv[1:]
if source.endswith(".pickle"):
    source = pickle.loads(Path(source).read_bytes())  # written by this script a moment ago
import cordwood
before = kilobytes("VmRSS")
start = time.perf_counter(), time.process_time()
model = cordwood.compress(source)
seconds = time.perf_counter() - start[0], time.process_time() - start[1]
model.save(target)
print(json.dumps([*seconds, before, kilobytes("VmHWM")]))
"""


def write_source(source: Any, folder: Path) -> Path:
    """Write a model the way its library does, or a pickle of scikit-learn."""
    library = type(source).__module__.partition(".")[0]
    names = {"lightgbm": "model.txt", "xgboost": "model.ubj", "catboost": "model.cbm"}
    path = folder / names.get(library, "model.pickle")
    if path.suffix == ".pickle":
        path.write_bytes(pickle.dumps(source, protocol=5))
    else:
        source.save_model(str(path))
    return path


def treelite_bytes(source: Any) -> int | None:
    """Return the length of treelite's checkpoint; None where it does not take the model."""
    import treelite

    library = type(source).__module__.partition(".")[0]
    front = {
        "lightgbm": treelite.frontend.from_lightgbm,
        "xgboost": treelite.frontend.from_xgboost,
    }.get(library, treelite.sklearn.import_model)
    try:
        return len(front(source).serialize_bytes())
    except (treelite.TreeliteError, NotImplementedError):
        return None


def converted(source: Path, target: Path) -> dict[str, float]:
    """Convert in a new process; C reads its pickle before the clock starts."""
    command = [sys.executable, "-c", CONVERT, str(source), str(target)]
    run = subprocess.run(command, check=True, capture_output=True, text=True)
    names = ("seconds", "cpu_seconds", "resident_before", "peak")
    return dict(zip(names, json.loads(run.stdout), strict=True))


def loaded(target: Path, repeats: int) -> dict[str, float]:
    """Load in new processes: seconds, and by how much resident memory grows."""
    cost = fresh_process(
        {
            "import": "import cordwood, cordwood._core, numpy",
            "load": f"model = cordwood.load({str(target)!r}, threads=1)",
        },
        repeats=repeats,
    )
    grown = cost.resident_bytes["load"] - cost.resident_bytes["import"]
    return {"seconds": cost.step_s["load"].low, "resident": grown}


def squeezed(data: bytes) -> dict[str, int]:
    if len(data) > LARGEST_SQUEEZED:
        return {}
    return {"gzip": len(gzip.compress(data, 9)), "xz": len(lzma.compress(data, preset=9))}


def tensors(facts: dict[str, Any]) -> list[dict[str, Any]]:
    """Return name, type, encoding and bytes of each tensor of the trees."""
    trees = next(o for o in facts["operators"] if o["name"] == "tree_ensemble")
    kept = [facts["tensors"][i] for i in trees["tensors"] if i is not None]
    keys = ("name", "dtype", "encoding", "encoded_bytes")
    return [{key: each[key] for key in keys} for each in kept]


def measure(name: str, size: models.Size, folder: Path) -> dict[str, Any]:
    source = models.load(name, size).source
    written, target = write_source(source, folder), folder / "model.cord"
    treelite = treelite_bytes(source)
    del source
    conversion = converted(written, target)
    packed, original = target.read_bytes(), written.read_bytes()
    facts = _core.inspect(packed)
    trees = tree_sizes(facts)
    assert trees is not None
    return {
        "model": name,
        "nodes": trees.n_inner,
        "suffix": written.suffix,
        "cordwood": len(packed),
        "source": len(original),
        **squeezed(original),
        "treelite": treelite,
        "convert": conversion,
        "load": loaded(target, 3),
        "goal_resident": 4 * len(packed) + (10 << 20),
        "bytes_per_node": trees.bytes_per_node,
        "tensors": tensors(facts),
    }


def show(found: dict[str, Any]) -> None:
    packed, nodes = found["cordwood"], max(found["nodes"], 1)
    peers = {"source": found["source"]} | {
        peer: found[peer] for peer in ("gzip", "xz", "treelite") if found.get(peer)
    }
    beside = ", ".join(
        f"{found['suffix'] if peer == 'source' else peer} {amount(n)} ({n / packed:.1f} x)"
        for peer, n in peers.items()
    )
    convert, load = found["convert"], found["load"]
    print(f"\n{found['model']}: {amount(packed)}, {found['nodes']:,} inner nodes,", end=" ")
    print(f"{found['bytes_per_node']:.2f} bytes each; {beside}")
    print(
        f"   convert {convert['seconds']:.2f} s ({convert['cpu_seconds']:.2f} s of CPU),"
        f" memory {amount(convert['peak'])} at most, {amount(convert['resident_before'])} before"
    )
    print(
        f"   load {1e3 * load['seconds']:.1f} ms, resident memory grows by"
        f" {amount(load['resident'])}; four times the file and 10 MB"
        f" are {amount(found['goal_resident'])}"
    )
    rest = packed
    for part in found["tensors"]:
        if part["encoded_bytes"] < FIRST_TO_SHOW * packed:
            continue
        rest -= part["encoded_bytes"]
        bits = 8 * part["encoded_bytes"] / nodes
        kind = f"{part['dtype']}, {part['encoding']}"
        print(f"   {part['name']:<18} {kind:<22} {part['encoded_bytes']:>12,} {bits:>8.2f}")
    print(f"   {'all else':<41} {rest:>12,} {8 * rest / nodes:>8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--smoke", action="store_true", help="small models, for CI")
    parser.add_argument("--models", default="ABCDEF", help="letters, in the order to run")
    parser.add_argument("--json", action="store_true", help="print one line of JSON a model")
    arguments = parser.parse_args()
    size = models.SMOKE if arguments.smoke else models.FULL
    if not arguments.json:
        print(machine.describe(("sklearn", "xgboost", "lightgbm", "treelite")).line(1))
        print("tensors: encoded bytes, and bits for each inner node")
    for name in arguments.models:
        with tempfile.TemporaryDirectory() as folder:
            found = measure(name, size, Path(folder))
        if arguments.json:
            print(json.dumps(found))
        else:
            show(found)


if __name__ == "__main__":
    main()
