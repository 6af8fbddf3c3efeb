"""A device in C11 against one header registers, loads and answers; what does not fit is refused.

A registered device stays for the life of a process, so each test starts one of its own.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import cordwood
from drawn import Shape, make_graph
from echo_device import FUNCTIONS, INCLUDE, STRICT, build, compiler

PREPARE = """
import gc, pickle, sys, threading, time
from pathlib import Path
import numpy as np, pytest, cordwood
from cordwood import _core, _model_devices
from echo_device import Table, capsule, changed, open_library, register
path, model_path = sys.argv[1:]
data = Path(model_path).read_bytes()
rows = np.arange(12.0).reshape(4, 3)
"""


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("echo"))


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("packed") / "model.cord"
    cordwood.compress(make_graph(Shape(seed=1, n_features=3))).save(path)
    return path


def _python(code: str, library: Path, packed: Path) -> None:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", PREPARE + code, str(library), str(packed)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr


@pytest.mark.parametrize("standard", ["c11", "c17", "c++20"])
def test_the_header_stands_alone(standard: str) -> None:
    plus = standard.startswith("c++")
    names = ("c++", "g++", "clang++") if plus else ("cc", "gcc", "clang")
    command = [compiler(*names), "-x", "c++" if plus else "c", f"-std={standard}", *STRICT]
    command += ["-fsyntax-only", "-I", str(INCLUDE), "-"]
    text = '#include "runtime/backend.h"\n'
    made = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr


def test_a_device_loads_and_answers(library: Path, packed: Path) -> None:
    code = """
assert _core.devices() == {"cpu": None}
with pytest.raises(cordwood.DeviceError, match=r'"echo": nobody registered it.* has: cpu$'):
    cordwood.load(data, device="echo")
register(path)
assert _core.devices() == {"cpu": None, "echo": None}

model = cordwood.load(data, device="echo")
assert (model.device, model.n_features_in_, model.n_trees) == ("echo", 3, 1)
assert model._native.targets() == ["margin", "leaves"]
assert model._native.resident_bytes == len(data)
assert "valley on a mountain: sound comes back" in model.summary()
np.testing.assert_array_equal(model.predict(rows), [[4, 0, 1], [4, 3, 1], [4, 6, 1], [4, 9, 1]])
np.testing.assert_array_equal(model.predict(rows[::-2, :]), [[2, 9, 2], [2, 3, 2]])
assert model.predict(rows[:0]).shape == (0, 3)
assert model.apply(rows).tolist() == [[0], [1], [2], [3]]

again = pickle.loads(pickle.dumps(model))
assert again.device == "echo"
assert again.predict(rows[:1]).tolist() == [[1, 0, 5]]
with pytest.raises(cordwood.UnsupportedMethodError, match="no target 'label'; it has margin"):
    model._run(rows, "label")
_model_devices._EXTENSIONS["cuda"] = "cordwood._not_there"
reason = cordwood.cuda_available().reason
assert "built without CUDA" in reason
with pytest.raises(cordwood.DeviceError) as caught:
    cordwood.load(data, device="cuda")
assert str(caught.value) == f"device cuda: {reason}; this process has: cpu, echo"
expected = cordwood.load(data).predict(rows)
assert expected.dtype == float and len(expected) == 4
"""
    _python(code, library, packed)


def test_models_and_contexts_are_given_back(library: Path, packed: Path) -> None:
    code = """
echo = register(path)
models = [cordwood.load(data, device="echo") for _ in range(3)]
assert (echo.echo_models(), echo.echo_contexts()) == (3, 0)
runs = []

def call() -> None:
    for model in models:
        runs.append(model.predict(rows)[0, 2])

for _ in range(2):
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
assert runs == [1, 2, 3, 1, 2, 3]  # one context a thread, shared by its models
deadline = time.monotonic() + 10  # join comes back before a thread's own scratch goes
while echo.echo_contexts() != 0 and time.monotonic() < deadline:
    time.sleep(0.001)
