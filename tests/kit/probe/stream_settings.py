"""The settings of a stream, as the server has them."""

import msgspec

from infra.log.jetstream.connection import api


async def stream_settings(connection, stream):
    answer = await api.request(connection, f"STREAM.INFO.{stream}", {})
    return msgspec.json.decode(answer)["config"]
