"""Keeps recurrent layers, and attention, whole while a module is exported.

``torch.export`` takes an LSTM apart into one set of operators for each step, which fixes the length
of the sequence. While `whole_layers` is active, calls of ``torch.lstm`` and ``torch.gru`` are
recorded as one operator of this library each, which is never computed: only its shapes are known.
Multi-head attention is recorded as `cordwood.frontends._torch_heads` writes it.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from cordwood.errors import UnsupportedModelError
from cordwood.frontends._torch_heads import multi_head_attention

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

__all__ = ["whole_layers"]

LSTM_ARGUMENTS = 9
"""Of a call with padded sequences: x, states, parameters, then six settings."""

PACKED = (
    "a PackedSequence is made or read, which is not supported; give recurrent layers padded "
    "sequences, and mask what is after their ends"
)

SCHEMA = (
    "(Tensor x, Tensor[] states, Tensor[] parameters, bool has_biases, int layers, "
    "bool bidirectional, bool batch_first)"
)


@functools.cache
def _library() -> Any:
    """Define the operators, once in a process; they live as long as what is returned."""
    import torch

    library = torch.library.Library("cordwood", "FRAGMENT")
    for name, states in (("lstm", 2), ("gru", 1)):
        library.define(f"{name}{SCHEMA} -> ({', '.join(['Tensor'] * (1 + states))})")
        torch.library.register_fake(f"cordwood::{name}", _shapes, lib=library)
    return library


def _shapes(x: Any, states: Any, _: Any, *settings: Any) -> tuple[Any, ...]:
    """Return empty tensors of the outputs' shapes."""
    bidirectional = settings[2]
    hidden = states[0].shape[2] * (2 if bidirectional else 1)
    return (x.new_empty(*x.shape[:2], hidden), *(state.new_empty(state.shape) for state in states))


def whole_layers() -> AbstractContextManager[Any]:
    """Return a context in which layers are recorded as a Graph has them.

    Raises
    ------
    UnsupportedModelError
        In it: a layer reads packed sequences, or is one of ``torch.nn.RNN``.
    """
    import torch
    from torch.overrides import TorchFunctionMode

    _library()

    class Mode(TorchFunctionMode):  # type: ignore[misc]  # torch has no types where it is absent
        def __torch_function__(
            self, func: Any, types: Any, args: Any = (), kwargs: Any = None
        ) -> Any:
            name = getattr(func, "__name__", "")
            if name == "_pack_padded_sequence":
                raise UnsupportedModelError(PACKED)
            if name in ("rnn_tanh", "rnn_relu") and func is getattr(torch, name):
                message = f"torch.{name} is not supported; supported are LSTM and GRU layers"
                raise UnsupportedModelError(message)
            if name in ("lstm", "gru") and func is getattr(torch, name):
                return _record(name, args)
            if name == "multi_head_attention_forward":
                return multi_head_attention(func, args, kwargs or {})
            return func(*args, **(kwargs or {}))

    return Mode()


def _record(name: str, args: tuple[Any, ...]) -> Any:
    import torch

    if len(args) != LSTM_ARGUMENTS or isinstance(args[3], list | tuple):
        raise UnsupportedModelError(PACKED)
    x, states, parameters, has_biases, layers, _, _, bidirectional, batch_first = args
    states = list(states) if name == "lstm" else [states]
    operator = getattr(torch.ops.cordwood, name)
    return operator(x, states, list(parameters), has_biases, layers, bidirectional, batch_first)
