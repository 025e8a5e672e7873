"""Which gateway is meant, and as whom it is asked.

In this order: `--gateway` (or ERRAND_URL) with ERRAND_TOKEN; the stack that runs here
(`.errand/stack.json`, readable by its owner alone, lets this command pair itself); the gateway
last paired with (`errand pair`).
"""

import os
from pathlib import Path
from typing import Any

import msgspec

from clients.cli.gateway import Gateway, SignedOut, Unreachable
from clients.cli.trouble import Trouble


class Forge(msgspec.Struct, frozen=True):
    """The stack's own forge, to which local repositories are lent."""

    url: str = ""
    api_url: str = ""
    token: str = ""


class LocalStack(msgspec.Struct, frozen=True):
    """What a running stack says of itself in `.errand/stack.json`."""

    gateway: str
    operator_token: str = ""
    forge: Forge = Forge()


class Sessions(msgspec.Struct):
    """The tokens this machine holds, by gateway, and the gateway last used."""

    tokens: dict[str, str] = {}
    last: str = ""


def local_stack(start: Path) -> LocalStack | None:
    """Find the stack that runs in this folder or above it; None when there is none."""
    for folder in (start, *start.parents):
        try:
            return msgspec.json.decode(
                (folder / ".errand" / "stack.json").read_bytes(), type=LocalStack
            )
        except FileNotFoundError:
            continue
        except (OSError, msgspec.DecodeError):
            return None
    return None


class SessionFile:
    """The file that keeps the tokens, readable by its owner alone."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def read(self) -> Sessions:
        """Read the sessions; none when there is no file or it is damaged."""
        try:
            return msgspec.json.decode(self.path.read_bytes(), type=Sessions)
        except (OSError, msgspec.DecodeError):
            return Sessions()

    def keep(self, gateway: str, token: str) -> None:
        """Keep one token, atomically."""
        sessions = self.read()
        sessions.tokens[gateway] = token
        sessions.last = gateway
        self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = self.path.with_suffix(f".{os.getpid()}")
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.format(msgspec.json.encode(sessions)))
        draft.replace(self.path)


async def redeem(gateway: str, code: str, device: str) -> str:
    """Turn a pairing code into a session token. Raises Trouble when the code is not valid."""
    async with Gateway(gateway) as asked:
        body: dict[str, Any] = {"code": code, "device": {"name": device, "platform": "cli"}}
        return str((await asked.post("/v1/sessions", body))["token"])


async def sign_in(
    *,
    gateway: str,
    token: str,
    file: SessionFile,
    folder: Path,
    device: str,
    may_be_away: bool = False,
) -> Gateway:
    """Give a gateway to ask. Raises Trouble saying how to come by one.

    With `may_be_away` one that does not answer is given too, when a token for it is known.
    """
    stack = local_stack(folder)
    sessions = file.read()
    url = (gateway or (stack.gateway if stack else "") or sessions.last).rstrip("/")
    if not url:
        raise Trouble(
            "No gateway is known here.",
            "`make run` starts one on this machine; `errand pair URL CODE` signs in to another.",
        )
    known = token or sessions.tokens.get(url, "")
    if known and await _is_valid(url, known, may_be_away=may_be_away):
        return Gateway(url, known)
    if stack is None or stack.gateway.rstrip("/") != url or not stack.operator_token:
        raise Trouble(
            f"You are not signed in to {url}.",
            f"Get a pairing code there and: errand pair {url} CODE",
        )
    async with Gateway(url, stack.operator_token) as operator:
        code = str((await operator.post("/v1/pairings", {}))["code"])
    fresh = await redeem(url, code, device)
    file.keep(url, fresh)
    return Gateway(url, fresh)


async def _is_valid(url: str, token: str, *, may_be_away: bool) -> bool:
    async with Gateway(url, token) as asked:
        try:
            await asked.get("/v1/me")
        except SignedOut:
            return False
        except Unreachable:
            if not may_be_away:
                raise
        return True
