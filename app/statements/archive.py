"""A ZIP archive that is made file by file, each part by itself, so that another process can go on with it.

What is known of the files so far is plain data. Times in it are fixed: nothing in an archive says when it was made.
"""

import io
from collections.abc import Sequence
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import msgspec

from app.core.canonical import sha256_hex


class Member(msgspec.Struct, frozen=True):
    """A file of the archive: its SHA-256 in hex, its checksum, sizes in bytes, and where it begins."""

    name: str
    size: int
    sha256: str
    crc: int
    compressed: int
    offset: int


def packed(name: str, body: bytes, offset: int) -> tuple[bytes, Member]:
    """A file as the archive has it, to be written at `offset`."""
    buffer = io.BytesIO()
    info = _info(name)
    archive = ZipFile(buffer, "w", ZIP_DEFLATED)
    archive.writestr(info, body)
    written = buffer.getvalue()  # before it is closed: the directory comes at the end of the whole archive
    archive.close()
    return written, Member(name, len(body), sha256_hex(body), info.CRC, info.compress_size, offset)


def end_of(members: Sequence[Member]) -> int:
    """Where the next file begins."""
    if not members:
        return 0
    last = members[-1]
    header = 30 + len(last.name.encode())  # APPNOTE 4.3.7: a local header without extra fields
    return last.offset + header + last.compressed


def directory(members: Sequence[Member]) -> bytes:
    """The end of the archive: the list of its files."""
    sink = _Sink(end_of(members))
    archive = ZipFile(sink, "w", ZIP_DEFLATED)
    for member in members:
        info = _info(member.name)
        info.CRC, info.header_offset = member.crc, member.offset
        info.compress_size, info.file_size = member.compressed, member.size
        archive.filelist.append(info)
    archive.comment = b""  # also marks it as changed, so that its directory is written
    archive.close()
    return sink.getvalue()


def _info(name: str) -> ZipInfo:
    info = ZipInfo(name)  # its time is 1980-01-01, where ZIP's calendar begins
    info.compress_type = ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info


class _Sink(io.BytesIO):
    """A file of which only what follows `begin` is kept."""

    def __init__(self, begin: int) -> None:
        super().__init__()
        self._begin = begin

    def tell(self) -> int:
        return self._begin + super().tell()

    def seek(self, offset: int, whence: int = 0) -> int:
        return self._begin + super().seek(offset - self._begin if whence == 0 else offset, whence)
