"""Headers of images: what kind an image is by its first bytes, and its size in pixels. Pure.

The kinds and limits are those of the model provider (Anthropic's "Vision"). It counts an image as
it is sent, in base64, which is a third longer than the image: so the limit in bytes is three
quarters of its 5 MiB.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

MAX_BASE64_BYTES: Final = 5 * 1024 * 1024
MAX_IMAGE_BYTES: Final = MAX_BASE64_BYTES // 4 * 3
MAX_IMAGE_PIXELS: Final = 8000
"""The longest side that the provider takes."""

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_JPEG: Final = b"\xff\xd8\xff"
_NO_FRAME: Final = frozenset({0xC4, 0xC8, 0xCC})  # of 0xC0 to 0xCF, those that begin no frame
_FIRST_FRAME: Final = 0xC0
_LAST_FRAME: Final = 0xCF


class ImageHeader(NamedTuple):
    """The kind of an image, and its size in pixels."""

    media_type: str
    width: int
    height: int


def read_header(content: bytes) -> ImageHeader | None:
    """Read the header of an image; None of what is no PNG, JPEG, GIF or WebP, or is cut off."""
    for media_type, read_size in _READERS.items():
        try:
            size = read_size(content)
        except IndexError:
            continue
        if size is not None and min(size) > 0:
            return ImageHeader(media_type, *size)
    return None


def _png(content: bytes) -> tuple[int, int] | None:
    if not content.startswith(_PNG) or content[12:16] != b"IHDR":
        return None
    return _number(content, 16, 4, "big"), _number(content, 20, 4, "big")


def _gif(content: bytes) -> tuple[int, int] | None:
    if content[:6] not in (b"GIF87a", b"GIF89a"):
        return None
    return _number(content, 6, 2, "little"), _number(content, 8, 2, "little")


def _jpeg(content: bytes) -> tuple[int, int] | None:
    """Walk from segment to segment, to the one that begins the frame."""
    if not content.startswith(_JPEG):
        return None
    at = 2
    while content[at] == 0xFF:  # noqa: PLR2004 - every segment begins so
        marker = content[at + 1]
        if marker == 0xFF:  # noqa: PLR2004 - a byte that fills
            at += 1
        elif _FIRST_FRAME <= marker <= _LAST_FRAME and marker not in _NO_FRAME:
            return _number(content, at + 7, 2, "big"), _number(content, at + 5, 2, "big")
        else:
            at += 2 + max(2, _number(content, at + 2, 2, "big"))
    return None


def _webp(content: bytes) -> tuple[int, int] | None:
    if content[:4] != b"RIFF" or content[8:12] != b"WEBP":
        return None
    match content[12:16]:
        case b"VP8X":
            return _number(content, 24, 3, "little") + 1, _number(content, 27, 3, "little") + 1
        case b"VP8L" if content[20] == 0x2F:  # noqa: PLR2004 - its signature
            bits = _number(content, 21, 4, "little")
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 " if content[23:26] == b"\x9d\x01\x2a":
            width, height = _number(content, 26, 2, "little"), _number(content, 28, 2, "little")
            return width & 0x3FFF, height & 0x3FFF
        case _:
            return None


def _number(content: bytes, at: int, size: int, order: str) -> int:
    """Read a number. Raises IndexError when it is not all there."""
    digits = content[at : at + size]
    if len(digits) < size:
        raise IndexError(at)
    return int.from_bytes(digits, "big" if order == "big" else "little")


_READERS: Final[Mapping[str, Callable[[bytes], tuple[int, int] | None]]] = MappingProxyType(
    {"image/png": _png, "image/jpeg": _jpeg, "image/gif": _gif, "image/webp": _webp}
)
IMAGE_TYPES: Final = tuple(_READERS)
"""The media types of images."""
