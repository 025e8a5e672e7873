"""The attempt that a request to the broker comes from: its token, however it is sent."""

from base64 import b64decode
from binascii import Error as NotBase64

from litestar.di import NamedDependency
from litestar.params import SkipValidation

from services.gateway.broker.assembly import Broker
from services.gateway.broker.attempts import TokenHolder
from services.gateway.http.request_checks import AnyRequest, bearer
from services.gateway.problems import unauthenticated

CurrentBroker = NamedDependency[SkipValidation[Broker]]


async def token_holder(request: AnyRequest, broker: Broker) -> TokenHolder:
    """Return the attempt whose token a request carries. Raises Refused (401)."""
    token = bearer(request) or _password(request)
    holder = await broker.attempts.holder(token) if token else None
    if holder is None:
        raise unauthenticated()
    return holder


def _password(request: AnyRequest) -> str:
    """Read the password of Basic credentials, as git sends them; empty when there is none."""
    scheme, _, pair = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(pair, validate=True).decode().partition(":")[2]
    except (NotBase64, UnicodeDecodeError):
        return ""
