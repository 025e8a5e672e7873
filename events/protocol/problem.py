"""Problems (RFC 9457): why a request was refused, the same over HTTP, stream and broker."""

from typing import Final

import msgspec

MEDIA_TYPE: Final = "application/problem+json"


class Fault(msgspec.Struct, frozen=True):
    """One thing wrong in a request. `pointer` is a JSON pointer (RFC 6901) into its body."""

    pointer: str
    detail: str
    code: str = "invalid"


class Problem(msgspec.Struct, frozen=True, kw_only=True):
    """Problem details. `retryable` means: the very same request may succeed later."""

    type: str
    title: str
    status: int
    detail: str
    code: str
    errors: tuple[Fault, ...] = ()
    retryable: bool = False
    request_id: str = ""
