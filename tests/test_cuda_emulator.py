"""The emulator of the CUDA runtime: right kernels give right answers, wrong ones are named."""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from native_build import run, tool
from oracle_cuda_floats import floats
from oracle_cuda_words import Words, bits, simd, warp

FOLDER = Path(__file__).parent / "cuda_emulator"
FLAGS = "-std=c++20 -O1 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Wno-unknown-pragmas"
# As an extension has to compile all of it: a device fuses nothing, shared memory has many types.
KERNEL_FLAGS = "-fvisibility=hidden -ffp-contract=off -fno-strict-aliasing"
ORDERS = ("ascending", "descending", "shuffled", "shuffled:2", "shuffled:3")


@pytest.fixture(scope="module")
def selftest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the self-test with the emulator."""
    compiler = tool(os.environ.get("CXX", "g++"))
    folder = tmp_path_factory.mktemp("cuda_emulator")
    flags = [*FLAGS.split(), *KERNEL_FLAGS.split(), "-fPIC", f"-I{FOLDER}"]

    def compile_one(source: Path) -> str:
        target = str(folder / f"{source.name}.o")
        run(compiler, *flags, "-x", "c++", "-c", str(source), "-o", target)
        return target

    sources = [*FOLDER.glob("*.cpp"), FOLDER / "selftest.cu"]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compile_one, sources))
    program = folder / "selftest"
    run(compiler, "-o", str(program), *objects, "-pthread", "-ldl", "-lrt")
    return program


def check(program: Path, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run one check of the self-test; the environment names no other faults."""
    clean = {name: value for name, value in os.environ.items() if "_EMULAT" not in name}
    return subprocess.run(
        [program, name],
        env=clean | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(
    "name", ["reduce", "scan", "transpose", "histogram", "large_shared", "threads"]
)
def test_a_right_kernel_is_right_in_every_order(selftest: Path, name: str, order: str) -> None:
    done = check(selftest, name, CORDWOOD_EMULATOR_ORDER=order)
    assert (done.returncode, done.stderr) == (0, "")
    assert "right" in done.stdout
    assert done.stdout.endswith("end cudaSuccess\n")


@pytest.mark.parametrize(
    ("name", "oracle"),
    [("warp", warp), ("bits", bits), ("simd", simd), ("floats", floats)],
)
def test_every_intrinsic_is_as_numpy_has_it(
    selftest: Path, name: str, oracle: Callable[[], Iterator[tuple[str, Words]]]
) -> None:
    lines = check(selftest, name).stdout.splitlines()
    printed = [line.split()[1:] for line in lines if line.startswith("word ")]
    expected = list(oracle())
    # The kernel's columns may be more than its words.
    assert len(printed) >= len(expected)
    for words, (intrinsic, result) in zip(printed, expected, strict=False):
        got = np.array([int(word, 16) for word in words], np.uint32)
        wrong = np.flatnonzero(got != result)
        assert wrong.size == 0, (intrinsic, wrong[:4], got[wrong[:4]], result[wrong[:4]])


def test_atomics(selftest: Path) -> None:
    lines = check(selftest, "atomics").stdout.splitlines()
    printed = [int(line.split()[1], 16) for line in lines if line.startswith("word ")]
    start = (12345 * 1664525 + 1013904223) % 2**32 // 2**16 - 32768
    after = start + 0x7FFFFFFF - 5
    masked = (-17 | 0x100) & 0xFFFF
    changed = masked ^ 0x5555
    unsigned = start % 2**32
    expected = [start, start + 0x7FFFFFFF, after, max(after, 17), -17, -17 | 0x100, masked]
    expected += [changed, 3, 4, 4]
    expected += [unsigned, (unsigned + 9) % 2**32, 0, 100, 0xFFFFFFF0, 12]
    for wide in (unsigned, unsigned + 2**40, 2**41, 6):
        expected += [wide, wide >> 32]
    added = np.float32(1.25) + np.float32(0.1)
    expected += np.array([1.25, added], np.float32).view(np.uint32).tolist()
    expected += np.array([1.25, 1.25 + 0.1]).view(np.uint32).tolist()
    assert printed[: len(expected)] == [value % 2**32 for value in expected]


def test_the_order_shows_a_missing_barrier(selftest: Path) -> None:
    answers = {
        order: check(selftest, "missing_barrier", CORDWOOD_EMULATOR_ORDER=order).stdout
        for order in ORDERS
    }
    # From the last thread to the first nobody reads what another has already changed.
    assert {order for order, text in answers.items() if "right prefix sums" in text} == {
        "descending"
    }


WRONG = {
    "divergent_barrier": ("LaunchFailure", "waits at __syncthreads", "24 threads have exited"),
    "two_barriers": ("LaunchFailure", "thread (32, 0, 0) waits at __syncthreads"),
    "partial_mask": ("LaunchFailure", "a shuffle of mask 0xffffffff"),
    "foreign_mask": ("LaunchFailure", "its own lane is not in the mask"),
    "write_past_end": ("IllegalAddress", "0 bytes past the allocation of 132"),
    "write_before_start": ("IllegalAddress", "12 bytes before the allocation of 132"),
    "read_far": ("IllegalAddress", "thread (5, 0, 0)", "byte 4000 of a device allocation of 256"),
    "freed": ("IllegalAddress", "thread (5, 0, 0)"),
    "write_shared": ("IllegalAddress", "shared memory was written at byte 128 of 128"),
    "deep_stack": ("LaunchFailure", "local memory"),
    "trap": ("LaunchFailure", "thread (7, 0, 0): __trap()", "selftest_kernels.h:"),
    "endless": ("LaunchTimeout", "runs and does not end"),
    "endless_meetings": ("LaunchTimeout", "a vote of mask 0xffffffff"),
}
KERNELS = {"write_shared": "write_past_shared", "freed": "read_far"}


@pytest.mark.parametrize("order", ORDERS[:3])
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_kernel_is_named_with_what_is_wrong(selftest: Path, name: str, order: str) -> None:
    done = check(selftest, name, CORDWOOD_EMULATOR_ORDER=order, CORDWOOD_EMULATED_SECONDS="0.1")
    error, *words = WRONG[name]
    # As on a device the launch itself succeeds, and everything after it fails.
    assert "launch cudaSuccess\n" in done.stdout
    assert f"error cudaError{error}\n" in done.stdout
    assert done.stdout.endswith(f"end cudaError{error}\n")
    for word in (f"cudaError{error}: kernel {KERNELS.get(name, name)}(int*): ", *words):
        assert word in done.stderr, (word, done.stderr)


@pytest.mark.parametrize("name", ["api", "sticky", "late_copies"])
def test_the_host_sees_what_a_device_would_tell(selftest: Path, name: str) -> None:
    done = check(selftest, name)
    assert "right" in done.stdout
    assert "wrong" not in done.stdout
    assert "call" not in done.stdout


def test_memory_of_a_copy_is_not_freed_before_it_is_done(selftest: Path) -> None:
    done = check(selftest, "freed_source")
    assert "right a source freed too early" in done.stdout
    assert "found by freeing: a copy of this memory is under way" in done.stderr


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("cudaMemcpyAsync:2", ["Success", "Unknown", "Success"]),
        ("cudaMemcpyAsync:3:2", ["Success", "Success", "MemoryAllocation"]),
        ("cudaMemcpyAsync:4", ["Success"] * 3),
        ("cudaEventRecord:1", ["Success"] * 3),
    ],
)
def test_a_call_fails_alone_when_the_environment_asks_for_it(
    selftest: Path, setting: str, expected: list[str]
) -> None:
    lines = check(selftest, "failing_calls", CORDWOOD_EMULATED_FAIL_CALL=setting).stdout
    error = [f"copy cuda{name if name == 'Success' else f'Error{name}'}" for name in expected]
    assert lines.splitlines() == [*error, "right the device goes on", "end cudaSuccess"]


