"""The agent's shell: one long-lived bash in the sandbox that starts a fresh bash for each script.

The directory and the exported variables are handed from one script to the next; processes put in
the background live on between scripts. A fresh bash means that `exit`, `set -e` and a syntax error
end the script and not the shell.
"""

import asyncio
import re
import secrets
from base64 import b64encode
from typing import Final

from services.worker.sandbox.enclosure import Enclosure, Entered
from services.worker.sandbox.run import Overrun, Ran, Sink, note_on, output_of, watch

_MARK: Final = b"\x1e"
_LONGEST_MARKER_BYTES: Final = 64
_KILLED: Final = 137

# Runs one script: $1. What it leaves behind is read by the next one.
_SCRIPT: Final = r"""
__state="$HOME/.errand_shell"
__keep() {
  mkdir -p "$__state" && declare -px > "$__state/variables" && pwd > "$__state/directory"
}
trap '__keep 2>/dev/null' EXIT
[ -r "$__state/variables" ] && . "$__state/variables"
cd -- "$(cat "$__state/directory" 2>/dev/null)" 2>/dev/null || cd -- "$WORKSPACE"
__script=$1
set --
eval "$__script"
"""

# Reads "<nonce> <base64 of a script>" lines; answers each with its output and a marker.
_LOOP: Final = r"""
while IFS=' ' read -r nonce script; do
  bash --noprofile --norc -c "$1" bash "$(printf %s "$script" | base64 -d)" </dev/null
  printf '\036%s %d\036' "$nonce" "$?"
done
"""
_COMMAND: Final = ("bash", "--noprofile", "--norc", "-c", _LOOP, "errand", _SCRIPT)

SCRIPT_LIMIT_BYTES: Final = 96 * 1024  # an argument of a program holds 128 KiB on Linux


class Shell:
    """Runs scripts one after another; starts the long-lived bash when there is none."""

    def __init__(self, enclosure: Enclosure) -> None:
        self._enclosure = enclosure
        self._entered: Entered | None = None
        self._unread = b""
        self._turn = asyncio.Lock()

    async def run(self, script: str, *, timeout_seconds: float, sink: Sink) -> Ran:
        """Run a script to its end; a timeout leaves only the directory and the variables."""
        async with self._turn:
            clock = asyncio.get_running_loop().time
            began = clock()
            exit_code, is_timed_out, note, is_whole = _KILLED, False, "", False
            try:
                async with asyncio.timeout(timeout_seconds):
                    exit_code, note = await self._watched(script, sink)
                    is_whole = True
            except TimeoutError:
                is_timed_out = True
                note = (
                    f"Ended after {timeout_seconds:g} s, with everything that ran in the shell; "
                    "directory and variables are those of before."
                )
            except Overrun as overrun:
                note = str(overrun)
            finally:
                if not is_whole:
                    await self.end()
            seconds = clock() - began
            return Ran(exit_code=exit_code, is_timed_out=is_timed_out, seconds=seconds, note=note)

    async def end(self) -> None:
        """End the shell and everything in it."""
        entered, self._entered, self._unread = self._entered, None, b""
        if entered is not None:
            await entered.kill()

    async def _watched(self, script: str, sink: Sink) -> tuple[int, str]:
        is_over = asyncio.Event()
        overrun: Overrun | None = None
        ended = (_KILLED, "")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(watch(self._enclosure, is_over))
                ended = await self._exchange(script, sink)
                is_over.set()
        except* Overrun as group_of_overruns:
            overrun = Overrun(str(group_of_overruns.exceptions[0]))
        if overrun is not None:
            raise overrun
        return ended

    async def _exchange(self, script: str, sink: Sink) -> tuple[int, str]:
        if self._entered is not None and self._entered.is_ended:
            await self.end()
        if self._entered is None:
            self._entered = await self._enclosure.enter(_COMMAND, is_split=False)
        entered = self._entered
        nonce = secrets.token_hex(16)
        await entered.send(f"{nonce} {b64encode(script.encode()).decode()}\n".encode())
        marker = re.compile(rb"\x1e%s (\d+)\x1e" % nonce.encode())
        held, self._unread = self._unread, b""
        async for _, piece in output_of(entered):
            held += piece
            found = marker.search(held)
            if found:
                sink(1, held[: found.start()])
                self._unread = held[found.end() :]
                exit_code = int(found.group(1))
                return exit_code, note_on(exit_code)
            cut = held.find(_MARK, max(0, len(held) - _LONGEST_MARKER_BYTES))
            certain = len(held) if cut == -1 else cut
            sink(1, held[:certain])
            held = held[certain:]
        sink(1, held)
        exit_code = await entered.exit_code()
        await self.end()
        return exit_code, "The shell itself ended; the next call starts a new one."
