"""Models on a GPU, beside whoever else runs them there: rows that lie on the device, one batch.

    python benchmarks/bench_gpu.py [--device cuda] [--folder gpu_wheels/models] [--shapes A,F]
        [--rows 1000000] [--seconds 2] [--save]

Nothing trains: `gpu_models.py` made the models before. Each model answers first with the CPU's
bits; then all who take it are timed in turns by the device's events, on distinct rows that no cache
holds. Kernels apart come last, when all else is timed. The run is stored
after each model, so that whoever stops it loses nothing. ``--device cpu`` rehearses everything but
the device. ``--save`` writes ``benchmarks/results/gpu-<device>.json``.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import re
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import gpu_models
import gpu_ops
import gpu_table
import numpy as np
from gpu_arrays import Entrant, Place, latency, place_for, race, spread
from gpu_kernels import kernel_seconds
from gpu_peers import MAY_DIFFER, PEERS, AbsentError, rows_off
from gpu_rows import checked, distinct_rows

import cordwood as cw
from cordwood.bench import machine

HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "gpu_wheels" / "models"
RESULTS = HERE / "results"
OURS = "cordwood"
LINK_TOLERANCE = 1e-6
SMALL_BATCHES = (1, 32)
OPS_SIDE = 16_384
"""1 GiB of weights, so that the device's time is most of a call's."""


def facts(device: str) -> dict[str, Any]:
    """Describe the device and what stands on it."""
    found: dict[str, Any] = {"device": device, "machine": machine.describe().to_dict()}
    if device != "cuda":
        return {**found, "name": device, "cache_bytes": 32 << 20}
    try:
        import cupy

        properties = cupy.cuda.runtime.getDeviceProperties(0)
        found["name"] = properties["name"].decode()
        found["processors"] = properties["multiProcessorCount"]
        found["cache_bytes"] = properties["l2CacheSize"]
        found["driver"] = cupy.cuda.runtime.driverGetVersion()
        found["cupy"] = cupy.__version__
    except ImportError:
        import torch

        known = torch.cuda.get_device_properties(0)
        found["name"], found["processors"] = known.name, known.multi_processor_count
        found["cache_bytes"] = known.L2_cache_size
        found["torch"] = torch.__version__
    return found


def raw_of(model: Any) -> Callable[[Any], Any]:
    """Return the call whose answer no link has touched: sums, or an average of leaves."""
    try:
        model.predict(np.zeros((1, model.n_features_in_), np.float32), raw_score=True)
    except (cw.InputError, TypeError):
        ask: Callable[[Any], Any] = getattr(model, "predict_proba", model.predict)
        return ask
    return functools.partial(model.predict, raw_score=True)


def same_bits(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether two answers are the same type, shape and bits."""
    alike = first.dtype == second.dtype and first.shape == second.shape
    return alike and first.tobytes() == second.tobytes()


def _fresh(place: Place, call: Callable[[Any], Any], rows: Any, like: np.ndarray) -> Any:
    """Answer with memory that holds no earlier answer: an allocator gives the freed block again."""
    poison = place.put(np.full((len(rows), *like.shape[1:]), 77, like.dtype))
    del poison
    return call(rows)


def _asked(model: Any) -> Callable[[Any], Any]:
    """Return the call that is timed: what a user asks for."""
    ask: Callable[[Any], Any] = getattr(model, "predict_proba", model.predict)
    return ask


def _compare(shape: gpu_models.Shape, model: Any, rows: Any, place: Place) -> np.ndarray:
    """Compare a batch's answers with the CPU's, and return what the CPU says of `checked` rows."""
    reference, host = cw.load(shape.packed), place.get(checked(rows))
    raw, expected = raw_of(model), raw_of(reference)(host)
    given = place.get(checked(_fresh(place, raw, rows, expected)))
    assert same_bits(given, expected), f"{shape.name}: not the CPU's bits"
    expected = _asked(reference)(host)
    given = place.get(checked(_fresh(place, _asked(model), rows, expected)))
    assert np.allclose(given, expected, rtol=LINK_TOLERANCE, atol=1e-300), shape.name
    return expected


def measure(shape: gpu_models.Shape, device: str, n_rows: int, budget_s: float) -> dict[str, Any]:
    """Compare and time one model.

    Raises
    ------
    AssertionError
        An answer is not the CPU's.
    """
    place = place_for(device)
    model = cw.load(shape.packed, device=device)
    answer = _asked(model)
    cache = facts(device)["cache_bytes"]
    n_buffers = min(8, max(2, math.ceil(4 * cache / (n_rows * shape.rows.shape[1] * 4))))
    sample_there = place.put(shape.rows)
    buffers = [distinct_rows(place, sample_there, n_rows, seed) for seed in range(n_buffers)]
    expected = _compare(shape, model, buffers[0], place)
    for rows in buffers[1:]:
        _compare(shape, model, rows, place)

    entrants = [Entrant(OURS, lambda number: answer(buffers[number]))]
    names, absent, off = {OURS: f"cordwood {cw.__version__}"}, {}, {}
    for peer, make in PEERS.items():
        try:
            names[peer], ask = make(shape, buffers[0], place)
            off[peer] = rows_off(expected, place.get(checked(ask(buffers[0]))))
            if off[peer] > MAY_DIFFER * len(expected):
                message = f"{peer}: {off[peer]:,} of {len(expected):,} rows differ"
                raise AbsentError(message)
        except AbsentError as error:
            absent[peer] = str(error)
            continue
        except Exception as error:
            absent[peer] = f"{peer}: {type(error).__name__}: {error}"
            continue
        entrants.append(Entrant(peer, lambda number, ask=ask: ask(buffers[number])))
    sample = race(entrants, place, buffers=n_buffers, budget_s=budget_s)
    ours = np.array(sample[OURS])
    return {
        "trees": model.n_trees,
        "features": int(shape.rows.shape[1]),
        "rows": n_rows,
        "checked": len(expected),
        "sampled": len(shape.rows),
        "buffers": n_buffers,
        "runs": model.summary(),
        "names": names,
        "absent": absent,
        "rows_off": off,
        "seconds": {name: spread(seconds) for name, seconds in sample.items()},
        "ratios": {
            name: spread(np.array(seconds) / ours)
            for name, seconds in sample.items()
            if name != OURS
        },
        "host_rows_s": _host_rows(model, place.get(buffers[0])),
        "latency": _latencies(shape, answer, place, [peer for peer in PEERS if peer in sample]),
    }


