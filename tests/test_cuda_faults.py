"""What goes wrong on a device is named, nothing leaks, and what can go on does.

A lost context lasts as long as its process, so those tests start one.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import cordwood
from cordwood.errors import CordwoodError, ResourceError
from drawn import Shape, make_graph, make_rows
from emulated_cuda import DEVICE, Emulator, python

GRAPH = make_graph(Shape(seed=5, n_trees=6, max_leaves=9))
X = make_rows(GRAPH.trees, 900, seed=1)

START = """
import gc, os, sys
import numpy as np
import pytest
import cordwood
from cordwood import _core
from cordwood.errors import DeviceError, ResourceError
import emulated_cuda
from test_cuda_faults import GRAPH, X, pair
emulator = emulated_cuda.load()
"""


def pair() -> tuple[cordwood.Model, cordwood.Model]:
    data = cordwood.compress(GRAPH).to_bytes()
    return cordwood.load(data), cordwood.load(data, device=DEVICE)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.tobytes() == expected.tobytes()


# ---- memory --------------------------------------------------------------------------------------


def test_a_model_that_does_not_fit(emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = pair()
    data = here.to_bytes()
    used, needed = emulator.used_bytes(), there._native.resident_bytes
    for more in (0, needed // 2):
        monkeypatch.setenv("CORDWOOD_EMULATED_MEMORY", str(used + more))
        with pytest.raises(
            ResourceError, match=r"memory of the device: \d+ bytes could not be had"
        ):
            cordwood.load(data, device=DEVICE)
        assert emulator.used_bytes() == used
    monkeypatch.delenv("CORDWOOD_EMULATED_MEMORY")
    same(there.predict(X), here.predict(X))
    same(cordwood.load(data, device=DEVICE).predict(X), here.predict(X))


def test_rows_that_do_not_fit() -> None:
    """Memory lacks for the rows, then for what they need besides; nothing leaks."""
    code = """
here, there = pair()
many = np.tile(X, (60, 1))
few = there.predict(X[:9]).tobytes()
used = emulator.used_bytes()
for more in (4096, 100_000):
    os.environ["CORDWOOD_EMULATED_MEMORY"] = str(used + more)
    for call in (there.predict, there.apply, there.bin):
        with pytest.raises(ResourceError, match=r"\\d+ bytes could not be had; give fewer rows"):
            call(many)
        assert emulator.used_bytes() <= used + more
del os.environ["CORDWOOD_EMULATED_MEMORY"]
assert there.predict(X[:9]).tobytes() == few
assert there.predict(many).tobytes() == here.predict(many).tobytes()
"""
    python(START + code)


def test_what_the_pool_keeps_makes_room_for_a_model() -> None:
    """Scratch of a thread that has ended is kept for others, until a model has no other room."""
    code = """
import threading, time
here, there = pair()
used = emulator.used_bytes()
thread = threading.Thread(target=there.predict, args=(np.tile(X, (60, 1)),))
thread.start()
thread.join()
while emulator.used_bytes() != used:  # its scratch goes when the system has ended it
    time.sleep(0.01)
os.environ["CORDWOOD_EMULATED_MEMORY"] = str(used + there._native.resident_bytes + 4096)
more = cordwood.load(here.to_bytes(), device="cuda-emulated")
del os.environ["CORDWOOD_EMULATED_MEMORY"]
assert more.predict(X).tobytes() == here.predict(X).tobytes()
"""
    python(START + code)


# ---- lost contexts -------------------------------------------------------------------------------


@pytest.mark.parametrize("launch", [1, 2, 3])
@pytest.mark.parametrize("call", ["predict", "apply", "bin"])
def test_a_failed_launch_costs_the_context(call: str, launch: int) -> None:
    """Binning, evaluation and sums are three launches; each later call says what happened."""
    code = f"""
here, there = pair()
other = pair()[1]
call, launch = getattr(there, {call!r}), {launch}
expected = getattr(here, {call!r})(X)
bound = 1 if {call!r} == "bin" else 3
os.environ["CORDWOOD_EMULATED_FAIL_LAUNCH"] = str(min(launch, bound))
with pytest.raises(DeviceError, match="a kernel failed on the device.*needs to be started anew"):
    call(X)
for again in (call, other.predict):
    with pytest.raises(DeviceError, match=r"needs to be started anew|start a new process"):
        again(X)
reason = _core.devices()["cuda-emulated"]
assert "an earlier failure cost this process its context" in reason
with pytest.raises(DeviceError, match="an earlier failure cost this process"):
    cordwood.load(here.to_bytes(), device="cuda-emulated")
assert len(here.predict(X)) == len(X)
del there, other, call, again
gc.collect()
"""
    python(START + code)


def test_a_kernel_that_runs_too_long() -> None:
    code = """
from test_cuda_faults import Shape, make_graph
many = make_graph(Shape(n_trees=300, aggregate="weighted_median"))
there = cordwood.load(cordwood.compress(many).to_bytes(), device="cuda-emulated")
os.environ["CORDWOOD_EMULATED_SECONDS"] = "0.001"
with pytest.raises(DeviceError, match="ran longer than this device allows.*fewer rows at a time"):
    there.predict(X)
"""
    python(START + code)


# ---- devices -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("DEVICES", "0", "no CUDA device: there is none, or CUDA_VISIBLE_DEVICES hides it"),
        ("DRIVER", "0", "no NVIDIA driver: libcuda.so.1 is not on this machine"),
        ("POOLS", "0", "the CUDA device has no memory pools, as some virtual ones"),
        ("DRIVER", "12040", "the NVIDIA driver is for CUDA 12.4, which is older than 13."),
    ],
)
def test_no_device(name: str, value: str, reason: str) -> None:
    code = """
reason = _core.devices()["cuda-emulated"]
assert sys.argv[1] in reason, reason
with pytest.raises(DeviceError) as caught:
    pair()
assert str(caught.value) == f"device cuda-emulated: {reason}"
assert emulator.launches() == 0
"""
    python(START + code, reason, **{f"CORDWOOD_EMULATED_{name}": value})


def test_a_device_that_goes_away() -> None:
    code = """
here, there = pair()
expected = there.predict(X).tobytes()
os.environ["CORDWOOD_EMULATED_DEVICES"] = "0"
with pytest.raises(DeviceError, match="there is no CUDA device"):
    there.predict(X)
del os.environ["CORDWOOD_EMULATED_DEVICES"]
assert there.predict(X).tobytes() == expected
"""
    python(START + code)


def test_a_forked_process_is_told() -> None:
    code = """
here, there = pair()
there.predict(X)
child = os.fork()
if child == 0:
    try:
        with pytest.raises(DeviceError, match="forked from one that had started CUDA.*spawn"):
            cordwood.load(here.to_bytes(), device="cuda-emulated")
        with pytest.raises(DeviceError, match="forked after its parent used CUDA.*spawn"):
            there.predict(X)
        assert len(here.predict(X)) == len(X)
    except BaseException as fault:
        print(fault, file=sys.stderr, flush=True)
        os._exit(1)
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert len(there.predict(X)) == len(X)
"""
    python(START + code)


def test_nets_are_refused_by_name(root: Path) -> None:
    with pytest.raises(CordwoodError, match=f"the device {DEVICE} runs none"):
        cordwood.load(root / "tests/golden_nets/functions.cord", device=DEVICE)


def test_no_rows_start_nothing(emulator: Emulator) -> None:
    here, there = pair()
    before = emulator.launches()
    for method in ("predict", "apply"):
        found = getattr(there, method)(X[:0])
        assert found.shape == getattr(here, method)(X[:0]).shape
    assert emulator.launches() == before
