from collections.abc import Sequence
from typing import Any, final, overload

import numpy as np
from typing_extensions import Buffer

from cordwood._core_model import Model as Model

_Ports = list[tuple[str, np.dtype[Any], tuple[int | None, ...], tuple[int | None, ...]]]
__version__: str

@final
class Net:
    def __init__(self, data: bytes, *, device: str = "cpu", check_all: bool = True) -> None: ...
    def caller(
        self, order: Any, prepare: Any, *, form: str, threads: int, seconds: Any = None
    ) -> Any: ...
    @property
    def inputs(self) -> _Ports: ...
    @property
    def outputs(self) -> _Ports: ...
    @property
    def classes(self) -> np.ndarray | tuple[str, ...] | None: ...
    @property
    def processor(self) -> str: ...
    @property
    def provenance(self) -> str: ...
    @property
    def resident_bytes(self) -> int: ...

def active_isa() -> str: ...
def available_isas() -> list[str]: ...
def bin_trees(data: bytes, X: np.ndarray, *, isa: str) -> np.ndarray: ...
def crc32(data: Buffer, previous: int = ...) -> int: ...
def decode_differences(data: Buffer, element_bytes: int, count: int) -> bytes: ...
def decode_planes(data: Buffer, element_bytes: int, count: int) -> bytes: ...
def encode_differences(data: Buffer, element_bytes: int) -> bytes: ...
def devices() -> dict[str, str | None]: ...
def decode_weights(
    payload: np.ndarray,
    scales: np.ndarray,
    zeros: np.ndarray | None,
    out: np.ndarray,
    *,
    bits: int,
    group_size: int,
    threads: int = ...,
    isa: str = ...,
) -> None: ...
def encode_planes(data: Buffer, element_bytes: int) -> bytes: ...
def encode_ranks(
    is_inner: np.ndarray,
    column: np.ndarray,
    rank: np.ndarray,
    column_size: np.ndarray,
    column_ordered: np.ndarray,
) -> tuple[np.ndarray, bytes, int]: ...
def encode_weights(
    w: np.ndarray,
    scales: np.ndarray,
    zeros: np.ndarray | None,
    *,
    axis: int,
    bits: int,
    group_size: int,
    threads: int = ...,
    isa: str = ...,
) -> np.ndarray: ...
def expand_trees(buffer: Buffer, operator_index: int) -> dict[str, Any]: ...
def inspect(buffer: Buffer) -> dict[str, Any]: ...
def multiply_adds(rounds: int) -> int: ...
def multiply_adds_bf16(rounds: int) -> int: ...
def read_bytes(block: np.ndarray) -> int: ...

@final
class Cut:
    def __init__(self, low: float, high: float) -> None: ...
    @staticmethod
    def function(kind: int, alpha: float = ..., beta: float = ...) -> Cut: ...

@final
class Coding:
    def __init__(self, dtype: str, scale: float, zero: int) -> None: ...

def pool_images(
    x: np.ndarray,
    *,
    mean: bool,
    kernel: Sequence[int],
    stride: Sequence[int],
    dilation: Sequence[int],
    pad_before: Sequence[int],
    pad_after: Sequence[int],
    ceil_mode: bool = ...,
    count_padding: bool = ...,
    kind: str = ...,
    channels_first: bool = ...,
    threads: int = ...,
    isa: str | None = ...,
) -> np.ndarray: ...
def batch_norm(
    x: np.ndarray,
    factor: np.ndarray,
    offset: np.ndarray,
    *,
    channels_first: bool = ...,
    threads: int = ...,
    isa: str | None = ...,
) -> np.ndarray: ...

@final
class Convolution:
    def __init__(
        self,
        weights: np.ndarray,
        scales: np.ndarray | None,
        *,
        stride: Sequence[int],
        dilation: Sequence[int],
        pad_before: Sequence[int],
        pad_after: Sequence[int],
        output_padding: Sequence[int],
        groups: int = ...,
        transposed: bool = ...,
        rows: int = ...,
        row_scale: float = ...,
        row_zero: int = ...,
    ) -> None: ...
    def run(
        self,
        x: np.ndarray,
        *,
        kind: str = ...,
        channels_first: bool = ...,
        scale: float = ...,
        zero: int = ...,
        bordered: bool = ...,
        bias: np.ndarray | None = ...,
        residual: np.ndarray | None = ...,
        residual_kind: str = ...,
        residual_scale: float = ...,
        residual_zero: int = ...,
        cut: Cut | None = ...,
        out: np.ndarray | None = ...,
        out_kind: str = ...,
        out_channels_first: bool = ...,
        out_scale: float = ...,
        out_zero: int = ...,
        threads: int = ...,
        isa: str | None = ...,
    ) -> np.ndarray: ...
    @property
    def nbytes(self) -> int: ...

