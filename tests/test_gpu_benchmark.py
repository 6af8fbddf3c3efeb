"""What `benchmarks/bench_gpu.py` measures on a GPU, as far as a machine without one can."""

from __future__ import annotations

import importlib
import json
import re
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parent.parent / "benchmarks"
SUMMARY = """Classifier from lightgbm
  bytes     1 packed, 2 in memory
  engine    slice on H200: trees of up to 31 leaves, so that all nodes are evaluated at once
  threads   1"""


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def bring(name: str) -> ModuleType:
        return importlib.import_module(name)

    return bring


def _example() -> dict[str, Any]:
    spread = {"median": 1.0e-3, "low": 0.9e-3, "high": 1.1e-3}
    shape = {
        "trees": 500, "features": 28, "rows": 1_000_000, "buffers": 3,
        "names": {"cordwood": "cordwood 0.1.0", "nvforest": "nvforest 26.10, layered, chunk 32"},
        "absent": {"xgboost": "xgboost: not installed; pip install xgboost"},
        "seconds": {"cordwood": spread, "nvforest": {**spread, "median": 8.0e-3}},
        "ratios": {"nvforest": {"median": 8.0, "low": 7.5, "high": 8.5}},
        "checked": 125_000, "sampled": 4096, "runs": SUMMARY,
        "kernels_s": {"sum_kernel<u8, float>": 0.4e-3, "slice_kernel<32u>": 0.6e-3},
        "host_rows_s": spread,
        "latency": {"1": {
            "cordwood": {"wall_s": spread, "queued_s": spread}, "nvforest": {"wall_s": spread},
        }},
    }  # fmt: skip
    operation = {
        "shape": [16384, 16384], "bytes": 3.0e9, "seconds": spread,
        "kernels_s": {"group_kernel<4u>": 0.75e-3},
    }  # fmt: skip
    return {
        "name": "NVIDIA H200", "arrays": "cupy", "copy_bytes_per_s": 4.0e12,
        "shapes": {"A": shape}, "failed": {"C": "AssertionError: C: not the CPU's bits"},
        "ops": {"mask 2:4": operation, "quantize": "not on cuda"},
    }  # fmt: skip


def test_a_table_tells_each_figure_once(benchmark_module: Any) -> None:
    table = benchmark_module("gpu_table")
    whole = "\n".join(table.lines(_example()))
    # 1 ms for 500 trees and a million rows.
    assert re.search(r"^A +2 +1000\.0 +8\.00x +- +-$", whole, re.MULTILINE)
    assert "mask 2:4, 16,384 x 16,384: a call, host's time and all: 1.000 ms, 3,000 GB/s" in whole
    assert table.ops_kernel_lines("mask 2:4", _example()) == [
        "mask 2:4: kernels alone: 0.750 ms, 4,000 GB/s, 100% of a copy (group_kernel<4u> 0.750 ms)"
    ]
    assert "quantize: not on cuda" in whole
    assert "C      FAILED: AssertionError: C: not the CPU's bits" in whole
    shape = "\n".join(table.shape_lines("A", _example()))
    assert re.search(
        r"nvforest 26.10, layered, chunk 32 +8\.000 +16 +8\.00x  7\.50x to 8\.50x", shape
    )
    assert "A      engine    slice on H200: trees of up to 31 leaves, so that" in shape
    assert "4,096 that travelled, each with a quarter of another's values" in shape
    # Whoever waits by itself has no queue.
    assert re.search(r"1 row, cordwood, .* 1000\.0 us; ours alone, calls in a queue: ", shape)
    assert re.search(r"1 row, nvforest, .* 1000\.0 us$", shape, re.MULTILINE)
    kernels = table.kernel_lines("A", _example()["shapes"]["A"])
    assert re.fullmatch(r"A +slice_kernel<32u> +0\.600 +1\.2", kernels[0])
    assert [line.split()[1] for line in kernels] == ["slice_kernel<32u>", "sum_kernel<u8,"]
    assert "xgboost: not installed; pip install xgboost" in shape
    assert table.shape_lines("C", _example()) == [
        "C: FAILED: AssertionError: C: not the CPU's bits"
    ]


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        (
            "void cordwood::cuda::(anonymous namespace)::slice_kernel<32u>(cordwood::cuda::T, int)",
            "slice_kernel<32u>",
        ),
        (
            "void a::sum_kernel<unsigned char, float>(a::LeafTables<float>, a::LeafGrid<x::y>)",
            "sum_kernel<unsigned char, float>",
        ),
        ("Memcpy DtoH", "Memcpy DtoH"),
        ("_ZN4plainEv", "_ZN4plainEv"),
    ],
)
def test_kernels_are_called_by_their_own_name(
    symbol: str, name: str, benchmark_module: Any
) -> None:
    assert benchmark_module("gpu_kernels").kernel_name(symbol) == name


