"""git on the worker's side: a bare repository that only the worker touches.

Nothing that a sandbox could write is ever read here but objects that git has checked. How git is
run, and what bounds it: infra.git.command.
"""

from asyncio.subprocess import Process
from base64 import b64encode
from collections.abc import Mapping, Sequence
from pathlib import Path

from infra.git.command import (
    OUTPUT_BYTES,
    GitCommand,
    GitNotFound,
    GitResult,
    RepositoryTooLarge,
    access_setting,
)
from services.worker.ports import WorkspaceRefused

__all__ = ["Git", "GitResult", "RepositoryTooLarge"]


class Git(GitCommand):
    """Runs git in the bare repository `directory`, which may speak to the host of `url` alone."""

    def __init__(self, directory: Path, *, url: str, token: str, limit_bytes: int) -> None:
        access = b64encode(f"x-access-token:{token}".encode()).decode()
        super().__init__(
            directory,
            settings=access_setting(url, f"Basic {access}"),
            protocols="http:https",
            limit_bytes=limit_bytes,
        )

    async def start(self, arguments: Sequence[str], environment: Mapping[str, str]) -> Process:
        """Start git (GitCommand.start). Raises WorkspaceRefused where there is none."""
        try:
            return await super().start(arguments, environment)
        except GitNotFound as error:
            raise WorkspaceRefused(
                "repository_refused",
                f"The worker cannot run git: {error}.",
                "Install git on the worker's machine.",
            ) from error

    async def done(self, *arguments: str, output_limit_bytes: int = OUTPUT_BYTES) -> bytes:
        """Run git on what the worker itself made; return stdout, or its first bytes.

        A failure is a bug: OSError.
        """
        ended = await self.run(*arguments, output_limit_bytes=output_limit_bytes)
        if ended.is_cut:
            return ended.stdout
        if not ended.is_done:
            raise OSError(f"git {arguments[0]} ended with {ended.code}: {ended.stderr.strip()}")
        return ended.stdout
