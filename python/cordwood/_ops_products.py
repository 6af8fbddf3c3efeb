"""Products with quantised and dense weight matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from cordwood import _core
from cordwood._ops_calls import (
    Activation,
    as_floats,
    as_residual,
    as_rows,
    check_out,
    cut_of,
)
from cordwood._ops_checks import check_on_host
from cordwood._ops_codings import DYNAMIC, OutputType, as_coded_rows, output_coding
from cordwood._ops_dense import DenseTensor
from cordwood._ops_tensor import GROUP_STEP, QuantizedTensor
from cordwood._threads import check_threads
from cordwood.errors import InputError, InputTypeError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

Activations = Literal["int8", "uint8", "float32", "bfloat16"]


def qmatmul(  # noqa: PLR0913 - what a product is made of, each by its name
    x: ArrayLike,
    weights: QuantizedTensor | DenseTensor,
    *,
    bias: ArrayLike | None = None,
    residual: ArrayLike | None = None,
    activation: Activation | None = None,
    activations: Activations = "int8",
    activation_group: int | None = None,
    activation_scale: float | None = None,
    activation_zero: int | None = None,
    output_type: OutputType = "float32",
    output_scale: float | None = None,
    output_zero: int | None = None,
    out: NDArray[Any] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Multiply rows by a packed weight matrix: ``activation(x @ w.T + bias + residual)``.

    Integers are summed exactly and floats in one fixed order, so that every instruction set, batch
    and number of threads gives the same bits.

    Parameters
    ----------
    x : array_like, shape (..., n_inputs)
        Activations. C-ordered float32 is read in place, all else is converted to it once. An array
        of int8 or uint8 with an `activation_scale` holds codes; `activations` names the same type.
    weights : QuantizedTensor or DenseTensor
        From :func:`quantize` or :func:`pack_dense`. Laid out for the processor at the first product
        and kept so.
    bias : array_like, shape (n_outputs,), optional
        Added to every row.
    residual : array_like, shape (..., n_outputs), optional
        Added after the bias.
    activation : {"relu", "relu6", "gelu", "gelu_tanh", "silu", "sigmoid", "tanh", "softplus", \
            "mish", "selu", "hard_sigmoid", "hard_swish"}, optional
        Applied last, to each block of answers while it is in cache (``docs/graph.md``, operator
        40; the two hard ones with 1/6 and 1/2).
    activations : {"int8", "uint8", "float32", "bfloat16"}
        How quantised weights meet `x`: ``"int8"`` quantises each row on the fly, ``"uint8"`` does
        so with a zero point, ``"float32"`` leaves it as it is and turns the weights into float32 on
        their way. Dense weights meet float32 with any of these; ``"bfloat16"``, for bfloat16
        weights alone, rounds `x` to bfloat16 (half to even): faster where the processor
        multiplies pairs of them, with an error of at most 2**-8 of each product.
    activation_group : int, optional
        Inputs that share an activation scale; the weights' own `group_size`. Left out, a row has
        one scale.
    activation_scale : float, optional
        One scale for all of `x`, known beforehand (static quantisation): values past the range of
        codes saturate.
    activation_zero : int, optional
        The code that stands for zero, with `activation_scale`: 0 to 255 for ``"uint8"``, -128 to
        127 for codes of int8. 0 where left out.
    output_type : {"float32", "int8", "uint8"}
        What answers are: numbers, or codes that saturate.
    output_scale, output_zero : float and int, optional
        Scale and zero point of answers that are codes; the zero point is 0 where left out.
    out : ndarray of `output_type`, shape (..., n_outputs), optional
        C-ordered array to write to.
    threads : int, optional
        Most threads that may work; all permitted cores where left out. Small products use one.

    Returns
    -------
    ndarray of `output_type`, shape (..., n_outputs)

    Raises
    ------
    InputTypeError
        If `x` does not hold real numbers, or a zero point is no integer.
    InputError
        If shapes do not fit, `x` holds NaN or an infinity (with int8 or uint8 activations), a scale
        or zero point is out of range, bfloat16 activations meet other weights, or an option is not
        one of those above.

    Notes
    -----
    ``docs/quantization.md`` defines every step. Integer weights without a group keep sums exact in
    int32; longer outputs than 65 536 inputs (32 768 with zero points) are summed in pieces.

    Examples
    --------
    >>> import numpy as np
    >>> import cordwood as cw
    >>> w = np.array([[1.0, -1.0], [0.5, 0.25]], dtype=np.float32)
    >>> cw.ops.qmatmul(np.float32([[2.0, 1.0]]), cw.ops.pack_dense(w, "float32"))
    array([[1.  , 1.25]], dtype=float32)
    """
    matrix = getattr(weights, "_prepared", {}).get("cpu") or _prepare(weights)
    if activations not in ("int8", "uint8", "float32"):
        _check_bfloat16(activations, weights)
    if activation_scale is None and activation_zero is None:
        rows, lead = as_rows(x)
        scale, x_coding = 0.0, DYNAMIC if activations == "uint8" else None
    else:
        if activations == "float32" or isinstance(weights, DenseTensor):
            _refuse_scale(activation_scale, activation_zero)
        rows, lead, scale, x_coding = as_coded_rows(
            x, activations, activation_scale, activation_zero
        )
    floats = output_type == "float32" and output_scale is None and output_zero is None
    y: NDArray[Any] = matrix.matmul(
        rows,
        None if bias is None else as_floats(bias, "bias"),
        None if residual is None else as_residual(residual, weights.n_outputs),
        cut_of(activation),
        None if out is None else check_out(out, (*lead, weights.n_outputs), output_type),
        activations == "float32",
        scale,
        0 if activation_group is None else _check_group(activation_group, weights),
        check_threads(threads) or 0,
        x_coding,
        None if floats else output_coding(output_type, output_scale, output_zero),
        activations == "bfloat16",
    )
    if out is not None:
        return out
    return y if len(lead) == 1 else y.reshape(*lead, weights.n_outputs)


