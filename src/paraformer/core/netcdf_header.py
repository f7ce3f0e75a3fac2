"""Whether a netCDF file is whole: its size against the one its header demands.

The netCDF library reads what a truncated file of a classic format lacks as zeros, without a word.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO, NamedTuple

from paraformer.core.errors import DataError


def require_whole(path: Path | str) -> None:
    """Raise unless a netCDF file has all the bytes its header demands; files of other formats pass.

    Raises:
        DataError: there is no such file, it cannot be read, or it is truncated: file, bytes found and expected.
    """
    if not Path(path).is_file():  # a pipe would be waited for
        raise DataError(f"{path}: {'not a regular file' if Path(path).exists() else 'no such file'}")
    try:
        size = Path(path).stat().st_size
        with Path(path).open("rb") as file:
            needed = _demanded_size(file)
    except OSError as error:
        raise DataError(f"{path}: cannot read ({error.strerror or error})") from error
    except (ValueError, IndexError, KeyError) as error:
        reason = error if isinstance(error, ValueError) else f"it names type or dimension {error}"
        raise DataError(f"{path}: incomplete or damaged: {size} bytes, not a whole netCDF header ({reason})") from error
    if size < needed:
        raise DataError(f"{path}: incomplete: found {size} bytes, expected {needed} by its header")


class _Stored(NamedTuple):
    """Where a variable of a classic file lies."""

    is_record: bool
    bytes: int  # of the whole variable, or of one record
    begin: int


_TYPE_BYTES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4, 6: 8, 7: 1, 8: 2, 9: 4, 10: 8, 11: 8}
"""Bytes of a value, by the number of its type: byte, char, short, int, float, double; in CDF-5 unsigned and 64 bit."""
_ALIGNMENT = 4
_HDF5 = b"\x89HDF\r\n\x1a\n"


def _demanded_size(file: BinaryIO) -> int:
    """Bytes that a netCDF file must have; 0 for another format.

    Source: NetCDF Classic, 64-bit Offset and CDF-5 File Format Specifications (Unidata); HDF5 File Format
    Specification, II.A (the superblock holds the address of the end of the file).
    """
    magic = file.read(8)
    if len(magic) < len(_HDF5):
        raise ValueError("the file ends inside it")
    if magic == _HDF5:
        return _hdf5_size(file)
    if magic[:3] != b"CDF" or magic[3] not in (1, 2, 5):
        return 0
    file.seek(4)
    records, variables = _ClassicHeader(file, version=magic[3]).read()
    needed = max((v.begin + v.bytes for v in variables if not v.is_record), default=file.tell())
    of_records = [v for v in variables if v.is_record]
    if records and of_records:
        alone = len(of_records) == 1  # then records are not padded
        record = sum(v.bytes if alone else _padded(v.bytes) for v in of_records)
        needed = max(needed, *((records - 1) * record + v.begin + v.bytes for v in of_records))
    return needed


def _hdf5_size(file: BinaryIO) -> int:
    """Address of the end of the file, the third in the superblock."""
    version = file.read(1)[0]
    width = file.read({0: 15, 1: 19}.get(version, 3))[4 if version < 2 else 0]
    file.read(2 * width)
    return int.from_bytes(file.read(width), "little")


def _padded(size: int) -> int:
    return -(-size // _ALIGNMENT) * _ALIGNMENT


class _ClassicHeader:
    """The header of a file of a classic format, read from behind the magic number."""

    def __init__(self, file: BinaryIO, version: int) -> None:
        self.file = file
        self.count_format = ">q" if version == 5 else ">i"
        self.offset_format = ">i" if version == 1 else ">q"

    def read(self) -> tuple[int, list[_Stored]]:
        """Number of records, and the variables.

        Raises:
            ValueError: if it is no header.
        """
        records = self._number(self.count_format)
        if records < 0:
            raise ValueError("the number of records is left open, as in a stream")
        dimensions = []
        for _ in range(self._list_length(tag=10)):
            self._name()
            dimensions.append(self._count())
        self._attributes()
        return records, [self._variable(dimensions) for _ in range(self._list_length(tag=11))]

    def _variable(self, dimensions: list[int]) -> _Stored:
        self._name()
        shape = [dimensions[self._count()] for _ in range(self._count())]  # the number of dimensions stands first
        self._attributes()
        size = _TYPE_BYTES[self._number(">i")]
        self._number(self.count_format)  # the size it states is wrong for variables of 4 GiB and more
        is_record = bool(shape) and shape[0] == 0
        for length in shape[1:] if is_record else shape:
            size *= length
        return _Stored(is_record, size, self._number(self.offset_format))

    def _attributes(self) -> None:
        for _ in range(self._list_length(tag=12)):
            self._name()
            self._skip(_TYPE_BYTES[self._number(">i")] * self._count())

    def _list_length(self, tag: int) -> int:
        found, length = self._number(">i"), self._count()
        if found != tag and (found, length) != (0, 0):
            raise ValueError(f"tag {found} where {tag} should stand")
        return length

    def _name(self) -> None:
        self._skip(self._count())

    def _skip(self, length: int) -> None:
        if len(self.file.read(_padded(length))) < _padded(length):
            raise ValueError("the file ends inside it")

    def _count(self) -> int:
        number = self._number(self.count_format)
        if number < 0:
            raise ValueError("a negative number")
        return number

    def _number(self, format: str) -> int:
        found = self.file.read(struct.calcsize(format))
        if len(found) < struct.calcsize(format):
            raise ValueError("the file ends inside it")
        return int(struct.unpack(format, found)[0])
