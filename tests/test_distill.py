"""A student learns the answers of a teacher, and stops when it learns no more."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsRegressor

import cordwood as cw

torch = pytest.importorskip("torch")
nn = torch.nn

RNG = np.random.default_rng(2)
ROWS = RNG.normal(size=(300, 6)).astype(np.float32)


@pytest.fixture(autouse=True)
def one_thread() -> Any:
    """Small products wait for threads longer than they take."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def student(columns: int, outputs: int, width: int = 32) -> Any:
    torch.manual_seed(1)
    return nn.Sequential(
        nn.BatchNorm1d(columns), nn.Linear(columns, width), nn.ReLU(), nn.Linear(width, outputs)
    )


def answers(net: Any, rows: np.ndarray) -> np.ndarray:
    with torch.no_grad():
        return net(torch.from_numpy(rows.astype(np.float32))).numpy()


def test_a_forest_of_digits_becomes_a_net() -> None:
    X, y = load_digits(return_X_y=True)
    forest = RandomForestClassifier(100, random_state=0).fit(X[:1200], y[:1200])
    made = cw.distill(forest, student(64, 10, 64), X[:1200], epochs=60, seed=3)
    taught = forest.predict(X[1200:])
    good = np.mean(answers(made.student, X[1200:]).argmax(1) == taught)
    poor = cw.distill(forest, student(64, 10, 64), X[:1200], epochs=1)
    bad = np.mean(answers(poor.student, X[1200:]).argmax(1) == taught)
    assert good > 0.93
    assert good > bad + 0.05
    assert made.agreement > 0.9
    assert made.history[made.best_epoch]["held_out"] < 0.5 * made.history[0]["held_out"]
    assert not made.student.training
    packed = cw.compress(made.student, "int8", example_inputs=(torch.zeros(4, 64),))
    same = packed(X[1200:].astype(np.float32)).argmax(1) == answers(made.student, X[1200:]).argmax(
        1
    )
    assert same.mean() > 0.98


@pytest.mark.parametrize("outputs", [1, 2])
def test_a_packed_forest_of_two_classes(outputs: int) -> None:
    X, y = load_breast_cancer(return_X_y=True)
    forest = cw.compress(RandomForestClassifier(60, random_state=0).fit(X[:400], y[:400]))
    made = cw.distill(forest, student(30, outputs), X[:400], epochs=80, seed=1)
    found = answers(made.student, X[400:])
    labels = (found[:, -1] > (0 if outputs == 1 else found[:, 0])).astype(int)
    assert np.mean(labels == forest.predict(X[400:])) > 0.94


def test_a_net_becomes_a_smaller_net() -> None:
    X, y = load_digits(return_X_y=True)
    X = (X / 16).astype(np.float32)
    torch.manual_seed(0)
    teacher = nn.Sequential(nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.1), nn.Linear(128, 10))
    optimizer = torch.optim.Adam(teacher.parameters(), 2e-3)
    for _ in range(60):
        loss = nn.functional.cross_entropy(teacher(torch.from_numpy(X)), torch.from_numpy(y))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    before = copy.deepcopy(teacher.state_dict())
    made = cw.distill(
        teacher, student(64, 10, 16), torch.from_numpy(X), task="classification", epochs=60
    )
    assert made.agreement > 0.92
    assert teacher.training
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("packed", [False, True])
def test_a_regressor(packed: bool) -> None:
    X, y = load_diabetes(return_X_y=True)
    forest: Any = RandomForestRegressor(50, random_state=0, max_depth=6).fit(X, y)
    teacher = cw.compress(forest) if packed else forest
    net = nn.Sequential(student(10, 1, 64), nn.Linear(1, 1))
    net[1].bias.data.fill_(float(y.mean()))
    net[1].weight.data.fill_(float(y.std()))
    made = cw.distill(teacher, net, X, epochs=150, learning_rate=3e-3)
    assert made.agreement > 0.75
    spread = np.square(forest.predict(X) - forest.predict(X).mean()).mean()
    missed = np.square(answers(made.student, X)[:, 0] - forest.predict(X)).mean()
    assert missed < 0.25 * spread


def test_several_values_and_scores_of_classes() -> None:
    several = KNeighborsRegressor(5).fit(ROWS, ROWS[:, :2] ** 2)
    made = cw.distill(several, student(6, 2), ROWS, epochs=60, learning_rate=1e-2)
    assert made.agreement > 0.6
    scores = RidgeClassifier().fit(ROWS, (ROWS[:, 0] > 0).astype(int))
    made = cw.distill(scores, student(6, 2), ROWS, epochs=60, learning_rate=1e-2)
    assert made.agreement > 0.85


