"""A bash that waits in the sandbox for scripts of our own.

To start a program in namespaces of its own takes longer than most of these scripts run. Each runs
in a subshell, so that nothing of it is left for the next. Its output is followed by a marker that
nobody inside can know before. What a script says may be a lie anyway: the programs that it calls
look at files of the agent's. A bash that was cut off, or whose script did not read its whole input,
is not used again.
"""

import re
import secrets
from collections.abc import Sequence
from typing import Final

from services.worker.ports import BASH
from services.worker.sandbox.backend import STDERR, STDOUT, RunningCommand, SandboxBackend

_MAX_WAITING: Final = 2
_MARK: Final = b"\x1e"
_MAX_MARKER_BYTES: Final = 128

# Reads "script <number> <text>" and "run <nonce> <number> <size> <argument>…", all escaped for
# `printf %b`, the latter followed by <size> bytes of input. Answers each run with what it wrote and
# a marker on each stream: the nonce, the script's exit code, and that of what fed it. Without a
# sandbox /workspace is another directory.
_LOOP: Final = r"""
set -f
declare -A scripts
while IFS=' ' read -r kind rest; do
  if [ "$kind" = script ]; then
    printf -v text %b "${rest#* }"; scripts[${rest%% *}]=$text; continue
  fi
  IFS=' ' words=($rest) arguments=()
  unset IFS
  for each in "${words[@]:3}"; do
    printf -v each %b "$each"
    case $each in /workspace | /workspace/*) each=$WORKSPACE${each#/workspace} ;; esac
    arguments+=("$each")
  done
  text=${scripts[${words[1]}]} fed=0
  if [ "${words[2]}" = 0 ]; then
    ( cd -- "$WORKSPACE"; set +f -- "${arguments[@]}"; eval "$text" ) </dev/null
    code=$?
  else
    head -c "${words[2]}" |
      ( cd -- "$WORKSPACE"; set +f -- "${arguments[@]}"; eval "$text" )
    codes=("${PIPESTATUS[@]}") code=${codes[1]} fed=${codes[0]}
  fi
  printf '\036%s %d %d\036' "${words[0]}" "$code" "$fed"
  printf '\036%s\036' "${words[0]}" >&2
done
"""
_COMMAND: Final = (*BASH, _LOOP)

_ESCAPES: Final = {0: "", 1: "\\0001", 10: "\\n", 32: "\\0040", 92: "\\\\", 127: "\\0177"}


def escaped(text: str) -> str:
    """Return a text as one word that bash's `printf %b` turns into what it was, without NULs."""
    return text.translate(_ESCAPES) + "\\c"


class ScriptRunner:
    """Keeps bashes that wait, at most two of them, and starts another when both are at work."""

    def __init__(self, backend: SandboxBackend) -> None:
        self._backend = backend
        self._waiting: list[_Bash] = []
        self._at_work: set[_Bash] = set()
        self._numbers: dict[str, int] = {}

    async def start(
        self, script: str, arguments: Sequence[str], *, input_bytes: int
    ) -> "ScriptRun":
        """Start a script; so much input is to be sent. Raises SandboxUnavailable."""
        number = self._numbers.setdefault(script, len(self._numbers))
        bash = await self._free()
        self._at_work.add(bash)
        nonce = secrets.token_hex(16)
        words = ("run", nonce, str(number), str(input_bytes), *map(escaped, arguments))
        known = b"" if number in bash.scripts else f"script {number} {escaped(script)}\n".encode()
        bash.scripts.add(number)
        await bash.running.send(known + " ".join(words).encode() + b"\n")
        return ScriptRun(self, bash, nonce)

    async def end(self) -> None:
        """End every bash that waits or works."""
        waiting, self._waiting = self._waiting, []
        for bash in (*waiting, *self._at_work):
            await bash.running.kill()

    def take_back(self, bash: "_Bash") -> bool:
        """Keep a bash for the next script; False when there are enough of them."""
        self._at_work.discard(bash)
        if len(self._waiting) >= _MAX_WAITING:
            return False
        self._waiting.append(bash)
        return True

    def give_up(self, bash: "_Bash") -> None:
        """Forget a bash that is not to be used again."""
        self._at_work.discard(bash)

    async def _free(self) -> "_Bash":
        while self._waiting:
            bash = self._waiting.pop()
            if not bash.running.is_ended:
                return bash
            await bash.running.kill()
        return _Bash(await self._backend.start_command(_COMMAND, is_split=True))


class _Bash:
    """A bash, and the numbers of the scripts that it was sent."""

    def __init__(self, running: RunningCommand) -> None:
        self.running = running
        self.scripts: set[int] = set()


class ScriptRun:
    """A RunningCommand: one script, as if it were a process of its own.

    `is_lost`: its bash ended before it, so that nothing is known of what it did.
    """

    def __init__(self, runner: ScriptRunner, bash: _Bash, nonce: str) -> None:
        self._runner = runner
        self._bash = bash
        mark, word = re.escape(_MARK), nonce.encode()
        self._ends = {
            STDOUT: re.compile(mark + word + rb" (\d+) (\d+)" + mark),
            STDERR: re.compile(mark + word + mark),
        }
        self._held = {STDOUT: b"", STDERR: b""}
        self._code: int | None = None
        self._is_reusable = False
        self.is_lost = False

    @property
    def is_ended(self) -> bool:
        """Return whether it is known to have ended."""
        return not self._ends or self._bash.running.is_ended

    async def send(self, content: bytes) -> None:
        """Write to its input. Writing to a script that reads no more is no error."""
        await self._bash.running.send(content)

    async def end_input(self) -> None:
        """Do nothing: the length of its input was sent before."""

    async def receive(self) -> tuple[int, bytes] | None:
        """Return the next piece of output; None when there is no more."""
        while self._ends:
            received = await self._bash.running.receive()
            if received is None:
                self.is_lost = True
                return None
            stream, piece = received
            certain = self._certain(stream, piece) if stream in self._ends else b""
            if certain:
                return stream, certain
        return None

    async def exit_code(self) -> int:
        """Return its exit code, after its output; that of its bash when that ended before it."""
        return await self._bash.running.exit_code() if self._code is None else self._code

    async def kill(self) -> None:
        """End it, and its bash."""
        self._runner.give_up(self._bash)
        await self._bash.running.kill()

    async def close(self) -> None:
        """Leave its bash to the next script, if it is as it was."""
        if not (self._is_reusable and self._runner.take_back(self._bash)):
            await self.kill()

    def _certain(self, stream: int, piece: bytes) -> bytes:
        """Return what of a stream is surely output; take note of its end."""
        held = self._held[stream] + piece
        found = self._ends[stream].search(held)
        if found:
            del self._ends[stream]
            if stream == STDOUT:
                self._code = int(found[1])
                self._is_reusable = found.end() == len(held) and int(found[2]) == 0
            return held[: found.start()]
        cut = held.find(_MARK, max(0, len(held) - _MAX_MARKER_BYTES))
        length = len(held) if cut == -1 else cut
        self._held[stream] = held[length:]
        return held[:length]
