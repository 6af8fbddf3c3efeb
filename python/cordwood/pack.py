"""The only writer of the ``.cord`` format: Graph in, bytes out, the same bytes for the same Graph.

``docs/format.md`` is normative; ``csrc/format/layout.h`` and ``operators.h`` hold the same records
as C structs.
"""

from __future__ import annotations

import enum
import json
import struct
import zlib
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from cordwood._pack_labels import pack_categories, pack_classes, pack_strings
from cordwood._pack_nets import net_record
from cordwood._pack_tensors import Dtype, Tensor, encode_all
from cordwood._pack_trees import tree_record
from cordwood.errors import GraphError
from cordwood.ir import Decide, Link, Role, TreeEnsemble
from cordwood.ir_nets import NetOperator
from cordwood.passes.fold_thresholds import fold_thresholds
from cordwood.recipe import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cordwood.ir import Graph, Operator, Value

__all__ = ["FORMAT_VERSION", "pack"]

FORMAT_VERSION = "1.0"
"""Version of the format that `pack` writes."""

_MAGIC = b"\x89CORD1\r\n"
_ALIGNMENT = 64
_NO_TENSOR = 0xFFFFFFFF
_MAX_RANK = 6
_DENSE = 0

_HEADER = struct.Struct("<8sHHIQII32x")
_SECTION = struct.Struct("<IHHIIQQ")
_OPERATOR = struct.Struct("<HHHHIIII")
_VALUE = struct.Struct("<BBBBf8B6Q")
_TENSOR = struct.Struct("<BBBBIIIII6QQQ")
_LINK = struct.Struct("<IIdd")
_DECIDE = struct.Struct("<IId")

_LINK_KINDS = {
    "identity": 0,
    "sigmoid": 1,
    "exp": 2,
    "softmax": 3,
    "softplus": 4,
    "signed_square": 5,
    "sigmoid_pair": 8,
    "negative_exp2": 9,
    "shift": 10,
    "step": 11,
    "logit": 12,
}
_DECIDE_RULES = {"argmax": 0, "greater": 1, "greater_equal": 2, "each_greater": 3}
_SYMBOLS = {"batch": 1, "sequence": 2}
_OTHER_SYMBOLS = range(3, 256)


class _Section(enum.IntEnum):
    """Kinds of sections, as ``enum cordwood_section_kind``."""

    PROGRAM = 1
    OPERANDS = 2
    ATTRIBUTES = 3
    VALUES = 4
    TENSORS = 5
    PAYLOAD = 6
    NAMES = 7
    CLASSES = 8
    PROVENANCE = 9
    CATEGORIES = 12


_SKIPPABLE = {_Section.NAMES, _Section.CLASSES, _Section.PROVENANCE, _Section.CATEGORIES}


class _Record(NamedTuple):
    """What one operator brings into the file."""

    operator: Operator
    attributes: bytes
    tensors: list[Tensor | None]


def pack(
    graph: Graph, recipe: Recipe | None = None, loss: Mapping[str, float] | None = None
) -> bytes:
    """Write a Graph as a ``.cord`` file.

    Parameters
    ----------
    graph : Graph
        The model, as a front end or a pass left it.
    recipe : Recipe, optional
        What was done to the model, kept in the provenance; lossless when absent.
    loss : mapping of str to float, optional
        What a lossy recipe gave up, kept beside it.

    Returns
    -------
    bytes
        The whole file.

    Raises
    ------
    GraphError
        The Graph holds something that the format has no words for.

    Notes
    -----
    Time and memory grow with the number of nodes; a forest of six million nodes takes seconds.
    """
    folded = graph if graph.is_net else fold_thresholds(graph)[0]
    records = [_record(operator) for operator in folded.operators]
    tensors = [tensor for record in records for tensor in _with_parts(record.tensors)]
    program, operands, attributes = _program(folded, records)
    table, payload = _tensors(tensors)
    sections = {
        _Section.PROGRAM: program,
        _Section.OPERANDS: operands,
        _Section.ATTRIBUTES: attributes,
        _Section.VALUES: _values(folded),
        _Section.TENSORS: table,
        _Section.PAYLOAD: payload,
    }
    if folded.is_net:
        sections[_Section.NAMES] = pack_strings(_port_names(folded), "names of values")
    elif folded.feature_names is not None:
        sections[_Section.NAMES] = pack_strings(folded.feature_names, "feature_names")
    if folded.classes is not None:
        sections[_Section.CLASSES] = pack_classes(folded.classes)
    sections[_Section.PROVENANCE] = _provenance(folded, recipe or Recipe(), loss or {})
    if folded.categories:
        sections[_Section.CATEGORIES] = pack_categories(folded.categories, folded.unseen)
    return _file(sections)


