"""Rows that are easily routed wrongly, and the comparison of a Graph with its estimator."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from unittest import mock

import numpy as np

import oracle
from cordwood.frontends import sklearn as frontend
from cordwood.ir import Graph, Link, Role

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

MOST_CUTS = 250
"""Thresholds that are probed at both neighbours, per type."""

METHODS = ("predict", "predict_proba", "decision_function", "score_samples", "transform", "apply")
"""Every method that a packed model can offer."""

TREE_MODELS = tuple(name for name in frontend.SUPPORTED if name not in frontend.NETS)
"""Classes that become models of rows, answering bit for bit."""


def training_rows(
    seed: int, n_rows: int = 240, n_features: int = 5, missing: float = 0.0
) -> AnyArray:
    """Return float64 rows of several scales, a share of them NaN; (n_rows, n_features)."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n_rows, n_features)) * 10.0 ** rng.integers(-3, 4, n_features)
    X[:, -1] = rng.integers(-3, 4, n_rows)
    X[rng.random(X.shape) < missing] = np.nan
    return X


def targets(X: AnyArray, kind: str) -> AnyArray:
    """Return something to learn from `X`; (n_rows,), or (n_rows, 2) or (n_rows, 3)."""
    score = np.nan_to_num(X[:, 0]) + np.sin(np.nan_to_num(X[:, 1])) + np.nan_to_num(X[:, -1])
    if kind == "real":
        return score
    if kind == "large":
        return np.expm1(np.abs(score) % 30) * 1e9 + 1 / 3
    if kind == "count":
        return np.floor(np.abs(score))
    if kind == "pair":
        return np.stack((score, -(score**2)), axis=1)
    if kind == "labels":  # as many classes as outputs and more
        return np.stack((score > 0, np.floor(score) % 4, np.abs(score) > 1), axis=1).astype(int)
    names = {
        "one": np.array(["only"]),
        "two": np.array(["no", "yes"]),
        "bool": np.array([False, True]),
        "float": np.array([-1.0, 2.0, 1e9]),
        "four": np.array([3, 7, -1, 10]),
    }[kind]
    return names[np.digitize(score, np.quantile(score, np.linspace(0, 1, len(names) + 1)[1:-1]))]


def probe_rows(graph: Graph, X: AnyArray, seed: int = 0) -> list[AnyArray]:
    """Return rows on thresholds, beside them, and of special values, in four element types."""
    op = graph.trees
    rng = np.random.default_rng(seed)
    tested = np.flatnonzero((op.feature >= 0) & (op.category_set < 0) & np.isfinite(op.threshold))
    chosen = rng.permutation(tested)[:MOST_CUTS]
    cuts = op.threshold[chosen]
    single = cuts.astype(np.float32)
    wide = [cuts, np.nextafter(cuts, -np.inf), np.nextafter(cuts, np.inf)]
    narrow = [single, np.nextafter(single, np.float32(-np.inf)),
              np.nextafter(single, np.float32(np.inf))]  # fmt: skip
    special = [0.0, -0.0, 5e-324, -5e-324, 1e-45, -1e-45, 1.2e-38, 3.4028234663852886e38, 2.5]
    if op.accepts_nan:
        special.append(np.nan)
    if op.accepts_infinity:
        special += [np.inf, -np.inf, 1e300, -1e300]
    features = np.resize(np.arange(op.n_features), 4 * len(special))
    odd = _placed(X, features, np.resize(special, len(features)), rng)
    whole = rng.integers(-(2**62), 2**62, (40, op.n_features))
    whole[::2] = rng.integers(-5, 6, (20, op.n_features))
    whole[1::4] = 2**24 + 1 + rng.integers(-3, 3, (10, op.n_features))
    on_wide = np.concatenate([_placed(X, op.feature[chosen], part, rng) for part in wide])
    on_narrow = np.concatenate([_placed(X, op.feature[chosen], part, rng) for part in narrow])
    with np.errstate(over="ignore"):  # to infinity, where the source takes it
        odd_narrow = odd.astype(np.float32)
    made = [np.concatenate((X, odd, on_wide)), on_narrow.astype(np.float32), whole, odd_narrow]
    if not op.accepts_nan:
        made = [np.nan_to_num(rows) for rows in made]
    return [rows for rows in made if len(rows)]


def _placed(
    X: AnyArray, features: AnyArray, values: AnyArray, rng: np.random.Generator
) -> AnyArray:
    """Return random rows of `X`, row i with ``values[i]`` in column ``features[i]``."""
    rows = X[rng.integers(0, len(X), len(features))].copy()
    rows[np.arange(len(features)), features] = values
    return rows


def same_bits(ours: AnyArray, theirs: AnyArray) -> bool:
    """Tell whether two float64 arrays of one size hold the same bytes in the same order."""
    flat = [np.ascontiguousarray(array, np.float64).reshape(-1) for array in (ours, theirs)]
    return flat[0].tobytes() == flat[1].tobytes()


def reference(estimator: Any, rows: AnyArray) -> AnyArray:
    """Return what the source's reference call says the ensemble adds up to."""
    name = type(estimator).__name__
    if name == "IsolationForest":
        return mean_depths(estimator, rows)
    if name == "AdaBoostRegressor":
        # NumPy leaves the order of equal answers open; the reference keeps the trees' order.
        with mock.patch("numpy.argsort", partial(np.argsort, kind="stable")):
            return estimator.predict(rows)
    if name.startswith("Hist"):
        return estimator._raw_predict(rows)
    if hasattr(estimator, "decision_function"):
        return estimator.decision_function(rows)
    answer = estimator.predict_proba if hasattr(estimator, "predict_proba") else estimator.predict
    made = answer(rows)
    return np.concatenate(made, axis=1) if isinstance(made, list) else made


