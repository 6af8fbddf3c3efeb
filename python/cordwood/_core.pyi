from collections.abc import Callable
from typing import Any, Literal, final, overload

import numpy as np
from typing_extensions import Buffer

__version__: str

@final
class Model:
    def __init__(
        self,
        data: bytes,
        *,
        device: str = ...,
        check_all: bool = ...,
        trees: tuple[int, ...] | None = ...,
    ) -> None: ...
    def targets(self) -> list[str]: ...
    def bind(
        self,
        method: str,
        target: str,
        *,
        flat: bool,
        threads: int,
        prepare: Callable[[Any], object],
        labels: np.ndarray | None = ...,
        finish: Callable[[Any], object] | None = ...,
        options: Callable[..., object] | None = ...,
    ) -> Callable[..., Any]: ...
    def form(self, target: str) -> tuple[int, np.dtype[Any]]: ...
    def run_stage(
        self, stage: int, target: str, X: np.ndarray, margin: np.ndarray, *, threads: int
    ) -> np.ndarray: ...
    @property
    def feature_names(self) -> tuple[str, ...] | None: ...
    @property
    def classes(self) -> np.ndarray | tuple[str, ...] | list[Any] | None: ...
    @property
    def categories(self) -> dict[int, np.ndarray | tuple[str, ...]]: ...
    @property
    def unseen(self) -> Literal["missing", "refused", "other"]: ...
    @property
    def embedding_columns(self) -> int: ...
    @property
    def input_type(self) -> str: ...
    @property
    def provenance(self) -> str: ...
    @property
    def n_features(self) -> int: ...
    @property
    def n_trees(self) -> int: ...
    @property
    def n_outputs(self) -> int: ...
    @property
    def has_raw_scores(self) -> bool: ...
    @property
    def resident_bytes(self) -> int: ...
    @property
    def processor(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def engine_reason(self) -> str: ...

def active_isa() -> str: ...
def available_isas() -> list[str]: ...
def crc32(data: Buffer, previous: int = ...) -> int: ...
def decode_differences(data: Buffer, element_bytes: int, count: int) -> bytes: ...
def decode_planes(data: Buffer, element_bytes: int, count: int) -> bytes: ...
def encode_differences(data: Buffer, element_bytes: int) -> bytes: ...
def devices() -> dict[str, str | None]: ...
def encode_planes(data: Buffer, element_bytes: int) -> bytes: ...
def encode_ranks(
    is_inner: np.ndarray,
    column: np.ndarray,
    rank: np.ndarray,
    column_size: np.ndarray,
    column_ordered: np.ndarray,
) -> tuple[np.ndarray, bytes, int]: ...
def expand_trees(buffer: Buffer, operator_index: int) -> dict[str, Any]: ...
def inspect(buffer: Buffer) -> dict[str, Any]: ...

@final
class Cut:
    def __init__(self, low: float, high: float) -> None: ...

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
        isa: str | None = ...,
    ) -> np.ndarray: ...
    @property
    def nbytes(self) -> int: ...

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
        isa: str | None = ...,
    ) -> np.ndarray: ...
    @property
    def nbytes(self) -> int: ...

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
def permitted_cores() -> int: ...
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
