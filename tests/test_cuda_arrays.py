"""Arrays in the device's memory are answered there, with the bits of the host's."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import xgboost as xgb
from sklearn.ensemble import RandomForestClassifier, RandomTreesEmbedding

import cordwood
from cordwood import _device_rows
from cordwood.errors import (
    CordwoodError,
    DeviceError,
    InputError,
    InputTypeError,
    UnsupportedMethodError,
)
from drawn import Shape, make_graph, make_rows
from emulated_arrays import (
    Capsule,
    CupyArray,
    Device,
    Foreign,
    Streamed,
    Tensor,
    cupy_module,
    torch_module,
)
from emulated_cuda import DEVICE, Emulator

RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 4))
CLASSES = np.digitize(X[:, 0] * X[:, 1], (-0.5, 0.5))
WORDS = np.array(["one", "two", "three"])[CLASSES]

pytestmark = pytest.mark.usefixtures("emulator")


@pytest.fixture(autouse=True)
def libraries(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put stand-ins in place of both libraries."""
    monkeypatch.setitem(sys.modules, "cupy", cupy_module())
    monkeypatch.setitem(sys.modules, "torch", torch_module())


def on_device(source: Any) -> cordwood.Model:
    return cordwood.load(cordwood.compress(source).to_bytes(), device=DEVICE)


@pytest.fixture(scope="module", name="classifier")
def classifier_fixture(emulator: Emulator) -> cordwood.Model:
    assert emulator
    source = RandomForestClassifier(7, max_depth=5, random_state=0).fit(X, CLASSES + 10)
    return on_device(source)


def same(found: Any, expected: np.ndarray, kind: type = CupyArray) -> None:
    assert type(found) is kind
    found = found.get()
    assert (found.dtype, found.shape) == (expected.dtype, expected.shape)
    assert found.tobytes() == expected.tobytes()


@pytest.mark.parametrize("kind", [CupyArray, Tensor])
@pytest.mark.parametrize("n_rows", [0, 1, 33, 700])
def test_methods(classifier: cordwood.Model, kind: Any, n_rows: int) -> None:
    rows = kind.of(X[:n_rows])
    for method in ("predict", "predict_proba", "apply"):
        function = getattr(classifier, method)
        same(function(rows), function(X[:n_rows]), kind)
    assert rows.get().tobytes() == X[:n_rows].tobytes()


@pytest.mark.parametrize("head", ["binary", "multiclass", "isolation", "regression", "multilabel"])
def test_heads(head: str) -> None:
    one = head in ("binary", "isolation", "regression")
    graph = make_graph(Shape(seed=2, head=head, n_outputs=1 if one else 3))
    model = on_device(graph)
    rows = make_rows(graph.trees, 530, seed=1)
    answered = 0
    for method in model.methods:
        try:
            found = getattr(model, method)(CupyArray.of(rows))
        except (UnsupportedMethodError, InputTypeError):
            continue
        answered += 1
        same(found, getattr(model, method)(rows))
    assert answered >= 2


def test_ranges_and_raw_scores() -> None:
    source = xgb.XGBClassifier(n_estimators=6, max_depth=3, n_jobs=1).fit(X, CLASSES)
    model = on_device(source)
    rows = CupyArray.of(X)
    for options in ({"iteration_range": (0, 2)}, {"start_iteration": 1, "num_iteration": 3}):
        for method in ("predict", "predict_proba", "apply"):
            function = getattr(model, method)
            same(function(rows, **options), function(X, **options))
    for option in ("raw_score", "output_margin"):
        same(model.predict(rows, **{option: True}), model.predict(X, **{option: True}))


def test_views_are_read_in_place(classifier: cordwood.Model) -> None:
    wide = CupyArray.of(np.tile(X, 3))
    columns = CupyArray.of(np.ascontiguousarray(X.T))
    for rows in (wide[:, 4:8], wide[::-2, :4], wide[5:600:3, 8:][:, ::-1], columns.T, wide[:, ::3]):
        read = _device_rows.DeviceRows.of(rows)
        assert (read.address, read.shape, read.strides) == (rows.address, rows.shape, rows.strides)
        assert read.array is rows
        same(classifier.predict_proba(rows), classifier.predict_proba(rows.get()))


