"""Trees of people who hold arrays: packed once, then answered as a model's are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _core, _model_devices
from cordwood._device_rows import DeviceRows, is_on_device
from cordwood._ops_prepared import Prepared
from cordwood._ops_trees_host import TARGETS, bind, bind_into, check_columns
from cordwood._threads import check_threads
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from cordwood._ops_tree_arrays import Sum
    from cordwood.ir_trees import Comparison, FloatName

TreeAnswer = Literal["margin", "leaf"]

_DEVICE: Any = "cuda"


@dataclass(frozen=True, eq=False)
class PackedTrees(Prepared):
    """Trees that :func:`cordwood.ops.tree_predict` answers rows with.

    Made by :func:`cordwood.ops.pack_trees`.

    Attributes
    ----------
    data : bytes
        A ``.cord`` file: `cordwood.load` makes a model of it.
    n_trees, n_nodes, n_features, n_outputs : int
        Their number, that of all their nodes, of the rows' columns and of the sums.
    flat : bool
        Whether sums have shape (n_rows,): a value was one number and there is one output.
    counted : bool
        Whether `n_features` was not told: no tree tests a higher column.
    """

    data: bytes
    n_trees: int
    n_nodes: int
    n_features: int
    n_outputs: int
    flat: bool
    counted: bool = False

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return len(self.data)

    def __repr__(self) -> str:
        """Sizes in one line."""
        return (
            f"PackedTrees({self.n_trees:,} trees, {self.n_nodes:,} nodes, {self.n_features:,} "
            f"features, {self.n_outputs:,} outputs, {self.nbytes:,} bytes)"
        )


def pack_trees(  # noqa: PLR0913 - what trees are made of, each by its name
    feature: ArrayLike,
    threshold: ArrayLike,
    left: ArrayLike,
    right: ArrayLike,
    value: ArrayLike,
    *,
    n_features: int | None = None,
    tree_start: ArrayLike | None = None,
    tree_output: ArrayLike | None = None,
    tree_weight: ArrayLike | None = None,
    missing_left: ArrayLike | None = None,
    comparison: Comparison = "le",
    input_type: FloatName = "float32",
    accumulate_type: FloatName = "float64",
    aggregate: Sum = "sum",
    base: ArrayLike = 0.0,
) -> PackedTrees:
    """Pack decision trees that are flat arrays, an entry for each node.

    The arrays are those of scikit-learn's ``tree_``, of one tree or of several laid end to end.

    Parameters
    ----------
    feature : array_like of int, shape (n_nodes,)
        Column that a node tests. What stands at a leaf does not matter.
    threshold : array_like of float, shape (n_nodes,)
        What it compares with; infinite ones are allowed. What stands at a leaf does not matter.
    left, right : array_like of int, shape (n_nodes,)
        Children, counted from the first node of their tree, which is its root; in any order. -1,
        in both, at a leaf.
    value : array_like of float, shape (n_nodes,) or (n_nodes, n_outputs)
        What a leaf answers, a number or one for each output; float32 and float64 are kept as they
        are. What stands at an inner node does not matter.
    n_features : int, optional
        Columns that rows have, at most 2**24; one more than the highest `feature` where left out.
    tree_start : array_like of int, shape (n_trees + 1,), optional
        First node of each tree, and the number of nodes. One tree where left out.
    tree_output : array_like of int, shape (n_trees,), optional
        Output that each tree adds to, where `value` has one number for each leaf. There are as many
        outputs as `base` has entries, or else one more than the highest, and no more than trees.
    tree_weight : array_like of float, shape (n_trees,), optional
        Factor on the leaves of each tree, such as a learning rate.
    missing_left : array_like of bool, shape (n_nodes,), optional
        Whether NaN goes to the left. What stands at a leaf does not matter. Where left out, rows
        with NaN are refused by name.
    comparison : {"le", "lt"}
        Whether ``x <= threshold`` or ``x < threshold`` goes to the left.
    input_type : {"float32", "float64"}
        What values of rows are rounded to before they are compared, in float64. scikit-learn's
        trees and XGBoost's want ``"float32"``.
    accumulate_type : {"float32", "float64"}
        Type of the sums: a leaf times its weight is rounded to it, then added.
    aggregate : {"sum", "average"}
        ``"average"`` divides the finished sum by the number of trees, whatever their weights.
    base : float or array_like of float, shape (n_outputs,)
        What the sum starts from, before trees add to it one by one in their order.

    Returns
    -------
    PackedTrees

    Raises
    ------
    InputTypeError
        If an array does not hold real numbers, or no whole numbers where those are needed.
    InputError
        If shapes do not fit, a threshold is NaN, a leaf's value or a weight is not finite, an
        integer is not held by float64, an option is none of those above, or the nodes form no
        trees: a child that is not there, a node with two parents or with none, a cycle, one child
        without the other, more than 4096 levels. Messages name node and tree.

    Notes
    -----
    Bit for bit, a RandomForestRegressor's ``predict`` is ``aggregate="average"`` with the arrays of
    its ``estimators_`` laid end to end and ``missing_go_to_left`` where it takes NaN. A single
    tree's is ``base=-0.0``, which keeps the sign of a zero. Classifiers hold fractions in
    ``tree_.value[:, 0, :]`` from scikit-learn 1.4 on.

    Time and memory grow with the numbers of nodes, of features (8 bytes for each) and of outputs.
    The arrays are not kept.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> trees = cw.ops.pack_trees(
    ...     feature=[1, 0, -1, -1, -1],
    ...     threshold=[0.5, 3.0, 0.0, 0.0, 0.0],
    ...     left=[2, 3, -1, -1, -1],
    ...     right=[1, 4, -1, -1, -1],
    ...     value=[0.0, 0.0, 10.0, 20.0, 30.0],
    ... )
    >>> X = np.array([[9.0, 0.5], [3.0, 0.6], [9.0, 0.6]])
    >>> cw.ops.tree_predict(X, trees)
    array([10., 20., 30.])
    >>> cw.ops.tree_predict(X, trees, output="leaf").ravel()
    array([2, 3, 4], dtype=int32)
    """
    # Imported here: whoever asks ops for something else never needs them.
    from cordwood import ir
    from cordwood._ops_tree_arrays import ROWS, TREES, TreeRules, read_trees
    from cordwood.pack import pack

    rules = TreeRules(
        comparison=comparison,
        input_type=input_type,
        accumulate_type=accumulate_type,
        aggregate=aggregate,
    )
    trees = read_trees(
        feature,
        threshold,
        left,
        right,
        value,
        n_features=n_features,
        tree_start=tree_start,
        tree_output=tree_output,
        tree_weight=tree_weight,
        missing_left=missing_left,
        base=base,
        rules=rules,
    )
    columns = ("batch", trees.n_outputs)
    graph = ir.Graph(
        values=(
            ir.Value(ROWS, trees.input_type, ("batch", trees.n_features), ir.Role.ROWS),
            ir.Value(TREES, trees.accumulate_type, columns, ir.Role.MARGIN),
        ),
        operators=(trees,),
        methods=("predict", "apply"),
        sparse="zero",
        provenance={"library": "arrays", "kind": "PackedTrees"},
    )
    flat = np.ndim(value) == 1 and trees.n_outputs == 1
    return PackedTrees(
        pack(graph),
        trees.n_trees,
        trees.n_nodes,
        trees.n_features,
        trees.n_outputs,
        flat,
        counted=n_features is None,
    )


def tree_predict(
    X: Any,
    trees: PackedTrees,
    *,
    output: TreeAnswer = "margin",
    threads: int | None = 1,
    out: Any = None,
) -> Any:
    """Answer rows with trees, where the rows lie: on the host or on a CUDA device.

    Parameters
    ----------
    X : array_like, shape (n_rows, n_features)
        Rows of floats, integers or booleans, with any strides, read in place; or a scipy.sparse
        matrix, whose missing entries are zeros. Arrays of CuPy, torch and whatever else has
        ``__cuda_array_interface__`` or ``__dlpack__`` are answered on their device. torch's tensors
        on the host are read without their gradient.
    trees : PackedTrees
        From :func:`pack_trees`. Laid out for a device at its first rows there, and kept so.
    output : {"margin", "leaf"}
        What the leaves add up to, or which leaf of each tree a row reaches.
    threads : int, optional
        Most threads of the host that may work; with None all permitted cores. Few rows use one.
    out : array, optional
        C-ordered array to write to, of the answer's shape and type and where `X` lies, an ndarray
        on the host; it shares no memory with `X`.

    Returns
    -------
    array
        On the host an ndarray, whatever `X` is; on a device an array of the library of `X`.
        Margins are of `accumulate_type`, shape (n_rows,) where `value` had one axis and there is
        one output, else (n_rows, n_outputs). Leaves are int32, shape (n_rows, n_trees): nodes as
        the caller numbered them, counted within their tree.

    Raises
    ------
    InputTypeError
        If `X` does not hold real numbers, or `trees` is no PackedTrees.
    InputError
        If a shape does not fit, `X` holds NaN and the trees were packed without `missing_left`, or
        `output`, `threads` or `out` is none of the above.
    DeviceError
        If `X` lies on a device that cordwood cannot use, or was built without.

    Notes
    -----
    Instruction sets, devices, threads and batches all give the same bits. Work on a device is
    ordered by the current stream of the library of `X`; nothing waits for it, unless NaN is
    refused.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> trees = cw.ops.pack_trees([0, -1, -1], [0.0] * 3, [1, -1, -1], [2, -1, -1], [0.0, 1.0, 2.0])
    >>> cw.ops.tree_predict(np.array([[-1.0], [0.5]]), trees)
    array([1., 2.])
    """
    if not isinstance(trees, PackedTrees):
        message = f"trees is a {type(trees).__name__}; expected what ops.pack_trees returns"
        raise InputTypeError(message)
    _check_output(output)
    n_threads = check_threads(threads) or 0
    if is_on_device(X):
        return _predict_there(X, trees, output, out)
    kept = trees._prepared
    if out is None:
        return (kept.get(("cpu", output, n_threads)) or bind(trees, output, n_threads))(X)
    return (kept.get(("into", output, n_threads)) or bind_into(trees, output, n_threads))(X, out)


def _check_output(output: object) -> None:
    if not isinstance(output, str) or output not in TARGETS:
        message = f"output is {output!r}; expected 'margin' or 'leaf'"
        raise InputError(message)


def _predict_there(X: Any, trees: PackedTrees, output: str, out: Any) -> Any:
    """Answer rows of a device in its memory."""
    from cordwood._model_there import answer_there

    rows = DeviceRows.of(X)
    check_columns(rows.shape[1], trees.n_features, counted=trees.counted)
    key = (_DEVICE, rows.ordinal)
    native = trees._prepared.get(key)
    if native is None:
        _model_devices.bring(_DEVICE)
        with rows.place():
            native = _core.Model(trees.data, device=_DEVICE, check_all=False)
        trees._prepared[key] = native
    flat = trees.flat and output == "margin"
    return answer_there(native, TARGETS[output], rows, flat=flat, classes=None, out=out)
