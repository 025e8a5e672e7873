"""Tasks on a repository of the local forge, whose worker uses git through the broker."""

import asyncio

import msgspec

from tests.kit.servers.forge import git, git_ok


def forge_settings(forge, **changes):
    known = {"kind": "github", "url": forge.url, "api_url": forge.api_url, "token": forge.token}
    return msgspec.json.encode([{**known, **changes}]).decode()


class GitTask:
    """A task on a repository of the forge, its worker's token, and a clone through the broker."""

    def __init__(self, world, ada, attempt, worker):
        self.world, self.ada, self.attempt = world, ada, attempt
        self.token = worker.headers["authorization"].removeprefix("Bearer ")
        self.task = attempt.history.task
        self.branch = f"errand/{self.task}"
        self.url = f"{str(worker.base_url).rstrip('/')}/broker/git/{self.task}.git"

    async def git(self, *arguments, inside=None):
        """Run git against the broker of this very process: in a thread, so that it can answer."""
        return await asyncio.to_thread(git, *arguments, inside=inside, token=self.token)

    async def clone(self, directory, *options):
        cloned = await self.git("clone", *options, self.url, directory)
        assert cloned.code == 0, cloned.errors
        return directory

    def commit(self, clone, name="new.txt", content="x\n"):
        (clone / name).write_text(content)
        git_ok("add", ".", inside=clone)
        git_ok("commit", "-m", f"add {name}", inside=clone)

    async def push(self, clone, *refs):
        return await self.git("push", "origin", *refs, inside=clone)

    async def propose(self, **changes):
        worker = await self.world.broker_client(self.token)
        payload = {"title": "T", "body": "B", "branch": self.branch, "base": "main", "draft": False}
        return await worker.post("/broker/forge/pull-request", json={**payload, **changes})


async def task_on_repository(world, url):
    ada = await world.person("ada")
    attempt = await world.attempt(ada.history(await ada.submit(url=url)))
    return GitTask(world, ada, attempt, await world.worker(attempt))
