"""What each command does: takes the parsed arguments, returns an outcome, prints nothing."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cordwood import _core, api
from cordwood._cli_operators import operator_lines
from cordwood._cli_sources import read_rows, read_source, source_beside, source_to_compress
from cordwood._files import read_bytes
from cordwood._model_net import Net
from cordwood._model_net_inputs import read_arrays
from cordwood._pack_sizes import tree_sizes
from cordwood.errors import InputError

if TYPE_CHECKING:
    import argparse

    from cordwood._pack_sizes import TreeSizes

__all__ = ["Outcome", "bench", "compare", "compress", "inspect", "verify"]


@dataclass(frozen=True)
class Outcome:
    """What a command found.

    Attributes
    ----------
    facts : dict
        JSON-ready.
    text : str
        The same for people.
    passed : bool
        Whether the check that the command makes has passed; True for one that makes none.
    """

    facts: dict[str, Any]
    text: str
    passed: bool = True


def compress(arguments: argparse.Namespace) -> Outcome:
    """Pack a model file."""
    source_bytes = len(read_bytes(arguments.source))
    if Path(arguments.output).resolve() == Path(arguments.source).resolve():
        message = f"--output {arguments.output!r} is the source itself; name another file"
        raise InputError(message)
    source = source_to_compress(arguments.source, trust_pickle=arguments.trust_pickle)
    rows = None if arguments.calibration is None else read_rows(arguments.calibration)
    model = api.compress(source, arguments.recipe, calibration=rows)
    model.save(arguments.output)
    ratio = source_bytes / model.nbytes
    facts = {
        "source": arguments.source,
        "source_bytes": source_bytes,
        "output": arguments.output,
        "bytes": model.nbytes,
        "ratio": ratio,
        "metadata": model.metadata,
    }
    size = f"{source_bytes:,} -> {model.nbytes:,} bytes ({ratio:.1f} times smaller)"
    return Outcome(facts, f"{arguments.output}: {size}\n{model.summary()}")


def inspect(arguments: argparse.Namespace) -> Outcome:
    """Describe a packed file."""
    data = read_bytes(arguments.file)
    facts = _described(data)
    model = api.load(data)
    facts["engine"] = {"summary": model.summary(), "isa": _core.active_isa()}
    lines = [f"{arguments.file}: {len(data):,} bytes, format {_version(facts)}", model.summary()]
    sizes = tree_sizes(facts)
    if sizes is not None:
        facts["sizes"] = _sizes(sizes)
        lines += ["", *_size_lines(sizes, len(data))]
    lines += ["", *operator_lines(facts)]
    lines += ["", "section        offset       bytes  tensor                encoded     decoded"]
    lines += _section_lines(facts)
    lines += ["", f"provenance {json.dumps(facts['provenance'], sort_keys=True)}"]
    return Outcome(facts, "\n".join(lines))


def _described(data: bytes) -> dict[str, Any]:
    facts: dict[str, Any] = _core.inspect(data)
    facts["provenance"] = json.loads(facts["provenance"] or "{}")
    return facts


def _version(facts: dict[str, Any]) -> str:
    header = facts["header"]
    return f"{header['major']}.{header['minor']} ({header['profile']} profile)"


def _sizes(sizes: TreeSizes) -> dict[str, Any]:
    return {
        "n_inner": sizes.n_inner,
        "node_bytes": sizes.node_bytes,
        "bytes_per_node": sizes.bytes_per_node,
        "cut_bytes": sizes.cut_bytes,
        "category_bytes": sizes.category_bytes,
        "leaf_bytes": sizes.leaf_bytes,
    }


def _size_lines(sizes: TreeSizes, total: int) -> list[str]:
    parts = {
        f"{sizes.n_inner:,} inner nodes": sizes.node_bytes,
        "thresholds": sizes.cut_bytes,
        "category sets": sizes.category_bytes,
        "leaves": sizes.leaf_bytes,
    }
    parts["everything else"] = total - sum(parts.values())
    lines = [f"  {name:<22} {count:>12,} bytes" for name, count in parts.items()]
    lines[0] += f", {sizes.bytes_per_node:.2f} a node (structure, feature, rank, missing route)"
    return lines


def _section_lines(facts: dict[str, Any]) -> list[str]:
    lines = []
    for section in facts["sections"]:
        lines.append(f"{section['name']:<12} {section['offset']:>8,} {section['bytes']:>11,}")
        if section["name"] == "payload":
            lines += [
                f"{'':<34} {tensor['name']:<18} {tensor['encoded_bytes']:>10,} "
                f"{tensor['decoded_bytes']:>11,}"
                for tensor in facts["tensors"]
            ]
    return lines


def verify(arguments: argparse.Namespace) -> Outcome:
    """Prove that a packed file equals its source."""
    from cordwood.verify import verify as verify_model

    model = api.load(arguments.file, threads=1)
    rows: Any = None
    if arguments.data is not None:
        net = isinstance(model, Net)
        rows = [read_arrays(arguments.data)] if net else read_rows(arguments.data)
    read_bytes(arguments.source)
    source = source_to_compress(arguments.source, trust_pickle=arguments.trust_pickle)
    report = verify_model(source, model, rows)
    return Outcome(report.to_dict(), str(report), passed=report.passed)


def bench(arguments: argparse.Namespace) -> Outcome:
    """Time a packed file, or products, and peers with it."""
    if arguments.ops:
        return _bench_ops(arguments)
    from cordwood.bench.report import render
    from cordwood.bench.run import BATCHES, fresh, library_of, run

    if arguments.file is None:
        message = "bench needs a packed file and --data with rows for it, or --ops"
        raise InputError(message)
    packed = api.load(arguments.file, threads=arguments.threads)
    if isinstance(packed, Net):
        return _bench_net(arguments, packed)
    if arguments.data is None:
        message = "bench of a model of rows needs --data with rows for it, or --ops"
        raise InputError(message)
    model, rows = packed, read_rows(arguments.data)
    peers = tuple(arguments.vs or ())
    source, source_path = None, arguments.source
    races = any(peer != "cordwood" for peer in peers)
    if source_path is None and races:
        source_path = source_beside(arguments.file)
    if source_path is not None:
        source = read_source(source_path, trust_pickle=arguments.trust_pickle)
    elif races:
        message = (
            f"--vs {','.join(peers)} needs the source model, and there is no model file of the "
            f"same name beside {arguments.file!r}: add --source PATH"
        )
        raise InputError(message)
    cold = fresh(
        Path(arguments.file),
        model.n_features_in_,
        library=None if source is None else library_of(source),
        source_path=None if source_path is None else Path(source_path),
    )
    result = run(
        model,
        rows,
        source=source,
        peers=peers,
        batches=arguments.batch or BATCHES,
        budget_s=arguments.seconds,
        cold=cold,
    )
    return Outcome(result.to_dict(), render(result), passed=result.passed)


def _bench_net(arguments: argparse.Namespace, net: Net) -> Outcome:
    """Time a packed net."""
    from cordwood.bench.nets import render_net, run_net

    if arguments.vs or arguments.source:
        message = "bench times a net by itself; leave --vs and --source out"
        raise InputError(message)
    result = run_net(
        net,
        data=None if arguments.data is None else read_arrays(arguments.data),
        batches=arguments.batch,
        sequences=arguments.sequence,
        threads=arguments.threads,
        budget_s=arguments.seconds,
    )
    return Outcome(result.to_dict(), render_net(result))


def _bench_ops(arguments: argparse.Namespace) -> Outcome:
    """Time products with quantised weights."""
    from cordwood.bench.ops import ROWS, SHAPES, render_ops, run_ops

    result = run_ops(
        shapes=arguments.shapes or SHAPES,
        rows=arguments.batch or ROWS,
        peers=tuple(name for name in arguments.vs or () if name != "cordwood"),
        threads=arguments.threads,
        budget_s=arguments.seconds,
    )
    return Outcome(result.to_dict(), render_ops(result))


def compare(arguments: argparse.Namespace) -> Outcome:
    """Compare two packed files: bytes, sections, structure."""
    first, second = read_bytes(arguments.first), read_bytes(arguments.second)
    left, right = _flat(_described(first)), _flat(_described(second))
    differing = {
        key: {"first": left.get(key), "second": right.get(key)}
        for key in [*left, *(key for key in right if key not in left)]
        if left.get(key) != right.get(key)
    }
    same = first == second
    facts = {
        "identical": same,
        "bytes": {"first": len(first), "second": len(second)},
        "differences": differing,
    }
    lines = [
        f"{arguments.first}: {len(first):,} bytes",
        f"{arguments.second}: {len(second):,} bytes",
    ]
    lines.append("the files are identical" if same else "the files differ")
    lines += [f"  {key}: {pair['first']} | {pair['second']}" for key, pair in differing.items()]
    return Outcome(facts, "\n".join(lines), passed=same)


def _flat(facts: dict[str, Any]) -> dict[str, Any]:
    """Spread what a file holds over dotted names, one value each."""
    flat: dict[str, Any] = {}
    for section in facts["sections"]:
        flat[f"{section['name']}.bytes"] = section["bytes"]
        flat[f"{section['name']}.checksum"] = f"{section['checksum']:08x}"
    for index, operator in enumerate(facts["operators"]):
        prefix = f"operators.{index}.{operator['name']}"
        flat |= {f"{prefix}.{key}": value for key, value in operator["attributes"].items()}
    for tensor in facts["tensors"]:
        flat[f"tensors.{tensor['name']}.shape"] = list(tensor["shape"])
        flat[f"tensors.{tensor['name']}.bytes"] = tensor["encoded_bytes"]
    flat["feature_names"] = facts["feature_names"]
    flat["classes"] = facts["classes"]
    flat["provenance"] = facts["provenance"]
    return flat
