"""Running the search program in the sandbox, and its answer as a tool's outcome."""

import json
from functools import cache
from inspect import getsource
from typing import Any, Final

import msgspec

from services.worker.ports import Sandbox
from services.worker.tools.search import files, lines, patterns, program
from services.worker.tools.text import file_text
from services.worker.tools.tool import Outcome, refused

_TIMEOUT_SECONDS: Final = 60
_OUTPUT_BYTES: Final = 64 * 1024 * 1024
_NO_PROGRAM: Final = 127
_SENT: Final = (file_text, files, patterns, lines, program)

# Makes the modules that it is sent, the last of which answers the request.
_BOOTSTRAP: Final = """
import json, sys, types
sent = json.load(sys.stdin)
for name, source in sent["modules"]:
    module = sys.modules[name] = types.ModuleType(name)
    exec(compile(source, name, "exec"), module.__dict__)
sys.stdout.write(json.dumps(module.answer(sent["request"])))
"""
_COMMAND: Final = ("python3", "-I", "-S", "-B", "-c", _BOOTSTRAP)


class _Answer(msgspec.Struct, frozen=True):
    lines: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    error: str = ""


async def search(sandbox: Sandbox, request: dict[str, Any], *, nothing: str) -> Outcome:
    """Search the sandbox's files; `nothing` is what to say when all was looked at in vain."""
    stdin = json.dumps({"modules": _modules(), "request": request}).encode()
    ended = await sandbox.execute(
        _COMMAND,
        stdin=stdin,
        timeout_seconds=_TIMEOUT_SECONDS,
        output_limit_bytes=_OUTPUT_BYTES,
    )
    if ended.is_timed_out:
        return refused(
            f"The search took longer than {_TIMEOUT_SECONDS} s and was ended; nothing is known of "
            "what it would find. Give a narrower path, or a simpler pattern."
        )
    try:
        answer = msgspec.convert(json.loads(ended.output), _Answer)
    except (ValueError, RecursionError):  # whatever is called python3 there wrote it
        return _broken(ended.exit_code, ended.output, ended.note)
    if answer.error:
        return refused(answer.error)
    told = [*(answer.lines or [nothing]), *(f"[{note}]" for note in answer.notes)]
    return Outcome(output="\n".join(told), exit_code=0 if answer.lines else 1)


def _broken(exit_code: int, output: bytes, note: str) -> Outcome:
    text = output.decode(errors="replace").strip()[-2000:]
    if exit_code == _NO_PROGRAM:
        return refused(
            "This sandbox has no python3, which glob and grep run on. Search with bash: "
            "`git ls-files`, `git grep`, `find`, `grep -r`."
        )
    return refused(f"The search failed (exit code {exit_code}). {note or text}")


@cache
def _modules() -> list[tuple[str, str]]:
    return [(module.__name__, getsource(module)) for module in _SENT]
