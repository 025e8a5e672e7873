"""A task's workspace in a real sandbox, on a repository of the local forge."""

import hashlib
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from events import Blob, SnapshotTaken
from services.worker.ports import Snapshot
from services.worker.retry import RetryPolicy, RetrySettings
from services.worker.sandbox.sandbox import BackendSandbox
from services.worker.workspace.workspace import GitWorkspace, Origin
from tests.kit.servers.forge import TOKEN, git_ok

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
BRANCH = "errand/task_a"
PATIENCE = RetryPolicy(RetrySettings(seconds=30.0))
KIND = "bubblewrap" if sys.platform == "linux" else "docker"


@dataclass
class InMemoryBlobs:
    """Blobs, in memory."""

    held: dict[str, bytes] = field(default_factory=dict)

    async def put(self, name: str, content: bytes) -> Blob:
        self.held[name] = content
        return Blob(name, len(content), hashlib.sha256(content).hexdigest())

    async def get(self, key: str) -> bytes:
        return self.held[key]


class Place:
    """One attempt: a sandbox, and the workspace in it."""

    def __init__(
        self, sandbox: BackendSandbox, blobs: InMemoryBlobs, url: str, scratch: Path
    ) -> None:
        self.sandbox = sandbox
        self.blobs = blobs
        self.url = url
        self.scratch = scratch
        self.workspace = self.make()

    def make(self, **changed) -> GitWorkspace:
        origin = Origin(
            url=changed.pop("url", self.url),
            token=changed.pop("token", TOKEN),
            branch=BRANCH,
            retry=changed.pop("retry", PATIENCE),
        )
        return GitWorkspace(
            self.sandbox, self.blobs, origin, scratch=self.scratch, clock=lambda: NOW, **changed
        )

    async def bash(self, script: str) -> str:
        ended = await self.sandbox.execute(("bash", "-c", script), timeout_seconds=30)
        assert ended.exit_code == 0, ended.output.decode()
        return ended.output.decode()

    async def taken(self) -> Snapshot:
        snapshot = await self.workspace.snapshot()
        assert snapshot is not None
        return snapshot

    async def push(self) -> str:
        return await self.workspace.commit_and_push(
            title="Fix it", body="Because.", trailers={"Task": "task_a", "Event": "evt_b"}
        )


async def stored(blobs: InMemoryBlobs, snapshot: Snapshot) -> SnapshotTaken:
    blob = await blobs.put(f"snapshots/{snapshot.tree}.pack", snapshot.pack)
    return SnapshotTaken(
        tree=snapshot.tree,
        pack=blob,
        files=snapshot.files,
        insertions=snapshot.insertions,
        deletions=snapshot.deletions,
    )


def publish(source: Path, *, branch: str = "main", message: str = "more") -> str:
    git_ok("add", "-A", "-f", inside=source)
    git_ok("commit", "-q", "--allow-empty", "-m", message, inside=source)
    git_ok("push", "-q", "origin", f"HEAD:refs/heads/{branch}", inside=source)
    return git_ok("rev-parse", "HEAD", inside=source)


def pushed_file(source: Path, name: str) -> str:
    git_ok("fetch", "-q", "origin", f"+refs/heads/{BRANCH}:refs/pushed", inside=source)
    return git_ok("show", f"refs/pushed:{name}", inside=source)
