"""Digests of what a model is asked, so that a replay can tell what has changed since. Pure."""

from collections.abc import Mapping, Sequence
from hashlib import sha256
from typing import Any, Final

import msgspec

from events import PromptDigest

_DIGITS: Final = 16


def digest_of(
    system: str, tools: Sequence[Mapping[str, Any]], messages: Sequence[Mapping[str, Any]]
) -> PromptDigest:
    """Return the digests of a request. `messages` refer to images, and do not hold them."""
    return PromptDigest(
        system=_digest(system), tools=_digest(tools), message=_digest(messages[-1:])
    )


def _digest(value: Any) -> str:  # noqa: ANN401 - any part of a request
    return sha256(msgspec.json.encode(value, order="sorted")).hexdigest()[:_DIGITS]