@pytest.mark.parametrize("kind", [CupyArray, Tensor])
def test_misaligned_rows_are_copied(classifier: cordwood.Model, kind: Any) -> None:
    for offset in (1, 4):
        rows = kind.of(X, offset)
        assert _device_rows.DeviceRows.of(rows).array is not rows
        same(classifier.predict_proba(rows), classifier.predict_proba(X), kind)
    rows = kind.of(X, 8)
    assert _device_rows.DeviceRows.of(rows).address == rows.address


@pytest.mark.parametrize(
    "dtype",
    ["bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32"],
)
def test_types_of_rows(classifier: cordwood.Model, dtype: str) -> None:
    values = np.abs(X * 2).astype(dtype)
    same(classifier.predict_proba(CupyArray.of(values)), classifier.predict_proba(values))


def test_labels(classifier: cordwood.Model) -> None:
    numbers = classifier.predict(CupyArray.of(X))
    assert set(numbers.get()) == {10, 11, 12}
    words = on_device(RandomForestClassifier(3, random_state=0).fit(X, WORDS))
    with pytest.raises(InputTypeError, match=r"the labels are <U5, which no device holds.*proba"):
        words.predict(CupyArray.of(X))
    same(words.predict_proba(CupyArray.of(X)), words.predict_proba(X))


def test_what_only_the_host_has() -> None:
    several = on_device(
        RandomForestClassifier(3, random_state=0).fit(X, np.stack([CLASSES, CLASSES > 1], 1))
    )
    with pytest.raises(UnsupportedMethodError, match="answers for 2 outputs"):
        several.predict_proba(CupyArray.of(X))
    embedding = on_device(RandomTreesEmbedding(3, max_depth=3, random_state=0).fit(X))
    with pytest.raises(UnsupportedMethodError, match="matrix of the host"):
        embedding.transform(CupyArray.of(X))


def test_rows_that_do_not_fit(classifier: cordwood.Model) -> None:
    with pytest.raises(InputError, match="rows have 3 features, the model expects 4"):
        classifier.predict(CupyArray.of(X[:, :3]))
    with pytest.raises(InputError, match=r"X has 1 axes, expected 2"):
        classifier.predict(CupyArray.of(X[0]))
    for dtype in ("float16", "complex64"):
        with pytest.raises(InputTypeError, match=f"X has dtype {dtype}"):
            classifier.predict(CupyArray.of(X.astype(dtype)))
    with pytest.raises(InputTypeError, match="X has dtype >f8, which is in the other byte order"):
        classifier.predict(CupyArray.of(X.astype(">f8")))
    sparse = Tensor.of(X)
    sparse.layout = "sparse_coo"
    with pytest.raises(InputTypeError, match="layout sparse_coo, expected a dense one"):
        classifier.predict(sparse)


def test_refused_values_are_named() -> None:
    graph = make_graph(Shape(seed=1, accepts_nan=False))
    model = on_device(graph)
    rows = make_rows(graph.trees, 530, seed=1)
    rows[500, 2] = np.nan
    with pytest.raises(InputError, match="row 500, feature 2 is NaN"):
        model.predict(CupyArray.of(rows))
    same(model.predict(CupyArray.of(rows[:500])), model.predict(rows[:500]))


def test_a_model_of_the_cpu_says_where_to_go() -> None:
    model = cordwood.compress(make_graph(Shape(n_features=4)))
    for rows in (CupyArray.of(X), Tensor.of(X), Capsule(CupyArray.of(X))):
        with pytest.raises(CordwoodError, match="device's memory, and the model runs on the cpu"):
            model.predict(rows)


def test_tensors_that_require_gradients_are_read(classifier: cordwood.Model) -> None:
    rows = Tensor.of(X)
    rows.requires_grad = True
    same(classifier.predict_proba(rows), classifier.predict_proba(X), Tensor)


def test_dlpack_and_other_libraries(classifier: cordwood.Model, emulator: Emulator) -> None:
    rows = CupyArray.of(X)
    expected = classifier.predict_proba(X)
    same(classifier.predict_proba(Capsule(rows)), expected)
    same(classifier.predict_proba(Foreign(rows, None)), expected)
    cupy: Any = sys.modules["cupy"]
    assert not cupy.streams.waited
    same(classifier.predict_proba(Foreign(rows, 7)), expected)
    assert cupy.streams.waited == [7]
    assert not emulator.last_stream()


