"""Images, made byte by byte: whole ones, as small as they can be, of any size in pixels."""

import struct
import zlib


def png(width: int = 2, height: int = 2) -> bytes:
    """A grey PNG."""
    rows = b"".join(b"\0" + bytes(width) for _ in range(height))
    return (
        b"\x89PNG\r\n\x1a\n"
        + _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
        + _chunk(b"IDAT", zlib.compress(rows))
        + _chunk(b"IEND", b"")
    )


def gif(width: int = 2, height: int = 2) -> bytes:
    """The head of a GIF."""
    return b"GIF89a" + struct.pack("<HH", width, height) + b"\0\0\0;"


def jpeg(width: int = 2, height: int = 2) -> bytes:
    """The head of a JPEG as cameras write it: other segments, with fill bytes, before its frame."""
    other = b"\xff\xe0" + struct.pack(">H", 16) + b"JFIF\0" + bytes(9)
    tables = b"\xff\xff\xff\xc4" + struct.pack(">H", 5) + b"\xff\xc0\x00"
    frame = b"\xff\xc2" + struct.pack(">HBHHB", 17, 8, height, width, 3) + bytes(9)
    return b"\xff\xd8" + other + tables + frame + b"\xff\xd9"


def webp(width: int = 2, height: int = 2, kind: bytes = b"VP8X") -> bytes:
    """The head of a WebP: lossy (VP8 ), lossless (VP8L) or extended (VP8X)."""
    if kind == b"VP8X":
        sizes = [(side - 1).to_bytes(3, "little") for side in (width, height)]
        body = bytes(4) + b"".join(sizes)
    elif kind == b"VP8L":
        body = b"\x2f" + ((width - 1) | (height - 1) << 14).to_bytes(4, "little")
    else:
        body = bytes(3) + b"\x9d\x01\x2a" + struct.pack("<HH", width, height)
    chunk = kind + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", len(chunk) + 4) + b"WEBP" + chunk


def _chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
