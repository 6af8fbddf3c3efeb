"""The commands: parse, call, print.

Exit codes: 0, it worked and every check passed; 1, a check failed (the models or files differ);
2, usage or input was wrong or the output cannot be written, with one line on standard error; 3, a
fault of cordwood itself or of a library under it, with its traceback.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import traceback
from typing import TYPE_CHECKING, NoReturn

from cordwood import _cli_commands as commands
from cordwood._cli_sources import is_pickle
from cordwood._core import __version__
from cordwood.errors import CordwoodError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    # argparse has no public name for what add_subparsers returns.
    _Subparsers: TypeAlias = argparse._SubParsersAction["_Parser"]

__all__ = ["main"]

EXIT_CODES = """\
exit codes:
  0  it worked, and every check passed
  1  a check failed: the models or files differ
  2  usage or input was wrong; one line on standard error says what
  3  cordwood, or a library under it, has a fault; please report the traceback
"""

SOURCE = "model file: .json or .ubj of XGBoost, .txt of LightGBM, or a pickle (see --trust-pickle)"


class _Parser(argparse.ArgumentParser):
    """Says in one line what was wrong with the usage."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"cordwood: error: {message} (see '{self.prog} --help')\n")


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        Arguments; those of the process when absent.

    Returns
    -------
    int
        0 to 3, as the module says.
    """
    arguments = _parser().parse_args(argv)
    try:
        _warn_of_pickles(arguments)
        outcome = arguments.command(arguments)
    except CordwoodError as error:
        return _refuse(str(error))
    except Exception:
        # Python itself would leave with 1, which says that a check has failed.
        traceback.print_exc()
        return 3
    try:
        print(json.dumps(outcome.facts, indent=2) if arguments.json else outcome.text, flush=True)
    except OSError as error:
        # What is buffered goes nowhere, so that Python does not try again when it ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if isinstance(error, BrokenPipeError):
            return 2  # the reader has left, as `head` does; there is nobody to tell
        return _refuse(f"cannot write the output: {error.strerror or error}")
    return 0 if outcome.passed else 1


def _refuse(message: str) -> int:
    print(f"cordwood: error: {' '.join(message.split())}", file=sys.stderr)
    return 2


def _warn_of_pickles(arguments: argparse.Namespace) -> None:
    source = getattr(arguments, "source", None) or ""
    if getattr(arguments, "trust_pickle", False) and is_pickle(source):
        message = f"cordwood: warning: loading {source!r} runs whatever code it holds"
        print(message, file=sys.stderr, flush=True)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="cordwood",
        description="Trained models, compressed exactly and run fast from a few dense bytes.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"cordwood {__version__}")
    subparsers = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_compress(subparsers)
    _add_inspect(subparsers)
    _add_verify(subparsers)
    _add_bench(subparsers)
    _add_compare(subparsers)
    return parser


def _command(
    subparsers: _Subparsers,
    name: str,
    run: Callable[[argparse.Namespace], commands.Outcome],
    text: str,
) -> argparse.ArgumentParser:
    parser = subparsers.add_parser(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(command=run)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    return parser


def _add_trust(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--trust-pickle",
        action="store_true",
        help="load a .joblib, .pkl or .pickle source, which runs the code in it",
    )


def _add_compress(subparsers: _Subparsers) -> None:
    parser = _command(subparsers, "compress", commands.compress, "pack a trained model")
    parser.add_argument("source", metavar="SOURCE", help=SOURCE)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FILE", help="packed file to write"
    )
    parser.add_argument(
        "--recipe",
        default="lossless",
        help="lossless, trees-small or trees-tiny (default: lossless)",
    )
    parser.add_argument(
        "--calibration", metavar="X.npy", help="rows to prune by and to measure the loss on"
    )
    _add_trust(parser)


def _add_inspect(subparsers: _Subparsers) -> None:
    parser = _command(subparsers, "inspect", commands.inspect, "describe a packed model")
    parser.add_argument("file", metavar="FILE", help="packed model")


def _add_verify(subparsers: _Subparsers) -> None:
    parser = _command(
        subparsers, "verify", commands.verify, "prove that a packed model equals its source"
    )
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help=f"{SOURCE}; for a net a pickled module, or an .npz of inputs and answers by name",
    )
    parser.add_argument("file", metavar="FILE", help="packed model")
    parser.add_argument(
        "--data", metavar="X.npy", help="rows to compare answers on as well; .npz for a net"
    )
    _add_trust(parser)


def _add_bench(subparsers: _Subparsers) -> None:
    parser = _command(
        subparsers, "bench", commands.bench, "time a packed model or products, and others with it"
    )
    parser.add_argument("file", nargs="?", metavar="FILE", help="packed model; none with --ops")
    parser.add_argument(
        "--data",
        metavar="X.npy",
        help="real rows, for a packed model; for a net an .npz of inputs by name, or none to draw",
    )
    parser.add_argument(
        "--sequence",
        type=_counts,
        metavar="SIZES",
        help="for a net: comma-separated sizes of the other axes that vary (default: 16)",
    )
    parser.add_argument(
        "--ops", action="store_true", help="time products with int8 and int4 weights instead"
    )
    parser.add_argument(
        "--shapes",
        type=_shapes,
        metavar="NxK",
        help="with --ops: comma-separated outputs x inputs (default: 1024x1024,4096x4096)",
    )
    parser.add_argument(
        "--source",
        metavar="PATH",
        help=f"{SOURCE}; timed too, and the referee (without it, peers take the model file of the "
        "same name beside FILE)",
    )
    parser.add_argument(
        "--vs",
        type=_names,
        metavar="PEERS",
        help="comma-separated: sklearn, xgboost, lightgbm, onnxruntime, treelite, lleaves, "
        "lleaves32, daal4py, nvforest; with --ops: onnxruntime, openvino, torch",
    )
    parser.add_argument(
        "--batch",
        type=_counts,
        metavar="ROWS",
        help="comma-separated rows of a call (default: 1,32,1024,100000; with --ops: 1,8,32,128)",
    )
    parser.add_argument("--threads", type=_count, default=1, help="for everyone (default: 1)")
    parser.add_argument(
        "--seconds", type=_seconds, default=1.0, help="time for each batch size (default: 1)"
    )
    _add_trust(parser)


def _add_compare(subparsers: _Subparsers) -> None:
    parser = _command(subparsers, "compare", commands.compare, "compare two packed models")
    parser.add_argument("first", metavar="A", help="packed model")
    parser.add_argument("second", metavar="B", help="packed model")


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _counts(text: str) -> tuple[int, ...]:
    return tuple(_count(part) for part in text.split(","))


def _shapes(text: str) -> tuple[tuple[int, int], ...]:
    shapes = []
    for part in text.split(","):
        sizes = part.lower().split("x")
        if len(sizes) != 2:  # noqa: PLR2004 - outputs and inputs
            message = f"{part!r} is not of the form NxK, outputs x inputs"
            raise argparse.ArgumentTypeError(message)
        shapes.append((_count(sizes[0]), _count(sizes[1])))
    return tuple(shapes)


def _count(text: str) -> int:
    try:
        count = int(text)
    except ValueError:
        count = 0
    if count < 1:
        message = f"{text!r} is not a whole number of at least 1"
        raise argparse.ArgumentTypeError(message)
    return count


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.0 < seconds < float("inf"):
        message = f"{text!r} is not a number of seconds above 0"
        raise argparse.ArgumentTypeError(message)
    return seconds


if __name__ == "__main__":
    sys.exit(main())
