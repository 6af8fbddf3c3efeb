"""From a source to a Model: choose the front end, run the passes, pack, load."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from cordwood import _core, _files, _progress
from cordwood._model_net import Net
from cordwood._model_row_net import open_net
from cordwood.errors import InputError, InputTypeError, UnsupportedModelError
from cordwood.model import Model
from cordwood.recipe import Recipe

if TYPE_CHECKING:
    from cordwood._model_packed import Check, Device

__all__ = ["compress", "load"]


def compress(
    source: Any,
    recipe: str | Recipe = "lossless",
    *,
    calibration: Any = None,
    example_inputs: Any = None,
    dynamic_shapes: Any = None,
) -> Model | Net:
    """Turn a trained model into a packed one.

    Parameters
    ----------
    source : object
        A fitted estimator of scikit-learn (a tree model or a perceptron), XGBoost or LightGBM, a
        Booster, the path of a model file (``.json`` or ``.ubj`` of XGBoost, ``.txt`` of LightGBM),
        a ``torch.nn.Module`` in evaluation mode, or a `cordwood.ir.Graph`.
    recipe : str or Recipe, default="lossless"
        What to do; a preset by name or a `Recipe`.
    calibration : array-like of shape (n_rows, n_features), or batches, optional
        Rows like those to predict, for lossy recipes: to prune by, and to measure the loss on. For
        nets a list of batches, each an array, a tuple of arrays or a dict of arrays by name.
    example_inputs : tuple of tensors, or dict of tensors by name, optional
        For torch modules, which are read by running them once; refused elsewhere. Axis 0 is the
        batch, and axis 1 of integers and bools the sequence: both may have any size later.
    dynamic_shapes : tuple or dict, optional
        For torch modules: which axes may have any size, in the form of ``torch.export.export``,
        instead of those.

    Returns
    -------
    Model or Net
        Ready to predict and to save; a `Net` from a module, a `RowNet` from a perceptron.

    Raises
    ------
    UnsupportedModelError
        The source, or a setting of it, cannot be represented; or a lossy recipe has no bound for
        it. The message says which.
    NotFittedError
        The source has not been trained.
    SourceFileError
        A model file is not what its name or content says.
    FileAccessError
        A model file cannot be read.
    InputError
        The recipe is unknown, the path is empty, `example_inputs` is given, or `calibration` is
        where nothing needs it or holds no rows that the model takes.
    InputTypeError
        Something in `calibration` is not a number.

    Notes
    -----
    Time grows with the number of nodes: seconds for six million. What takes longer than a second
    draws a bar on standard error, if that is a terminal.

    Examples
    --------
    >>> import cordwood as cw
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.ensemble import RandomForestClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> forest = RandomForestClassifier(10, random_state=0).fit(X, y)
    >>> model = cw.compress(forest)
    >>> bool((model.predict_proba(X) == forest.predict_proba(X)).all())
    True
    """
    # Imported here, so that a program that only loads models starts sooner.
    from cordwood import frontends
    from cordwood.ir import Graph
    from cordwood.pack import pack

    if isinstance(source, Model | Net):
        kind = getattr(source, "kind", "net")
        message = f"this {kind} is packed already; use it as it is, or save it"
        raise UnsupportedModelError(message)
    chosen = Recipe.of(recipe)
    module = frontends.is_module(source)
    unused = {} if module else {"example_inputs": example_inputs, "dynamic_shapes": dynamic_shapes}
    _refuse_unused(chosen, **unused, **({"calibration": calibration} if chosen.lossless else {}))
    with _progress.bar():
        _progress.reached(0.0, "reading the model")
        if module:
            return _compress_module(source, chosen, calibration, example_inputs, dynamic_shapes)
        graph = source if isinstance(source, Graph) else frontends.read(source)
        if graph.is_net:
            from cordwood._api_nets import compress_net

            return compress_net(graph, chosen, calibration)
        if chosen.for_nets:
            message = (
                f"recipe {chosen.name!r} is for nets; tree models take 'trees-small' or"
                f" 'trees-tiny'"
            )
            raise InputError(message)
        if not chosen.lossless:
            from cordwood._api_lossy import compress_lossy

            return compress_lossy(graph, chosen, calibration)
        packed = pack(graph, chosen)
        _progress.reached(0.95, "loading")
        return Model(packed)


def _compress_module(
    source: Any, recipe: Recipe, calibration: Any, example_inputs: Any, dynamic_shapes: Any
) -> Net:
    from cordwood import frontends
    from cordwood._api_nets import compress_net
    from cordwood.passes.simplify_net import simplify_net

    if example_inputs is None:
        message = (
            "a torch module is read by running it once: pass example_inputs=, a tuple of"
            " tensors or a dict of them by name"
        )
        raise InputError(message)
    graph = simplify_net(frontends.read_module(source, example_inputs, dynamic_shapes))
    return compress_net(graph, recipe, calibration)


def load(
    path_or_bytes: str | os.PathLike[str] | bytes | bytearray | memoryview,
    *,
    device: Device = "cpu",
    threads: int | None = None,
    check: Check = "all",
) -> Model | Net:
    """Load a packed model.

    Parameters
    ----------
    path_or_bytes : str, path-like or bytes-like
        A ``.cord`` file, or its bytes.
    device : {"cpu", "cuda"}, default="cpu"
        Where it shall run.
    threads : int, optional
        Threads for large batches; all permitted cores when absent. With 1 no thread is started.
    check : {"all", "structure"}, default="all"
        ``"structure"`` leaves out the checksum of the tensors.

    Returns
    -------
    Model or Net
        Ready to predict; a `Net` or `RowNet` where the file was made from one.

    Raises
    ------
    FileAccessError
        The file cannot be read.
    FormatError
        The bytes are no file of a version that this build reads.
    DeviceError
        The device is not there.
    InputError
        `threads` or `check` is none of the above.
    """
    return _open(_bytes_of(path_or_bytes), device=device, threads=threads, check=check)


def _open(data: bytes, **options: Any) -> Model | Net:
    """Load a file as what it holds: a model of rows, or a net with its answers as they are."""
    provenance = _core.net_provenance(data)
    if provenance is None:
        return Model(data, **options)
    return open_net(data, provenance, **options)


def _bytes_of(path_or_bytes: object) -> bytes:
    if isinstance(path_or_bytes, bytes | bytearray | memoryview):
        return bytes(path_or_bytes)
    if not isinstance(path_or_bytes, str | os.PathLike):
        message = f"expected a path or bytes, not {type(path_or_bytes).__name__}"
        raise InputTypeError(message)
    return _files.read_bytes(path_or_bytes)


def _refuse_unused(recipe: Recipe, **given: object) -> None:
    for name, value in given.items():
        if value is not None:
            message = f"recipe {recipe.name!r} needs no {name}; leave it out"
            raise InputError(message)
