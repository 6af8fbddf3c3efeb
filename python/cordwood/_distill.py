"""Teach a small torch module to answer as a larger model does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood._distill_teachers import Task, taught_by
from cordwood._distill_train import Plan, train
from cordwood.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike

__all__ = ["Distilled", "distill"]


@dataclass(frozen=True)
class Distilled:
    """What `distill` made.

    Attributes
    ----------
    student : torch.nn.Module
        The module that was given, trained and in evaluation mode.
    history : tuple of dict
        By epoch: ``loss``, the mean over its batches, and ``held_out``, that of the rows held out.
    best_epoch : int
        The one whose weights the student has, counted from 0.
    agreement : float
        Over the rows held out: the share with the teacher's class, or R^2 against the teacher.
    """

    student: Any
    history: tuple[dict[str, float], ...]
    best_epoch: int
    agreement: float


def distill(  # noqa: PLR0913 - what training is made of, each by its name
    teacher: Any,
    student: Any,
    data: Any,
    *,
    task: Task | None = None,
    labels: ArrayLike | None = None,
    label_share: float = 0.1,
    temperature: float = 2.0,
    epochs: int = 200,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    held_out: float = 0.1,
    patience: int = 20,
    seed: int = 0,
) -> Distilled:
    """Train a torch module on the answers of another model.

    Parameters
    ----------
    teacher : object
        A torch module, which answers with logits or values; or whatever has ``predict_proba``,
        ``decision_function`` or ``predict``: a packed `Model`, an estimator of scikit-learn,
        XGBoost or LightGBM.
    student : torch.nn.Module
        Trained in place. Answers of shape (n_rows, n_classes), logits, one column being enough for
        two classes; or of shape (n_rows, n_outputs) or (n_rows,), values.
    data : array-like of shape (n_rows, ...), or tuple of such
        Rows, without labels: the more and the more varied the better. The teacher gets them as they
        are, the student as float32 tensors, integers as int64. A tuple holds the arguments of
        modules that take several. Join batches first: each epoch draws rows anew.
    task : {"classification", "regression"}, optional
        Needed for a torch teacher. Else classification where the teacher has ``predict_proba``, or
        ``decision_function`` and classes.
    labels : array-like of shape (n_rows,), optional
        For classification: the true classes as indices, 0 to n_classes - 1.
    label_share : float, default=0.1
        Weight of the labels' cross-entropy beside the teacher's, where there are labels.
    temperature : float, default=2.0
        What logits of both are divided by: the higher, the more is learned from classes that the
        teacher finds unlikely.
    epochs, batch_size, learning_rate
        Of Adam.
    held_out : float, default=0.1
        Share of the rows that training does not see, to stop by.
    patience : int, default=20
        Epochs without a smaller loss on those rows before training stops.
    seed : int, default=0
        Of the order of rows, the choice of those held out, and dropout. The same seed, modules,
        data and threads of torch give the same student. The caller's own random state stays.

    Returns
    -------
    Distilled
        The student with its best weights, and how training went.

    Raises
    ------
    InputError
        An option is out of range, shapes of answers do not fit each other, the student has no
        float32 parameters to train, or the teacher's answers or a student's are not finite; the
        student then has its best weights so far.
    InputTypeError
        The student is no torch module, data is no array of numbers, or the teacher answers nothing.
    MissingDependencyError
        torch is not installed.

    Notes
    -----
    Classification minimises the divergence from the teacher's tempered probabilities, times
    ``temperature ** 2`` so that its gradients keep their size. Probabilities, of trees 0 quite
    often, count as 1e-6 or more. Regression minimises the squared error over the variance of the
    teacher's answers. Trees do not mind the scale of features, and a net does: let the student
    begin with ``torch.nn.BatchNorm1d``, and end with a layer that scales and shifts where the
    numbers to learn lie far from zero or are very small or large.

    References
    ----------
    G. Hinton, O. Vinyals, J. Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """
    from cordwood._torch_swap_modules import expect_module

    expect_module(student, "distill")
    finite = (int, float)
    limits: dict[str, tuple[Any, Any, Callable[[Any], bool], str]] = {
        "temperature": (temperature, finite, lambda it: 0 < it < math.inf, "above 0"),
        "epochs": (epochs, int, lambda it: it >= 1, "1 or more, a whole number"),
        "batch_size": (batch_size, int, lambda it: it > 1, "2 or more, a whole number"),
        "learning_rate": (learning_rate, finite, lambda it: 0 < it < math.inf, "above 0"),
        "held_out": (held_out, finite, lambda it: 0 < it < 1, "a share above 0 and below 1"),
        "patience": (patience, int, lambda it: it >= 1, "1 or more, a whole number"),
        "label_share": (label_share, finite, lambda it: 0 <= it <= 1, "a share from 0 to 1"),
        "seed": (seed, int, lambda it: -(2**63) <= it < 2**63, "a whole number of 64 bits"),
    }
    for name, (given, kind, fits, expected) in limits.items():
        number = given.item() if isinstance(given, np.number) else given
        if not isinstance(number, kind) or isinstance(number, bool) or not fits(number):
            message = f"{name} is {given!r}, expected {expected}"
            raise InputError(message)
    lesson = taught_by(teacher, data, task)
    if labels is not None and lesson.task != "classification":
        message = "labels are for classification, and this teacher estimates numbers; leave out"
        raise InputError(message)
    plan = Plan(
        temperature=temperature,
        label_share=label_share,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        held_out=held_out,
        patience=patience,
        seed=seed,
    )
    indices = None if labels is None else _class_indices(labels, lesson.answers.shape)
    history, best, agreement = train(student, lesson, indices, plan)
    return Distilled(student, tuple(history), best, agreement)


def _class_indices(labels: ArrayLike, shape: tuple[int, ...]) -> np.ndarray:
    given = np.asarray(labels)
    valid = given.shape == shape[:1] and given.dtype.kind in "iu"
    if not valid or int(given.min()) < 0 or int(given.max()) >= shape[1]:
        message = (
            f"labels are {given.dtype} of shape {given.shape}, expected whole numbers from 0 to "
            f"{shape[1] - 1}, one for each of {shape[0]} rows"
        )
        raise InputError(message)
    return given.astype(np.int64)
