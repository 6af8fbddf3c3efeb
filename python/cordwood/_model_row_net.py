"""RowNet: a packed net that answers rows with the methods of the estimator that it was."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _model_facts
from cordwood._model_answers import Answers
from cordwood._model_calls import TARGETS
from cordwood._model_iterations import Iterations
from cordwood._model_net import Net, form_of
from cordwood._model_outputs import labels_of
from cordwood._model_sklearn import SklearnProtocol
from cordwood._rows import RowsDoor
from cordwood.errors import FormatError, InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from cordwood import _core
    from cordwood._model_packed import Check, Device
    from cordwood._model_sklearn import EstimatorType
    from cordwood._typing import AnyArray, Float32Array, Int64Array
    from cordwood.ir import Absent, Graph

__all__ = ["RowNet", "calibration_rows", "open_net"]


class RowNet(Net, Answers, SklearnProtocol):
    """A packed net with scikit-learn's methods: what an MLPClassifier or MLPRegressor becomes.

    `cordwood.compress` and `cordwood.load` make one. It never changes: threads share it freely.

    Parameters
    ----------
    data, device, threads, check
        As of `Net`.

    Attributes
    ----------
    kind : str
        What the source was, such as ``"MLPClassifier"``.
    methods : tuple of str
        Names of the methods that this model has.
    classes_ : ndarray of shape (n_classes,)
        Labels by class index; of several labels, each true or false, the numbers of their columns.
        Only where the source is a classifier.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Names of the columns; only where the source knows them.

    Raises
    ------
    FormatError
        The bytes are no file of a version that this build reads, or hold another kind of net.
    DeviceError, InputError
        As of `Net`.

    Notes
    -----
    Rows are what `Model` takes, and are computed in float32. A call itself, as of any `Net`, takes
    float32 rows and gives all answers by name, class indices instead of labels.
    """

    classes_: np.ndarray
    feature_names_in_: np.ndarray

    def __init__(
        self,
        data: bytes,
        *,
        device: Device = "cpu",
        threads: int | None = None,
        check: Check = "all",
    ) -> None:
        super().__init__(data, device=device, threads=threads, check=check)
        self._facts = _model_facts.read(self._native.provenance)
        self.kind = str(self._facts["source"].get("kind", "net"))
        self.methods = tuple(self._facts["methods"])
        names = self._facts.get("feature_names")
        _check_ports(self, names)
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        labels = self._native.classes
        classes = None if labels is None else np.asarray(labels)
        if classes is not None:
            self.classes_ = classes
        self._estimator_type: EstimatorType = "regressor" if classes is None else "classifier"
        door = _RowsOfFloats(
            self.n_features_in_, names, self._facts["sparse"], self._facts["source"].get("library")
        )
        calls = _Calls(self._native, self._threads, door, classes, self.kind)
        places = {port.name: place for place, port in enumerate(self.outputs)}
        for method in self.methods:
            target = next(name for name in TARGETS[method] if name in places)
            self.__dict__[method] = calls.bind(target, places[target], method)

    @property
    def n_features_in_(self) -> int:
        """Number of columns of the rows."""
        columns = self.inputs[0].shape[1]
        assert columns is not None, "ports were checked"
        return columns

    def __repr__(self) -> str:
        """Name the source, its shape and its size."""
        shape = f"{self.n_features_in_:,} features, {self.nbytes:,} bytes"
        return f"<cordwood.RowNet {self.kind}, {shape}>"


def open_net(data: bytes, provenance: str, **options: Any) -> Net:
    """Load the file of a net as what its provenance says: a `RowNet`, or a `Net`."""
    kind = RowNet if form_of(provenance) == "rows" else Net
    return kind(data, **options)


def calibration_rows(graph: Graph, rows: Any) -> list[Float32Array]:
    """Return rows for a net of rows as the only batch that it is calibrated by."""
    columns = next(value.shape[1] for value in graph.values if value.role.name == "INPUT")
    library = graph.provenance.get("library")
    door = _RowsOfFloats(int(columns), graph.feature_names, graph.sparse, library)
    return [door(rows)]


class _RowsOfFloats:
    """The door of `RowsDoor`, behind it rows of finite float32."""

    def __init__(
        self, n_features: int, names: Sequence[str] | None, absent: Absent, library: object
    ) -> None:
        self._door = RowsDoor(
            n_features, input_type="float32", feature_names=names, absent=absent, library=library
        )

    def __call__(self, X: Any) -> Float32Array:
        given = self._door.dense(X)
        with np.errstate(over="ignore"):
            rows: Float32Array = np.ascontiguousarray(given, np.float32)
        finite = np.isfinite(rows)
        if not finite.all():
            row, feature = (int(place) for place in np.argwhere(~finite)[0])
            what, advice = (
                ("NaN", "impute")
                if np.isnan(rows[row, feature])
                else ("infinite or too large for the model's input type", "clip")
            )
            message = (
                f"row {row}, feature {feature} is {what}, which the source model refuses; "
                f"{advice} it first"
            )
            raise InputError(message)
        return rows


class _Calls:
    """Functions behind the methods; they know nothing of the model, which holds them."""

    def __init__(
        self,
        native: _core.Net,
        threads: int,
        door: _RowsOfFloats,
        classes: AnyArray | None,
        kind: str,
    ) -> None:
        self._answers = native.caller(_refuse_order, _refuse_place, form="tuple", threads=threads)
        self._door = door
        self._classes, self._kind = classes, kind

    def bind(self, target: str, place: int, method: str) -> Callable[..., AnyArray]:
        """Return the function that answers with one output, shaped as its method has it."""
        labelled = target == "label" and self._classes is not None

        def answer(X: Any, **options: Any) -> AnyArray:
            if options:
                self._refuse(**options)
            rows = self._door(X)
            found: AnyArray = self._answers(rows)[place]
            if labelled and found.ndim == 1:
                assert self._classes is not None
                return labels_of(_judged(found, len(self._classes)), self._classes)
            return found[:, 0] if method == "predict" and _one_column(found) else found

        return answer

    def _refuse(
        self,
        *,
        raw_score: bool = False,
        output_margin: bool = False,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> None:
        """Refuse what only models of trees have, in their words."""
        Iterations(self._kind).trees_of(iteration_range, start_iteration, num_iteration)
        if raw_score or output_margin:
            message = f"a {self._kind} has no raw scores; ask for predict alone"
            raise InputError(message)


def _judged(found: AnyArray, n_classes: int) -> Int64Array:
    """Return class indices as they are; a file may have been made to give others."""
    indices: Int64Array = found.astype(np.int64, copy=False)
    if indices.size and not 0 <= int(indices.min()) <= int(indices.max()) < n_classes:
        message = f"output 'label' reaches {indices.max()}, expected 0 to {n_classes - 1}"
        raise FormatError(message, code="labels_invalid")
    return indices


def _one_column(answer: AnyArray) -> bool:
    return answer.ndim > 1 and answer.shape[1] == 1


def _refuse_order(
    given: tuple[Any, ...], named: dict[str, Any]
) -> tuple[Any, ...]:  # pragma: no cover - the methods give rows alone
    message = f"{len(given)} inputs in order and {len(named)} by name, expected rows alone"
    raise InputError(message)


def _refuse_place(given: Any, place: int) -> AnyArray:  # pragma: no cover - the door comes first
    message = f"input {place} is a {type(given).__name__}, expected rows that the door has made"
    raise InputError(message)


def _check_ports(net: RowNet, names: Any) -> None:
    """Hold a file, which anyone may have made, against what methods need.

    Raises
    ------
    FormatError
        It is no net of rows, or has no output for a method.
    """
    outputs = {port.name for port in net.outputs}
    one = len(net.inputs) == 1
    columns = net.inputs[0].shape[1:] if one else ()
    valid = one and len(columns) == 1 and columns[0] is not None
    valid = valid and net.inputs[0].shape[0] is None and net.inputs[0].dtype == np.float32
    valid = valid and all(set(TARGETS[name]) & outputs for name in net.methods)
    valid = valid and all(len(port.shape) in (1, 2) for port in net.outputs)
    if names is not None:
        valid = valid and isinstance(names, list) and len(names) == columns[0]
        valid = valid and all(isinstance(name, str) for name in names)
    if not valid or net._form != "rows":
        message = (
            f"section provenance: form {net._form!r} with inputs {net.inputs}, outputs "
            f"{net.outputs} and methods {', '.join(net.methods)}, expected form 'rows', one input "
            f"of float32 rows, an output for each method, and a name for each feature or none"
        )
        raise FormatError(message, code="provenance_invalid")
