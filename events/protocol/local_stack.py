"""Description of a stack that runs on this machine: the file `stack.json` in its directory.

Written by `infra.local` when the stack is up and removed when it stops; read by the `errand`
command and, through it, by the operator's commands. It holds secrets: only its owner may read it.
"""

import msgspec

STACK_DIRECTORY = ".errand"
STACK_FILE = "stack.json"


class LocalForge(msgspec.Struct, frozen=True):
    """The stack's own forge, to which local repositories are pushed."""

    url: str = ""
    api_url: str = ""
    token: str = ""


class LocalStorage(msgspec.Struct, frozen=True):
    """The stack's object store and the key to it."""

    endpoint_url: str = ""
    region: str = ""
    bucket: str = ""
    access_key_id: str = ""
    secret_access_key: str = ""


class LocalStack(msgspec.Struct, frozen=True):
    """A running stack: its addresses, and what its owner needs to sign in to each.

    `broker` is where workers call. `credentials` is the folder of the `<role>.creds` files for
    NATS. `sandbox` is a sentence: which sandbox is used, and why. `directory` is where the
    description was found.
    """

    gateway: str
    broker: str = ""
    operator_token: str = ""
    forge: LocalForge = LocalForge()
    nats: str = ""
    credentials: str = ""
    event_keys: str = ""
    events_unsigned_up_to: int = 0
    postgres_url: str = ""
    redis_url: str = ""
    storage: LocalStorage = LocalStorage()
    model: str = ""
    sandbox: str = ""
    logs: str = ""
    pid: int = 0
    directory: str = ""

    def __repr__(self) -> str:
        return f"LocalStack(gateway={self.gateway!r}, directory={self.directory!r}, …)"


class StackPointer(msgspec.Struct, frozen=True):
    """A file in the user's state directory that leads to a running stack's `stack.json`."""

    file: str


def decode_local_stack(content: bytes) -> LocalStack:
    """Decode a description. Raises msgspec.DecodeError."""
    return msgspec.json.decode(content, type=LocalStack)