def kernels(shape: gpu_models.Shape, device: str, n_rows: int) -> dict[str, float] | str:
    """Time the kernels of a batch such as was timed."""
    place = place_for(device)
    rows = distinct_rows(place, place.put(shape.rows), n_rows, seed=0)
    answer = _asked(cw.load(shape.packed, device=device))
    return kernel_seconds(functools.partial(answer, rows), device)


def _host_rows(model: Any, rows: np.ndarray) -> dict[str, float]:
    """Time the same batch from the host's memory and back to it, by the wall clock."""
    sample = race(
        [Entrant(OURS, lambda _: model.predict(rows))], place_for(""), buffers=1, budget_s=0.3
    )
    return spread(sample[OURS])


def _latencies(
    shape: gpu_models.Shape, answer: Callable[[Any], Any], place: Place, peers: Sequence[str]
) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for batch in SMALL_BATCHES:
        rows = place.put(shape.rows[:batch])
        asked = {OURS: answer}
        for peer in peers:
            asked[peer] = PEERS[peer](shape, rows, place)[1]
        found[str(batch)] = {
            name: latency(functools.partial(ask, rows), place, 100, in_a_queue=name == OURS)
            for name, ask in asked.items()
        }
    return found


def _copy_bytes_per_s(place: Place) -> float:
    """Return bytes read and written a second by a copy within the device: a ceiling."""
    n_bytes = 1 << 28
    block = place.put(np.random.default_rng(0).integers(0, 255, n_bytes, np.uint8))
    copy = block.clone if hasattr(block, "clone") else block.copy
    copy()
    return 2 * n_bytes / min(place.seconds(copy, 5) for _ in range(3))


def slug(name: str) -> str:
    """Return a device's name as part of a file's.

    Examples
    --------
    >>> slug("NVIDIA H200")
    'nvidia-h200'
    """
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")


def _store(result: dict[str, Any], paths: Sequence[Path]) -> None:
    """Write what there is so far; a reader finds the last whole run, or this one."""
    for path in paths:
        half = path.with_name(f"{path.name}.part")
        half.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
        half.replace(path)


def _run(given: argparse.Namespace, wanted: Sequence[str]) -> dict[str, Any]:
    place = place_for(given.device)
    found = facts(given.device)
    result: dict[str, Any] = {**found, "arrays": place.name, "shapes": {}, "failed": {}, "ops": {}}
    paths = [given.json] if given.json else []
    if given.save:
        paths.append(RESULTS / f"gpu-{slug(result['name'])}.json")
    result["copy_bytes_per_s"] = _copy_bytes_per_s(place)
    for name in wanted:
        try:
            shape = gpu_models.load(given.folder, name)
            result["shapes"][name] = measure(shape, given.device, given.rows, given.seconds)
        except Exception as error:
            result["failed"][name] = f"{type(error).__name__}: {error}"
        print(*gpu_table.shape_lines(name, result), sep="\n", flush=True)
        _store(result, paths)
    operations = gpu_ops.prepare(place, given.device, side=min(OPS_SIDE, given.rows))
    result["ops"] = gpu_ops.measure(operations, place, seconds=0.5)
    _store(result, paths)
    print(*gpu_table.lines(result), sep="\n", flush=True)
    print("", "Kernels apart, when all else was timed:", gpu_table.KERNELS_HEAD, sep="\n")
    for name, shape_result in result["shapes"].items():
        shape = gpu_models.load(given.folder, name)
        shape_result["kernels_s"] = kernels(shape, given.device, given.rows)
        print(*gpu_table.kernel_lines(name, shape_result), sep="\n", flush=True)
        _store(result, paths)
    for name, operation in operations.items():
        if not isinstance(operation, str):
            result["ops"][name]["kernels_s"] = kernel_seconds(operation.call, given.device)
            print(*gpu_table.ops_kernel_lines(name, result), sep="\n", flush=True)
    _store(result, paths)
    return result


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--device", default="cuda", help="cuda, or cpu to rehearse")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="what gpu_models.py made")
    parser.add_argument("--shapes", help=f"comma-separated, of {', '.join(gpu_models.NAMES)}")
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=2.0, help="time for each model")
    parser.add_argument("--save", action="store_true", help="store the run")
    parser.add_argument("--json", type=Path, help="store the run in this file")
    given = parser.parse_args(arguments)
    there = gpu_models.names_in(given.folder)
    wanted = given.shapes.split(",") if given.shapes else there
    missing = [name for name in wanted if name not in there]
    if missing or not wanted:
        what = f"no model {', '.join(missing)}" if missing else "no models"
        parser.error(f"{what} in {given.folder}; scripts/gpu_wheels.sh makes them")
    cuda = cw.cuda_available()
    if given.device == "cuda" and not cuda:
        parser.error(f"no CUDA device: {cuda.reason}")
    return 1 if _run(given, wanted)["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
