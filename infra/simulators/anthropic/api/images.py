"""The rules of images in a request. Source: Anthropic's Messages API reference, "Vision"."""

import binascii
from base64 import b64decode
from collections.abc import Iterator
from typing import Final

from infra.simulators.anthropic.api.errors import invalid
from infra.simulators.anthropic.api.request import Image, Prompt, ToolResult
from infra.stores.image_header import (
    IMAGE_TYPES,
    MAX_BASE64_BYTES,
    MAX_IMAGE_PIXELS,
    read_header,
)

MAX_IMAGES: Final = 100
MANY_IMAGES: Final = 20
MAX_PIXELS_OF_MANY: Final = 2000
"""With more than twenty images in a request, none may be longer on a side."""

_FIELDS: Final = {
    "base64": {"type", "media_type", "data"},
    "url": {"type", "url"},
    "file": {"type", "file_id"},
}


def check_images(prompt: Prompt) -> None:
    """Refuse (400) images that the API would not take."""
    found = list(_images(prompt))
    if len(found) > MAX_IMAGES:
        raise invalid("messages", f"too many images: {len(found)} > {MAX_IMAGES}")
    most = MAX_PIXELS_OF_MANY if len(found) > MANY_IMAGES else MAX_IMAGE_PIXELS
    for where, image in found:
        _check(image, f"{where}.image.source", max_pixels=most)


def _images(prompt: Prompt) -> Iterator[tuple[str, Image]]:
    for index, message in enumerate(prompt.messages):
        if isinstance(message.content, str):
            continue
        for place, block in enumerate(message.content):
            where = f"messages.{index}.content.{place}"
            if isinstance(block, Image):
                yield where, block
            elif isinstance(block, ToolResult) and isinstance(block.content, list):
                for inner, part in enumerate(block.content):
                    if isinstance(part, Image):
                        yield f"{where}.tool_result.content.{inner}", part


def _check(image: Image, where: str, *, max_pixels: int) -> None:
    source = image.source
    kind = source.get("type")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise invalid(where, "Input tag does not match any of: 'base64', 'url', 'file'")
    for name in sorted(fields - source.keys()):
        raise invalid(f"{where}.{kind}.{name}", "Field required")
    for name in sorted(source.keys() - fields):
        raise invalid(f"{where}.{kind}.{name}", "Extra inputs are not permitted")
    if kind == "base64":
        _check_content(source["media_type"], source["data"], f"{where}.base64", max_pixels)


def _check_content(media_type: object, data: object, where: str, max_pixels: int) -> None:
    if media_type not in IMAGE_TYPES:
        raise invalid(
            f"{where}.media_type",
            "Input should be 'image/jpeg', 'image/png', 'image/gif' or 'image/webp'",
        )
    if not isinstance(data, str) or not data:
        raise invalid(f"{where}.data", "Input should be a valid string")
    if len(data) > MAX_BASE64_BYTES:
        raise invalid(
            where, f"image exceeds 5 MB maximum: {len(data)} bytes > {MAX_BASE64_BYTES} bytes"
        )
    try:
        header = read_header(b64decode(data, validate=True))
    except (binascii.Error, ValueError):
        raise invalid(f"{where}.data", "invalid base64 data") from None
    if header is None:
        raise invalid(where, "Could not process image")
    if header.media_type != media_type:
        raise invalid(where, f"Image does not match the provided media type {media_type}")
    if max(header.width, header.height) > max_pixels:
        raise invalid(
            f"{where}.data",
            f"At least one of the image dimensions exceed max allowed size: {max_pixels} pixels",
        )
