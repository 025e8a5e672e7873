"""Files that a forge runs or trusts are never pushed unless a person has allowed that very tree."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from events import (
    ApprovalAnswered,
    ApprovalRequested,
    BranchPushed,
    TaskFailed,
    TaskFinished,
    TaskInstructed,
    ToolCompleted,
)
from services.worker.loop import drive
from tests.kit.build.worker_history import SUBMITTED
from tests.kit.fakes.worker_world import Bench, called, said
from tests.kit.probe.eventually import eventually
from tests.kit.repository.task_workspace import BRANCH, publish
from tests.kit.servers.forge import git_ok

SUBMIT = ("s", "submit", {"summary": "done", "title": "T", "body": "B"})


class Agent:
    """A task whose loop runs against a real forge, git and sandbox; its model is scripted."""

    def __init__(self, place, *replies) -> None:
        self.bench = Bench(*replies)
        self.bench.sandbox = place.sandbox  # type: ignore[assignment]
        self.bench.workspace = place.workspace
        self.bench.blobs = place.blobs

    async def begin(self) -> None:
        await self.bench.append(SUBMITTED)

    async def run(self, number: int = 1) -> None:
        async with asyncio.timeout(60):
            bench = self.bench
            await drive(bench.task_history(number), bench.context(), stopping=bench.stopping)

    async def asked(self, count: int = 1) -> ApprovalRequested:
        def requests() -> list[ApprovalRequested]:
            return self.bench.facts(ApprovalRequested)

        found = await eventually(requests, until=lambda asked: len(asked) >= count)
        return found[-1]

    async def answer(self, asked: ApprovalRequested, verdict: str, digest: str = "") -> None:
        await self.bench.append(
            ApprovalAnswered(request=asked.request, digest=digest or asked.digest, verdict=verdict)
        )


def branch(source) -> str:
    return git_ok("ls-remote", "origin", f"refs/heads/{BRANCH}", inside=source)


@pytest.fixture
async def base(source) -> AsyncIterator[None]:
    (source / ".github/workflows").mkdir(parents=True)
    (source / ".github/workflows/ci.yml").write_text("on: push\n")
    (source / ".gitignore").write_text("*.yaml\n")
    publish(source)
    return


WAYS = {
    "a_tool": ("write", {"path": ".github/workflows/evil.yml", "content": "on: push"}),
    "obfuscated": (
        "python3 -c \"p='.git'+'hub/work'+'flows/evil.yml'; open(p, 'w').write('on: push')\""
    ),
    "renamed_into": "mkdir x; echo on > x/e.yml; git mv -k x y; mv x/e.yml .github/workflows/",
    "another_case": "mkdir -p .GitHub/WorkFlows; echo on > .GitHub/WorkFlows/evil.yml",
    "a_linked_folder": "mv .github ci; ln -s ci .github",
    "a_linked_file": "echo on > evil; ln -s ../../evil .github/workflows/evil.yml",
    "a_repository_inside": "git init -q .github/actions; echo x > .github/actions/action.yml",
    "a_mode": "chmod +x .github/workflows/ci.yml",
    "a_deletion": "rm .github/workflows/ci.yml",
    "renamed_out_of": "git mv .github/workflows/ci.yml ci.yml",
    "forced": "echo on > .github/workflows/e.yaml; git add -f .github/workflows/e.yaml",
    "gitlab": "echo a > .gitlab-ci.yml",
    "an_include": "mkdir .gitlab; echo a > .gitlab/more.yml",
    "owners": "mkdir docs; echo '* @me' > docs/CODEOWNERS",
    "jenkins": "echo a > Jenkinsfile.release",
    "azure": "echo a > azure-pipelines.yml",
    "submodules": "printf '[submodule \"a\"]\\n\\tpath = a\\n\\turl = http://x/a\\n' > .gitmodules",
    "hooks": "mkdir .husky; echo a > .husky/pre-commit",
    "its_own_commit": "echo a > Jenkinsfile; git add -A; git commit -qm mine",
}


@pytest.mark.parametrize("way", WAYS)
async def test_nothing_is_pushed_before_a_person_has_allowed_it(base, source, place, way):
    how = WAYS[way]
    call = ("c", *how) if isinstance(how, tuple) else ("c", "bash", {"command": how})
    agent = Agent(place, called(call), called(SUBMIT), said("end"))
    await agent.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        asked = await agent.asked()
        assert (asked.tool, asked.call) == ("push", "s")
        assert asked.command
        assert branch(source) == ""
        await agent.answer(asked, "deny")
    assert branch(source) == ""
    [refused] = [f for f in agent.bench.facts(ToolCompleted) if f.call == "s"]
    assert refused.is_error
    assert "does not allow it" in refused.output
    assert not agent.bench.facts(BranchPushed)
    assert agent.bench.facts(TaskFailed)[0].reason == "push_not_allowed"


async def test_what_a_person_allowed_is_pushed(base, source, place):
    change = ("c", "bash", {"command": "echo 'on: pull_request' > .github/workflows/ci.yml"})
    agent = Agent(place, called(change), called(SUBMIT))
    await agent.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        asked = await agent.asked()
        assert "+on: pull_request" in asked.diff
        await agent.answer(asked, "allow")
    assert branch(source)
    assert agent.bench.facts(TaskFinished)[0].outcome == "pull_request"


async def test_an_approval_is_for_the_tree_that_was_shown(base, source, place):
    agent = Agent(
        place,
        called(("c", "bash", {"command": "echo 1 > Jenkinsfile"})),
        called(SUBMIT),
        called(("d", "bash", {"command": "echo 2 > Jenkinsfile"})),
        called(("t", *SUBMIT[1:])),
        said("end"),
    )
    await agent.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        first = await agent.asked()
        await agent.bench.append(TaskInstructed(text="another number"))
        await eventually(lambda: "s" in [f.call for f in agent.bench.facts(ToolCompleted)])
        await agent.answer(first, "allow")
        second = await agent.asked(2)
        assert second.digest != first.digest
        assert branch(source) == ""
        await agent.answer(second, "deny")
    assert branch(source) == ""


async def test_an_approval_of_something_else_allows_nothing(base, source, place):
    agent = Agent(place, called(("c", "bash", {"command": "echo 1 > CODEOWNERS"})), called(SUBMIT))
    agent.bench.model.replies.append(said("end"))
    await agent.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        asked = await agent.asked()
        await agent.answer(asked, "allow", digest="0" * 64)
    assert branch(source) == ""


async def test_work_that_ends_in_words_is_asked_about_too(base, source, place):
    agent = Agent(place, called(("c", "bash", {"command": "echo 1 > Jenkinsfile"})), said("Done."))
    await agent.begin()
    async with asyncio.TaskGroup() as group:
        group.create_task(agent.run())
        asked = await agent.asked()
        await agent.answer(asked, "allow")
    assert branch(source)


async def test_other_files_need_nobody(base, source, place):
    change = ("c", "bash", {"command": "echo 1 > .github/ISSUE_TEMPLATE.md; echo 1 > work.txt"})
    agent = Agent(place, called(change), called(SUBMIT))
    await agent.begin()
    await agent.run()
    assert branch(source)
    assert not agent.bench.facts(ApprovalRequested)
