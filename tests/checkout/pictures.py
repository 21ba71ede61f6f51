"""The smallest images of each kind, and files that only claim to be one."""

import base64
import struct
import zlib


def png(width: int, height: int) -> bytes:
    """A black PNG of that size."""
    return _png(width, height, 1, 0, (b"\0" + b"\0" * ((width + 7) // 8)) * height)


def white_png(side: int) -> bytes:
    """A white disc on nothing: on a white square it can't be seen."""
    rows = bytearray()
    for y in range(side):
        rows += b"\0"
        for x in range(side):
            inside = (2 * x - side) ** 2 + (2 * y - side) ** 2 < side * side
            rows += b"\xff\xff\xff\xff" if inside else b"\0\0\0\0"
    return _png(side, side, 8, 6, bytes(rows))


def _png(width: int, height: int, depth: int, kind: int, rows: bytes) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PNG = png(44, 44)
JPEG = (
    b"\xff\xd8\xff\xe0\x00\x10JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"
    b"\xff\xc0\x00\x0b\x08\x00\x30\x00\x40\x01\x01\x11\x00\xff\xd9"
)
"""A head of 64 × 48; no browser would show more than that."""
WEBP = base64.b64decode("UklGRhoAAABXRUJQVlA4TA0AAAAvAAAAEAcQERGIiP4HAA==")
"""One pixel, lossless."""

NO_PICTURES = {
    "an SVG": b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "HTML": b"<!doctype html><script>alert(1)</script>",
    "a PNG cut off": PNG[:30],
    "a PNG with a tail": PNG + b"<script>alert(1)</script>",
    "a GIF": b"GIF89a\x01\x00\x01\x00",
    "nothing": b"",
    "a JPEG's start": b"\xff\xd8\xff",
}
