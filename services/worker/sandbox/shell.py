"""The agent's shell: one long-lived bash in the sandbox that starts a fresh bash for each script.

The directory, the variables (exported or not, arrays too), functions, aliases and the umask are
handed from one script to the next; processes put in the background live on between scripts. A fresh
bash means that `exit`, `set -e` and a syntax error end the script and not the shell, and that
options (`set`, `shopt`), traps and job numbers are the script's own. A script that ends without its
EXIT trap (`exec`, a signal) leaves behind what was there before it.
"""

import asyncio
import re
import secrets
from typing import Final

from services.worker.sandbox.backend import RunningCommand, SandboxBackend
from services.worker.sandbox.command import (
    CommandEnd,
    LimitExceeded,
    Sink,
    note_on,
    output_of,
    watch,
)

_MARK: Final = b"\x1e"
_MAX_MARKER_BYTES: Final = 512
_KILLED: Final = 137
_BROKEN_PIPE: Final = 141  # of a part whose reader had enough: `yes | head -1`

_NOT_KEPT: Final = (
    "The script ended without its EXIT trap (exec, or a signal): directory, variables, functions "
    "and aliases are those of before it."
)

# Read by the bash of each script before it (BASH_ENV). What a script leaves behind is read by the
# next one. It stands in one of two slots, and `codes` says in which: a script that is killed while
# it writes leaves the other one as it was. `trap` is wrapped, so that an EXIT trap of the script's
# own runs beside ours. Each program costs more than all of this: what bash can do itself, it does.
_PRELUDE: Final = r"""
eval "exec ${BASH_ENV##*/}<&-"
unset BASH_ENV
__state="$HOME/.errand_shell"
__user_exit=
__keep() {
  [ -d "$__state" ] || mkdir -p "$__state" || return
  compgen -v >| "$__state/names" && mapfile -t __names < "$__state/names" || return
  for __name in "${__names[@]}"; do
    case $__name in
      __*|_|BASH*|COMP_*|DIRSTACK|EPOCH*|EUID|FUNCNAME|GROUPS|LINENO|OPTARG|OPTIND) continue ;;
      PIPESTATUS|PPID|PWD|RANDOM|SECONDS|SHELLOPTS|SHLVL|SRANDOM|UID) continue ;;
    esac
    declare -p "$__name"
  done >| "$__state/variables.$1"
  compgen -A function >| "$__state/names"; mapfile -t __names < "$__state/names"
  for __name in "${__names[@]}"; do
    case $__name in __*|trap) ;; *) declare -f "$__name" ;; esac
  done >| "$__state/functions.$1"
  { declare -Fx; alias -p; umask -p; } >> "$__state/functions.$1"
  printf '%s' "$PWD" >| "$__state/directory.$1"
}
__leave() {
  __keep "$((1 - __slot))" 2>/dev/null &&
    printf '%s ' "$__number" "$((1 - __slot))" "$@" >| "$__state/codes"
  if [ -n "$__user_exit" ]; then
    __status() { return "$1"; }
    eval "__status $1
$__user_exit"
    __keep "$__slot" 2>/dev/null && printf '%s ' "$__number" "$__slot" "$@" >| "$__state/codes"
  fi
}
trap() {
  if [ "$BASH_SUBSHELL" -gt 0 ] || [ "$#" -lt 2 ] || [ "${1#-[lp]}" != "$1" ]; then
    builtin trap "$@"; return
  fi
  [ "$1" = -- ] && shift
  local __action=$1 __signal __others=()
  shift
  for __signal in "$@"; do
    case $__signal in
      EXIT|exit|SIGEXIT|0) __user_exit=$__action; [ "$__action" = - ] && __user_exit= ;;
      *) __others+=("$__signal") ;;
    esac
  done
  [ "${#__others[@]}" -eq 0 ] || builtin trap -- "$__action" "${__others[@]}"
}
[ -r "$__state/variables.$__slot" ] && . "$__state/variables.$__slot" 2>/dev/null
if [ -r "$__state/functions.$__slot" ]; then
  shopt -s extglob; . "$__state/functions.$__slot" 2>/dev/null; shopt -u extglob
fi
__previous=${OLDPWD-}
cd -- "$WORKSPACE"
if [ -r "$__state/directory.$__slot" ]; then
  IFS= read -r -d '' __directory < "$__state/directory.$__slot"
  cd -- "$__directory" 2>/dev/null
fi
OLDPWD=$__previous
builtin trap '__leave "$?" "${PIPESTATUS[@]}"' EXIT
"""

