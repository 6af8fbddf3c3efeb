"""The kernels for people who hold arrays."""

from __future__ import annotations

from cordwood._ops_dense import DenseTensor, pack_dense
from cordwood._ops_products import qmatmul
from cordwood._ops_sparse import SparseTensor, pack_sparse, sparse_matmul
from cordwood._ops_tensor import QuantizedTensor

__all__ = [
    "DenseTensor",
    "QuantizedTensor",
    "SparseTensor",
    "pack_dense",
    "pack_sparse",
    "qmatmul",
    "sparse_matmul",
]
