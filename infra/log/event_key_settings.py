"""The keys that prove who wrote an event, read from EVENT_KEYS and EVENTS_UNSIGNED_UP_TO."""

from collections.abc import Mapping

import msgspec

from infra.log.event_mac import EventKeys, InvalidKeys, read_keys
from infra.runtime.settings import Misconfigured, read


class _Settings(msgspec.Struct, frozen=True, kw_only=True):
    event_keys: str
    events_unsigned_up_to: int = 0


def event_keys(environment: Mapping[str, str]) -> EventKeys:
    """Read EVENT_KEYS and EVENTS_UNSIGNED_UP_TO. Raises Misconfigured, never with a key in it."""
    settings = read(_Settings, environment)
    return make_event_keys(settings.event_keys, settings.events_unsigned_up_to)


def make_event_keys(text: str, unsigned_up_to: int) -> EventKeys:
    """Read the keys of a service's settings. Raises Misconfigured, never with a key in it."""
    if unsigned_up_to < 0:
        raise Misconfigured("EVENTS_UNSIGNED_UP_TO is a sequence of the log, 0 or more.")
    try:
        return read_keys(text, unsigned_up_to=unsigned_up_to)
    except InvalidKeys as error:
        raise Misconfigured(
            f"EVENT_KEYS cannot be used: {error}. See docs/operate/operations.md."
        ) from None
