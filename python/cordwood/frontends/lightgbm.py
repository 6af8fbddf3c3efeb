"""Reads LightGBM models: Boosters, scikit-learn wrappers and model files.

A live model is read through its own text, which prints every threshold and leaf with 17 digits and
so loses nothing. The rules of its splits stand in ``docs/exactness.md``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _files
from cordwood.errors import MissingDependencyError, NotFittedError, UnsupportedModelError
from cordwood.frontends import _lightgbm_objective, _lightgbm_text
from cordwood.frontends._lightgbm_objective import CLASSIFYING, HASTY, last_of_first_class
from cordwood.frontends._lightgbm_trees import tree_ensemble
from cordwood.ir import Decide, Graph, Link, Operator, Role, Value

if TYPE_CHECKING:
    from pathlib import Path

    from cordwood.frontends._lightgbm_objective import Objective
    from cordwood.frontends._lightgbm_text import Header, TextModel

__all__ = ["read", "read_file"]

PREDICTION = frozenset({"predict", "predict_proba"})
"""What decides an answer: whoever replaces one of these is no longer the class it derives from."""


WITH_COMPLEMENT = ("identity", "sigmoid", "exp")
"""Links that give both ``1 - p`` and ``p`` at once."""


def read(source: Any) -> Graph:
    """Read a fitted LightGBM model.

    Parameters
    ----------
    source : lightgbm.Booster, LGBMClassifier, LGBMRegressor, LGBMRanker or LGBMModel
        The model; it is cut at its best iteration, as its own ``predict`` does.

    Returns
    -------
    Graph
        The same splits, leaves and link.

    Raises
    ------
    MissingDependencyError
        LightGBM is not installed.
    NotFittedError
        The model has no trees yet.
    UnsupportedModelError
        The object is none of the above, skips trees (``pred_early_stop``), or has an objective that
        LightGBM does not know.
    """
    try:
        import lightgbm
    except ImportError as error:
        message = "reading a LightGBM object needs lightgbm, which is not installed"
        raise MissingDependencyError(message) from error
    kind = type(source).__name__
    if isinstance(source, (lightgbm.Booster, lightgbm.LGBMModel)):
        _check_prediction(source)
    if isinstance(source, lightgbm.Booster):
        return _library_graph(_live_builder(source, lightgbm.__version__, kind))
    if not isinstance(source, lightgbm.LGBMModel):
        message = (
            f"got {kind}, expected lightgbm.Booster, LGBMClassifier, LGBMRegressor, LGBMRanker or "
            f"LGBMModel"
        )
        raise UnsupportedModelError(message)
    if hasattr(source, "to_local"):
        message = f"got {kind}, a distributed model; expected the local one: pass model.to_local()"
        raise UnsupportedModelError(message)
    if getattr(source, "_Booster", None) is None:
        message = f"this {kind} is not fitted; call fit first"
        raise NotFittedError(message)
    builder = _live_builder(source.booster_, lightgbm.__version__, kind)
    _check_haste(source, builder.objective)
    names = _names_of(source, builder.model.header)
    if isinstance(source, lightgbm.LGBMClassifier) and not callable(source.objective_):
        classes = np.asarray(source.classes_)
        return _classifier_graph(builder, names, classes)
    methods: tuple[str, ...] = ("predict", "apply")
    if isinstance(source, lightgbm.LGBMClassifier):
        # With an objective of the user's own, its predict returns raw scores.
        methods = ("predict", "decision_function", "apply")
    return _response_graph(builder, names, methods)


def read_file(path: str | Path) -> Graph:
    """Read a model file that LightGBM's ``save_model`` wrote; LightGBM itself is not needed.

    Parameters
    ----------
    path : str or Path
        The text file. All its trees are used: ``save_model`` has already cut at the best iteration.

    Returns
    -------
    Graph
        The model, with the methods of a Booster.

    Raises
    ------
    FileAccessError
        The file cannot be read.
    SourceFileError
        It is not a LightGBM model, is cut short, or contradicts itself.
    UnsupportedModelError
        It has an old format, or an objective that LightGBM does not know.
    """
    model = _lightgbm_text.parse(_files.read_bytes(path), str(path))
    objective = _lightgbm_objective.of_header(model.header, str(path))
    return _library_graph(_Builder(model, objective, model.header.version, "model file"))


def _check_prediction(source: Any) -> None:
    """Refuse a class derived from one of LightGBM's that replaces a part of prediction."""
    changed = PREDICTION & set(vars(source))
    for base in type(source).__mro__:
        if base.__module__.partition(".")[0] == "lightgbm":
            break
        changed |= PREDICTION & set(vars(base))
    if changed:
        message = (
            f"{type(source).__name__} derives from lightgbm.{base.__name__} but replaces "
            f"{', '.join(sorted(changed))}; supported are subclasses that leave it alone"
        )
        raise UnsupportedModelError(message)


