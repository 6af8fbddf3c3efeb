"""What a teacher says: its answers for all rows, as logits or as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np

from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from cordwood._typing import AnyArray, Float32Array

__all__ = ["LEAST", "Lesson", "Task", "taught_by"]

Task = Literal["classification", "regression"]

LEAST = 1e-6
"""What a probability counts as at least, since zero has no logit."""

_AT_ONCE = 4096
"""Rows that a torch teacher is asked about at a time."""


@dataclass(frozen=True)
class Lesson:
    """Inputs and what a teacher answers.

    Attributes
    ----------
    task : {"classification", "regression"}
    parts : list of torch.Tensor
        Arguments of the student for all rows.
    answers : ndarray of float32, shape (n_rows, n_classes or n_outputs)
        Logits, or values.
    """

    task: Task
    parts: list[Any]
    answers: Float32Array


def taught_by(teacher: Any, data: Any, task: Task | None) -> Lesson:
    """Ask a teacher about all rows.

    Raises
    ------
    InputError
        The task is unknown or cannot be told; rows differ in number; answers have a wrong shape or
        are not finite.
    InputTypeError
        The teacher has none of the methods, or data is no array of numbers.
    """
    import torch

    if task not in (None, "classification", "regression"):
        message = f"task is {task!r}, expected 'classification' or 'regression'"
        raise InputError(message)
    parts = [_tensor(part) for part in (data if isinstance(data, tuple) else (data,))]
    counts = {len(part) for part in parts}
    if len(counts) != 1 or counts == {0}:
        message = f"data has {sorted(counts)} rows, expected one number of rows above 0"
        raise InputError(message)
    if isinstance(teacher, torch.nn.Module):
        if task is None:
            message = (
                "a torch teacher does not tell what its answers are; pass task='classification', "
                "where they are logits, or task='regression'"
            )
            raise InputError(message)
        answers = _of_module(teacher, parts)
    else:
        rows = _as_rows(data)
        task = task or ("classification" if _classifies(teacher) else "regression")
        answers = _logits(teacher, rows) if task == "classification" else _values(teacher, rows)
    if answers.ndim == 1:
        answers = answers.reshape(-1, 1)
    if answers.ndim != len(("rows", "columns")) or len(answers) not in counts:
        message = (
            f"the teacher's answers have shape {answers.shape}, expected a row for each of data"
        )
        raise InputError(message)
    if task == "classification" and answers.shape[1] == 1:
        answers = np.concatenate([np.zeros_like(answers), answers], axis=1)
    if not np.isfinite(answers).all():
        message = "the teacher answers with NaN or an infinity; a student cannot learn that"
        raise InputError(message)
    return Lesson(task, parts, np.ascontiguousarray(answers, np.float32))


def _as_rows(data: Any) -> Any:
    """Return rows as an estimator takes them."""
    import torch

    if isinstance(data, tuple):
        message = "a tuple of inputs is for torch teachers; pass rows as one array"
        raise InputError(message)
    return data.detach().cpu().numpy() if isinstance(data, torch.Tensor) else data


def _tensor(part: Any) -> Any:
    import torch

    tensor = part.detach() if isinstance(part, torch.Tensor) else _from_array(part)
    if tensor.is_floating_point():
        return tensor.float()
    return tensor if tensor.dtype == torch.bool else tensor.long()


def _from_array(part: Any) -> Any:
    import torch

    try:
        array = np.asarray(part)
    except ValueError:  # of lists that are no rows of one length
        array = np.array(None)
    if array.dtype.kind not in "biuf" or array.ndim == 0:
        message = (
            f"data is a {type(part).__name__}, expected one array of rows of numbers; join batches "
            "with numpy.concatenate, and call .toarray() on a sparse matrix"
        )
        raise InputTypeError(message)
    kinds = {"f": np.float32, "i": np.int64, "u": np.int64, "b": np.bool_}
    with np.errstate(over="ignore"):  # what passes the range of float32 is told as infinite
        return torch.from_numpy(np.array(array, kinds[array.dtype.kind]))


def _classifies(teacher: Any) -> bool:
    if hasattr(teacher, "predict_proba"):
        return True
    return hasattr(teacher, "decision_function") and hasattr(teacher, "classes_")


def _logits(teacher: Any, rows: Any) -> AnyArray:
    """Return logits: those of the probabilities, or the scores of the classes."""
    if hasattr(teacher, "predict_proba"):
        probabilities = teacher.predict_proba(rows)
        if isinstance(probabilities, list):
            message = (
                f"the teacher has {len(probabilities)} outputs with classes of their own; "
                "distill a classifier of one output"
            )
            raise InputError(message)
        found: Any = _numbers(probabilities)
        if found.ndim == 1:
            found = np.stack([1.0 - found, found], axis=1)
        return cast("AnyArray", np.log(np.maximum(found, LEAST)))
    if hasattr(teacher, "decision_function"):
        return _numbers(teacher.decision_function(rows))
    raise _answers_nothing(teacher, "predict_proba or decision_function")


def _values(teacher: Any, rows: Any) -> AnyArray:
    if hasattr(teacher, "predict"):
        return _numbers(teacher.predict(rows))
    raise _answers_nothing(teacher, "predict")


def _numbers(answers: Any) -> AnyArray:
    found = np.asarray(answers)
    if found.dtype.kind not in "biuf":
        message = (
            f"the teacher answers with {found.dtype}, expected numbers; of classes it needs "
            "predict_proba or decision_function"
        )
        raise InputTypeError(message)
    return found.astype(np.float64)


def _answers_nothing(teacher: Any, wanted: str) -> InputTypeError:
    message = (
        f"the teacher is a {type(teacher).__name__} without {wanted}; expected a torch module, an "
        "estimator or a packed model"
    )
    return InputTypeError(message)


def _of_module(teacher: Any, parts: list[Any]) -> AnyArray:
    """Ask a torch module, in evaluation mode, some rows at a time."""
    import torch

    parameter = next(teacher.parameters(), None)
    if parameter is not None:
        parts = [part.to(parameter.device) for part in parts]
    modes = {module: module.training for module in teacher.modules()}
    teacher.eval()
    try:
        with torch.no_grad():
            some = [teacher(*rows) for rows in zip(*(part.split(_AT_ONCE) for part in parts),
                                                   strict=True)]  # fmt: skip
    finally:
        for module, training in modes.items():
            module.training = training
    if not all(isinstance(answer, torch.Tensor) for answer in some):
        message = f"the teacher answers with a {type(some[0]).__name__}, expected a tensor"
        raise InputTypeError(message)
    return cast("AnyArray", torch.cat(some).double().cpu().numpy())
