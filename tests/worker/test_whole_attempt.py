"""One attempt on real parts: rehearsal model, sandbox, git and forge; only the log is in memory."""

import asyncio
import os
import sys
import tempfile
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

from events import (
    Attachment,
    AttemptStarted,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    SnapshotTaken,
    TaskFinished,
    TaskInstructed,
    TaskInterrupted,
    TaskSubmitted,
    ToolCompleted,
    ToolStarted,
)
from events.protocol.stored_changes import decode_changes
from infra.runtime.clock import utc_now
from services.worker.effects.images import Images
from services.worker.effects.live_output import LiveOutput
from services.worker.effects.model import client
from services.worker.effects.worker_context import WorkerContext
from services.worker.loop import drive
from services.worker.workspace.instruction_files import InstructionFiles
from services.worker.workspace.workspace import GitWorkspace, Origin
from tests.kit.build.images import png
from tests.kit.fakes.worker_world import HISTORY, Bench, FakeEnvironment
from tests.kit.probe.eventually import eventually
from tests.kit.run.rehearsal_model import RehearsalModel, running_model
from tests.kit.servers.forge import LocalForge, git_ok
from tests.kit.servers.sandboxes import running_sandbox

KIND = "bubblewrap" if sys.platform == "linux" else "docker"
BRANCH = f"errand/{HISTORY.task}"


class Place(NamedTuple):
    """The place where tasks run: a history, the model that answers, the repository's address."""

    bench: Bench
    rehearsal: RehearsalModel
    url: str
    token: str

    async def submit(self, prompt: str, *images: Attachment) -> None:
        self.bench.draft_factory = type(self.bench.draft_factory)(utc_now)
        await self.bench.append(
            TaskSubmitted(
                prompt=prompt,
                repository=Repository(self.url),
                model="claude-sonnet-5-5",
                attachments=images,
            )
        )

    async def drive(self, number: int = 1) -> None:
        async with asyncio.timeout(120), self._world() as context:
            await drive(self.bench.task_history(number), context, stopping=self.bench.stopping)

    @asynccontextmanager
    async def _world(self):
        async with AsyncExitStack() as resources:
            scratch = Path(resources.enter_context(tempfile.TemporaryDirectory()))
            sandbox = await resources.enter_async_context(running_sandbox(KIND))
            origin = Origin(url=self.url, token=self.token, branch=BRANCH)
            workspace = GitWorkspace(
                sandbox, self.bench.blobs, origin, scratch=scratch, clock=utc_now
            )
            resources.push_async_callback(workspace.close)
            connected = await resources.enter_async_context(
                client.connect(self.rehearsal.url, self.rehearsal.key)
            )
            yield WorkerContext(
                model=connected,
                sandbox=sandbox,
                workspace=workspace,
                blobs=self.bench.blobs,
                forge=self.bench.forge,
                instruction_files=InstructionFiles(sandbox),
                live=LiveOutput(HISTORY.task, self.bench.say),
                images=Images(self.bench.blobs),
                clock=utc_now,
                environment=FakeEnvironment(),
            )


@pytest.fixture
def rehearsal(tmp_path):
    with running_model(tmp_path / "model") as running:
        yield running


@pytest.fixture
async def place(rehearsal, forge: LocalForge):
    repository = await forge.sample("slugify")
    return Place(Bench(), rehearsal, repository.url, forge.token)


async def test_a_failing_test_is_fixed_and_the_work_is_on_the_forge(place, tmp_path):
    await place.submit("The tests fail, fix it.")

    await place.drive()

    bench = place.bench
    [finished] = bench.facts(TaskFinished)
    assert finished.outcome == "pull_request"
    clone = tmp_path / "clone"
    git_ok("clone", "-q", "--branch", BRANCH, place.url, clone)
    trailers = git_ok("log", "-1", "--format=%(trailers)", inside=clone)
    assert f"Task: {HISTORY.task}" in trailers
    ran = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "unittest",
        "-q",
        cwd=clone,
        env=dict(os.environ),
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert await ran.wait() == 0
    assert "Run the tests" in {fact.title for fact in bench.facts(ToolStarted)}
    assert any(fact.diff for fact in bench.facts(ToolCompleted))
    taken = bench.facts(SnapshotTaken)[-1]
    changes = decode_changes(await bench.blobs.get(taken.changes.key))
    assert len(changes.files) == taken.files
    assert sum(each.insertions for each in changes.files) == taken.insertions
    assert all(each.patch.startswith("diff --git ") for each in changes.files)


async def test_a_prompt_with_an_image_is_worked_on(place):
    content = png(64, 48)
    blob = await place.bench.blobs.put("attachments/att_1", content)
    image = Attachment(
        id="att_1",
        media_type="image/png",
        size_bytes=len(content),
        sha256=blob.sha256,
        key=blob.key,
        name="screen.png",
    )
    await place.submit("The tests fail, fix it.", image)

    await place.drive()

    assert len(place.bench.facts(TaskFinished)) == 1


async def test_a_worker_killed_in_the_middle_is_followed_by_one_that_ends_the_task(place):
    await place.submit("The tests fail, fix it.")
    async with asyncio.TaskGroup() as group:
        worker = group.create_task(place.drive(1))
        await eventually(lambda: place.bench.facts(SnapshotTaken), seconds=60)
        worker.cancel()

    await place.drive(2)

    assert len(place.bench.facts(TaskFinished)) == 1
    assert [fact.attempt for fact in place.bench.facts(AttemptStarted)] == [1, 2]
    assert len(place.bench.forge.opened) == 1


async def test_a_person_answers_a_question(rehearsal, forge):
    repository = await forge.sample("greeter")
    place = Place(Bench(), rehearsal, repository.url, forge.token)
    await place.submit("Greet people without a name in a friendlier way; ask me how.")

    async with asyncio.TaskGroup() as group:
        group.create_task(place.drive())
        await eventually(lambda: place.bench.facts(QuestionAsked), seconds=60)
        asked = place.bench.facts(QuestionAsked)[0]
        await place.bench.append(QuestionAnswered(request=asked.request, text="dear friend"))

    ends = [fact.outcome for fact in place.bench.facts(TaskFinished)]
    assert ends == ["pull_request"], place.bench.facts(object)


async def test_an_interrupted_errand_goes_on_after_a_word(place):
    await place.submit("Rehearse 4 tool calls of 1 seconds.")

    async with asyncio.TaskGroup() as group:
        group.create_task(place.drive())
        await eventually(lambda: place.bench.facts(ToolStarted), seconds=60)
        await place.bench.append(TaskInterrupted())
        await place.bench.append(TaskInstructed(text="go on"))

    assert len(place.bench.facts(TaskFinished)) == 1