def test_an_array_with_a_stream(
    classifier: cordwood.Model, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows and answers are ordered by it: CuPy's memory for these, too."""
    stream = emulator.create_stream()
    cupy: Any = sys.modules["cupy"]
    made_in = []

    def empty(shape: tuple[int, ...], dtype: np.dtype[Any]) -> CupyArray:
        made_in.append(cupy.streams.stack[-1])
        answer: CupyArray = CupyArray.of(np.zeros(shape, dtype))
        return answer

    monkeypatch.setattr(cupy, "empty", empty)
    expected = classifier.predict_proba(X)
    same(classifier.predict_proba(Streamed(CupyArray.of(X), stream)), expected)
    assert emulator.last_stream() == stream
    assert made_in == [stream]
    assert cupy.streams.stack == [0]
    CupyArray.pickings.clear()
    labels = classifier.predict(X)
    same(classifier.predict(Streamed(CupyArray.of(X), stream)), labels)
    assert CupyArray.pickings == [stream]
    assert emulator.destroy_stream(stream) == 0


def test_without_cupy(classifier: cordwood.Model, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = CupyArray.of(X)
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(DeviceError, match=r"pip install 'cordwood\[cuda\]'"):
        classifier.predict(Capsule(rows))
    with pytest.raises(DeviceError, match="arrays of other libraries on a CUDA device need CuPy"):
        classifier.predict(Foreign(rows, None))


@pytest.mark.parametrize("kind", [CupyArray, Tensor])
def test_the_current_stream_orders_the_work(
    classifier: cordwood.Model, emulator: Emulator, kind: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    stream = emulator.create_stream()
    name = "cupy" if kind is CupyArray else "torch"
    make = cupy_module if kind is CupyArray else torch_module
    monkeypatch.setitem(sys.modules, name, make(stream))
    same(classifier.predict_proba(kind.of(X)), classifier.predict_proba(X), kind)
    classifier.predict_proba(kind.of(X))
    assert emulator.last_stream() == stream
    monkeypatch.setitem(sys.modules, name, make())
    classifier.predict_proba(kind.of(X))
    assert not emulator.last_stream()
    assert emulator.destroy_stream(stream) == 0


def test_several_passes() -> None:
    """The emulated build takes 256 KiB of leaves and bins at a time."""
    graph = make_graph(Shape(seed=6, n_trees=30, max_leaves=6, n_features=4, n_outputs=2))
    model = on_device(graph)
    rows = make_rows(graph.trees, 5000, seed=1)
    same(model.predict(CupyArray.of(rows)), model.predict(rows))
    same(model.predict(CupyArray.of(rows)[::-1]), model.predict(rows[::-1]))


def test_nothing_is_left_behind(classifier: cordwood.Model, emulator: Emulator) -> None:
    rows = CupyArray.of(X)
    used = emulator.used_bytes()
    for _ in range(3):
        classifier.predict_proba(rows)
    assert emulator.used_bytes() == used


# ---- below the arrays ----------------------------------------------------------------------------


def run_there(model: cordwood.Model, data: int, out: int) -> None:
    model._native.run_there(
        "probability", data=data, shape=X.shape, strides=X.strides, dtype=X.dtype, out=out, stream=0
    )


def test_memory_of_the_host_is_refused(classifier: cordwood.Model) -> None:
    rows, answer = CupyArray.of(X), CupyArray.of(np.zeros((len(X), 3)))
    host = np.zeros((len(X), 3))
    with pytest.raises(DeviceError, match=r"rows: an address of the host's memory.*device 0"):
        run_there(classifier, X.ctypes.data, answer.address)
    with pytest.raises(DeviceError, match=r"answer: an address of the host's memory"):
        run_there(classifier, rows.address, host.ctypes.data)
    run_there(classifier, rows.address, answer.address)
    same(answer, classifier.predict_proba(X))


def test_memory_of_another_device_is_refused(
    classifier: cordwood.Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CORDWOOD_EMULATED_DEVICES", "2")
    answer = CupyArray.of(np.zeros((len(X), 3)))
    with Device(1):
        rows = CupyArray.of(X)
        there = on_device(make_graph(Shape(n_features=4)))
        with pytest.raises(DeviceError, match=r"rows: in the memory of device 1.*is on device 0"):
            run_there(classifier, rows.address, answer.address)
        same(there.predict(rows), there.predict(X))
        assert classifier.predict_proba(X).shape == (len(X), 3)
    # The thread's current device is not the model's, which is the one that counts.
    same(there.predict(rows), there.predict(X))
    with pytest.raises(DeviceError, match=r"rows: in the memory of device 0.*is on device 1"):
        there.predict(CupyArray.of(X))
