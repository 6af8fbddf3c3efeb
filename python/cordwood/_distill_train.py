"""The training loop of `cordwood.distill`: batches, loss, early stopping."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._distill_teachers import Lesson

__all__ = ["Plan", "train"]

_AT_ONCE = 4096
"""Rows held out that are judged at a time."""

_SMALLEST = 2
"""Rows of the smallest batch: batch norms cannot be trained by one."""


@dataclass(frozen=True)
class Plan:
    """Options of training; `cordwood.distill` says what they mean."""

    temperature: float
    label_share: float
    epochs: int
    batch_size: int
    learning_rate: float
    held_out: float
    patience: int
    seed: int


def train(
    student: Any, lesson: Lesson, labels: np.ndarray | None, plan: Plan
) -> tuple[list[dict[str, float]], int, float]:
    """Train a student in place; it ends with its best weights, in evaluation mode.

    Returns
    -------
    history : list of dict
        ``loss`` and ``held_out`` of each epoch.
    best : int
        The epoch of the weights.
    agreement : float
        Share of equal classes, or R^2, over the rows held out.

    Raises
    ------
    InputError
        There are too few rows, or the student's answers have another shape or are not finite.
    InputTypeError
        The student answers with something else than a tensor.
    """
    import torch

    modes = (torch.inference_mode(mode=False), torch.enable_grad())
    with torch.random.fork_rng(devices=[]), modes[0], modes[1]:
        torch.manual_seed(plan.seed)
        return _train(student, lesson, labels, plan)


def _train(
    student: Any, lesson: Lesson, labels: np.ndarray | None, plan: Plan
) -> tuple[list[dict[str, float]], int, float]:
    import torch

    device = _trained(student).device
    lesson = replace(lesson, parts=[part.to(device) for part in lesson.parts])
    targets = torch.from_numpy(lesson.answers).to(device)
    truth = None if labels is None else torch.from_numpy(labels).to(device)
    order = torch.randperm(len(targets))
    n_held = max(1, round(plan.held_out * len(targets)))
    held, own = order[:n_held], order[n_held:]
    if len(own) < _SMALLEST:
        message = (
            f"data has {len(targets)} rows, of which {n_held} are held out; expected "
            f"{_SMALLEST} or more to train on"
        )
        raise InputError(message)
    loss_of = _loss(lesson, plan)
    optimizer = torch.optim.Adam(student.parameters(), lr=plan.learning_rate)
    history: list[dict[str, float]] = []
    best, weights = 0, copy.deepcopy(student.state_dict())
    for epoch in range(plan.epochs):
        student.train()
        sums = 0.0
        for some in _batches(own, plan.batch_size):
            answers = _answers(student, lesson, some)
            loss = loss_of(answers, targets[some], None if truth is None else truth[some])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            sums += float(loss.detach()) * len(some)
        judged = _judge(student, lesson, held, targets, truth, loss_of)
        if not np.isfinite(judged):
            student.load_state_dict(weights)
            raise InputError(_why_not_finite(lesson, plan, judged, epoch))
        history.append({"loss": sums / len(own), "held_out": judged})
        if judged < history[best]["held_out"] or epoch == 0:
            best, weights = epoch, copy.deepcopy(student.state_dict())
        if epoch - best >= plan.patience:
            break
    student.load_state_dict(weights)
    student.eval()
    with torch.no_grad():
        parts = [_answers(student, lesson, some) for some in held.split(_AT_ONCE)]
    return history, best, _agreement(lesson, torch.cat(parts).cpu().numpy(), held.numpy())


def _trained(student: Any) -> Any:
    """Return a parameter that training moves; raise where there is none, or one of another type."""
    import torch

    moved = [parameter for parameter in student.parameters() if parameter.requires_grad]
    if not moved:
        message = (
            f"the student, a {type(student).__name__}, has no parameters to train, none at least "
            "that requires a gradient"
        )
        raise InputError(message)
    other = next((each for each in moved if each.dtype != torch.float32), None)
    if other is not None:
        message = (
            f"the student has parameters of {other.dtype}, expected torch.float32; call .float() "
            "on it, and convert it when it is trained"
        )
        raise InputError(message)
    return moved[0]


def _why_not_finite(lesson: Lesson, plan: Plan, judged: float, epoch: int) -> str:
    for part in lesson.parts:
        rows = part.reshape(len(part), -1).isfinite().all(dim=1)
        if not rows.all():
            first = int(rows.logical_not().nonzero()[0])
            return (
                f"the student's loss is {judged}: row {first} of data holds NaN or an infinity in "
                "float32, which the teacher may take but this student does not; impute or clip it, "
                "or let the student begin with a layer that does"
            )
    return (
        f"the student's loss is {judged} after epoch {epoch}; lower learning_rate, now "
        f"{plan.learning_rate}, or scale the rows"
    )


def _batches(rows: Any, size: int) -> list[Any]:
    """Cut rows, in a new order, into batches; a last one of a single row joins the one before."""
    import torch

    mixed = rows[torch.randperm(len(rows))]
    parts = list(mixed.split(size))
    if len(parts) > 1 and len(parts[-1]) < _SMALLEST:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts


def _answers(student: Any, lesson: Lesson, rows: Any) -> Any:
    """Return the student's answers for some rows, shaped as the teacher's."""
    import torch

    answers = student(*(part[rows] for part in lesson.parts))
    if not isinstance(answers, torch.Tensor):
        message = f"the student answers with a {type(answers).__name__}, expected a tensor"
        raise InputTypeError(message)
    columns = lesson.answers.shape[1]
    if answers.dim() == 1:
        answers = answers.unsqueeze(1)
    if lesson.task == "classification" and columns == len("01") and answers.shape[1:] == (1,):
        answers = torch.cat([torch.zeros_like(answers), answers], dim=1)
    if answers.shape != (len(rows), columns):
        message = (
            f"the student's answers for {len(rows)} rows have shape {tuple(answers.shape)}, "
            f"expected {(len(rows), columns)}, as the teacher's"
        )
        raise InputError(message)
    return answers


def _loss(lesson: Lesson, plan: Plan) -> Callable[..., Any]:
    import torch
    from torch.nn import functional

    if lesson.task == "regression":
        # Of numbers of any size: neither their squares nor those of what is missed leave float32.
        spread = lesson.answers.std(0, dtype=np.float64)
        scale = torch.from_numpy(np.where(spread > 0, spread, 1.0).astype(np.float32))

        def squares(answers: Any, taught: Any, _: Any = None) -> Any:
            return ((answers - taught) / scale.to(answers.device)).square().mean()

        return squares

    def divergence(answers: Any, taught: Any, truth: Any = None) -> Any:
        wanted = functional.log_softmax(taught / plan.temperature, dim=1)
        given = functional.log_softmax(answers / plan.temperature, dim=1)
        soft = functional.kl_div(given, wanted, reduction="batchmean", log_target=True)
        soft = soft * plan.temperature**2
        if truth is None:
            return soft
        hard = functional.cross_entropy(answers, truth)
        return (1.0 - plan.label_share) * soft + plan.label_share * hard

    return divergence


def _judge(
    student: Any,
    lesson: Lesson,
    rows: Any,
    targets: Any,
    truth: Any,
    loss_of: Callable[..., Any],
) -> float:
    """Loss over rows held out."""
    import torch

    student.eval()
    total = 0.0
    with torch.no_grad():
        for some in rows.split(_AT_ONCE):
            known = None if truth is None else truth[some]
            loss = loss_of(_answers(student, lesson, some), targets[some], known)
            total += float(loss) * len(some)
    return total / len(rows)


def _agreement(lesson: Lesson, answers: np.ndarray, rows: np.ndarray) -> float:
    taught = lesson.answers[rows].astype(np.float64)
    if lesson.task == "classification":
        return float(np.mean(answers.argmax(1) == taught.argmax(1)))
    spread = np.square(taught - taught.mean(0)).sum()
    missed = np.square(taught - answers).sum()
    return float(1.0 - missed / spread) if spread > 0 else float(missed == 0)