def mean_depths(estimator: Any, rows: AnyArray) -> AnyArray:
    """Return the exponent of scikit-learn's isolation score, tree by tree as it does."""
    from sklearn.ensemble._iforest import _average_path_length

    rows = rows.astype(np.float32)
    depths = np.zeros(len(rows))
    for number, tree in enumerate(estimator.estimators_):
        subset = estimator._max_features != rows.shape[1]
        own = rows[:, estimator.estimators_features_[number]] if subset else rows
        leaf = tree.apply(own, check_input=False)
        depths += (
            estimator._decision_path_lengths[number][leaf]
            + estimator._average_path_length_per_tree[number][leaf]
            - 1.0
        )
    expected = len(estimator.estimators_) * _average_path_length([estimator._max_samples])
    return np.divide(depths, expected, out=np.ones_like(depths), where=expected != 0)


def assert_equal_to_source(estimator: Any, X: AnyArray) -> Graph:
    """Read `estimator`; compare leaves, margins, links and labels on probing rows.

    Everything but links is compared bit for bit; links, and margins that start from a link, by a
    bound wide enough for both sides.
    """
    graph = frontend.read(estimator)
    assert graph.methods == tuple(name for name in METHODS if hasattr(estimator, name))
    for rows in probe_rows(graph, X):
        assert_equal_on(estimator, graph, rows)
    return graph


def assert_equal_on(estimator: Any, graph: Graph, rows: AnyArray) -> None:
    """Compare everything that a Graph answers on `rows` with its estimator."""
    with np.errstate(over="ignore", invalid="ignore"):  # rows near and past float32
        _assert_equal_on(estimator, graph, rows)


def _assert_equal_on(estimator: Any, graph: Graph, rows: AnyArray) -> None:
    made = by_role(graph, rows)
    if "apply" in graph.methods:
        leaves = np.asarray(estimator.apply(rows)).reshape(len(rows), -1)
        assert np.array_equal(oracle.apply(graph, rows), leaves)
    if Role.EMBEDDING in made:
        assert_same_embedding(estimator, made[Role.EMBEDDING], rows)
        return
    margin = made[graph.value(graph.trees.target).role]
    theirs = np.asarray(reference(estimator, rows)).reshape(margin.shape)
    linked = any(isinstance(op, Link) and op.kind in ("logit", "exp") for op in starting(graph))
    if linked:
        assert np.all(np.abs(margin - theirs) <= start_bound(graph, rows))
    else:
        assert same_bits(margin, theirs)
    if Role.LABEL in made and not linked:
        assert_same_labels(graph, made[Role.LABEL], estimator.predict(rows))
    if Role.SCORE in made:
        scores = estimator.score_samples(rows)
        np.testing.assert_allclose(made[Role.SCORE][:, 0], scores, rtol=1e-15)
        decisions = estimator.decision_function(rows)
        np.testing.assert_allclose(made[Role.DECISION][:, 0], decisions, rtol=0, atol=2.3e-16)
    if Role.PROBABILITY in made:
        theirs = estimator.predict_proba(rows)
        theirs = np.concatenate(theirs, axis=1) if isinstance(theirs, list) else theirs
        if not linked:
            np.testing.assert_allclose(made[Role.PROBABILITY], theirs, rtol=1e-14, atol=2e-16)
    if Role.RESPONSE in made and not linked:
        ours = made[Role.RESPONSE]
        theirs = estimator.predict(rows).reshape(ours.shape)
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)


def by_role(graph: Graph, rows: AnyArray) -> dict[Role, AnyArray]:
    """Return every value of a Graph that has a role, other than the rows."""
    made = oracle.results(graph, rows)
    return {value.role: made[value.name] for value in graph.values if value.name in made}


def start_bound(graph: Graph, rows: AnyArray) -> AnyArray:
    """Return how far each row's margin may be off that starts from a link; (n_rows, 1).

    A few units in the last place of the start; where a probability itself comes through a link, the
    logit multiplies what that is off by ``1 / (p * (1 - p))``.
    """
    links = {op.target: op for op in starting(graph) if isinstance(op, Link)}
    link = list(links.values())[-1]
    source = oracle.results(graph, rows)[link.source]
    if link.kind == "exp":
        return 1e-14 * np.exp(source) + 1e-14
    if link.source not in links:
        return np.full((len(rows), 1), 1e-13)
    p = np.clip(source, link.offset, 1 - link.offset)
    return np.max(1e-15 / (p * (1 - p)), axis=1, keepdims=True) + 1e-13


def starting(graph: Graph) -> tuple[Any, ...]:
    """Return the operators before the ensemble that answers."""
    return graph.operators[: graph.operators.index(graph.trees)]


def assert_same_labels(graph: Graph, index: AnyArray, theirs: AnyArray) -> None:
    """Compare class indices with the labels that the source gives."""
    if isinstance(graph.classes, tuple):
        ours = np.stack([own[index[:, k]] for k, own in enumerate(graph.classes)], axis=1)
    else:
        ours = graph.classes[index]
    assert np.array_equal(ours, theirs)


def assert_same_embedding(estimator: Any, columns: AnyArray, rows: AnyArray) -> None:
    """Compare the columns that rows set with the source's matrix."""
    theirs = estimator.transform(rows)
    dense = theirs.toarray() if hasattr(theirs, "toarray") else theirs
    ours = np.zeros_like(dense)
    ours[np.arange(len(rows))[:, None], columns.astype(int)] = 1.0
    assert np.array_equal(ours, dense)