def _record(operator: Operator) -> _Record:
    """Pack one operator by its kind."""
    if isinstance(operator, TreeEnsemble):
        return _Record(operator, *tree_record(operator))
    if isinstance(operator, Link):
        return _Record(operator, _link_attributes(operator), [])
    if isinstance(operator, Decide):
        return _Record(operator, *_decide_record(operator))
    if isinstance(operator, NetOperator):
        return _Record(operator, *net_record(operator))
    message = (
        f"operator {type(operator).__name__} has no record in format {FORMAT_VERSION};"
        " tree_ensemble, link, decide and those of nets have"
    )
    raise GraphError(message)


def _link_attributes(link: Link) -> bytes:
    """Write a link; a shift alone tells the two zeros of its offset apart."""
    offset = link.offset if link.kind == "shift" else link.offset + 0.0
    return _LINK.pack(_LINK_KINDS[link.kind], link.complement, link.scale, offset)


def _decide_record(decide: Decide) -> tuple[bytes, list[Tensor | None]]:
    """Write a decide, and its groups as a tensor where it has some."""
    rule, count = _DECIDE_RULES[decide.rule], len(decide.groups)
    groups: list[Tensor | None] = [Tensor.of(np.array(decide.groups, np.uint32))] if count else []
    return _DECIDE.pack(rule, count, decide.cut + 0.0), groups


def _program(graph: Graph, records: Sequence[_Record]) -> tuple[bytes, bytes, bytes]:
    """Write operator records, their operands and their attributes."""
    value_id = {value.name: index for index, value in enumerate(graph.values)}
    operands: list[int] = []
    program, attributes = [], bytearray()
    next_tensor = 0
    for operator, attribute, tensors in records:
        first_operand = len(operands)
        inputs, outputs = operator.reads(), operator.writes()
        operands += [value_id[name] for name in (*inputs, *outputs)]
        for tensor in tensors:
            operands.append(_NO_TENSOR if tensor is None else next_tensor)
            next_tensor += len(_with_parts([tensor]))
        program.append(
            _OPERATOR.pack(
                *(operator.opcode, 1, len(inputs), len(outputs)),
                *(len(tensors), first_operand),
                *(len(attributes), len(attribute)),
            )
        )
        attributes += attribute  # every attribute struct is a whole number of 8 bytes
    return b"".join(program), struct.pack(f"<{len(operands)}I", *operands), bytes(attributes)


def _with_parts(tensors: Sequence[Tensor | None]) -> list[Tensor]:
    """List tensors, each followed by its scales and its zero points."""
    parts = [(tensor, tensor.scale, tensor.zero) for tensor in tensors if tensor is not None]
    return [part for group in parts for part in group if part is not None]


def _port_names(graph: Graph) -> list[str]:
    """Names of a net's inputs, then of its outputs."""
    roles = (Role.INPUT, Role.OUTPUT)
    return [value.name for role in roles for value in graph.values if value.role is role]


def _values(graph: Graph) -> bytes:
    """Write all values; symbols beyond the two known ones are numbered as they come."""
    symbols = dict(_SYMBOLS)
    others = iter(_OTHER_SYMBOLS)
    for value in graph.values:
        for size in value.shape:
            if isinstance(size, str) and size not in symbols:
                number = next(others, None)
                if number is None or not graph.is_net:
                    message = (
                        f"value {value.name!r} has symbol {size!r}, expected one of {set(_SYMBOLS)}"
                    )
                    raise GraphError(message)
                symbols[size] = number
    return b"".join(_value(value, symbols, graph.maxima) for value in graph.values)


