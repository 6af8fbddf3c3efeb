"""What `scripts/gpu_check.sh` runs on a GPU, as far as a machine without one can."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from native_build import tool

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FOLDER = ROOT / "gpu_wheels"
MOST_BYTES = 56 << 20
SCRIPTS = ("gpu_check.sh", "gpu_wheels.sh")


@pytest.fixture
def benchmark_module(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what imports a module of benchmarks/."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))

    def bring(name: str) -> ModuleType:
        return importlib.import_module(name)

    return bring


def _script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("bash"), str(ROOT / "scripts" / name), *arguments],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def _example() -> dict[str, Any]:
    spread = {"median": 1.0e-3, "low": 0.9e-3, "high": 1.1e-3}
    shape = {
        "trees": 500, "features": 28, "rows": 1_000_000, "buffers": 3,
        "names": {"cordwood": "cordwood 0.1.0", "nvforest": "nvforest 26.10, layered, chunk 32"},
        "absent": {"xgboost": "xgboost: not installed; pip install xgboost"},
        "seconds": {"cordwood": spread, "nvforest": {**spread, "median": 8.0e-3}},
        "ratios": {"nvforest": {"median": 8.0, "low": 7.5, "high": 8.5}},
        "kernels_s": {"slice_kernel<32u>": 0.6e-3, "sum_kernel<u8, float>": 0.4e-3},
        "host_rows_s": spread,
        "latency": {"1": {"cordwood": {"wall_s": spread, "queued_s": spread}}},
    }  # fmt: skip
    return {
        "name": "NVIDIA H200", "arrays": "cupy", "copy_bytes_per_s": 4.0e12,
        "shapes": {"A": shape}, "failed": {"C": "AssertionError: C: not the CPU's bits"},
        "ops": {"mask 2:4": {"seconds": spread, "bytes_per_s": 3.0e12}, "quantize": "not on cuda"},
    }  # fmt: skip


def test_a_table_tells_each_figure_once(benchmark_module: Any) -> None:
    table = benchmark_module("gpu_table")
    whole = "\n".join(table.lines(_example()))
    # 1 ms for 500 trees and a million rows.
    assert re.search(r"^A +2 +1000\.0 +8\.00x +- +-$", whole, re.MULTILINE)
    assert "mask 2:4: 1.000 ms, 3,000 GB/s, 75% of a copy" in whole
    assert "quantize: not on cuda" in whole
    assert "C      FAILED: AssertionError: C: not the CPU's bits" in whole
    shape = "\n".join(table.shape_lines("A", _example()))
    assert re.search(
        r"nvforest 26.10, layered, chunk 32 +8\.000 +16 +8\.00x  7\.50x to 8\.50x", shape
    )
    assert re.search(r"kernel slice_kernel<32u> +0\.600 +1\.2$", shape, re.MULTILINE)
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
    assert benchmark_module("gpu_arrays").kernel_name(symbol) == name


def test_everyone_gets_the_same_turns_and_every_buffer(benchmark_module: Any) -> None:
    arrays = benchmark_module("gpu_arrays")
    seen: dict[str, list[int]] = {"a": [], "b": []}
    entrants = [arrays.Entrant(name, seen[name].append) for name in seen]
    sample = arrays.race(entrants, arrays.Host(), buffers=3, budget_s=0.0)
    assert {name: len(times) for name, times in sample.items()} == {"a": 5, "b": 5}
    for numbers in seen.values():
        assert numbers == [at % 3 for at in range(len(numbers))]


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
    # Another file's trees: what the CPU says of the sample is not what they answer.
    shape = models.load(folder, "W31")
    wrong = models.Shape("W31", shape.packed, shape.rows, folder)
    assert bench.same_bits(shape.rows, wrong.rows)
    assert not bench.same_bits(shape.rows, -shape.rows)
    assert not bench.same_bits(np.zeros(2), np.zeros(2, np.float32))


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


@pytest.mark.parametrize(
    "arguments", [("--twice",), ("--out",), ("--rehearse", "more")], ids=" ".join
)
def test_wrong_arguments_are_refused(arguments: tuple[str, ...]) -> None:
    done = _script("gpu_check.sh", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith("usage: scripts/gpu_check.sh")
    assert done.stdout == ""


def test_wheels_go_to_one_folder() -> None:
    done = _script("gpu_wheels.sh", "one", "two")
    assert (done.returncode, done.stderr) == (2, "usage: scripts/gpu_wheels.sh [folder]\n")


def _stub_python(folder: Path, *lines: str) -> str:
    """Write a program that stands in for Python."""
    path = folder / "python"
    path.write_text("\n".join(["#!/bin/sh", *lines, ""]), encoding="utf-8")
    path.chmod(0o755)
    return str(path)


def test_a_failed_step_stops_no_other(tmp_path: Path) -> None:
    models = tmp_path / "wheels" / "models"
    models.mkdir(parents=True)
    (models / "A.cord").touch()
    python = _stub_python(
        tmp_path, 'case "$*" in', "*bench_gpu*) echo measured ;;", "*) exit 3 ;;", "esac"
    )
    done = _script(
        "gpu_check.sh", "--rehearse", "--out", str(tmp_path / "out"),
        PYTHON=python, GPU_WHEELS=str(tmp_path / "wheels"),
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    ends = dict(line.split(maxsplit=1) for line in done.stdout.splitlines()[-7:])
    assert ends["gpu-tests"].startswith("FAILED: status 3")
    assert ends["cuda-tests"].startswith("FAILED: status 3")
    assert ends["benchmark"].startswith("passed")
    assert ends["memcheck"].startswith("skipped: ")
    assert (tmp_path / "out" / "benchmark.log").read_text(encoding="utf-8") == "measured\n"


def test_without_a_device_the_script_says_so(tmp_path: Path) -> None:
    python = _stub_python(tmp_path, "exit 1")
    done = _script("gpu_check.sh", "--out", str(tmp_path / "out"), PYTHON=python)
    assert done.returncode == 2
    assert "--rehearse runs without one" in done.stderr


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_parse(name: str) -> None:
    path = ROOT / "scripts" / name
    subprocess.run([tool("bash"), "-n", str(path)], check=True)
    checker = tool("shellcheck", "the scripts are parsed alone")
    done = subprocess.run([checker, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_what_travels_is_small_enough() -> None:
    if not FOLDER.is_dir():
        pytest.skip("no gpu_wheels here; scripts/gpu_wheels.sh fills it")
    sizes = [path.stat().st_size for path in FOLDER.rglob("*") if path.is_file()]
    assert sum(sizes) <= MOST_BYTES


def test_each_wheel_is_named_once() -> None:
    text = (BENCHMARKS / "gpu_wheels.txt").read_text(encoding="utf-8")
    named = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+(\.\*)?", line) for line in named), named
    assert len({line.partition("=")[0] for line in named}) == len(named)
    if any(FOLDER.glob("*.whl")):
        kept = {path.name.partition("-")[0] for path in FOLDER.glob("*.whl")}
        assert kept == {line.partition("=")[0].replace("-", "_") for line in named}
