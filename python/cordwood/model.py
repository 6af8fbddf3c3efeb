"""Model: packed bytes ready to run, with scikit-learn's method names and fitted attributes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood import _core, _model_facts
from cordwood._model_answers import Answers
from cordwood._model_calls import Calls
from cordwood._model_packed import Packed
from cordwood._model_sklearn import SklearnProtocol
from cordwood._model_stages import StagedAnswers
from cordwood._rows import RowsDoor
from cordwood.errors import UnsupportedModelError

if TYPE_CHECKING:
    from cordwood._binned_rows import BinnedRows
    from cordwood._model_packed import Check, Device
    from cordwood._model_sklearn import EstimatorType

__all__ = ["Model"]


class Model(Packed, Answers, StagedAnswers, SklearnProtocol):
    """A packed model.

    `cordwood.compress` and `cordwood.load` make one. It never changes: threads share it freely, and
    copying or cloning returns it. Pickle and joblib store its bytes.

    Parameters
    ----------
    data : bytes
        A ``.cord`` file.
    device : {"cpu", "cuda"}, default="cpu"
        Where it runs.
    threads : int, optional
        Threads for large batches, at most 1024; all permitted cores when absent. No answer depends
        on it. With 1 no thread is ever started.
    check : {"all", "structure"}, default="all"
        ``"structure"`` leaves out the checksum of the tensors.

    Attributes
    ----------
    kind : str
        What the source was, such as ``"RandomForestClassifier"``.
    methods : tuple of str
        Names of the methods that this model has.
    classes_ : ndarray of shape (n_classes,), or list of n_outputs such arrays
        Labels by class index; only where the source is a classifier with labels.
    feature_names_in_ : ndarray of str, shape (n_features,)
        Names of the columns; only where the source knows them.

    Raises
    ------
    FormatError
        The bytes are no file of a version that this build reads.
    DeviceError
        The device is not there, or ``CORDWOOD_ISA`` names an instruction set that is not.
    InputError
        `threads` or `check` is none of the above.

    Notes
    -----
    Rows may be a NumPy array of floats, integers or booleans with any strides, a pandas or polars
    DataFrame, an Arrow table, or nested sequences. Arrays are read in place. Names of a frame's
    columns must be the model's, in the same order. One row takes about a microsecond more than its
    trees.

    Of a boosted model a caller may choose the iterations that answer, in the words of either
    library: ``iteration_range=(begin, end)``, or ``start_iteration=`` and ``num_iteration=``, with
    `predict`, `predict_proba`, `decision_function` and `apply`. The answers are the source's for
    the same range, bit for bit. The trees of a range are prepared when it is first asked for, and
    kept for the next call; a few ranges are kept at a time.

    Rows that are answered several times may be binned once, by `bin`; every method takes the result
    in place of the rows.
    """

    _native: _core.Model
    classes_: np.ndarray | list[np.ndarray]
    feature_names_in_: np.ndarray

    def __init__(
        self,
        data: bytes,
        *,
        device: Device = "cpu",
        threads: int | None = None,
        check: Check = "all",
    ) -> None:
        self._load(_core.Model, data, device=device, threads=threads, check=check)
        if not self._native.targets():
            message = "the bytes hold a net, expected a model of rows; cordwood.load gives a Net"
            raise UnsupportedModelError(message)
        self._facts = facts = _model_facts.read(self._native.provenance)
        self.kind = str(facts["source"].get("kind", "model"))
        self.methods = tuple(facts["methods"])
        self._estimator_type = self._type_for_sklearn()
        names = self._native.feature_names
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        self._iterations = _model_facts.iterations(facts, self._native)
        door = RowsDoor(
            self._native.n_features,
            input_type=self._native.input_type,
            feature_names=names,
            labels=self._native.categories,
            unseen=self._native.unseen,
            absent=facts["sparse"],
            library=facts["source"].get("library"),
            device=device,
        )
        labels = _label_arrays(self._native.classes)
        if labels is not None and self._estimator_type == "classifier":
            self.classes_ = labels
        self._calls = Calls(
            self._native,
            self._data,
            device=device,
            threads=self._threads,
            door=door,
            classes=labels,
            iterations=self._iterations,
            sparse_output=bool(facts["source"].get("sparse_output", True)),
        )
        for name in self.methods:
            self.__dict__[name] = self._calls.bind(name)

    def _type_for_sklearn(self) -> EstimatorType:
        if "score_samples" in self.methods:
            return "outlier_detector"
        if "label" in self._native.targets():
            return "classifier"
        return "transformer" if "transform" in self.methods else "regressor"

    @classmethod
    def from_bytes(
        cls,
        data: bytes,
        *,
        device: Device = "cpu",
        threads: int | None = None,
        check: Check = "all",
    ) -> Model:
        """Return the model that `to_bytes` wrote; parameters as of the class."""
        return cls(data, device=device, threads=threads, check=check)

    def _run(self, X: Any, target: str) -> np.ndarray:
        """Return one target as the program writes it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        target : str
            ``"margin"`` for what the trees sum up to, whatever its role; ``"response"``,
            ``"probability"``, ``"label"`` (class indices), ``"leaves"``, ``"score"``,
            ``"decision"`` or ``"embedding"``.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Never flattened, never mapped to labels.

        Raises
        ------
        UnsupportedMethodError
            The model has no such target.
        """
        return self._calls.raw(target)(X)

    def bin(self, X: Any) -> BinnedRows:
        """Bin rows once, for any number of calls of this model.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows; see the notes of the class.

        Returns
        -------
        BinnedRows
            What every method takes in place of `X`, with the same answers bit for bit: of this
            model, of a copy of it anywhere, and of any other that has the same columns and cuts.

        Raises
        ------
        InputError, InputTypeError
            As for `predict`.
        UnsupportedMethodError
            Leaves are linear in the values, the model adds up several ensembles, or its device
            takes no binned rows.

        Notes
        -----
        The file alone says what bins are, so they serve on any instruction set: one byte for each
        column where trees have up to 256 leaves and categories are few, two bytes elsewhere. The
        first call prepares the trees once more, for rows of bins, and keeps them.

        Examples
        --------
        >>> import cordwood, numpy as np
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> X = np.random.default_rng(0).normal(size=(300, 5))
        >>> forest = RandomForestClassifier(10, random_state=0).fit(X, X[:, 0] > 0)
        >>> model = cordwood.compress(forest)
        >>> bins = model.bin(X)
        >>> bool((model.predict(bins) == model.predict(X)).all())
        True
        >>> len(bins[100:200])
        100
        """
        return self._calls.bin(X)

    def _facts_text(self) -> str:
        return self._native.provenance

    # ---- facts -----------------------------------------------------------------------------------

    @property
    def n_features_in_(self) -> int:
        """Columns that rows must have."""
        return self._native.n_features

    @property
    def n_trees(self) -> int:
        """Trees of the model."""
        return self._native.n_trees

    def summary(self) -> str:
        """Describe the model in a few lines.

        Source, recipe and its loss, shape, outputs, iterations, labelled columns, sparse rows,
        methods, bytes, engine: each as far as it concerns the model.
        """
        return _model_facts.summary(self)

    def __repr__(self) -> str:
        """Name the source and the size."""
        return (
            f"<cordwood.Model {self.kind}, {self.n_trees:,} trees, "
            f"{self.n_features_in_:,} features, {self.nbytes:,} bytes>"
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes; the threads asked for are resolved anew where it is read."""
        return _restore, (self._data, self._device, self._requested_threads)


def _restore(data: bytes, device: Device, threads: int | None) -> Model:
    return Model(data, device=device, threads=threads)


def _label_arrays(given: Any) -> np.ndarray | list[np.ndarray] | None:
    """Return the labels of the only output, or those of each, as arrays."""
    if given is None:
        return None
    return (
        [np.asarray(labels) for labels in given] if isinstance(given, list) else np.asarray(given)
    )
