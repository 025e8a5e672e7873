"""Errors of the object store, and those of boto that mean it is unavailable for now."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    HTTPClientError,
    IncompleteReadError,
    ResponseStreamingError,
)
from botocore.exceptions import (
    ConnectionError as BotoConnectionError,
)
from prometheus_client import Gauge

_BUSY: Final = frozenset(
    {"SlowDown", "RequestTimeout", "RequestTimeoutException", "InternalError", "ServiceUnavailable"}
    | {"Throttling", "ThrottlingException", "RequestLimitExceeded", "BandwidthLimitExceeded"}
)

available: Final = Gauge(
    "errand_object_store_available", "Whether the last use of the object store found it available."
)


class StorageFailed(Exception):
    """The object store did not do what was asked; `code` is its own reason, if it gave one.

    The text says what failed and what to check.
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class NoSuchObject(StorageFailed):
    """There is no object of that key, or no such bucket."""


class ObjectStoreUnavailable(StorageFailed):
    """The object store cannot do it now. The text says what it, or the way to it, said."""


@contextmanager
def s3_errors() -> Iterator[None]:
    """Turn the errors inside that mean an unavailable store into ObjectStoreUnavailable."""
    try:
        yield
    except (BotoCoreError, ClientError, OSError) as error:
        if not is_unavailable(error):
            raise
        available.set(0)
        raise ObjectStoreUnavailable(f"{type(error).__name__}: {error}") from error
    available.set(1)


def is_unavailable(error: BaseException) -> bool:
    """Return whether an error means that the object store is unavailable for now."""
    match error:
        case ClientError():
            code = error_code(error)
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            is_failing = status >= HTTPStatus.INTERNAL_SERVER_ERROR
            return is_failing or status == HTTPStatus.TOO_MANY_REQUESTS or code in _BUSY
        case BotoConnectionError() | HTTPClientError() | ResponseStreamingError():
            return True  # endpoint, timeouts, TLS, a connection that broke
        case IncompleteReadError() | OSError():
            return True
        case _:
            return False


def error_code(error: BaseException) -> str:
    """Return the object store's own code of an error; empty when it gave none."""
    if not isinstance(error, ClientError):
        return ""
    return str(error.response.get("Error", {}).get("Code", ""))
