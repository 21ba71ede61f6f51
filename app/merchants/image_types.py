"""The format and size of a picture, read from its first bytes and never from its file name.

Only three raster formats: an SVG is a document that can carry scripts.
"""

import struct

import msgspec

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"  # W3C PNG, section 5.2
JPEG_START = b"\xff\xd8\xff"  # ITU-T T.81, annex B: SOI and the next marker

_JPEG_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
"""Start-of-frame markers, which hold the size; the three left out are tables (ITU-T T.81, table B.1)."""


class Raster(msgspec.Struct, frozen=True):
    """A picture's media type and size in pixels."""

    media_type: str
    width: int
    height: int


def inspect(data: bytes) -> Raster | None:
    """Media type and size of the picture in `data`; None for another format or a truncated header."""
    try:
        if data.startswith(PNG_SIGNATURE):
            return _png(data)
        if data.startswith(JPEG_START):
            return _jpeg(data)
        if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
            return _webp(data)
    except (struct.error, IndexError):
        return None
    return None


def _png(data: bytes) -> Raster | None:
    length, kind, width, height = struct.unpack_from(">I4sII", data, 8)
    whole = kind == b"IHDR" and length == 13 and data.rstrip(b"\0").endswith(b"IEND\xaeB`\x82")
    return Raster("image/png", width, height) if whole else None


def _jpeg(data: bytes) -> Raster | None:
    place = 2
    while data[place] == 0xFF:
        marker = data[place + 1]
        if marker == 0xFF:  # fill bytes before a marker
            place += 1
            continue
        length, _, height, width = struct.unpack_from(">HBHH", data, place + 2)
        if marker in _JPEG_FRAMES:
            return Raster("image/jpeg", width, height)
        place += 2 + length
    return None


def _webp(data: bytes) -> Raster | None:
    """The first chunk of RFC 9649: lossy, lossless or extended."""
    kind = data[12:16]
    if struct.unpack_from("<I", data, 4)[0] + 8 > len(data):
        return None
    if kind == b"VP8 " and data[23:26] == b"\x9d\x01\x2a":
        width, height = struct.unpack_from("<HH", data, 26)
        return Raster("image/webp", width & 0x3FFF, height & 0x3FFF)
    if kind == b"VP8L" and data[20] == 0x2F:
        bits = struct.unpack_from("<I", data, 21)[0]
        return Raster("image/webp", (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1)
    if kind == b"VP8X":
        return Raster(
            "image/webp", int.from_bytes(data[24:27], "little") + 1, int.from_bytes(data[27:30], "little") + 1
        )
    return None
