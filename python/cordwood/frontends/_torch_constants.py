"""What an exported module knows before it runs: parameters, and all that follows from them."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np

from cordwood.errors import UnsupportedModelError
from cordwood.ir_nets import Bfloat16

__all__ = ["Constants"]

DRAWN = ("rand", "bernoulli", "multinomial", "dropout", "normal")
"""Parts of the names of operators that draw numbers, whose answers are no constants."""


class Constants:
    """Nodes that depend on no input and on no symbolic size; evaluated with torch when asked.

    Parameters
    ----------
    program : ExportedProgram
        What was exported.
    """

    def __init__(self, program: Any) -> None:
        self._tensors: dict[Any, Any] = {}
        self._arrays: dict[Any, Any] = {}
        self._nodes: set[Any] = set()
        signature = program.graph_signature
        named = {
            **signature.inputs_to_parameters,
            **signature.inputs_to_buffers,
            **signature.inputs_to_lifted_tensor_constants,
        }
        held = {**program.state_dict, **program.constants}
        for node in program.graph.nodes:
            if node.op == "placeholder" and node.name in named:
                self._tensors[node] = held[named[node.name]]
                self._nodes.add(node)
            elif node.op == "call_function" and self._follows(node):
                self._nodes.add(node)

    def _follows(self, node: Any) -> bool:
        target = str(node.target)
        if not target.startswith("aten.") and node.target is not operator.getitem:
            return False
        drawn = any(part in target for part in DRAWN)
        value = node.meta.get("val")
        return not drawn and value is not None and all(n in self for n in node.all_input_nodes)

    def __contains__(self, node: Any) -> bool:
        """Whether a node, if it is one, is a constant."""
        try:
            return node in self._nodes
        except TypeError:
            return False

    def tensor(self, node: Any) -> Any:
        """Return a constant as a torch tensor."""
        import torch

        if node not in self._tensors:
            args = torch.fx.node.map_arg(node.args, self.tensor)
            kwargs = torch.fx.node.map_arg(node.kwargs, self.tensor)
            with torch.no_grad():
                self._tensors[node] = node.target(*args, **kwargs)
        return self._tensors[node]

    def array(self, node: Any) -> Any:
        """Return a constant as an array, or as `Bfloat16`; always the same one for a node."""
        import torch

        if node not in self._arrays:
            tensor = self.tensor(node).detach().cpu().contiguous()
            if tensor.dtype is torch.bfloat16:
                self._arrays[node] = Bfloat16(tensor.view(torch.uint16).numpy())
            else:
                self._arrays[node] = _numpy(tensor)
        return self._arrays[node]

    def float32(self, node: Any, name: str) -> np.ndarray:
        """Return a small parameter, widened or rounded to float32."""
        import torch

        if node not in self:
            message = f"{name} depends on the inputs, expected a parameter of the module"
            raise UnsupportedModelError(message)
        return _numpy(self.tensor(node).detach().to(torch.float32).cpu().contiguous())


def _numpy(tensor: Any) -> np.ndarray:
    try:
        array: np.ndarray = tensor.numpy()
    except TypeError as error:
        message = f"a constant is of {tensor.dtype}, expected a type that NumPy has, or bfloat16"
        raise UnsupportedModelError(message) from error
    return np.array(array, order="C")
