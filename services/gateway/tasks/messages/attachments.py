"""Attachments of prompts and instructions: which are taken, and how many a task may have. Pure."""

import re
from collections.abc import Collection, Sequence
from typing import Final

from events import Attachment, GatewayEvent, TaskInstructed, TaskSubmitted
from events.gateway import MAX_ATTACHMENTS
from events.protocol.api.requests import AttachmentRequest
from infra.stores.image_header import IMAGE_TYPES, MAX_IMAGE_PIXELS, ImageHeader, read_header
from services.gateway.problems import invalid, refused

MAX_ATTACHMENTS_PER_TASK: Final = 20
MAX_BYTES_PER_TASK: Final = 20 * 1024 * 1024
"""Every request to the model carries all images of its task: more would not fit into one."""

_MAX_NAME_CHARACTERS: Final = 200
_ID: Final = re.compile(r"att_[a-z2-7]{26}")


def require_image(content: bytes, media_type: str) -> ImageHeader:
    """Return the header of an image. Raises Refused: 415 for another type, 422 for no image."""
    if media_type not in IMAGE_TYPES:
        raise refused(
            415,
            "image_type_refused",
            f"An attachment is an image; its Content-Type is one of {', '.join(IMAGE_TYPES)}.",
        )
    header = read_header(content)
    if header is None or header.media_type != media_type:
        found = f"begins like {header.media_type}" if header else "is none, or is cut off"
        raise refused(
            422, "image_refused", f"This was sent as {media_type}, but the content {found}."
        )
    if max(header.width, header.height) > MAX_IMAGE_PIXELS:
        raise refused(
            422,
            "image_too_large",
            f"This image has {header.width} x {header.height} pixels; at most {MAX_IMAGE_PIXELS} "
            "are taken on a side. Shrink it and send it again.",
        )
    return header


def is_attachment_id(text: str) -> bool:
    """Return whether this can be the id of an attachment."""
    return _ID.fullmatch(text) is not None


def require_references(wanted: Sequence[AttachmentRequest]) -> None:
    """Refuse (422) a list of attachments that no message may have."""
    pointer = "/attachments"
    if len(wanted) > MAX_ATTACHMENTS:
        raise invalid(
            "too_many_attachments", pointer, f"At most {MAX_ATTACHMENTS} images go with a message."
        )
    if len({each.id for each in wanted}) < len(wanted):
        raise invalid("attachment_repeated", pointer, "Name each attachment once.")
    for index, each in enumerate(wanted):
        if not is_attachment_id(each.id):
            raise unknown_attachment(index)
        is_plain = each.name.isprintable() and len(each.name) <= _MAX_NAME_CHARACTERS
        if not is_plain:
            raise invalid(
                "attachment_name_refused",
                f"{pointer}/{index}/name",
                f"A name has at most {_MAX_NAME_CHARACTERS} printable characters.",
            )


def unknown_attachment(index: int) -> Exception:
    """Return the refusal (422) of an attachment that is not there."""
    return invalid(
        "attachment_not_found",
        f"/attachments/{index}/id",
        "There is no such attachment: it was never uploaded, was sent with another message, or is "
        "older than a day. Upload it again.",
    )


def require_capacity(known: Collection[Attachment], new: Sequence[Attachment]) -> None:
    """Refuse (409) more images than a task may have."""
    size = sum(each.size_bytes for each in (*known, *new))
    if len(known) + len(new) > MAX_ATTACHMENTS_PER_TASK or size > MAX_BYTES_PER_TASK:
        raise refused(
            409,
            "attachments_full",
            f"A task may have {MAX_ATTACHMENTS_PER_TASK} images of {MAX_BYTES_PER_TASK // 2**20} "
            "MiB in all. Send this without, or submit a new task.",
        )


def attachments_of(event: GatewayEvent) -> tuple[Attachment, ...]:
    """Return the attachments of an event."""
    return event.attachments if isinstance(event, TaskSubmitted | TaskInstructed) else ()


def repeated(event: GatewayEvent, wanted: Sequence[AttachmentRequest]) -> tuple[Attachment, ...]:
    """Return an event's attachments when they are those that are asked for again, else none."""
    known = attachments_of(event)
    asked = [(each.id, each.name) for each in wanted]
    return known if [(each.id, each.name) for each in known] == asked else ()
