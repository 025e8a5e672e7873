"""Jobs in the background: started by one call, read and ended by later ones."""

import re
import secrets
from collections.abc import AsyncIterator

import pytest

from events import CallId
from services.worker.agent.tool_calls import Call
from services.worker.sandbox.sandbox import BackendSandbox
from services.worker.tools.tool import Outcome
from services.worker.tools.toolbox import run_call
from tests.kit.servers.sandboxes import running_sandbox

KINDS = ["bubblewrap", pytest.param("docker", marks=pytest.mark.docker), "none"]
FETCH = """
import urllib.request
direct = urllib.request.build_opener(urllib.request.ProxyHandler({}))
print(direct.open("http://127.0.0.1:PORT").read())
"""


@pytest.fixture(params=KINDS)
async def sandbox(request: pytest.FixtureRequest) -> AsyncIterator[BackendSandbox]:
    async with running_sandbox(request.param, task=f"task_{secrets.token_hex(6)}") as started:
        yield started


async def bash(sandbox: BackendSandbox, command: str, *, background: bool = False) -> Outcome:
    arguments = {"command": command, "timeout_seconds": 20, "background": background}
    return await run_call(sandbox, Call(CallId("c"), "bash", arguments), lambda _: None)


async def started(sandbox: BackendSandbox, command: str) -> tuple[str, str]:
    """Start a job; return where its output is, and the command that ends it."""
    outcome = await bash(sandbox, command, background=True)
    found = re.search(r"output: (\S+) .*To end it: (kill -- -\d+)", outcome.output, re.DOTALL)
    assert found, outcome.output
    return found[1], found[2]


async def output_when(sandbox: BackendSandbox, log: str, said: str) -> str:
    wait = f"for n in $(seq 200); do grep -q '{said}' {log} && break; sleep 0.05; done; cat {log}"
    return (await bash(sandbox, wait)).output


async def test_a_server_started_by_one_call_answers_the_next_and_is_ended_by_another(sandbox):
    serve = (
        "import http.server as h; s = h.HTTPServer(('127.0.0.1', 0), h.SimpleHTTPRequestHandler);"
        "print('port', s.server_port, flush=True); s.serve_forever()"
    )
    log, end = await started(sandbox, f'echo hello > index.html; python3 -c "{serve}"')
    port = (await output_when(sandbox, log, "^port")).split()[1]
    await sandbox.write("fetch.py", FETCH.replace("PORT", port).encode())
    asked = await bash(sandbox, "python3 fetch.py")
    assert asked.output == "b'hello\\n'"
    assert '"GET / HTTP/1.1" 200' in await output_when(sandbox, log, "GET")
    assert (await bash(sandbox, end)).exit_code == 0
    assert (await bash(sandbox, "python3 fetch.py")).exit_code == 1
    assert (await bash(sandbox, f"ls {log}")).exit_code == 0


async def test_a_job_has_what_the_shell_has_and_tells_its_exit_code(sandbox):
    await bash(sandbox, 'mkdir -p here; cd here; word=shown; greet() { echo "$1 $word"; }')
    log, _ = await started(sandbox, "greet 'it'\"'\"'s'; pwd; cat; exit 7")
    told = await output_when(sandbox, log, "exit code")
    assert told.splitlines()[0] == "it's shown"
    assert told.splitlines()[1].endswith("/here")
    assert told.splitlines()[-1] == "[ended with exit code 7]"
    assert (await bash(sandbox, "echo $word")).output == "shown"


async def test_jobs_do_not_write_into_each_others_output_nor_into_that_of_a_call(sandbox):
    first, _ = await started(sandbox, "echo one; echo two >&2")
    second, _ = await started(sandbox, "echo three; if")
    assert first != second
    assert (await output_when(sandbox, first, "code")).splitlines()[:2] == ["one", "two"]
    assert "syntax error" in await output_when(sandbox, second, "code")
    assert (await bash(sandbox, "echo alone")).output == "alone"


async def test_a_job_ends_with_the_sandbox():
    task = f"task_{secrets.token_hex(6)}"
    async with running_sandbox("bubblewrap", task=task) as sandbox:
        await started(sandbox, "sleep 300")
        [shell] = [each for each in sandbox._backend._running if not each.is_ended]
    assert shell.is_ended
