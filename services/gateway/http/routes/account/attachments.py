"""Upload of images that go with a prompt or an instruction."""

from typing import Final

from litestar import post

from events.protocol.api.tasks import UploadedAttachment
from infra.stores.image_header import IMAGE_TYPES, MAX_IMAGE_BYTES
from services.gateway.http.dependencies import Context, CurrentPrincipal
from services.gateway.http.request_checks import TAKES, AnyRequest

_TAGS: Final = ["attachments"]


@post(
    "/v1/attachments",
    tags=_TAGS,
    summary="Upload an image",
    request_max_body_size=MAX_IMAGE_BYTES,
    opt={TAKES: IMAGE_TYPES, "answers": (409,)},
)
async def upload_attachment(
    request: AnyRequest, context: Context, principal: CurrentPrincipal
) -> UploadedAttachment:
    """Upload an image: its bytes are the body, its type the Content-Type.

    Name its id in `attachments` of a task or an instruction within a day, or it is deleted.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    content = await request.body()
    return await context.tasks.attachments.upload(principal.account, content, media_type)


ROUTES = [upload_attachment]