def test_kernels_are_seconds_of_a_call(benchmark_module: Any) -> None:
    kernels = benchmark_module("gpu_kernels")

    def event(key: str, spent: float) -> SimpleNamespace:
        return SimpleNamespace(key=key, self_device_time_total=spent)

    events = [
        event("void a::walk_kernel<1u>(a::T)", 10.0), event("void a::walk_kernel<1u>(b::T)", 5.0),
        event("cudaLaunchKernel", 0.0), event("ProfilerStep*", 99.0),
    ]  # fmt: skip
    assert kernels.by_kernel(events, 5) == {"walk_kernel<1u>": pytest.approx(3e-6)}
    assert kernels.kernel_seconds(print, "cpu") == "kernels are timed on a CUDA device alone"


def test_everyone_gets_the_same_turns_and_every_buffer(benchmark_module: Any) -> None:
    arrays = benchmark_module("gpu_arrays")
    seen: dict[str, list[int]] = {"a": [], "b": []}
    entrants = [arrays.Entrant(name, seen[name].append) for name in seen]
    sample = arrays.race(entrants, arrays.Host(), buffers=3, budget_s=0.0)
    assert {name: len(times) for name, times in sample.items()} == {"a": 5, "b": 5}
    for numbers in seen.values():
        assert numbers == [at % 3 for at in range(len(numbers))]


def test_only_calls_that_do_not_wait_have_a_queue(benchmark_module: Any) -> None:
    arrays = benchmark_module("gpu_arrays")
    for in_a_queue, keys in ((True, {"wall_s", "queued_s"}), (False, {"wall_s"})):
        found = arrays.latency(lambda: None, arrays.Host(), 10, in_a_queue=in_a_queue)
        assert set(found) == keys


def test_rows_of_a_batch_are_distinct(benchmark_module: Any) -> None:
    rows_of, place = benchmark_module("gpu_rows"), benchmark_module("gpu_arrays").Host()
    sample = np.random.default_rng(0).standard_normal((64, 30)).astype(np.float32)
    sample[:, 3] = np.nan
    sample[:, 4] = np.arange(64) % 2
    rows = rows_of.distinct_rows(place, sample, 20_000, seed=1)
    assert (rows.shape, rows.dtype) == ((20_000, 30), np.float32)
    assert len(np.unique(rows, axis=0)) > 19_990
    for known, column in zip(sample.T, rows.T, strict=True):
        assert np.isin(np.nan_to_num(column, nan=7), np.nan_to_num(known, nan=7)).all()
    # Three quarters of a row are one's of the sample.
    shares = [(row == sample).sum(axis=1).max() / 29 for row in rows[:200]]
    assert 0.7 < np.mean(shares) < 0.85
    again = rows_of.distinct_rows(place, sample, 20_000, seed=1)
    np.testing.assert_array_equal(again, rows)
    other = rows_of.distinct_rows(place, sample, 20_000, seed=2)
    assert not np.array_equal(other, rows, equal_nan=True)
    one = rows_of.distinct_rows(place, sample[:1], 5, seed=2)
    np.testing.assert_array_equal(one, np.repeat(sample[:1], 5, axis=0))


@pytest.mark.parametrize(
    ("n_rows", "n_checked"), [(1, 1), (1 << 17, 1 << 17), ((1 << 17) + 1, 65_537), (10**6, 125_000)]
)
def test_some_rows_of_every_tile_are_compared(
    n_rows: int, n_checked: int, benchmark_module: Any
) -> None:
    assert len(benchmark_module("gpu_rows").checked(np.empty(n_rows))) == n_checked


def test_a_peer_is_off_where_it_answers_otherwise(benchmark_module: Any) -> None:
    off = benchmark_module("gpu_peers").rows_off
    ours = np.array([[0.25, 0.75], [0.5, 0.5], [1.0, 0.0]])
    assert off(ours, ours.astype(np.float32)) == 0
    assert off(ours, ours[:, 1]) == 0
    assert off(ours, np.array([0.75, np.nan, 0.1])) == 2