def _value(value: Value, known: Mapping[str, int], maxima: Mapping[str, int]) -> bytes:
    """Write one value; a symbol's dimension is its largest size, 0 where there is none."""
    symbols, dimensions = [0] * 8, [0] * _MAX_RANK
    for axis, size in enumerate(value.shape):
        if isinstance(size, int):
            dimensions[axis] = size
        else:
            symbols[axis] = known[size]
            dimensions[axis] = maxima.get(size, 0)
    dtype = Dtype["BIT" if value.dtype == "bool" else value.dtype.upper()]
    scale, zero = (0.0, 0) if value.coding is None else (value.coding.scale, value.coding.zero)
    return _VALUE.pack(dtype, value.role, len(value.shape), zero, scale, *symbols, *dimensions)


def _quantisation(tensor: Tensor, index: int) -> tuple[int, int, int, int]:
    """Write axis, group, and the ids of scale and zero point, which follow the tensor."""
    if tensor.scale is None:
        return (_NO_TENSOR, 0, _NO_TENSOR, _NO_TENSOR)
    return (1, tensor.group, index + 1, _NO_TENSOR if tensor.zero is None else index + 2)


def _tensors(tensors: Sequence[Tensor]) -> tuple[bytes, bytes]:
    """Write tensor records and their payload, each tensor on a fresh alignment."""
    table, payload = [], bytearray()
    for index, (tensor, coded) in enumerate(zip(tensors, encode_all(tensors), strict=True)):
        encoding, data = coded
        payload += bytes(-len(payload) % _ALIGNMENT)
        shape = tensor.shape + (0,) * (_MAX_RANK - len(tensor.shape))
        table.append(
            _TENSOR.pack(
                *(tensor.dtype, len(tensor.shape), encoding, _DENSE),
                *_quantisation(tensor, index),
                *(_NO_TENSOR,),  # no sparsity tensor
                *shape,
                *(len(payload), len(data)),
            )
        )
        payload += data
    return b"".join(table), bytes(payload)


def _provenance(graph: Graph, recipe: Recipe, loss: Mapping[str, float]) -> bytes:
    """Write where the model came from as canonical JSON: sorted keys, no spaces, no NaN."""
    facts: dict[str, Any] = {
        "format": FORMAT_VERSION,
        "methods": list(graph.methods),
        "recipe": recipe.to_dict() | ({"loss": dict(loss)} if loss else {}),
        "source": dict(graph.provenance),
        "sparse": graph.sparse,
    }
    if graph.is_net:
        del facts["methods"], facts["sparse"]
        facts["form"] = graph.form
        places = [step.place if isinstance(step, NetOperator) else "" for step in graph.operators]
        if any(places):
            facts["places"] = places
    if graph.trees_per_iteration:
        facts["iterations"] = {"staged": graph.staged, "trees": graph.trees_per_iteration}
    try:
        text = json.dumps(
            facts, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
        )
        return text.encode("utf-8")
    except (TypeError, ValueError) as error:
        message = f"provenance must be strings, finite numbers, lists and objects: {error}"
        raise GraphError(message) from error


def _file(sections: dict[_Section, bytes]) -> bytes:
    """Join header, section table and sections; nothing but zeros lies between them."""
    start = _HEADER.size + _SECTION.size * len(sections)
    table, parts, at = [], [], start
    for kind, data in sections.items():
        padding = -at % _ALIGNMENT
        at += padding
        required = 0 if kind in _SKIPPABLE else 1
        table.append(_SECTION.pack(kind, 1, required, 0, zlib.crc32(data), at, len(data)))
        parts += [bytes(padding), data]
        at += len(data)
    records = b"".join(table)

    def header(checksum: int) -> bytes:
        return _HEADER.pack(_MAGIC, 1, 0, checksum, at, len(sections), 0)

    checksum = zlib.crc32(header(0) + records)
    return b"".join((header(checksum), records, *parts))
