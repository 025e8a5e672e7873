"""The web app's generated types: events, frames of the stream, and answers of the HTTP API."""

import pkgutil
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, Final, get_args, get_type_hints

import msgspec

from events import InstructionMode, Policy, TaskEvent, Verdict, limits
from events import Scope as ApprovalScope
from events.codec import Envelope
from events.protocol import frames, task_state
from events.protocol.api import requests, sessions, tasks
from events.protocol.ephemeral import Ephemeral, EphemeralKind
from events.protocol.problem import Problem
from infra.documents import Documents
from infra.documents.typescript import TypeScriptModule, constant
from services.gateway.http import routes
from services.gateway.tasks.command_declarations import COMMANDS

WEB_MODEL: Final = Path(__file__).parent.parent / "clients" / "web" / "src" / "model" / "generated"

EVENTS_FILE: Final = "events.gen.ts"
API_FILE: Final = "api.gen.ts"
FRAMES_FILE: Final = "frames.gen.ts"

_CONSTANTS: Final = (
    "SUBPROTOCOL",
    "INBOX",
    "MAX_FRAME_BYTES",
    "MAX_SUBSCRIPTIONS",
    "MAX_SEEN_CURSORS",
)
_CLOSE_CODES: Final = (
    "GOING_AWAY",
    "TOKEN_EXPIRED",
    "RATE_LIMITED",
    "SLOW",
    "POSITION_LOST",
    "NO_PONG",
    "BAD_FRAME",
    "WRONG_VERSION",
    "NO_HELLO",
    "REVOKED",
    "FORBIDDEN",
    "REPLACED",
    "TOO_MANY",
)
_NOT_FOR_PEOPLE: Final = frozenset({"services.gateway.http.routes.broker"})


def web_types() -> Documents:
    """Make the generated files, by their path below clients/web/src/model/generated."""
    events = _events()
    api = _api(events)
    modules = (events, api, _frames(events, api))
    return {module.name: module.text() for module in modules}


def _events() -> TypeScriptModule:
    module = TypeScriptModule(
        EVENTS_FILE,
        literals={
            "InstructionMode": InstructionMode,
            "Policy": Policy,
            "Verdict": Verdict,
            "ApprovalScope": ApprovalScope,
        },
    )
    facts = get_args(TaskEvent)
    tags = ",\n  ".join(f'"{fact.__struct_config__.tag}"' for fact in facts)
    module.reference(Envelope)
    module.add_union("Fact", facts, "What happened; `type` says which.")
    module.add(
        "/** An event as it is stored and sent. */\nexport type StoredEvent = Envelope & Fact;"
    )
    module.add(f"export const EVENT_TYPES: ReadonlySet<string> = new Set([\n  {tags},\n]);")
    module.add(constant("MAX_TEXT_CHARACTERS", limits.MAX_TEXT_CHARACTERS))
    return module


def _api(events: TypeScriptModule) -> TypeScriptModule:
    module = TypeScriptModule(
        API_FILE,
        literals={
            "Phase": task_state.Phase,
            "Waiting": task_state.Waiting,
            "Role": sessions.Role,
            "CredentialScope": sessions.Scope,
            "Effort": requests.Effort,
            "MessageRole": tasks.MessageRole,
        },
        imports=(events,),
        raw="StoredEvent",
    )
    module.import_type(EVENTS_FILE, "StoredEvent")
    for struct in sorted(
        {*_structs_of_routes(), tasks.EventPage, Problem}, key=lambda struct: struct.__name__
    ):
        module.reference(struct)
    operations = "".join(
        f"  readonly {command.op}: {module.reference(command.request)};\n" for command in COMMANDS
    )
    module.add(
        "/** The arguments of each operation of a `cmd` frame. */\n"
        f"export interface CommandArguments {{\n{operations}}}"
    )
    return module


def _frames(events: TypeScriptModule, api: TypeScriptModule) -> TypeScriptModule:
    module = TypeScriptModule(
        FRAMES_FILE,
        literals={
            "Visibility": frames.Visibility,
            "ResetReason": frames.ResetReason,
            "AskKind": frames.AskKind,
            "EphemeralKind": EphemeralKind,
        },
        imports=(events, api),
        all_defaults_optional=True,
    )
    module.add_union("FromDevice", get_args(frames.Said), "A frame of the device: one object.")
    received = (*frames.ToDevice.__subclasses__(), Ephemeral)
    module.add_union("ToDevice", received, "An item of a frame of the server.")
    for name in _CONSTANTS:
        module.add(constant(name, getattr(frames, name)))
    codes = "".join(f"  {name}: {getattr(frames, name)},\n" for name in _CLOSE_CODES)
    module.add(f"export const CLOSE = {{\n{codes}}} as const;")
    module.add(constant("MIN_STOP_CODE", frames.STOP_CODES.start))
    module.add(constant("MAX_STOP_CODE", frames.STOP_CODES.stop - 1))
    return module


def _structs_of_routes() -> Iterator[type[msgspec.Struct]]:
    """Yield the bodies and answers of every route that people's clients may use."""
    for found in pkgutil.walk_packages(routes.__path__, f"{routes.__name__}."):
        if found.name in _NOT_FOR_PEOPLE:
            continue
        for handler in getattr(import_module(found.name), "ROUTES", ()):
            hints = get_type_hints(handler.fn)
            for name in ("data", "return"):
                yield from _structs_inside(hints.get(name))


def _structs_inside(annotation: Any) -> Iterator[type[msgspec.Struct]]:  # noqa: ANN401 - any annotation
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        yield annotation
    for inner in get_args(annotation):
        yield from _structs_inside(inner)
