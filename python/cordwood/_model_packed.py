"""What every packed model has: its bytes, where it runs, where it came from."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from cordwood import _core, _files, _model_devices
from cordwood._threads import check_threads
from cordwood.errors import InputError

if TYPE_CHECKING:
    import os
    from collections.abc import Callable

__all__ = ["Check", "Device", "Packed", "check_level"]

Check = Literal["all", "structure"]
Device = Literal["cpu", "cuda"]


Self = TypeVar("Self", bound="Packed")


def check_level(check: str) -> bool:
    """Return whether everything is to be checked, tensors' checksums included."""
    if check not in {"all", "structure"}:
        message = f"check is {check!r}, expected 'all' or 'structure'"
        raise InputError(message)
    return check == "all"


class Packed:
    """A packed model; it never changes."""

    _data: bytes
    _device: Device
    _native: Any
    _requested_threads: int | None
    _threads: int

    def _load(
        self,
        native: Callable[..., Any],
        data: bytes,
        *,
        device: Device,
        threads: int | None,
        check: Check,
    ) -> None:
        """Keep the bytes and open them; options are judged first."""
        self._requested_threads = check_threads(threads)
        check_all = check_level(check)
        _model_devices.bring(device)
        self._device = device
        self._data = bytes(data)
        self._native = native(self._data, device=device, check_all=check_all)
        self._threads = _core.resolve_threads(self._requested_threads or 0)

    def _facts_text(self) -> str:
        """Return the provenance as the file holds it."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Length of the packed file in bytes."""
        return len(self._data)

    @property
    def threads(self) -> int:
        """Threads that large batches are split over."""
        return self._threads

    @property
    def device(self) -> Device:
        """Where the model runs."""
        return self._device

    @property
    def metadata(self) -> dict[str, Any]:
        """Provenance: the source's library, version and kind, the recipe, the methods. A copy."""
        facts: dict[str, Any] = json.loads(self._facts_text())
        return facts

    # ---- bytes -----------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return the packed file."""
        return self._data

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the packed file, whole or not at all.

        Parameters
        ----------
        path : str or path-like
            Where to; an existing file is replaced in one step.

        Raises
        ------
        FileAccessError
            It cannot be written. An existing file keeps its content.
        """
        _files.write_atomically(path, self._data)

    def __copy__(self: Self) -> Self:
        """Return the model itself: it never changes."""
        return self

    def __deepcopy__(self: Self, memo: dict[int, Any]) -> Self:
        """Return the model itself: it never changes."""
        return self
