"""Discovery of the local stacks that `make run` starts on this machine.

A stack is found by `stack.json` in its directory: in `.errand` of this folder or one above, or
wherever a file in `errand/stacks` of the user's state directory points to. It is readable by its
owner alone, and has what this command needs to pair itself.

A repository of strangers may hold such a file too. So a stack counts only when its gateway and its
forge have addresses of this machine: nothing is sent elsewhere for what a folder says.
"""

import os
import socket
from collections.abc import Iterator, Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import msgspec

from clients.cli.errors import CliError
from events.protocol.local_stack import (
    STACK_DIRECTORY,
    STACK_FILE,
    LocalStack,
    StackPointer,
    decode_local_stack,
)

_ANSWER_SECONDS: Final = 1.0


class NotLocalError(Exception):
    """A `stack.json` names an address that is not of this machine."""


def local_stack(start: Path) -> LocalStack | None:
    """Return the stack that runs in this folder or above it; None when there is none."""
    for folder in (start, *start.parents):
        try:
            return _read(folder / STACK_DIRECTORY / STACK_FILE)
        except (FileNotFoundError, NotLocalError):
            continue
        except (OSError, msgspec.DecodeError):
            return None
    return None


def named_stack(directory: Path) -> LocalStack:
    """Return the stack of a directory or its `.errand`. Raises CliError when there is none."""
    for folder in (directory, directory / STACK_DIRECTORY):
        try:
            return _read(folder / STACK_FILE)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except (OSError, msgspec.DecodeError, NotLocalError) as error:
            raise CliError(f"The stack in {folder} cannot be read: {error}") from None
    raise CliError(
        f"No stack runs in {directory}.",
        "Start one with `make run` in Errand's folder, or give a running one's directory.",
    )


def running_stacks(environment: Mapping[str, str]) -> list[LocalStack]:
    """Return the user's running stacks, wherever they were started, newest first."""
    return [stack for stack in _registered(environment) if _answers(stack.gateway)]


def _registered(environment: Mapping[str, str]) -> Iterator[LocalStack]:
    state = environment.get("XDG_STATE_HOME") or f"{environment.get('HOME', '/')}/.local/state"
    try:
        pointers = list((Path(state) / "errand" / "stacks").glob("*.json"))
        pointers.sort(key=lambda pointer: pointer.stat().st_mtime, reverse=True)
    except OSError:  # one of them has just ended
        return
    for pointer in pointers:
        try:
            yield _read(Path(msgspec.json.decode(pointer.read_bytes(), type=StackPointer).file))
        except (OSError, msgspec.DecodeError, NotLocalError):  # killed, or not ours to read
            continue


def _read(file: Path) -> LocalStack:
    stack = decode_local_stack(file.read_bytes())
    addresses = (stack.gateway, stack.nats, stack.storage.endpoint_url)
    for url in filter(None, (*addresses, stack.forge.url, stack.forge.api_url)):
        if not _is_own_address(url):
            raise NotLocalError(f"{url} is not an address of this machine")
    return msgspec.structs.replace(stack, directory=os.fspath(file.parent))


def is_same_gateway(one: str, other: str) -> bool:
    """Return whether two URLs are the same gateway; this machine has several names."""
    first, second = urlsplit(one.rstrip("/")), urlsplit(other.rstrip("/"))
    if first == second:
        return True
    ports = first.port == second.port is not None
    return ports and all(_is_here(parts.hostname or "") for parts in (first, second))


def _is_own_address(url: str) -> bool:
    """Return whether a URL's host is localhost or an IP address of this machine."""
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or _is_here(str(ip_address(host)))
    except ValueError:
        return False


def _is_here(host: str) -> bool:
    """Return whether an address belongs to this machine: only such an address can be bound."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as bound:
        try:
            bound.bind((host, 0))
        except OSError:
            return False
    return True


def _answers(gateway: str) -> bool:
    parts = urlsplit(gateway)
    try:
        with socket.create_connection((parts.hostname or "", parts.port or 0), _ANSWER_SECONDS):
            return True
    except OSError:
        return False