def test_an_event_can_be_made_deaf(selftest: Path) -> None:
    lines = check(selftest, "late_copies", CORDWOOD_EMULATED_DEAF_EVENTS="1").stdout.splitlines()
    wrong = [line for line in lines if line.startswith("wrong")]
    assert wrong == ["wrong an event is of what came before it", "wrong an answer waited for"]


def test_the_host_cannot_touch_the_memory_of_the_device(selftest: Path) -> None:
    assert check(selftest, "host_touch").returncode == -signal.SIGSEGV


NO_DRIVER = "devices 0 cudaErrorInsufficientDriver"
MACHINES = [
    (
        {},
        "devices 1 cudaSuccess",
        "driver 13000",
        "shared 232448 cudaSuccess",
        "allocate cudaSuccess",
    ),
    ({"DEVICES": "2"}, "devices 2 cudaSuccess", "set cudaSuccess"),
    ({"DEVICES": "0"}, "devices 0 cudaErrorNoDevice", "allocate cudaErrorNoDevice"),
    ({"DRIVER": "0"}, NO_DRIVER, "driver 0", "allocate cudaErrorInsufficientDriver"),
    ({"DRIVER": "12080"}, NO_DRIVER, "driver 12080", "set cudaErrorInsufficientDriver"),
    ({"DRIVER": "13010"}, "devices 1 cudaSuccess", "driver 13010"),
    ({"MEMORY": "1048575"}, "allocate cudaErrorMemoryAllocation", "set cudaErrorInvalidDevice"),
    ({"MEMORY": "1048576"}, "allocate cudaSuccess"),
]


