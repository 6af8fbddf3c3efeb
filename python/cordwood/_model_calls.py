"""Native functions behind the methods of a model, and calls of them with options."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood import _core, _model_outputs
from cordwood._binned_rows import BinnedRows, BinsDoor
from cordwood._device_rows import DeviceRows
from cordwood.errors import FormatError, InputError, UnsupportedMethodError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from cordwood._model_iterations import Iterations
    from cordwood._rows import RowsDoor
    from cordwood._typing import AnyArray

__all__ = ["TARGETS", "Calls"]

TARGETS: Final[Mapping[str, tuple[str, ...]]] = {
    "predict": ("label", "response", "probability", "margin"),
    "predict_proba": ("probability",),
    "decision_function": ("decision", "margin", "response"),
    "score_samples": ("score",),
    "transform": ("embedding",),
    "apply": ("leaves",),
}
"""Answers that serve each method: the first one that the model has."""

_FLAT: Final = frozenset({"predict", "decision_function", "score_samples"})
"""Methods whose one-column answers have shape (n_rows,), as in scikit-learn."""

_PARTS: Final = 8
"""Parts of a model, each a range of its trees, that are kept ready."""


class Calls:
    """Binds the methods of one model, whole or for some of its trees.

    It knows nothing of the `Model` that it serves: the functions that a model holds keep it alive,
    and that must be no circle.

    Parameters
    ----------
    native : _core.Model
        The whole model.
    data : bytes
        Its file.
    device : str
        Where it runs.
    threads : int
        Threads that large batches are split over.
    door : RowsDoor
        Makes rows of whatever cannot be read in place.
    classes : ndarray, sequence of ndarray, or None
        Labels by class index, for each output where there are several.
    iterations : Iterations
        How its trees come.
    sparse_output : bool
        Whether `transform` gives a sparse matrix unless told otherwise.
    """

    def __init__(
        self,
        native: _core.Model,
        data: bytes,
        *,
        device: str,
        threads: int,
        door: RowsDoor,
        classes: AnyArray | Sequence[AnyArray] | None,
        iterations: Iterations,
        sparse_output: bool,
    ) -> None:
        self._native = native
        self._threads = threads
        self._door = door
        self._classes = classes
        self._iterations = iterations
        self._sparse_output = sparse_output
        self._load = functools.partial(_core.Model, data, device=device, check_all=False)
        self._part: Callable[..., _core.Model] = functools.lru_cache(_PARTS)(self._load)
        self._binned_functions: dict[str, Callable[[Any], Any]] = {}

    def bind(self, method: str) -> Callable[..., Any]:
        """Return the function that a model holds as its method: quick for rows alone."""
        # A method without options refuses them itself.
        options = getattr(self, method, None)
        elsewhere = functools.partial(self._elsewhere, self._native, method, None)
        return self._function(self._native, method, options=options, elsewhere=elsewhere)

    def raw(self, target: str) -> Callable[[Any], AnyArray]:
        """Return a function that answers with one target as the program writes it.

        Raises
        ------
        UnsupportedMethodError
            The model has no such target.
        """
        targets = self._native.targets()
        if target not in targets:
            message = f"this model has no target {target!r}; it has {', '.join(targets)}"
            raise UnsupportedMethodError(message)

        def answer(X: Any) -> AnyArray:
            native = self._some(X)
            door = self._door_of(native)
            bind = native.bind("run", target, flat=False, threads=self._threads, prepare=door)
            return bind(X)  # type: ignore[no-any-return]

        return answer

    # ---- calls with options ----------------------------------------------------------------------

    def predict(
        self,
        X: Any,
        *,
        raw_score: bool = False,
        output_margin: bool = False,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> Any:
        native = self._some(X, iteration_range, start_iteration, num_iteration)
        if raw_score or output_margin:
            if not native.has_raw_scores:
                message = f"a {self._iterations.kind} has no raw scores; ask for predict alone"
                raise InputError(message)
            return self._function(native, "predict", target="margin")(X)
        return self._function(native, "predict")(X)

    def predict_proba(
        self,
        X: Any,
        *,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> Any:
        native = self._some(X, iteration_range, start_iteration, num_iteration)
        return self._function(native, "predict_proba")(X)

    def decision_function(
        self,
        X: Any,
        *,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> Any:
        native = self._some(X, iteration_range, start_iteration, num_iteration)
        return self._function(native, "decision_function")(X)

    def apply(
        self,
        X: Any,
        *,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> Any:
        native = self._some(X, iteration_range, start_iteration, num_iteration)
        return self._function(native, "apply")(X)

    def transform(self, X: Any, *, sparse: bool | None = None) -> Any:
        return self._function(self._some(X), "transform", sparse=sparse)(X)

    # ---- binned rows -----------------------------------------------------------------------------

    def bin(self, X: Any) -> BinnedRows:
        """Bin rows of values; see `Model.bin`."""
        rows = self._door.values(X)
        native, door = self._binned
        return door.wrap(native.bin(rows, threads=self._threads))

    @functools.cached_property
    def _binned(self) -> tuple[_core.Model, BinsDoor]:
        """The whole model for rows of bins, and the door for them; made when first needed."""
        native = self._load(binned=True)
        form = native.bin_form()
        assert form is not None, "a model that was loaded for binned rows says what they are"
        return native, BinsDoor(*form)

    def _elsewhere(self, native: _core.Model, method: str, target: str | None, X: Any) -> Any:
        """Answer rows that are not read in place from the host's memory."""
        if isinstance(X, BinnedRows):
            return self._from_bins(method, X)
        from cordwood._model_there import answer_there

        target = target or self._target(native, method)
        rows = DeviceRows.of(X)
        return answer_there(native, target, rows, flat=method in _FLAT, classes=self._classes)

    def _from_bins(self, method: str, bins: BinnedRows) -> Any:
        function = self._binned_functions.get(method)
        if function is None:
            function = self._function(self._binned[0], method)
            self._binned_functions[method] = function
        return function(bins)

    def _door_of(self, native: _core.Model) -> Callable[[Any], object]:
        return self._binned[1] if native.binned else self._door

    # ---- stages ----------------------------------------------------------------------------------

    def staged(self, method: str, X: Any, *, flat: bool) -> Iterator[AnyArray]:
        """Answer with a method after each iteration.

        Parameters
        ----------
        method : str
            One that the model has.
        X : array-like of shape (n_rows, n_features)
            Rows.
        flat : bool
            Whether answers of one column have shape (n_rows,).
        """
        trees = self._iterations.trees
        count = self._iterations.count
        if count == 0:
            return
        binned = isinstance(X, BinnedRows)
        native = self._part(trees=(0, count * trees, trees), binned=binned)
        target = self._target(native, method)
        rows = self._binned[1](X) if binned else self._door.dense(X)
        columns, dtype = native.form("margin")
        margin = np.empty((len(rows), columns), dtype=dtype)
        for stage in range(count):
            answer = native.run_stage(stage, target, rows, margin, threads=self._threads)
            if target == "label" and self._classes is not None:
                yield _model_outputs.labels_of(answer, self._classes)
            else:
                yield answer[:, 0] if flat and answer.shape[1] == 1 else answer

    # ---- inside ----------------------------------------------------------------------------------

    def _some(
        self,
        X: Any,
        iteration_range: Any = None,
        start_iteration: Any = 0,
        num_iteration: Any = None,
    ) -> _core.Model:
        """Return the trees that a range names, for rows such as `X`."""
        trees = self._iterations.trees_of(iteration_range, start_iteration, num_iteration)
        binned = isinstance(X, BinnedRows)
        if trees is None:
            return self._binned[0] if binned else self._native
        return self._part(trees=trees, binned=binned)

    def _function(
        self,
        native: _core.Model,
        method: str,
        *,
        target: str | None = None,
        sparse: bool | None = None,
        options: Callable[..., Any] | None = None,
        elsewhere: Callable[[Any], Any] | None = None,
    ) -> Callable[[Any], Any]:
        if elsewhere is None and not native.binned:
            elsewhere = functools.partial(self._elsewhere, native, method, target)
        target = target or self._target(native, method)
        labels = None
        finish: Callable[[Any], Any] | None = None
        if target == "label" and self._classes is not None:
            if isinstance(self._classes, np.ndarray):
                labels = self._classes
            else:
                finish = functools.partial(_model_outputs.labels_of, classes=self._classes)
        elif target == "probability":
            finish = self._probability_finish(native)
        elif target == "embedding":
            chosen = self._sparse_output if sparse is None else sparse
            shape = (
                _model_outputs.as_sparse_embedding if chosen else _model_outputs.as_dense_embedding
            )
            finish = functools.partial(shape, n_columns=native.embedding_columns)
        return native.bind(
            method,
            target,
            flat=method in _FLAT,
            threads=self._threads,
            prepare=self._door_of(native),
            labels=labels,
            finish=finish,
            options=options,
            elsewhere=elsewhere,
        )

    def _probability_finish(self, native: _core.Model) -> Callable[[AnyArray], Any] | None:
        """Return what cuts probabilities up by output, where there are several classifiers."""
        if self._classes is None or isinstance(self._classes, np.ndarray):
            return None
        if native.form("probability")[0] != sum(len(labels) for labels in self._classes):
            return None  # one column for each output: the probability of its second label
        return functools.partial(_model_outputs.split_by_output, classes=self._classes)

    @staticmethod
    def _target(native: _core.Model, method: str) -> str:
        has = native.targets()
        target = next((name for name in TARGETS[method] if name in has), None)
        if target is None:
            message = f"the file names the method {method!r}, but its program has no answer for it"
            raise FormatError(message, code="provenance_invalid")
        return target
