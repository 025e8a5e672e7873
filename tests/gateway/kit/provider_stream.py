"""A provider's answer to a streamed model call, event by event, and the parser that reads it."""

import json

from services.gateway.broker.accounting.usage_parser import UsageParser

USAGE = {
    "input_tokens": 7,
    "output_tokens": 1,
    "cache_creation_input_tokens": 5,
    "cache_read_input_tokens": 3,
    "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 2},
}


def event(name, **fields):
    return f"event: {name}\ndata: {json.dumps({'type': name, **fields})}\n\n".encode()


START = event("message_start", message={"model": "claude-sonnet-5-5", "usage": USAGE})


def parser_after(*pieces, is_stream=True):
    parser = UsageParser(is_stream=is_stream)
    for piece in pieces:
        parser.feed(piece)
    return parser
