"""Upload of images that go with a prompt or an instruction."""

import asyncio
from collections.abc import Sequence
from mimetypes import guess_type
from pathlib import Path

from clients.cli.errors import CliError
from clients.cli.gateway.client import Gateway, Unreachable
from events.protocol.api.requests import AttachmentRequest
from events.protocol.api.tasks import UploadedAttachment


async def upload_images(gateway: Gateway, paths: Sequence[Path]) -> tuple[AttachmentRequest, ...]:
    """Upload images in order. Raises CliError when one cannot be read or is refused."""
    return tuple([await _upload(gateway, path) for path in paths])


async def _upload(gateway: Gateway, path: Path) -> AttachmentRequest:
    try:
        content = await asyncio.to_thread(path.read_bytes)
    except OSError as error:
        raise CliError(f"{path} cannot be read: {error.strerror}.") from None
    media_type = guess_type(path.name)[0] or "application/octet-stream"
    try:
        uploaded = await gateway.upload(
            "/v1/attachments", content, UploadedAttachment, media_type=media_type
        )
    except Unreachable as away:
        raise CliError(
            f"{path} was not uploaded, and nothing was sent: {away.message}",
            "An image is not kept for later. Send it again when the gateway answers.",
        ) from None
    except CliError as error:
        raise CliError(f"{path} was not uploaded: {error.message}", error.remedy) from None
    return AttachmentRequest(id=uploaded.id, name=path.name)