def _check_haste(estimator: Any, objective: Objective) -> None:
    """Refuse a wrapper whose predict may skip trees."""
    haste = estimator.get_params().get("pred_early_stop")
    if haste and objective.name in HASTY:
        message = (
            f"this {type(estimator).__name__} has pred_early_stop={haste!r}, so its predict skips "
            f"trees; expected False: call set_params(pred_early_stop=False)"
        )
        raise UnsupportedModelError(message)


def _live_builder(booster: Any, version: str, kind: str) -> _Builder:
    """Read a live model, up to the iteration that its predict uses."""
    if booster.num_trees() == 0:
        message = f"this {kind} has no trees; train it first"
        raise NotFittedError(message)
    try:
        text = booster.model_to_string(num_iteration=booster.best_iteration)
    except (TypeError, ValueError) as error:  # what JSON cannot hold
        message = (
            f"LightGBM cannot write this {kind} as text ({error}), so it was trained on categories "
            f"such as dates or intervals; expected labels of str, int, float or bool"
        )
        raise UnsupportedModelError(message) from error
    model = _lightgbm_text.parse(text.encode(), f"the text of this {kind}")
    objective = _lightgbm_objective.of_booster(booster, model.header, kind)
    return _Builder(model, objective, version, kind)


def _names_of(estimator: Any, header: Header) -> tuple[str, ...] | None:
    """Return the feature names where the wrapper was fitted on named columns."""
    if not hasattr(type(estimator), "feature_names_in_"):  # before LightGBM 4.5
        return _given_names(header)
    return None if getattr(estimator, "feature_names_in_", None) is None else header.feature_names


def _given_names(header: Header) -> tuple[str, ...] | None:
    """Return the feature names, or None where LightGBM made them up."""
    made_up = tuple(f"Column_{column}" for column in range(header.n_features))
    return None if header.feature_names == made_up else header.feature_names


