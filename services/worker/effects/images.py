"""Images of a conversation, fetched from the object store and put into its messages."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256

from infra.runtime.telemetry import logger
from services.worker.agent.messages import ATTACHED, Message
from services.worker.ports import Blobs

_log = logger(__name__)


class Images:
    """The images of one task; each is fetched once and kept, as every request carries them all."""

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._encoded: dict[str, str | None] = {}

    async def fill(self, messages: Sequence[Message]) -> list[Message]:
        """Return messages with the content of their images. Raises Unreachable.

        An image that is not in the object store, or not as it was sent, is a line that says so:
        the same for every attempt.
        """
        return [{**each, "content": await self._filled(each["content"])} for each in messages]

    async def _filled(self, content: Sequence[Message]) -> list[Message]:
        return [
            await self._image(block["source"])
            if block.get("type") == "image" and block["source"]["type"] == ATTACHED
            else block
            for block in content
        ]

    async def _image(self, source: Message) -> Message:
        key = source["key"]
        if key not in self._encoded:
            self._encoded[key] = await self._fetched(key, source["sha256"])
        encoded = self._encoded[key]
        if encoded is None:
            return {"type": "text", "text": "[An image was attached here. It cannot be read.]"}
        media_type = source["media_type"]
        given = {"type": "base64", "media_type": media_type, "data": encoded}
        return {"type": "image", "source": given}

    async def _fetched(self, key: str, digest: str) -> str | None:
        try:
            content = await self._blobs.get(key)
        except LookupError as error:
            _log.error("image.missing", key=key, error=str(error))
            return None
        if sha256(content).hexdigest() != digest:
            _log.error("image.changed", key=key)
            return None
        return b64encode(content).decode()
