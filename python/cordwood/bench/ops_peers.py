"""Who else multiplies by quantised weights: a callable for each, on the same matrix."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from cordwood.bench.peers import CannotTakeModelError
from cordwood.errors import InputError, MissingDependencyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from cordwood._typing import AnyArray
    from cordwood.ops import QuantizedTensor

    Multiply = Callable[[AnyArray], AnyArray]

__all__ = ["NAMES", "Product", "prepare"]

INT8_BITS = 8


@dataclass(frozen=True)
class Product:
    """A weight matrix as numbers and as codes, and how many threads may multiply by it."""

    w: AnyArray
    codes: QuantizedTensor
    threads: int

    @property
    def grouped(self) -> bool:
        """Whether inputs have scales by group, as 4-bit weights do."""
        return self.codes.group_size is not None


def prepare(name: str, product: Product) -> Multiply:
    """Bring a peer to multiply rows by the transposed matrix.

    Raises
    ------
    InputError
        No such peer.
    MissingDependencyError
        Its package is not installed.
    CannotTakeModelError
        It has no such product.
    """
    if name not in _PREPARE:
        message = f"no peer {name!r} for products; there are {', '.join(NAMES)}"
        raise InputError(message)
    try:
        return _PREPARE[name](product)
    except ModuleNotFoundError as error:
        message = f"peer {name!r} needs a package: pip install {error.name}"
        raise MissingDependencyError(message) from error


def _onnxruntime(product: Product) -> Multiply:
    """DynamicQuantizeMatMul for 8 bits, MatMulNBits with integer arithmetic for 4."""
    import onnxruntime
    from onnx import TensorProto, helper, numpy_helper

    n_outputs, n_inputs = product.w.shape
    codes = product.codes
    tensors: dict[str, AnyArray]
    attributes: dict[str, Any] = {}
    if product.grouped:
        operator, inputs = "MatMulNBits", ["x", "w", "s"]
        attributes = {
            "K": n_inputs,
            "N": n_outputs,
            "bits": codes.bits,
            "block_size": codes.group_size,
            "accuracy_level": 4,  # activations as int8
        }
        packed = codes.payload.reshape(n_outputs, codes.n_groups, -1)
        scales = codes.scales.astype(np.float32).ravel()
        tensors = {"w": packed, "s": scales}
    else:
        operator, inputs = "DynamicQuantizeMatMul", ["x", "w", "s", "z"]
        signed = (codes.codes.astype(np.int16) - 128).astype(np.int8)
        tensors = {
            "w": np.ascontiguousarray(signed.T),
            "s": codes.scales.ravel().astype(np.float32),
            "z": np.zeros(n_outputs, np.int8),
        }
    graph = helper.make_graph(
        [helper.make_node(operator, inputs, ["y"], domain="com.microsoft", **attributes)],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, n_inputs])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, n_outputs])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = product.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )

    def multiply(x: AnyArray) -> AnyArray:
        answer: AnyArray = session.run(None, {"x": x})[0]
        return answer

    return multiply


def _torch(product: Product) -> Multiply:
    """Dynamic int8 of torch, weights by output, which oneDNN multiplies."""
    import torch

    if product.grouped:
        message = "its int4 product on a CPU keeps activations in bfloat16"
        raise CannotTakeModelError(message)
    torch.set_num_threads(product.threads)
    torch.backends.quantized.engine = "onednn"
    linear = torch.nn.Linear(product.w.shape[1], product.w.shape[0], bias=False)
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(np.ascontiguousarray(product.w, dtype=np.float32)))
    quantization: Any = torch.ao.quantization
    plan = {torch.nn.Linear: quantization.per_channel_dynamic_qconfig}
    layer = quantization.quantize_dynamic(torch.nn.Sequential(linear).eval(), plan)

    def multiply(x: AnyArray) -> AnyArray:
        with torch.inference_mode():
            answer: AnyArray = layer(torch.from_numpy(x)).numpy()
        return answer

    return multiply


def _openvino(product: Product) -> Multiply:
    """Compressed weights, activations quantised on the fly in groups."""
    import openvino
    from openvino import opset13 as ops

    n_outputs, n_inputs = product.w.shape
    codes = product.codes
    x = ops.parameter([-1, n_inputs], np.float32, name="x")
    if product.grouped:
        shape = [n_outputs, codes.n_groups, codes.group_size or n_inputs]
        number = openvino.Type.u4
        packed = openvino.Tensor(codes.payload.ravel(), shape, number)
        weights = ops.constant(packed, shared_memory=False)
        zero = ops.constant(np.array(1 << (codes.bits - 1), np.uint8))
        zero = ops.convert(zero, np.float16)
        scales = codes.scales.astype(np.float16)[..., None]
        centred = ops.subtract(ops.convert(weights, np.float16), zero)
    else:
        signed = (codes.codes.astype(np.int16) - 128).astype(np.int8)
        centred = ops.convert(ops.constant(signed), np.float16)
        scales = codes.scales.astype(np.float16)
    scaled = ops.multiply(centred, ops.constant(scales))
    flat = ops.reshape(scaled, ops.constant([n_outputs, n_inputs]), special_zero=False)
    wide = ops.convert(flat if product.grouped else scaled, np.float32)
    model = openvino.Model([ops.matmul(x, wide, transpose_a=False, transpose_b=True)], [x])
    group = codes.group_size or 128
    compiled = openvino.Core().compile_model(
        model,
        "CPU",
        {
            "INFERENCE_NUM_THREADS": product.threads,
            "NUM_STREAMS": 1,
            "INFERENCE_PRECISION_HINT": "f32",
            "DYNAMIC_QUANTIZATION_GROUP_SIZE": group,
            "PERFORMANCE_HINT": "LATENCY",
        },
    )
    request = compiled.create_infer_request()

    def multiply(x: AnyArray) -> AnyArray:
        request.infer([x], share_inputs=True, share_outputs=True)
        answer: AnyArray = request.get_output_tensor(0).data
        return answer

    return multiply


_PREPARE = {"onnxruntime": _onnxruntime, "openvino": _openvino, "torch": _torch}

NAMES = tuple(_PREPARE)