class _Builder:
    """Collects the values and operators of one Graph."""

    def __init__(self, model: TextModel, objective: Objective, version: str, kind: str) -> None:
        self.model = model
        self.objective = objective
        header = model.header
        rows = Value("rows", "float64", ("batch", header.n_features), Role.ROWS)
        self.values = [rows]
        self.operators: list[Operator] = []
        self.provenance: dict[str, Any] = {
            "library": "lightgbm",
            "version": version,
            "kind": kind,
            "format": header.version,
            "objective": objective.name,
            "iterations": len(model.trees.n_leaves) // header.n_outputs,
        }
        if header.boosting is not None:
            self.provenance["boosting"] = header.boosting
        if header.label_counts:
            self.provenance["pandas_categories"] = list(header.label_counts)

    @property
    def has_margin(self) -> bool:
        """Whether the ensemble's output is what ``predict(raw_score=True)`` returns.

        A random forest's raw score is the sum of its trees, and its response is made from their
        mean; the Graph keeps the mean.
        """
        return not self.model.header.average_output

    def add_trees(self, role: Role) -> str:
        """Add the ensemble, and return the name of its output."""
        outputs = self.model.header.n_outputs
        if role is Role.MARGIN and not self.has_margin:
            role = Role.NONE
        self.operators.append(tree_ensemble(self.model, source="rows", target="margin"))
        self.values.append(Value("margin", "float64", ("batch", outputs), role))
        return "margin"

    def add_link(self, name: str, role: Role, *, complement: bool = False) -> None:
        """Add the objective's link on the margin."""
        link, scale = self.objective.link, self.objective.scale
        source, outputs = "margin", self.model.header.n_outputs
        if complement and link not in WITH_COMPLEMENT:
            self.values.append(Value("answer", "float64", ("batch", outputs)))
            self.operators.append(Link(source=source, target="answer", kind=link, scale=scale))
            source, link, scale = "answer", "identity", 1.0
        columns = 2 if complement else outputs
        self.values.append(Value(name, "float64", ("batch", columns), role))
        self.operators.append(
            Link(source=source, target=name, kind=link, scale=scale, complement=complement)
        )

    def graph(
        self,
        methods: tuple[str, ...],
        names: tuple[str, ...] | None,
        classes: np.ndarray | None = None,
    ) -> Graph:
        """Return the finished Graph.

        Without the raw score it offers neither ``decision_function`` nor a choice of iterations,
        of which a random forest would take the mean.
        """
        header = self.model.header
        if not self.has_margin:
            methods = tuple(method for method in methods if method != "decision_function")
        return Graph(
            values=tuple(self.values),
            operators=tuple(self.operators),
            feature_names=names,
            classes=classes,
            categories=header.labels,
            unseen="missing",
            sparse="zero",
            trees_per_iteration=header.n_outputs if self.has_margin else 0,
            methods=methods,
            provenance=self.provenance,
        )


def _library_graph(builder: _Builder) -> Graph:
    """Build what a Booster offers: its predict, and class probabilities where it has classes."""
    methods: tuple[str, ...] = ("predict", "decision_function", "apply")
    if builder.objective.name in CLASSIFYING:
        methods = ("predict", "predict_proba", "decision_function", "apply")
    return _response_graph(builder, _given_names(builder.model.header), methods)


def _response_graph(
    builder: _Builder, names: tuple[str, ...] | None, methods: tuple[str, ...]
) -> Graph:
    """Build a model whose predict returns the response."""
    if builder.objective.link == "identity":
        builder.add_trees(Role.RESPONSE)
        return builder.graph(methods, names)
    builder.add_trees(Role.MARGIN)
    builder.add_link("response", Role.RESPONSE)
    if "predict_proba" in methods:
        complement = builder.model.header.n_outputs == 1
        builder.add_link("probability", Role.PROBABILITY, complement=complement)
    return builder.graph(methods, names)


def _classifier_graph(
    builder: _Builder, names: tuple[str, ...] | None, classes: np.ndarray
) -> Graph:
    """Build an LGBMClassifier: the larger probability names the class, the first one at a tie.

    With one sigmoid that is a comparison of the margin, which is exact where a link is not.
    """
    outputs = builder.model.header.n_outputs
    columns = 2 if outputs == 1 else outputs
    single = outputs == len(classes) == 1
    if len(classes) != columns and not single:
        message = (
            f"this {builder.provenance['kind']} was fitted on {len(classes)} class(es) but gives "
            f"{columns} probabilities; expected as many classes"
        )
        raise UnsupportedModelError(message)
    builder.add_trees(Role.MARGIN)
    builder.add_link("probability", Role.PROBABILITY, complement=outputs == 1)
    builder.values.append(Value("label", "int64", ("batch",), Role.LABEL))
    decide = Decide(source="probability", target="label", rule="argmax")
    if single:
        # Trained on one class: LightGBM gives two probabilities, but can name no other class.
        decide = Decide(source="margin", target="label", rule="argmax")
    elif outputs == 1 and builder.objective.link == "sigmoid":
        cut = last_of_first_class(builder.objective.scale)
        decide = Decide(source="margin", target="label", rule="greater", cut=cut)
    builder.operators.append(decide)
    methods = ("predict", "predict_proba", "decision_function", "apply")
    return builder.graph(methods, names, classes)