assert echo.echo_contexts() == 0
call()
assert echo.echo_contexts() == 1
predict = models[0].predict
del models
gc.collect()
assert echo.echo_models() == 1  # a method keeps its model
del predict
gc.collect()
assert echo.echo_models() == 0
"""
    _python(code, library, packed)


def test_a_device_is_told_of_ranges_and_stages(library: Path, packed: Path) -> None:
    code = """
register(path)
part = _core.Model(data, device="echo", trees=(2, 8, 3))
margin = np.empty((4, 3))
assert part.run_stage(0, "margin", rows, margin, threads=1).tolist() == [[0, 2, 8]] * 4
assert part.run_stage(1, "margin", rows, margin, threads=1).tolist() == [[1, 4, 16]] * 4
assert margin.tolist() == [[1, 4, 16]] * 4
for wrong in (np.empty((3, 3)), np.empty((4, 3), "f4"), np.empty((4, 6))[:, ::2]):
    with pytest.raises(cordwood.InputError, match="a writable C-ordered array of 4 rows, 3 col"):
        part.run_stage(0, "margin", rows, wrong, threads=1)
whole = _core.Model(data, device="echo")
with pytest.raises(cordwood.CordwoodError, match="echo: no stages for target 0"):
    whole.run_stage(0, "margin", rows, margin, threads=1)
"""
    _python(code, library, packed)


def test_failures_come_back_in_the_devices_words(library: Path, packed: Path) -> None:
    code = """
echo = register(path)
with pytest.raises(cordwood.FormatError) as caught:
    cordwood.load(data[:-1], device="echo")
assert caught.value.code == "file_length_mismatch"  # the door is the same for every device
echo.echo_refuse_load(1)
with pytest.raises(cordwood.FormatError, match=f"file of {len(data)} bytes is not to") as caught:
    cordwood.load(data, device="echo")
assert caught.value.code == "tensor_encoding_unknown"
assert echo.echo_models() == 0
echo.echo_refuse_load(0)

model = cordwood.load(data, device="echo")
echo.echo_refuse_context(1)
with pytest.raises(cordwood.ResourceError, match="echo: no scratch"):
    model.predict(rows)
echo.echo_refuse_context(0)
with pytest.raises(cordwood.InputTypeError, match="echo: type 15 is not float64"):
    model.predict(rows.astype(np.float32))
rows[2, 0] = np.nan
with pytest.raises(cordwood.InputError, match="echo: row 2 starts with NaN"):
    model.predict(rows)

reason = b"it lies in a drawer; plug it in"
echo.echo_unplug(reason)
assert _core.devices() == {"cpu": None, "echo": reason.decode()}
with pytest.raises(cordwood.DeviceError, match="device echo: it lies in a drawer; plug it in"):
    cordwood.load(data, device="echo")
echo.echo_unplug(None)
assert cordwood.load(data, device="echo").device == "echo"
"""
    _python(code, library, packed)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"abi_version": 7}, "its ABI version is 7, this build has 6; build it against"),
        ({"abi_version": 3}, "its ABI version is 3, this build has 6; build it against"),
        ({"struct_bytes": 80}, "its table has 80 bytes, expected 120; build it against"),
        ({"struct_bytes": 128}, "its table has 128 bytes, expected 120; build it against"),
        ({"name": b"cpu"}, "backend cpu: a device of this name is registered already"),
        ({"name": b""}, "its name must be 1 to 31 of a-z, 0-9"),
        ({"name": None}, "its name must be 1 to 31 of a-z, 0-9"),
        ({"name": b"Echo"}, "its name must be 1 to 31 of a-z, 0-9"),
        ({"name": b"e" * 32}, "its name must be 1 to 31 of a-z, 0-9"),
        *(
            ({name: None}, f"backend echo: its function {name} is null; every function")
            for name in FUNCTIONS
        ),
    ],
    ids=str,
)
def test_tables_that_do_not_fit_are_refused(
    fields: dict[str, object], message: str, library: Path, packed: Path
) -> None:
    code = f"""
with pytest.raises(cordwood.DeviceError, match={message!r}):
    register(path, **{fields!r})
