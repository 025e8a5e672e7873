"""Git over HTTP: `git http-backend` as CGI, its request and its answer streamed.

Source: gitprotocol-http(5), git-http-backend(1), RFC 3875.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.simulators.github.git.command import CONFIGURATION, environment, running
from infra.simulators.github.http.messages import Refusal, Request, Send, send_start

_PIECE_BYTES = 1 << 16
_PATH = re.compile(
    r"/(?P<owner>[^/]+)/(?P<name>[^/]+?)(?:\.git)?/"
    r"(?P<what>info/refs|git-upload-pack|git-receive-pack)"
)
_PUSH = "git-receive-pack"
_SERVICES = ("git-upload-pack", _PUSH)


@dataclass(frozen=True)
class GitCall:
    """Request of a git client: the info of a service, or the service itself."""

    owner: str
    name: str
    service: str
    is_info: bool

    @property
    def is_push(self) -> bool:
        """Return whether it is part of a push."""
        return self.service == _PUSH


def recognise(request: Request) -> GitCall | None:
    """Read a git client's request; None when it is no such thing.

    Raises Refusal 403 for the old protocol that fetched files one by one.
    """
    matched = _PATH.fullmatch(request.path)
    if matched is None:
        return None
    is_info = matched["what"] == "info/refs"
    if request.method != ("GET" if is_info else "POST"):
        raise Refusal(405, "Method Not Allowed")
    service = request.query.get("service", "") if is_info else matched["what"]
    if service not in _SERVICES:
        raise Refusal(403, "Please upgrade your git client: this forge speaks smart HTTP only.")
    return GitCall(matched["owner"], matched["name"], service, is_info)


def cgi_variables(
    request: Request, call: GitCall, *, repository: Path, login: str
) -> dict[str, str]:
    """Return the request as CGI variables; a chunked body has no length and ends with the pipe."""
    place = "info/refs" if call.is_info else call.service
    variables = {
        "GATEWAY_INTERFACE": "CGI/1.1",
        "GIT_PROJECT_ROOT": str(repository.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "REQUEST_METHOD": request.method,
        "PATH_INFO": f"/{repository.name}/{place}",
        "QUERY_STRING": f"service={call.service}" if call.is_info else "",
        "REMOTE_ADDR": request.client,
        "REMOTE_USER": login,
    }
    for variable, header in (
        ("CONTENT_TYPE", "content-type"),
        ("CONTENT_LENGTH", "content-length"),
        ("HTTP_CONTENT_ENCODING", "content-encoding"),
        ("GIT_PROTOCOL", "git-protocol"),
    ):
        if value := request.headers.get(header):
            variables[variable] = value
    return variables


_DECLINE = "#!/bin/sh\nprintf '%s\\n' \"$ERRAND_DECLINED\" >&2\nexit 1\n"


def declining(words: str, repository: Path) -> dict[str, str]:
    """Have git decline the push with the words of the repository's rules, as a hook does."""
    hooks = repository / "declining-hooks"
    hooks.mkdir(exist_ok=True)
    hook = hooks / "pre-receive"
    hook.write_text(_DECLINE)
    hook.chmod(0o755)
    count = len(CONFIGURATION)
    return {
        "GIT_CONFIG_COUNT": str(count + 1),
        f"GIT_CONFIG_KEY_{count}": "core.hooksPath",
        f"GIT_CONFIG_VALUE_{count}": str(hooks),
        "ERRAND_DECLINED": words,
    }


@dataclass(frozen=True)
class Backend:
    """Runs `git http-backend` for one request after another.

    `drop_reply`: do all that was asked, then end the connection before the answer's body.
    """

    path: str
    drop_reply: bool = False

    async def serve(
        self,
        request: Request,
        variables: Mapping[str, str],
        send: Send,
        *,
        settle: Callable[[], Awaitable[object]],
        headers: Mapping[str, str],
    ) -> None:
        """Serve one request; `settle` is awaited when git is done and before the answer ends."""
        command = ("git", "http-backend")
        async with (
            running(command, environment(self.path, variables), errors=None) as process,
            asyncio.TaskGroup() as group,
        ):
            feeding = group.create_task(_feed(request, process.stdin))
            await self._answer(process.stdout, send, settle=settle, headers=headers)
            feeding.cancel()
            await process.wait()

    async def _answer(
        self,
        pipe: asyncio.StreamReader | None,
        send: Send,
        *,
        settle: Callable[[], Awaitable[object]],
        headers: Mapping[str, str],
    ) -> None:
        if pipe is None:
            return
        status, sent = await _read_head(pipe)
        started = {**sent, **headers}
        await send_start(status, started, send)
        while piece := await pipe.read(_PIECE_BYTES):
            if not self.drop_reply:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
        await settle()
        if not self.drop_reply:
            await send({"type": "http.response.body", "body": b""})


async def _read_head(pipe: asyncio.StreamReader) -> tuple[int, dict[str, str]]:
    """Read CGI's head: the status, 200 unless said, and the headers; 502 when there is none."""
    try:
        head = await pipe.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return 502, {"content-type": "text/plain"}
    pairs = (line.split(":", 1) for line in head.decode("latin-1").split("\r\n") if ":" in line)
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    status = int(headers.pop("status", "200").split(" ", 1)[0])
    return status, headers


async def _feed(request: Request, pipe: asyncio.StreamWriter | None) -> None:
    """Hand the body on as it comes; when the client leaves, git sees it end too early."""
    if pipe is None:
        return
    try:
        more = True
        while more:
            message = await request.receive()
            more = message["type"] == "http.request" and message.get("more_body", False)
            pipe.write(message.get("body", b""))
            await pipe.drain()
        pipe.close()
    except (BrokenPipeError, ConnectionResetError):
        return  # git has read enough; its answer says why