@pytest.mark.parametrize("machine", MACHINES, ids=str)
def test_the_environment_makes_the_machine(selftest: Path, machine: tuple) -> None:
    faults, *lines = machine
    named = {f"CORDWOOD_EMULATED_{name}": value for name, value in faults.items()}
    printed = check(selftest, "machine", **named).stdout.splitlines()
    assert set(lines) <= set(printed), printed


@pytest.mark.parametrize("failing", [None, 1, 2, 3, 4])
def test_a_launch_fails_when_the_environment_asks_for_it(
    selftest: Path, failing: int | None
) -> None:
    named = {} if failing is None else {"CORDWOOD_EMULATED_FAIL_LAUNCH": str(failing)}
    lines = check(selftest, "faults", **named).stdout.splitlines()
    right = 3 if failing is None else min(failing - 1, 3)
    expected = ["launch cudaSuccess", "error cudaSuccess"] * right
    expected += ["launch cudaErrorLaunchFailure", "error cudaErrorLaunchFailure"] * (3 - right)
    assert lines[:6] == expected


@pytest.fixture(scope="module")
def library(selftest: Path) -> Path:
    """Link the emulator as a library, as an extension holds it."""
    path = selftest.parent / "emulator.so"
    objects = [str(each) for each in selftest.parent.glob("*.cpp.o")]
    run(tool(os.environ.get("CXX", "g++")), "-shared", "-o", str(path), *objects, "-ldl", "-lrt")
    return path


def test_nothing_of_the_runtime_is_exported(library: Path) -> None:
    # The real runtime, in the same process, would be taken for the emulator's, or the other way.
    lines = run(tool("nm"), "-D", "--defined-only", str(library)).splitlines()
    names = {line.split()[-1] for line in lines}
    assert "cordwood_cuda_emulator_reset" in names
    assert not {name for name in names if "cuda" in name and "cordwood_cuda_emulator_" not in name}


def test_a_loaded_emulator_lends_memory_and_streams(
    library: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = ctypes.CDLL(str(library))
    allocate = loaded.cordwood_cuda_emulator_allocate
    allocate.restype = ctypes.c_void_p
    used = loaded.cordwood_cuda_emulator_used_bytes
    used.restype = ctypes.c_size_t
    copy = loaded.cordwood_cuda_emulator_copy
    copy.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t]
    free = loaded.cordwood_cuda_emulator_free
    free.argtypes = [ctypes.c_void_p]
    create = loaded.cordwood_cuda_emulator_create_stream
    create.restype = ctypes.c_void_p
    destroy = loaded.cordwood_cuda_emulator_destroy_stream
    destroy.argtypes = [ctypes.c_void_p]

    there, back = np.arange(100), np.zeros(100, np.int64)
    pointer = allocate(there.nbytes)
    assert used() == there.nbytes
    assert copy(pointer, there.ctypes.data, there.nbytes) == 0
    assert copy(back.ctypes.data, pointer, back.nbytes) == 0
    np.testing.assert_array_equal(back, there)
    assert free(pointer) == 0
    assert used() == 0
    stream = create()
    assert (destroy(stream), destroy(stream)) == (0, 400)

    monkeypatch.setenv("CORDWOOD_EMULATED_MEMORY", "99")
    assert allocate(100) is None
    monkeypatch.setenv("CORDWOOD_EMULATED_DEVICES", "0")
    assert copy(back.ctypes.data, there.ctypes.data, 8) == 100
    assert loaded.cordwood_cuda_emulator_launches() == 0
    loaded.cordwood_cuda_emulator_reset()


def test_the_kernels_are_cuda(tmp_path: Path) -> None:
    nvcc = shutil.which("nvcc") or shutil.which("nvcc", path="/usr/local/cuda/bin:/usr/local/bin")
    if nvcc is None:
        pytest.skip("nvcc is not installed: that the kernels are CUDA is not checked")
    # In the emulator's own folder nvcc would find its header first.
    source = FOLDER / "selftest.cu"
    target = str(tmp_path / "selftest.o")
    command = [nvcc, "-std=c++20", "-arch=sm_90a", "-c", str(source), "-o", target]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
