"""ONNX Runtime, on what onnxmltools and skl2onnx make of the source model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cordwood.bench.peers.peer import (
    CannotTakeModelError,
    Prepared,
    Task,
    Tolerance,
    converting,
    refuse_large,
)

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["prepare"]

TOLERANCE = Tolerance(
    1e-5, 0.01, "float32 sums; float64 thresholds and rows become float32, so rows can stray"
)


def prepare(task: Task) -> Prepared:
    """Convert the source model; parameters and errors as `cordwood.bench.peers.prepare`."""
    import onnxruntime

    if task.library == "catboost":
        message = "only CatBoost's own exporter knows the model, and it gives no margins"
        raise CannotTakeModelError(message)
    refuse_large(task)
    with converting():
        converted = _convert(task)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = task.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3  # errors: a warning for each call would be timed, too
    session = onnxruntime.InferenceSession(
        converted.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    rows_name = session.get_inputs()[0].name
    wanted = [session.get_outputs()[-1 if task.answer == "predict_proba" else 0].name]
    if task.library != "sklearn" and len(session.get_outputs()) > 1:
        wanted = [session.get_outputs()[-1].name]  # a Booster's answer is the probability

    def call(rows: AnyArray) -> AnyArray:
        answer: AnyArray = session.run(wanted, {rows_name: rows})[0]
        return answer

    return Prepared(
        name="onnxruntime",
        version=onnxruntime.__version__,
        call=call,
        row_type="float32",
        tolerance=TOLERANCE,
    )


def _convert(task: Task) -> Any:
    """Return the source as an ONNX model whose last output is a plain table."""
    if task.library == "sklearn":
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType

        rows = [("rows", FloatTensorType([None, task.n_features]))]
        options = {id(task.source): {"zipmap": False}} if hasattr(task.source, "classes_") else None
        return skl2onnx.convert_sklearn(task.source, initial_types=rows, options=options)
    import onnxmltools
    from onnxmltools.convert.common.data_types import FloatTensorType

    rows = [("rows", FloatTensorType([None, task.n_features]))]
    if task.library == "lightgbm":
        return onnxmltools.convert_lightgbm(task.source, initial_types=rows, zipmap=False)
    return onnxmltools.convert_xgboost(task.source, initial_types=rows)
