"""Rows that are binned once and answered many times, and the door that lets a model's own in."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from cordwood.errors import BinnedRowsError, InputTypeError

if TYPE_CHECKING:
    from cordwood._typing import AnyArray

__all__ = ["BinnedRows", "BinsDoor"]

_MAGIC: Final = b"cordbins"
_VERSION: Final = 1
_HEADER: Final = struct.Struct("<8sHHIQ16s")
"""Magic, version, bytes of a bin, columns, rows, digest."""

_MISSING: Final = 0xFFFF
"""NaN where a bin has two bytes."""

_ADVICE: Final = "bin the rows with the bin method of the model that shall answer"


class _Bins:
    """Bins as they were made or read, whoever looks at them.

    Attributes
    ----------
    rows : ndarray of uint8 or uint16, shape (n_rows, n_columns)
        One byte: columns lie apart; two bytes: rows lie apart. Never written again.
    digest : bytes
        What the columns mean.
    checked : bool
        Whether every bin is known to be one of its column. Bytes come from anywhere.
    """

    __slots__ = ("checked", "digest", "rows")

    def __init__(self, rows: AnyArray, digest: bytes, *, checked: bool) -> None:
        rows.flags.writeable = False
        self.rows = rows
        self.digest = digest
        self.checked = checked


class BinnedRows:
    """Rows as the small integers that a model's trees compare.

    `Model.bin` makes them; every method of that model takes them in place of the rows and gives the
    same answers, bit for bit. They hold one byte, or two, for each column of the trees, and serve
    any copy of the model on any machine.

    See Also
    --------
    Model.bin : Makes them, and says what that costs.

    Notes
    -----
    ``bins[a:b]`` are some of the rows, without a copy. Pickle stores what `to_bytes` returns.
    """

    __slots__ = ("_all", "_rows")

    _all: _Bins
    _rows: AnyArray

    def __init__(self) -> None:
        message = "binned rows are made by a model: model.bin(X), or BinnedRows.from_bytes(data)"
        raise InputTypeError(message)

    @classmethod
    def _of(cls, bins: _Bins, rows: AnyArray) -> BinnedRows:
        self = cls.__new__(cls)
        self._all = bins
        self._rows = rows
        return self

    # ---- facts -----------------------------------------------------------------------------------

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(self._rows)

    @property
    def n_columns(self) -> int:
        """Number of columns of bins: features in use, some of them several times."""
        return int(self._rows.shape[1])

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of a bin: uint8, or uint16 where trees are large or categories many."""
        return self._rows.dtype

    @property
    def nbytes(self) -> int:
        """Bytes of the bins of these rows."""
        return self._rows.nbytes

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self._rows)

    def __repr__(self) -> str:
        """Name the shape and the type."""
        return (
            f"<cordwood.BinnedRows {self.n_rows:,} rows, {self.n_columns:,} columns of "
            f"{self.dtype}, {self.nbytes:,} bytes>"
        )

    def __getitem__(self, rows: slice) -> BinnedRows:
        """Return some of the rows, which look at the same bins."""
        if not isinstance(rows, slice):
            message = f"binned rows are indexed by {rows!r}, expected a slice, such as bins[a:b]"
            raise InputTypeError(message)
        return self._of(self._all, self._rows[rows])

    # ---- bytes -----------------------------------------------------------------------------------

    def to_bytes(self) -> bytes:
        """Return the rows as bytes, for a file or another process.

        Returns
        -------
        bytes
            A header of 40 bytes and the bins. Nothing else of the rows is in it.
        """
        order = self._rows.T if self.dtype == np.uint8 else self._rows
        bins = np.ascontiguousarray(order, dtype=self.dtype.newbyteorder("<"))
        header = _HEADER.pack(
            _MAGIC, _VERSION, self.dtype.itemsize, self.n_columns, self.n_rows, self._all.digest
        )
        return header + bins.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes | bytearray | memoryview) -> BinnedRows:
        """Return the rows that `to_bytes` wrote.

        Parameters
        ----------
        data : bytes-like
            One-byte bins are read in place where `data` is bytes, and copied elsewhere.

        Raises
        ------
        BinnedRowsError
            The bytes are no binned rows of a version that this build reads, or not all of them.
        """
        # What has been checked must not change any more.
        view = memoryview(data if type(data) is bytes else bytes(data))
        if len(view) < _HEADER.size:
            message = f"{len(view)} bytes, expected a header of {_HEADER.size}"
            raise _damaged(message)
        magic, version, bin_bytes, n_columns, n_rows, digest = _HEADER.unpack_from(view)
        if magic != _MAGIC:
            message = f"they begin with {magic!r}, expected {_MAGIC!r}"
            raise _damaged(message)
        if version != _VERSION or bin_bytes not in {1, 2}:
            message = (
                f"binned rows: version {version} with bins of {bin_bytes} bytes, this build reads "
                f"version {_VERSION} with bins of 1 or 2 bytes; {_ADVICE}"
            )
            raise BinnedRowsError(message)
        expected = _HEADER.size + n_rows * n_columns * bin_bytes
        if len(view) != expected or n_rows > np.iinfo(np.int64).max:
            message = (
                f"{len(view)} bytes, expected {expected} for {n_rows} rows of {n_columns} columns"
            )
            raise _damaged(message)
        flat = np.frombuffer(view[_HEADER.size :], dtype="u1" if bin_bytes == 1 else "<u2")
        if bin_bytes == 1:
            rows = flat.reshape(n_columns, n_rows).T
        else:
            rows = flat.astype(np.uint16).reshape(n_rows, n_columns)
        return cls._of(_Bins(rows, digest, checked=False), rows)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes."""
        return BinnedRows.from_bytes, (self.to_bytes(),)


class BinsDoor:
    """Lets in the binned rows of one model.

    Parameters
    ----------
    dtype : dtype
        Type of its bins.
    highest : ndarray of uint16, shape (n_columns,)
        Highest bin of each column.
    digest : bytes
        What its columns mean.
    """

    def __init__(self, dtype: np.dtype[Any], highest: AnyArray, digest: bytes) -> None:
        self._dtype = dtype
        self._highest = highest
        self._digest = digest

    def wrap(self, made: AnyArray) -> BinnedRows:
        """Return bins, as the extension made them, as binned rows."""
        rows = made.T if self._dtype == np.uint8 else made
        return BinnedRows._of(_Bins(rows, self._digest, checked=True), rows)

    def __call__(self, bins: BinnedRows) -> AnyArray:
        """Return the bins as the extension reads them.

        Raises
        ------
        BinnedRowsError
            They are another model's, or hold what no column of this one has.
        """
        everything = bins._all
        shape = (bins.dtype, bins.n_columns)
        if everything.digest != self._digest or shape != (self._dtype, len(self._highest)):
            message = (
                f"the binned rows are another model's: {bins.n_columns} columns of {bins.dtype} "
                f"with digest {everything.digest.hex()}, expected {len(self._highest)} columns of "
                f"{self._dtype} with digest {self._digest.hex()}; {_ADVICE}"
            )
            raise BinnedRowsError(message)
        if not everything.checked:
            self._check(everything.rows)
            everything.checked = True
        return bins._rows

    def _check(self, rows: AnyArray) -> None:
        """Refuse bins that no column has: tables are looked up by them."""
        if rows.dtype == np.uint16:
            rows = np.where(rows == _MISSING, np.uint16(0), rows)
        found = rows.max(axis=0, initial=0)
        wrong = np.flatnonzero(found > self._highest)
        if len(wrong):
            column = wrong[0]
            message = (
                f"the bins of column {column} go up to {found[column]}, expected at most "
                f"{self._highest[column]}"
            )
            raise _damaged(message)


def _damaged(message: str) -> BinnedRowsError:
    return BinnedRowsError(f"binned rows are damaged: {message}; {_ADVICE}")