def _refuse_scale(scale: float | None, zero: int | None) -> None:
    """Raise: activations that stay float32 have no scale, and codes would be taken for numbers."""
    name, value = ("activation_zero", zero) if scale is None else ("activation_scale", scale)
    message = (
        f"{name} is {value} and x meets the weights as float32; "
        "expected quantised weights with activations of 'int8' or 'uint8'"
    )
    raise InputError(message)


def _prepare(weights: QuantizedTensor | DenseTensor) -> _core.QuantizedMatrix:
    """Lay weights out for the processor; two threads may both do so, and agree."""
    if isinstance(weights, QuantizedTensor):
        check_on_host(weights.payload, "weights")
        matrix = _core.QuantizedMatrix(
            weights.payload,
            weights.scales.astype(np.float32, copy=False),
            weights.zero_points,
            bits=weights.bits,
            group_size=weights.group_size or 0,
            n_inputs=weights.n_inputs,
        )
    elif isinstance(weights, DenseTensor):
        matrix = _core.QuantizedMatrix(weights.numbers, kind=weights.dtype)
    else:
        message = (
            f"weights is a {type(weights).__name__}; expected what ops.quantize or "
            "ops.pack_dense returns"
        )
        raise InputTypeError(message)
    weights._prepared["cpu"] = matrix
    return matrix


def _check_bfloat16(activations: str, weights: QuantizedTensor | DenseTensor) -> None:
    if activations != "bfloat16":
        message = (
            f"activations is {activations!r}; expected 'int8', 'uint8', 'float32' or 'bfloat16'"
        )
        raise InputError(message)
    given = weights.dtype if isinstance(weights, DenseTensor) else f"{weights.bits}-bit codes"
    if given != "bfloat16":
        message = (
            f"activations is 'bfloat16' and the weights are {given}; expected weights of "
            "ops.pack_dense(w, 'bfloat16'), or activations='float32'"
        )
        raise InputError(message)


def _check_group(group: int, weights: QuantizedTensor | DenseTensor) -> int:
    own = weights.group_size if isinstance(weights, QuantizedTensor) else None
    if own is None or group != own:
        message = (
            f"activation_group is {group} and the weights' group_size is {own}; "
            f"expected both to be the same multiple of {GROUP_STEP}"
        )
        raise InputError(message)
    return group
