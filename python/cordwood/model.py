"""Model: packed bytes ready to run, with scikit-learn's method names and fitted attributes."""

from __future__ import annotations

import json
import operator
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np

from cordwood import _core, _files, _model_devices
from cordwood._model_answers import Answers
from cordwood._model_sklearn import SklearnProtocol
from cordwood._rows import RowsDoor
from cordwood.errors import FormatError, InputError, UnsupportedMethodError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Mapping

__all__ = ["Model"]

Check = Literal["all", "structure"]
Device = Literal["cpu", "cuda"]

_MAX_THREADS: Final = 1024

_TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "predict": ("label", "response", "probability", "margin"),
    "predict_proba": ("probability",),
    "decision_function": ("margin",),
    "apply": ("leaves",),
}
"""Answers that serve each method: the first one that the model has."""

_FLAT: Final = frozenset({"predict", "decision_function"})
"""Methods whose one-column answers have shape (n_rows,), as in scikit-learn."""


class Model(Answers, SklearnProtocol):
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
    classes_ : ndarray of shape (n_classes,)
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
        self._requested_threads = _check_threads(threads)
        if check not in {"all", "structure"}:
            message = f"check is {check!r}, expected 'all' or 'structure'"
            raise InputError(message)
        _model_devices.bring(device)
        self._device: Device = device
        self._data = bytes(data)
        self._native = _core.Model(self._data, device=device, check_all=check == "all")
        self._threads = _core.resolve_threads(self._requested_threads or 0)
        self._facts = facts = _facts(self._native.provenance)
        self.kind = str(facts["source"].get("kind", "model"))
        self.methods = tuple(facts["methods"])
        self._estimator_type = "classifier" if "label" in self._native.targets() else "regressor"
        names = self._native.feature_names
        self._prepare = RowsDoor(
            self._native.n_features,
            feature_names=names,
            absent=facts["sparse"],
            library=facts["source"].get("library"),
        )
        if names is not None:
            self.feature_names_in_ = np.array(names, dtype=object)
        labels = self._native.classes
        if labels is not None:
            self.classes_ = np.asarray(labels)
        for name in self.methods:
            self.__dict__[name] = self._bind(name)

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

    def _bind(self, method: str) -> Callable[[Any], np.ndarray]:
        """Return the native function behind a method."""
        has = self._native.targets()
        target = next((name for name in _TARGETS[method] if name in has), None)
        if target is None:
            message = f"the file names the method {method!r}, but its program has no answer for it"
            raise FormatError(message, code="provenance_invalid")
        labels = getattr(self, "classes_", None) if target == "label" else None
        return self._native.bind(
            method,
            target,
            flat=method in _FLAT,
            threads=self._threads,
            prepare=self._prepare,
            labels=labels,
        )

    def _run(self, X: Any, target: str) -> np.ndarray:
        """Return one target as the program writes it.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Rows.
        target : str
            ``"margin"`` for what the trees sum up to, whatever its role; ``"response"``,
            ``"probability"``, ``"label"`` (class indices) or ``"leaves"``.

        Returns
        -------
        ndarray of shape (n_rows, n_columns)
            Never flattened, never mapped to labels.

        Raises
        ------
        UnsupportedMethodError
            The model has no such target.
        """
        targets = self._native.targets()
        if target not in targets:
            message = f"this model has no target {target!r}; it has {', '.join(targets)}"
            raise UnsupportedMethodError(message)
        run = self._native.bind(
            "run", target, flat=False, threads=self._threads, prepare=self._prepare, labels=None
        )
        return run(X)

    # ---- facts -----------------------------------------------------------------------------------

    @property
    def n_features_in_(self) -> int:
        """Columns that rows must have."""
        return self._native.n_features

    @property
    def n_trees(self) -> int:
        """Trees of the model."""
        return self._native.n_trees

    @property
    def nbytes(self) -> int:
        """Length of the packed file in bytes."""
        return len(self._data)

    @property
    def threads(self) -> int:
        """Threads that large batches are split over."""
        return self._threads

    @property
    def device(self) -> Device:
        """Where the model runs."""
        return self._device

    @property
    def metadata(self) -> dict[str, Any]:
        """Provenance: the source's library, version and kind, the recipe, the methods. A copy."""
        facts: dict[str, Any] = json.loads(self._native.provenance)
        return facts

    def summary(self) -> str:
        """Describe the model in a few lines: source, recipe, shape, bytes, engine."""
        source = self._facts["source"]
        origin = " ".join(str(source[key]) for key in ("library", "version") if key in source)
        resident = self._native.resident_bytes
        lines = [
            f"{self.kind} from {origin}" if origin else self.kind,
            f"  recipe    {self._facts['recipe'].get('name', 'unknown')}",
            f"  shape     {self.n_features_in_:,} features, {self.n_trees:,} trees, "
            f"{self._native.n_outputs:,} outputs",
            f"  methods   {', '.join(self.methods)}",
            f"  bytes     {self.nbytes:,} packed, {resident:,} in memory",
            f"  engine    {self._native.engine} on {self._native.processor}: "
            f"{self._native.engine_reason}",
            f"  threads   {self.threads}",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        """Name the source and the size."""
        return (
            f"<cordwood.Model {self.kind}, {self.n_trees:,} trees, "
            f"{self.n_features_in_:,} features, {self.nbytes:,} bytes>"
        )

    # ---- bytes -----------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return the packed file."""
        return self._data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the packed file, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Where to; an existing file is replaced in one step.

        Raises
        ------
        FileAccessError
            It cannot be written. An existing file keeps its content.
        """
        _files.write_atomically(path, self._data)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes; the threads asked for are resolved anew where it is read."""
        return _restore, (self._data, self._device, self._requested_threads)

    def __copy__(self) -> Model:
        """Return the model itself: it never changes."""
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Model:
        """Return the model itself: it never changes."""
        return self


def _restore(data: bytes, device: Device, threads: int | None) -> Model:
    return Model(data, device=device, threads=threads)


def _check_threads(threads: Any) -> int | None:
    if threads is None:
        return None
    if not isinstance(threads, bool | np.bool_):
        try:
            count = operator.index(threads)
        except TypeError:
            count = 0
        if 1 <= count <= _MAX_THREADS:
            return count
    message = f"threads is {threads!r}, expected a whole number from 1 to {_MAX_THREADS}, or None"
    raise InputError(message)


def _facts(provenance: str) -> dict[str, Any]:
    """Read what a Model needs to know of its source; the file is data that anyone may have made."""
    facts = json.loads(provenance or "{}")
    valid = isinstance(facts, dict)
    facts = facts if valid else {}
    methods = facts.setdefault("methods", ["predict"])
    valid = valid and isinstance(methods, list) and all(name in _TARGETS for name in methods)
    absent = facts.setdefault("sparse", "refused")
    valid = valid and absent in ("zero", "missing", "refused")
    for key in ("source", "recipe"):
        valid = valid and isinstance(facts.setdefault(key, {}), dict)
    if not valid:
        message = (
            "section provenance: expected an object whose methods are among "
            f"{', '.join(_TARGETS)} and whose source and recipe are objects"
        )
        raise FormatError(message, code="provenance_invalid")
    return facts