@final
class QuantizedMatrix:
    @overload
    def __init__(
        self,
        payload: np.ndarray,
        scales: np.ndarray,
        zeros: np.ndarray | None,
        *,
        bits: int,
        group_size: int,
        n_inputs: int,
    ) -> None: ...
    @overload
    def __init__(self, numbers: np.ndarray, *, kind: str) -> None: ...
    def matmul(
        self,
        x: np.ndarray,
        bias: np.ndarray | None = ...,
        residual: np.ndarray | None = ...,
        cut: Cut | None = ...,
        out: np.ndarray | None = ...,
        float_rows: bool = ...,
        static_scale: float = ...,
        scale_group: int = ...,
        threads: int = ...,
        x_coding: Coding | None = ...,
        coding: Coding | None = ...,
        bf16_rows: bool = ...,
        isa: str | None = ...,
    ) -> np.ndarray: ...
    @property
    def nbytes(self) -> int: ...

def choose_sparse_kind(mask: np.ndarray) -> str | None: ...

@final
class SparseMatrix:
    def __init__(self, codes: np.ndarray, scales: np.ndarray, *, kind: str) -> None: ...
    def matmul(
        self,
        x: np.ndarray,
        bias: np.ndarray | None = ...,
        residual: np.ndarray | None = ...,
        cut: Cut | None = ...,
        out: np.ndarray | None = ...,
        static_scale: float = ...,
        threads: int = ...,
        x_coding: Coding | None = ...,
        coding: Coding | None = ...,
        isa: str | None = ...,
    ) -> np.ndarray: ...
    @property
    def nbytes(self) -> int: ...

def attention(
    q: np.ndarray,
    k: np.ndarray,
    v: np.ndarray,
    mask: np.ndarray | None,
    out: np.ndarray,
    *,
    scale: float,
    causal: bool = ...,
    window: int = ...,
    soft_cap: float = ...,
    coded: bool = ...,
    threads: int = ...,
    isa: str | None = ...,
) -> None: ...
def matmul(
    a: np.ndarray,
    b: np.ndarray,
    *,
    transpose_a: bool = ...,
    transpose_b: bool = ...,
    threads: int = ...,
    isa: str | None = ...,
) -> np.ndarray: ...
def activate(
    x: np.ndarray,
    *,
    isa: str,
    kind: int,
    alpha: float = ...,
    beta: float = ...,
    slopes: np.ndarray | None = ...,
) -> np.ndarray: ...
def group_norm(
    x: np.ndarray,
    *,
    isa: str,
    groups: int,
    weight: np.ndarray | None = ...,
    bias: np.ndarray | None = ...,
    epsilon: float = ...,
) -> np.ndarray: ...
def layer_norm(
    x: np.ndarray,
    *,
    isa: str,
    weight: np.ndarray | None = ...,
    bias: np.ndarray | None = ...,
    residual: np.ndarray | None = ...,
    total: np.ndarray | None = ...,
    epsilon: float = ...,
) -> np.ndarray: ...
def link(
    margin: np.ndarray,
    *,
    isa: str,
    kind: int,
    scale: float = ...,
    offset: float = ...,
    complement: bool = ...,
) -> np.ndarray: ...
def live_workers() -> int: ...
def mask_groups(
    scores: np.ndarray,
    mask: np.ndarray,
    *,
    keep: int,
    of: int,
    signed: bool,
    threads: int = ...,
    isa: str = ...,
) -> None: ...
def mask_sums(
    scores: np.ndarray,
    *,
    block_rows: int,
    block_inputs: int,
    signed: bool,
    threads: int = ...,
    isa: str = ...,
) -> np.ndarray: ...
def mask_top(
    scores: np.ndarray,
    mask: np.ndarray,
    *,
    keep: int,
    whole: bool = ...,
    signed: bool,
    threads: int = ...,
    isa: str = ...,
) -> None: ...
def permitted_cores() -> int: ...
def quantize_weights(
    w: np.ndarray,
    *,
    axis: int,
    bits: int,
    group_size: int,
    symmetric: bool,
    half_scales: bool,
    threads: int = ...,
    isa: str = ...,
) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]: ...
def net_provenance(data: bytes) -> str | None: ...
def register_backend(capsule: object) -> None: ...
def resolve_threads(requested: int) -> int: ...
def run_trees(
    data: bytes,
    X: np.ndarray,
    *,
    isa: str,
    engine: str = ...,
    leaves: bool = ...,
    start: np.ndarray | None = ...,
) -> np.ndarray: ...
def status_codes() -> dict[str, int]: ...
def validate(buffer: Buffer, check: str = ...) -> None: ...
def rms_norm(
    x: np.ndarray,
    *,
    isa: str,
    weight: np.ndarray | None = ...,
    residual: np.ndarray | None = ...,
    total: np.ndarray | None = ...,
    epsilon: float = ...,
    weight_offset: float = ...,
) -> np.ndarray: ...
def softmax(x: np.ndarray, *, isa: str, log: bool = ...) -> np.ndarray: ...
def unary(x: np.ndarray, *, isa: str, kind: int) -> np.ndarray: ...