class TwoInputs(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.table = nn.Embedding(5, width)
        self.head = nn.Linear(width, 3)

    def forward(self, ids: Any, weight: Any) -> Any:
        return self.head(self.table(ids) * weight)


def test_modules_of_several_inputs() -> None:
    torch.manual_seed(4)
    teacher = TwoInputs(32)
    data = (np.arange(400) % 5, RNG.normal(size=(400, 1)))
    made = cw.distill(teacher, TwoInputs(2), data, task="regression", epochs=60, learning_rate=2e-2)
    assert made.agreement > 0.8


def test_the_same_seed_gives_the_same_student() -> None:
    forest = RandomForestClassifier(10, random_state=0).fit(ROWS, ROWS[:, 0] > 0)

    def trained(seed: int) -> Any:
        net = nn.Sequential(student(6, 2), nn.Dropout(0.2))
        return cw.distill(forest, net, ROWS, epochs=4, seed=seed)

    torch.manual_seed(11)
    state = torch.random.get_rng_state()
    first = trained(5)
    torch.random.set_rng_state(state)
    torch.rand(3)
    second, other = trained(5), trained(6)
    assert first.history == second.history
    assert first.history != other.history
    for one, two in zip(first.student.parameters(), second.student.parameters(), strict=True):
        assert torch.equal(one, two)
    torch.manual_seed(12)
    wanted = torch.rand(2)
    torch.manual_seed(12)
    cw.distill(forest, student_without_drawing(), ROWS, epochs=1)
    assert torch.equal(torch.rand(2), wanted)


def student_without_drawing() -> Any:
    with torch.random.fork_rng(devices=[]):
        return student(6, 2)


def test_training_stops_and_keeps_the_best() -> None:
    noise = RNG.integers(0, 2, 60)
    teacher = RandomForestClassifier(20, random_state=0).fit(ROWS[:60], noise)
    net = student(6, 2, 256)
    made = cw.distill(
        teacher, net, ROWS[:60], epochs=500, patience=5, learning_rate=1e-2, held_out=0.3
    )
    judged = [epoch["held_out"] for epoch in made.history]
    assert len(judged) == made.best_epoch + 6 < 500
    assert judged[made.best_epoch] == min(judged)


def test_labels_pull_where_the_teacher_errs() -> None:
    truth = (ROWS[:, 0] > 0).astype(int)
    wrong = RandomForestClassifier(30, random_state=0).fit(ROWS, 1 - truth)
    options: dict[str, Any] = {"epochs": 40, "learning_rate": 1e-2}
    for share, least, most in ((0.0, 0.0, 0.2), (1.0, 0.9, 1.0)):
        made = cw.distill(wrong, student(6, 2), ROWS, labels=truth, label_share=share, **options)
        right = np.mean(answers(made.student, ROWS).argmax(1) == truth)
        assert least <= right <= most


FOREST = RandomForestClassifier(3, random_state=0).fit(ROWS, ROWS[:, 0] > 0)


class Silent(nn.Module):
    def forward(self, x: Any) -> Any:
        return x[:, :2] * float("nan")


@pytest.mark.parametrize(
    ("teacher", "net", "options", "words"),
    [
        (nn.Linear(6, 2), student(6, 2), {}, "a torch teacher does not tell"),
        (Silent(), student(6, 2), {"task": "regression"}, "teacher answers with NaN"),
        (FOREST, student(6, 3), {}, r"have shape \(128, 3\), expected \(128, 2\)"),
        (FOREST, nn.ReLU(), {}, "the student, a ReLU, has no parameters"),
        (FOREST, student(6, 2), {"task": "ranking"}, "task is 'ranking'"),
        (FOREST, student(6, 2), {"temperature": 0}, "temperature is 0, expected above 0"),
        (FOREST, student(6, 2), {"held_out": 1.0}, "held_out is 1.0"),
        (FOREST, student(6, 2), {"epochs": 0}, "epochs is 0"),
        (FOREST, student(6, 2), {"labels": np.full(300, 2)}, "whole numbers from 0 to 1"),
        (FOREST, student(6, 2), {"labels": np.zeros(3, int)}, r"int64 of shape \(3,\)"),
        (FOREST, student(6, 2), {"learning_rate": 1e30}, "lower learning_rate"),
    ],
)
def test_calls_that_are_refused(teacher: Any, net: Any, options: Any, words: str) -> None:
    with pytest.raises(cw.InputError, match=words):
        cw.distill(teacher, net, ROWS, **{"epochs": 3, **options})


def test_objects_that_are_refused() -> None:
    with pytest.raises(cw.InputTypeError, match=r"distill takes a torch\.nn\.Module, not Random"):
        cw.distill(FOREST, FOREST, ROWS)
    with pytest.raises(cw.InputTypeError, match="the teacher is a object without predict"):
        cw.distill(object(), student(6, 2), ROWS)
    with pytest.raises(cw.InputError, match="data has 1 rows, of which 1 are held out"):
        cw.distill(FOREST, student(6, 2), ROWS[:1])
    teacher = KNeighborsRegressor().fit(ROWS, ROWS[:, 0])
    with pytest.raises(cw.InputError, match="labels are for classification"):
        cw.distill(teacher, student(6, 1), ROWS, labels=np.zeros(300, int))
    with pytest.raises(cw.InputError, match=r"data has \[2, 3\] rows"):
        cw.distill(nn.Linear(6, 2), student(6, 2), (ROWS[:2], ROWS[:3]), task="regression")
    many = RandomForestClassifier(3).fit(ROWS, (ROWS[:, :2] > 0).astype(int))
    with pytest.raises(cw.InputError, match="the teacher has 2 outputs with classes"):
        cw.distill(many, student(6, 2), ROWS)


def fitted() -> Any:
    return RandomForestRegressor(5, random_state=0).fit(ROWS, ROWS[:, 0])


def test_data_that_no_student_reads_is_named() -> None:
    rows = ROWS[:200].copy()
    rows[7, 3] = np.nan
    forest = fitted()
    net = student(6, 1)
    before = [value.clone() for value in net.state_dict().values()]
    with pytest.raises(cw.InputError, match="row 7 of data holds NaN or an infinity"):
        cw.distill(forest, net, rows, epochs=3)
    assert all(map(torch.equal, net.state_dict().values(), before))
    filled = nn.Sequential(Filled(), *net)
    assert np.isfinite(cw.distill(forest, filled, rows, epochs=2).agreement)


class Filled(nn.Module):
    """A first layer that reads NaN as 0."""

    def forward(self, x: Any) -> Any:
        return x.nan_to_num()


@pytest.mark.parametrize(
    "data",
    [
        (ROWS[i : i + 9] for i in range(3)),
        [ROWS[:20], ROWS[20:50]],
        scipy.sparse.csr_matrix(ROWS[:20]),
    ],
)
def test_data_that_is_no_array_is_refused(data: Any) -> None:
    forest = fitted()
    with pytest.raises(cw.InputTypeError, match="expected one array of rows of numbers; join"):
        cw.distill(forest, student(6, 1), data)


def test_students_that_cannot_be_trained_are_refused() -> None:
    forest = fitted()
    with pytest.raises(cw.InputError, match=r"parameters of torch\.bfloat16, expected torch\.floa"):
        cw.distill(forest, student(6, 1).bfloat16(), ROWS)
    with pytest.raises(cw.InputError, match="no parameters to train, none at least that requires"):
        cw.distill(forest, student(6, 1).requires_grad_(requires_grad=False), ROWS)


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_a_mode_of_the_caller_does_not_keep_a_student_from_learning(mode: Any) -> None:
    forest = fitted()
    wanted = cw.distill(forest, student(6, 1), ROWS, epochs=2)
    net = student(6, 1)
    with mode():
        assert cw.distill(forest, net, ROWS, epochs=2).history == wanted.history


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_numbers_of_any_size_are_learned(size: float) -> None:
    class Scaled(nn.Module):
        def forward(self, x: Any) -> Any:
            return x * size

    class Teacher:
        def predict(self, rows: Any) -> Any:
            return rows[:, 0] * size

    net = nn.Sequential(student(6, 1), Scaled())
    made = cw.distill(Teacher(), net, ROWS, epochs=40)
    assert made.history[-1]["held_out"] < made.history[0]["held_out"] < 10


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"epochs": 1.5}, "epochs is 1.5, expected 1 or more, a whole number"),
        ({"batch_size": "32"}, "batch_size is '32', expected 2 or more"),
        ({"learning_rate": float("inf")}, "learning_rate is inf, expected above 0"),
        ({"seed": None}, "seed is None, expected a whole number"),
        ({"patience": True}, "patience is True, expected 1 or more"),
    ],
)
def test_options_that_are_no_numbers_are_refused(options: Any, words: str) -> None:
    forest = fitted()
    with pytest.raises(cw.InputError, match=words):
        cw.distill(forest, student(6, 1), ROWS, **options)


def test_small_integers_reach_a_student_as_int64() -> None:
    seen = []

    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table = nn.Embedding(10, 1)

        def forward(self, ids: Any) -> Any:
            seen.append(ids.dtype)
            return self.table(ids).sum(1)

    class Teacher:
        def predict(self, rows: Any) -> Any:
            assert rows.dtype == np.uint8
            return rows.sum(1)

    cw.distill(Teacher(), Table(), np.arange(100, dtype=np.uint8).reshape(50, 2) % 10, epochs=1)
    assert set(seen) == {torch.int64}


def test_teachers_that_answer_with_words_are_refused() -> None:
    class Teacher:
        def predict(self, rows: Any) -> Any:
            return np.full(len(rows), "yes")

    with pytest.raises(cw.InputTypeError, match="answers with <U3, expected numbers"):
        cw.distill(Teacher(), student(6, 1), ROWS)
