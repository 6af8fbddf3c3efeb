"""XGBoost model files: both encodings, schemas of old versions, and bytes that nobody trusts."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given
from hypothesis import strategies as st

import oracle
from cordwood.errors import CordwoodError, FileAccessError, SourceFileError, UnsupportedModelError
from cordwood.frontends import _ubjson
from cordwood.frontends.xgboost import read, read_file
from cordwood.ir import Graph, Role, TreeEnsemble
from drawn import make_rows

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def train(**params: Any) -> xgb.Booster:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 4))
    X[:, 3] = rng.integers(0, 40, 200)
    data = xgb.DMatrix(
        X,
        (X[:, 0] + np.sin(X[:, 3]) > 0).astype(int) + (X[:, 1] > 0.5),
        feature_names=["a", "b", "c", "d"],
        feature_types=["q", "q", "q", "c"],
        enable_categorical=True,
    )
    chosen = {"max_depth": 4, "nthread": 1, "max_cat_to_onehot": 1, "eta": 0.7, **params}
    return xgb.train(chosen, data, 4)


BOOSTER = train(objective="multi:softprob", num_class=3)
DART = train(objective="reg:squarederror", booster="dart", rate_drop=0.5)
UBJ = bytes(BOOSTER.save_raw("ubj"))
JSON = json.loads(BOOSTER.save_raw("json"))


def assert_equal_graphs(one: Graph, two: Graph) -> None:
    assert (one.values, one.methods, one.feature_names) == (
        two.values,
        two.methods,
        two.feature_names,
    )
    assert dict(one.provenance) == dict(two.provenance)
    for name in TreeEnsemble.__dataclass_fields__:
        ours, theirs = getattr(one.trees, name), getattr(two.trees, name)
        if isinstance(ours, np.ndarray):
            assert ours.dtype == theirs.dtype, name
            assert ours.tobytes() == theirs.tobytes(), name
        else:
            assert ours == theirs, name


@pytest.mark.parametrize("suffix", ["json", "ubj"])
@pytest.mark.parametrize("booster", [BOOSTER, DART], ids=["gbtree", "dart"])
def test_files_hold_what_the_booster_holds(
    tmp_path: Path, booster: xgb.Booster, suffix: str
) -> None:
    path = tmp_path / f"model.{suffix}"
    booster.save_model(path)
    assert_equal_graphs(read_file(path), read(booster))
    path.rename(tmp_path / "model.bin")
    assert_equal_graphs(read_file(tmp_path / "model.bin"), read(booster))


def test_files_need_no_xgboost(tmp_path: Path) -> None:
    path = tmp_path / "model.ubj"
    BOOSTER.save_model(path)
    code = (
        "import sys; sys.modules['xgboost'] = None\n"
        "from cordwood.frontends.xgboost import read_file\n"
        f"print(read_file({str(path)!r}).trees.n_trees)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "12\n"


def test_a_wrapper_file_predicts_with_all_trees(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(150, 3)), rng.integers(0, 2, 150)
    model = xgb.XGBClassifier(n_estimators=30, early_stopping_rounds=2, n_jobs=1)
    model.fit(X, y, eval_set=[(X[::3], 1 - y[::3])], verbose=False)
    model.save_model(tmp_path / "model.json")
    graph = read_file(tmp_path / "model.json")
    assert graph.trees.n_trees == model.get_booster().num_boosted_rounds()
    assert graph.trees.n_trees > model.best_iteration + 1
    assert graph.methods == ("predict", "predict_proba", "decision_function", "apply")


# ---- schemas of older versions ---------------------------------------------------------------


def as_written_by(version: list[int], document: dict[str, Any]) -> dict[str, Any]:
    """Turn a document of today into the schema of an older version."""
    old = copy.deepcopy(document)
    old["version"] = version
    learner = old["learner"]
    param = learner["learner_model_param"]
    model = learner["gradient_booster"]["model"]
    del model["cats"]
    param["base_score"] = "5E-1"
    if version < [2, 1, 0]:
        del model["iteration_indptr"]
    if version < [1, 7, 0]:
        del param["num_target"], param["boost_from_average"]
    if version < [1, 4, 0]:
        del learner["feature_names"], learner["feature_types"]
    if version < [1, 6, 0]:
        for tree in model["trees"]:
            tree["default_left"] = [bool(left) for left in tree["default_left"]]
    return old


@pytest.mark.parametrize("version", [[1, 3, 0], [1, 5, 2], [1, 7, 6], [2, 0, 3], [3, 0, 5]])
def test_old_schemas_read_as_the_library_reads_them(tmp_path: Path, version: list[int]) -> None:
    path = tmp_path / "model.json"
    path.write_text(json.dumps(as_written_by(version, JSON)))
    graph = read_file(path)
    assert graph.provenance["version"] == ".".join(map(str, version))
    with xgb.config_context(verbosity=0):
        booster = xgb.Booster({"nthread": 1}, model_file=path)
        X = make_rows(graph.trees, 200, "float64", 3)
        data = xgb.DMatrix(X)
        margin = booster.predict(data, output_margin=True, validate_features=False)
    assert np.array_equal(graph.trees.base_value, np.float32([0.5, 0.5, 0.5]))
    assert oracle.predict_margin(graph, X).tobytes() == margin.tobytes()


def test_before_categories(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    X = rng.normal(size=(100, 3))
    booster = xgb.train({"max_depth": 3, "nthread": 1}, xgb.DMatrix(X, X[:, 0]), 3)
    document = json.loads(booster.save_raw("json"))
    document["version"] = [1, 0, 0]
    for tree in document["learner"]["gradient_booster"]["model"]["trees"]:
        for name in [name for name in tree if name.startswith(("categories", "split_type"))]:
            del tree[name]
    (tmp_path / "old.json").write_text(json.dumps(document))
    margin = booster.predict(xgb.DMatrix(X), output_margin=True)
    graph = read_file(tmp_path / "old.json")
    assert oracle.run(graph, X, Role.RESPONSE).tobytes() == margin.tobytes()


def test_trees_are_taken_by_id(tmp_path: Path) -> None:
    document = copy.deepcopy(JSON)
    document["learner"]["gradient_booster"]["model"]["trees"].reverse()
    (tmp_path / "model.json").write_text(json.dumps(document))
    assert_equal_graphs(read_file(tmp_path / "model.json"), read(BOOSTER))


# ---- damage ----------------------------------------------------------------------------------


def tree(document: dict[str, Any]) -> dict[str, Any]:
    first: dict[str, Any] = document["learner"]["gradient_booster"]["model"]["trees"][0]
    return first


def category_tree(document: dict[str, Any]) -> dict[str, Any]:
    trees = document["learner"]["gradient_booster"]["model"]["trees"]
    return next(t for t in trees if t["categories_nodes"])


def param(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["learner"]["learner_model_param"]
    return found


def model(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document["learner"]["gradient_booster"]["model"]
    return found


DAMAGE: dict[str, tuple[Callable[[dict[str, Any]], Any], str]] = {
    "no learner": (lambda d: d.pop("learner"), "no member 'learner', expected an object"),
    "learner is a list": (lambda d: d.update(learner=[]), r"learner is \[\], expected an object"),
    "no version": (lambda d: d.pop("version"), "no member 'version'"),
    "version is short": (lambda d: d.update(version=[3]), "three whole numbers"),
    "count is text": (lambda d: param(d).update(num_feature="four"), "num_feature is 'four'"),
    "no features": (lambda d: param(d).update(num_feature="0"), "from 1 to"),
    "vast features": (lambda d: param(d).update(num_feature="4294967295"), "from 1 to"),
    "vast digits": (lambda d: param(d).update(num_class="9" * 5000), "whole number"),
    "base score is text": (lambda d: param(d).update(base_score="half"), "base_score is 'half'"),
    "base score is NaN": (lambda d: param(d).update(base_score="[NaN,1,1]"), "finite numbers"),
    "base score is vast": (lambda d: param(d).update(base_score="1e60"), "range of float32"),
    "two base scores": (lambda d: param(d).update(base_score="[1,2]"), "1 or 3 numbers"),
    "tree is text": (lambda d: model(d)["trees"].append("x"), "'x', expected an object"),
    "tree twice": (lambda d: tree(d).update(id=1), "used once"),
    "outputs short": (lambda d: model(d)["tree_info"].pop(), "12, one per tree"),
    "output unknown": (lambda d: model(d)["tree_info"].__setitem__(0, 3), "from 0 to 2"),
    "output is real": (lambda d: model(d)["tree_info"].__setitem__(0, 0.5), "whole numbers"),
    "rounds fall": (lambda d: model(d).update(iteration_indptr=[0, 9, 3, 12]), "rising"),
    "names are numbers": (lambda d: d["learner"].update(feature_names=[1]), "array of strings"),
    "array short": (lambda d: tree(d)["split_conditions"].pop(), "num_nodes ="),
    "array missing": (lambda d: tree(d).pop("left_children"), r"left_children is None"),
    "array of text": (lambda d: tree(d).update(split_indices=["a"]), "an array of numbers"),
    "array of arrays": (lambda d: tree(d).update(split_indices=[[1], [1, 2]]), "array of numbers"),
    "child is real": (lambda d: tree(d)["left_children"].__setitem__(0, 1.5), "whole number"),
    "child is vast": (lambda d: tree(d)["left_children"].__setitem__(0, 2**40), "whole number"),
    "child is the root": (lambda d: tree(d)["left_children"].__setitem__(0, 0), "two neighbours"),
    "child is outside": (lambda d: tree(d)["left_children"].__setitem__(0, 999), "two neighbours"),
    "right is apart": (lambda d: tree(d)["right_children"].__setitem__(0, 3), "two neighbours"),
    "feature is outside": (lambda d: tree(d)["split_indices"].__setitem__(0, 4), "from 0 to 3"),
    "feature is negative": (lambda d: tree(d)["split_indices"].__setitem__(0, -1), "from 0 to 3"),
    "leaf is infinite": (
        lambda d: tree(d)["split_conditions"].__setitem__(-1, float("inf")),
        "a finite leaf value",
    ),
    "no nodes": (lambda d: tree(d)["tree_param"].update(num_nodes="0"), "from 1 to"),
    "negative code": (
        lambda d: category_tree(d)["categories"].__setitem__(0, -1),
        "category code of at least 0",
    ),
    "set is outside": (
        lambda d: category_tree(d)["categories_segments"].__setitem__(0, 10**12),
        "parts of",
    ),
    "set size wraps": (
        lambda d: category_tree(d)["categories_sizes"].__setitem__(0, 2**63 - 1),
        "parts of",
    ),
    "set node differs": (lambda d: category_tree(d)["split_type"].__setitem__(0, 1 - category_tree(
        d)["split_type"][0]), "split_type is 1"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_damage_is_named(tmp_path: Path, name: str) -> None:
    damage, message = DAMAGE[name]
    document = copy.deepcopy(JSON)
    damage(document)
    (tmp_path / "model.json").write_text(json.dumps(document))
    with pytest.raises(SourceFileError, match=message) as caught:
        read_file(tmp_path / "model.json")
    assert str(caught.value).startswith(repr(str(tmp_path / "model.json")))


def test_two_parents_and_endless_depth_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.json"
    document = copy.deepcopy(JSON)
    first = tree(document)
    n_nodes = len(first["left_children"])
    first["left_children"][1:3] = [3, 3]
    first["right_children"][1:3] = [4, 4]
    path.write_text(json.dumps(document))
    with pytest.raises(SourceFileError, match="two parents"):
        read_file(path)
    first["left_children"] = [1] * n_nodes
    first["right_children"] = [2] * n_nodes
    path.write_text(json.dumps(document))
    with pytest.raises(SourceFileError, match="two parents"):
        read_file(path)
    chain = 2 * 5000 + 1
    for name in ("split_conditions", "split_indices", "default_left", "split_type"):
        first[name] = [0] * chain
    for name in ("categories_nodes", "categories_segments", "categories_sizes", "categories"):
        first[name] = []
    first["left_children"] = [i + 1 if i % 2 == 0 and i + 1 < chain else -1 for i in range(chain)]
    first["right_children"] = [i + 1 if i > 0 else -1 for i in first["left_children"]]
    first["tree_param"]["num_nodes"] = str(chain)
    path.write_text(json.dumps(document))
    with pytest.raises(UnsupportedModelError, match="deeper than 4096 levels"):
        read_file(path)


def test_other_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(FileAccessError, match=r"missing\.json"):
        read_file(tmp_path / "missing.json")
    for data, message in (
        (b"", "starts with b''"),
        (b"binf\x00\x00", "save an older binary model again"),
        (b'{"learner": ', "starts as JSON but is not"),
        (b'{"a":' + b"[" * 100_000, "starts as JSON but is not"),
        (b"{}", "no member 'learner'"),
    ):
        (tmp_path / "model.json").write_bytes(data)
        with pytest.raises(SourceFileError, match=message):
            read_file(tmp_path / "model.json")


# ---- UBJSON ----------------------------------------------------------------------------------


def test_ubjson_of_every_type() -> None:
    text = b"{i\x01aSi\x02hii\x01bTi\x01cFi\x01dZi\x01eCxi\x01f[i\x05U\xffI\x01\x00]"
    text += b"i\x01gd?\x80\0\0}"
    expected = {"a": "hi", "b": True, "c": False, "d": None, "e": "x", "f": [5, 255, 256], "g": 1.0}
    assert _ubjson.parse(text) == expected
    typed = _ubjson.parse(b"[$l#i\x02\x00\x00\x00\x01\xff\xff\xff\xff")
    assert typed.tolist() == [1, -1]
    assert _ubjson.parse(b"[#U\x02i\x01D?\xf0\0\0\0\0\0\0") == [1, 1.0]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "byte 0 .* found 0 bytes"),
        (b"{", "a key or '}'"),
        (b"{i\x01a", "a type marker"),
        (b"{i\x01aX}", r"byte 4 .* found the marker b'X'"),
        (b"{Si\x01a", "an integer, the length"),
        (b"{i\xff", "length -1"),
        (b"{i\x7fa", "127 for a string"),
        (b"{i\x01\xffi\x01}", "text in UTF-8"),
        (b"[i\x01", "a type marker"),
        (b"[#L\x7f\xff\xff\xff\xff\xff\xff\xff", "an array of 9223372036854775807"),
        (b"[$d#L\x40\0\0\0\0\0\0\0", "float32 values"),
        (b"[$d#i\x01\0\0", "an array of 1 float32"),
        (b"[$Zl", "element type b'Z'"),
        (b"[$di", "'#' and the number"),
        (b"[" * 100, "64 levels"),
        (b"{}}", "the end of the file"),
    ],
)
def test_broken_ubjson_is_named(data: bytes, message: str) -> None:
    with pytest.raises(SourceFileError, match=message):
        _ubjson.parse(data)


def test_every_cut_of_a_file_is_refused(tmp_path: Path) -> None:
    for length in range(0, len(UBJ), 101):
        with pytest.raises(SourceFileError):
            _ubjson.parse(UBJ[:length])
    (tmp_path / "cut.ubj").write_bytes(UBJ[:-1])
    with pytest.raises(SourceFileError, match="UBJSON"):
        read_file(tmp_path / "cut.ubj")


@given(st.integers(0, len(UBJ) - 1), st.integers(0, 255))
def test_any_changed_byte_gives_a_graph_or_a_named_error(
    tmp_path_factory: pytest.TempPathFactory, position: int, value: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "changed.ubj"
    path.write_bytes(UBJ[:position] + bytes([value]) + UBJ[position + 1 :])
    try:
        graph = read_file(path)
    except CordwoodError:
        return
    assert graph.trees.n_trees == 12
