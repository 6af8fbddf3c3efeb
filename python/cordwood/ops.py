"""The kernels for people who hold arrays."""

from __future__ import annotations

from cordwood._ops_attention import attention
from cordwood._ops_awq import ScaledWeights, awq, smooth_scales
from cordwood._ops_bias import correct_bias
from cordwood._ops_conv import conv
from cordwood._ops_dense import DenseTensor, pack_dense
from cordwood._ops_gptq import gptq
from cordwood._ops_hessian import hessian
from cordwood._ops_masks import (
    MaskFacts,
    apply_mask,
    combine_masks,
    describe_mask,
    prune_mask,
)
from cordwood._ops_products import qmatmul
from cordwood._ops_quantize import dequantize, quantize
from cordwood._ops_scores import sparsegpt, sparsegpt_scores, wanda_scores
from cordwood._ops_sparse import SparseTensor, pack_sparse, sparse_matmul
from cordwood._ops_tensor import QuantizedTensor
from cordwood._ops_trees import PackedTrees, pack_trees, tree_predict

__all__ = [
    "DenseTensor",
    "MaskFacts",
    "PackedTrees",
    "QuantizedTensor",
    "ScaledWeights",
    "SparseTensor",
    "apply_mask",
    "attention",
    "awq",
    "combine_masks",
    "conv",
    "correct_bias",
    "dequantize",
    "describe_mask",
    "gptq",
    "hessian",
    "pack_dense",
    "pack_sparse",
    "pack_trees",
    "prune_mask",
    "qmatmul",
    "quantize",
    "smooth_scales",
    "sparse_matmul",
    "sparsegpt",
    "sparsegpt_scores",
    "tree_predict",
    "wanda_scores",
]