def test_a_rehearsal_measures_what_was_prepared(benchmark_module: Any, tmp_path: Path) -> None:
    pytest.importorskip("lightgbm")
    pytest.importorskip("treelite")
    models, bench = benchmark_module("gpu_models"), benchmark_module("bench_gpu")
    folder, result = tmp_path / "models", tmp_path / "gpu.json"
    models.main([str(folder), "--smoke", "--names", "W31"])
    given = ["--device", "cpu", "--folder", str(folder), "--json", str(result)]
    assert bench.main([*given, "--rows", "500", "--seconds", "0.01"]) == 0
    run = json.loads(result.read_text(encoding="utf-8"))
    assert run["failed"] == {}
    assert run["shapes"]["W31"]["features"] == 31
    assert set(run["shapes"]["W31"]["absent"]) == {"nvforest", "xgboost", "hummingbird"}
    assert run["shapes"]["W31"]["kernels_s"] == "kernels are timed on a CUDA device alone"
    assert run["ops"]["quantize int4"]["shape"] == [500, 500]
    # Another file's trees: what the CPU says of the sample is not what they answer.
    shape = models.load(folder, "W31")
    wrong = models.Shape("W31", shape.packed, shape.rows, folder)
    assert bench.same_bits(shape.rows, wrong.rows)
    assert not bench.same_bits(shape.rows, -shape.rows)
    assert not bench.same_bits(np.zeros(2), np.zeros(2, np.float32))


def test_what_peers_read_has_the_source_s_answers(benchmark_module: Any, tmp_path: Path) -> None:
    lightgbm, treelite = pytest.importorskip("lightgbm"), pytest.importorskip("treelite")
    models = benchmark_module("gpu_models")
    rows = np.random.default_rng(0).standard_normal((500, 4)).astype(np.float32)
    data = lightgbm.Dataset(rows, rows[:, 0] * rows[:, 1])
    source = lightgbm.train({"num_leaves": 7, "verbose": -1}, data, 5)
    model = treelite.Model.deserialize_bytes(models._treelite(source))
    whole = treelite.frontend.from_lightgbm(source)
    np.testing.assert_array_equal(
        treelite.gtil.predict(model, rows), treelite.gtil.predict(whole, rows)
    )
    assert not any(model.get_tree_accessor(3).get_field("data_count"))
    assert any(whole.get_tree_accessor(3).get_field("data_count"))
    # Rows lie there once for all models that answer them.
    np.savez_compressed(tmp_path / "A.npz", rows=rows)
    (tmp_path / "B.cord").touch()
    np.testing.assert_array_equal(models.load(tmp_path, "B").rows, rows)


def test_whoever_stops_a_run_keeps_what_it_measured(
    benchmark_module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, result = benchmark_module("bench_gpu"), tmp_path / "gpu.json"
    for name in ("A", "C"):
        (tmp_path / f"{name}.cord").touch()
    np.savez_compressed(tmp_path / "A.npz", rows=np.zeros((1, 1), np.float32))
    np.savez_compressed(tmp_path / "C.npz", rows=np.zeros((1, 1), np.float32))

    def measure(shape: Any, *_: Any) -> dict[str, Any]:
        if shape.name == "C":
            raise KeyboardInterrupt
        return dict(_example()["shapes"]["A"])

    monkeypatch.setattr(bench, "measure", measure)
    monkeypatch.setattr(bench, "_copy_bytes_per_s", lambda _: 1.0)
    with pytest.raises(KeyboardInterrupt):
        bench.main(["--device", "cpu", "--folder", str(tmp_path), "--json", str(result)])
    assert list(json.loads(result.read_text(encoding="utf-8"))["shapes"]) == ["A"]


def test_the_benchmark_names_what_is_missing(
    benchmark_module: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bench = benchmark_module("bench_gpu")
    with pytest.raises(SystemExit):
        bench.main(["--device", "cpu", "--folder", str(tmp_path)])
    assert "scripts/gpu_wheels.sh makes them" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        benchmark_module("gpu_models").main([str(tmp_path), "--names", "A,Z"])
    assert "no model Z; there are A, B," in capsys.readouterr().err