# Reads "<nonce> <number> <script>" lines; answers each with its output and a marker: the nonce, the
# exit code, and those of the parts of the script's last pipeline, `-` when none were kept. A script
# can write what it likes where they are kept; `codes` counts when it has the script's number.
_LOOP: Final = r"""
slot=0
kept() {
  local number=- found=- rest=-
  [ ! -f "$HOME/.errand_shell/codes" ] ||
    IFS=' ' read -r -n 300 number found rest < "$HOME/.errand_shell/codes"
  parts=-
  case $found in
    0|1) [ "$number" != "${1-$number}" ] || { slot=$found; parts=$rest; } ;;
  esac
  case $parts in *[!0-9\ ]*) parts=- ;; esac
}
kept 2>/dev/null
while IFS=' ' read -r nonce number script; do
  printf -v script %b "$script"
  BASH_ENV=<(printf '__number=%s __slot=%s\n%s' "$number" "$slot" "$1") \
    bash --noprofile --norc -O expand_aliases -c -- "$script" bash </dev/null
  code=$?
  kept "$number" 2>/dev/null
  printf '\036%s %d %s\036' "$nonce" "$code" "$parts"
done
"""
_COMMAND: Final = ("bash", "--noprofile", "--norc", "-c", _LOOP, "errand", _PRELUDE)

_ESCAPES: Final = {0: "", 1: "\\0001", 10: "\\n", 92: "\\\\", 127: "\\0177"}

SCRIPT_LIMIT_BYTES: Final = 96 * 1024  # an argument of a program holds 128 KiB on Linux


class Shell:
    """Runs scripts one after another; starts the long-lived bash when there is none."""

    def __init__(self, backend: SandboxBackend) -> None:
        self._backend = backend
        self._entered: RunningCommand | None = None
        self._unread = b""
        self._number = 0
        self._turn = asyncio.Lock()

    async def run(self, script: str, *, timeout_seconds: float, sink: Sink) -> CommandEnd:
        """Run a script to its end; after a timeout the shell is as it was before the script."""
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
                    "directory, variables, functions and aliases are those of before."
                )
            except LimitExceeded as overrun:
                note = str(overrun)
            finally:
                if not is_whole:
                    await self.end()
            seconds = clock() - began
            return CommandEnd(
                exit_code=exit_code, is_timed_out=is_timed_out, seconds=seconds, note=note
            )

    async def end(self) -> None:
        """End the shell and everything in it."""
        running, self._entered, self._unread = self._entered, None, b""
        if running is not None:
            await running.kill()

    async def _watched(self, script: str, sink: Sink) -> tuple[int, str]:
        is_over = asyncio.Event()
        overrun: LimitExceeded | None = None
        ended = (_KILLED, "")
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(watch(self._backend, is_over))
                ended = await self._exchange(script, sink)
                is_over.set()
        except* LimitExceeded as group_of_overruns:
            overrun = LimitExceeded(str(group_of_overruns.exceptions[0]))
        if overrun is not None:
            raise overrun
        return ended

    async def _exchange(self, script: str, sink: Sink) -> tuple[int, str]:
        if self._entered is not None and self._entered.is_ended:
            await self.end()
        if self._entered is None:
            self._entered = await self._backend.start_command(_COMMAND, is_split=False)
        running = self._entered
        nonce = secrets.token_hex(16)
        self._number += 1
        await running.send(b"%s %d %s\n" % (nonce.encode(), self._number, _escaped(script)))
        marker = re.compile(rb"\x1e%s (\d+) ([\d -]*)\x1e" % nonce.encode())
        held, self._unread = self._unread, b""
        async for _, piece in output_of(running):
            held += piece
            found = marker.search(held)
            if found:
                sink(1, held[: found.start()])
                self._unread = held[found.end() :]
                exit_code = int(found.group(1))
                return _ended(exit_code, found.group(2).decode())
            cut = held.find(_MARK, max(0, len(held) - _MAX_MARKER_BYTES))
            certain = len(held) if cut == -1 else cut
            sink(1, held[:certain])
            held = held[certain:]
        sink(1, held)
        exit_code = await running.exit_code()
        await self.end()
        return exit_code, "The shell itself ended; the next call starts a new one."


def _escaped(script: str) -> bytes:
    """Return a script as one line that bash's `printf %b` turns into what it was.

    NUL, which no argument of a program holds, is left out, and line ends at the end.
    """
    escaped = script.rstrip("\n").translate(_ESCAPES).encode()
    return (b"\\0040" + escaped[1:] if escaped[:1] == b" " else escaped) + b"\\c"


def _ended(exit_code: int, parts: str) -> tuple[int, str]:
    """Return the exit code, and what a person should know of it.

    A pipeline that ended well although a part of it failed has the code of that part.
    """
    if parts.strip() == "-":
        return exit_code, note_on(exit_code) or _NOT_KEPT
    codes = [int(code) for code in parts.split()][1:]
    failed = [code for code in codes[:-1] if code not in (0, _BROKEN_PIPE)]
    if exit_code or not failed:
        return exit_code, note_on(exit_code)
    told = " | ".join(map(str, codes))
    return failed[0], f"a part of the last pipeline failed; exit codes of its parts: {told}"