assert _core.devices() == {{"cpu": None}}
"""
    _python(code, library, packed)


def test_a_device_without_binned_rows_says_so(library: Path, packed: Path) -> None:
    code = """
register(path)
model = cordwood.load(data, device="echo")
with pytest.raises(cordwood.UnsupportedMethodError, match="the device echo takes none; pass the"):
    model.bin([[0.0] * model.n_features_in_])
"""
    _python(code, library, packed)


def test_names_and_places_are_taken_once(library: Path, packed: Path) -> None:
    code = """
register(path)
with pytest.raises(cordwood.DeviceError, match="backend echo: a device of this name is registered"):
    register(path)
for number in range(6):
    register(path, name=f"echo-{number}".encode())
with pytest.raises(cordwood.DeviceError, match="has 8 devices already.*: cpu, echo, echo-0"):
    register(path, name=b"one-more")
assert len(_core.devices()) == 8
model = cordwood.load(data, device="echo-5")
assert model.predict(rows)[0].tolist() == [4, 0, 1]
assert cordwood.load(data, device="echo-4").predict(rows)[0].tolist() == [4, 0, 1]
"""
    _python(code, library, packed)


def test_only_capsules_of_the_right_name_are_taken(library: Path, packed: Path) -> None:
    code = """
table = changed(open_library(path))
for name in (b"cordwood.method", b"backend"):
    with pytest.raises(cordwood.DeviceError, match='expected a capsule named "cordwood.backend"'):
        _core.register_backend(capsule(table, name))
with pytest.raises(TypeError):
    _core.register_backend(table)
assert _core.devices() == {"cpu": None}
"""
    _python(code, library, packed)


def test_threads_register_and_load_at_once(library: Path, packed: Path) -> None:
    code = """
echo = open_library(path)
tables = [capsule(changed(echo, name=f"echo-{n % 4}".encode())) for n in range(16)]
start = threading.Barrier(16)
refused, answered = [], []

def work(number: int) -> None:
    start.wait()
    try:
        _core.register_backend(tables[number])
    except cordwood.DeviceError as error:
        refused.append(str(error))
    answered.append(cordwood.load(data, device=f"echo-{number % 4}").predict(rows)[0, 1])

threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(refused) == 12 and all("registered already" in text for text in refused)
assert answered == [0] * 16
assert sorted(_core.devices()) == ["cpu", "echo-0", "echo-1", "echo-2", "echo-3"]
"""
    _python(code, library, packed)


EXTENSION = """
import sys
from echo_device import register
register(sys.argv[1], name=b"cuda")
"""


def test_the_cuda_extension_is_imported_when_asked_for(
    library: Path, packed: Path, tmp_path: Path
) -> None:
    (tmp_path / "_stand_in.py").write_text(EXTENSION, encoding="utf-8")
    code = f"""
cordwood.__path__.append({str(tmp_path)!r})
_model_devices._EXTENSIONS["cuda"] = "cordwood._stand_in"
assert _core.devices() == {{"cpu": None}}
cordwood.load(data)
assert "cordwood._stand_in" not in sys.modules
assert cordwood.cuda_available()
model = cordwood.load(data, device="cuda")
assert model.device == "cuda" and model.predict(rows)[3].tolist() == [4, 9, 1]
assert cordwood.load(data, device="cuda").predict(rows)[3].tolist() == [4, 9, 2]
"""
    _python(code, library, packed)


@pytest.mark.parametrize("line", ["raise ImportError('no libcudart')", "import no_libcudart"])
def test_a_broken_extension_is_named(
    line: str, library: Path, packed: Path, tmp_path: Path
) -> None:
    (tmp_path / "_stand_in.py").write_text(line, encoding="utf-8")
    code = f"""
cordwood.__path__.append({str(tmp_path)!r})
_model_devices._EXTENSIONS["cuda"] = "cordwood._stand_in"
with pytest.raises(cordwood.DeviceError, match="its extension is installed and does not load"):
    cordwood.load(data, device="cuda")
assert "does not load: " in cordwood.cuda_available().reason
"""
    _python(code, library, packed)
