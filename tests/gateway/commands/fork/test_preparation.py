"""Forks as the command handler makes them, over a log and a bucket in memory."""

from hashlib import sha256

import pytest
from msgspec.structs import replace

from events import (
    Blob,
    SnapshotTaken,
    TaskErased,
    TaskSubmitted,
    WorkspacePrepared,
    task_id,
)
from infra.log.event_log import Conflict
from services.gateway.problems import Refused
from tests.gateway.kit.commands import ADA, BOB, THREE, TWO, CommandHarness

PREPARED = WorkspacePrepared(commit="c0ffee", base="main", branch="errand/x", seconds=1)
FORK = task_id(ADA.account, THREE)


class Source(CommandHarness):
    """A harness with a task that has two snapshots: at the versions 3 and 5."""

    async def begin(self) -> "Source":
        self.task = (await self.submit()).task
        await self.others_append(self.task, PREPARED)
        for number, content in enumerate((b"one", b"two"), 4):
            await self.others_append(self.task, self.taken(content))
            await self.say(self.task, "instruct", f"{TWO[:-1]}{number}", text="more")
        return self

    def taken(self, content: bytes, *, task: str = "") -> SnapshotTaken:
        key = f"tasks/{task or self.task}/snapshots/{content.decode()}.pack"
        self.bucket.objects[key] = content
        pack = Blob(key, len(content), sha256(content).hexdigest())
        return SnapshotTaken(
            tree=f"tree-{content.decode()}", pack=pack, files=1, insertions=1, deletions=0
        )

    async def fork(self, at: int, command_id: str = THREE, principal=ADA, **more):
        asked = {"at": at, "prompt": "another way", **more}
        return await self.say(self.task, "fork", command_id, principal, **asked)

    def made(self) -> TaskSubmitted:
        [submitted] = self.events(FORK)
        return submitted


@pytest.fixture
async def source():
    return await Source().begin()


async def refusal(source, at=4, **more):
    with pytest.raises(Refused) as refused:
        await source.fork(at, **more)
    return refused.value.problem


@pytest.mark.parametrize(("at", "content"), [(3, "one"), (4, "one"), (5, "two"), (6, "two")])
async def test_a_fork_begins_from_the_newest_snapshot_at_or_before_the_version(source, at, content):
    before = dict(source.bucket.objects), source.events(source.task)
    performed = await source.fork(at)
    assert (performed.task, performed.version) == (FORK, 1)
    origin = source.made().origin
    assert (origin.task, origin.version, origin.commit) == (source.task, at, "c0ffee")
    assert origin.tree == f"tree-{content}"
    assert origin.pack.key.startswith(f"tasks/{FORK}/")
    assert source.bucket.objects.pop(origin.pack.key) == content.encode()
    assert (source.bucket.objects, source.events(source.task)) == before, "the source is untouched"


async def test_what_is_not_named_is_as_in_the_source_and_its_branch_is_the_base(source):
    await source.fork(4)
    made, first = source.made(), source.events(source.task)[0]
    assert made.prompt == "another way"
    assert (made.model, made.policy, made.budget) == (first.model, first.policy, first.budget)
    assert made.repository == replace(first.repository, base="main")
    assert made.origin.conversation == "Person: fix it\nPerson: more"


async def test_model_budget_and_policy_can_be_others(source):
    await source.fork(4, budget={"cost_microusd": 7}, policy="risky", model="other-model")
    made = source.made()
    assert (made.model, made.budget.cost_microusd, made.policy) == ("other-model", 7, "risky")


@pytest.mark.parametrize(("at", "commit"), [(1, ""), (2, "c0ffee")])
async def test_without_a_snapshot_it_begins_from_the_base(source, at, commit):
    await source.fork(at)
    origin = source.made().origin
    assert (origin.tree, origin.pack, origin.commit) == ("", None, commit)


@pytest.mark.parametrize(("at", "code"), [(7, "at_too_late"), (0, "out_of_range")])
async def test_a_version_that_is_not_there_is_refused(source, at, code):
    problem = await refusal(source, at)
    assert (problem.status, problem.code, problem.errors[0].pointer) == (422, code, "/at")


async def test_a_task_of_another_account_cannot_be_forked(source):
    assert (await refusal(source, principal=BOB)).status == 404
    assert not [key for key in source.bucket.objects if FORK in key]


async def test_an_erased_task_cannot_be_forked(source):
    await source.others_append(source.task, TaskErased(reason="asked"))
    assert (await refusal(source)).status == 404


async def test_a_fork_sent_again_is_answered_alike_after_a_restart_even_if_its_source_is_gone(
    source,
):
    first = await source.fork(4)
    copy = source.made().origin.pack.key
    await source.others_append(source.task, TaskErased(reason="asked"))
    source.bucket.objects = {copy: source.bucket.objects[copy]}
    source.commands = source.restarted()
    assert await source.fork(4) == first
    assert len(source.events(FORK)) == 1


@pytest.mark.parametrize("other", [{"at": 5}, {"prompt": "no"}, {"policy": "always"}])
async def test_the_same_id_for_another_fork_is_refused_and_the_first_one_stays(source, other):
    await source.fork(4)
    copy = source.made().origin.pack.key
    problem = await refusal(source, **{"at": 4, **other})
    assert problem.code == "command_id_reused"
    assert source.bucket.objects[copy] == b"one"


async def test_a_lost_race_with_itself_makes_one_fork(source):
    source.log.fail_next_append(Conflict())
    await source.fork(4)
    assert len(source.events(FORK)) == 1


async def test_a_snapshot_that_is_gone_or_another_is_refused_and_nothing_is_made(source):
    [key] = [key for key in source.bucket.objects if key.endswith("two.pack")]
    for spoil in (lambda: source.bucket.objects.update({key: b"bad"}), source.bucket.objects.clear):
        spoil()
        problem = await refusal(source, 6)
        assert (problem.status, problem.code) == (409, "snapshot_lost")
    assert source.events(FORK) == []
    assert not [key for key in source.bucket.objects if FORK in key]


async def test_a_snapshot_that_names_an_object_of_another_task_is_not_copied(source):
    other = source.taken(b"secret", task="task_aaaaaaaaaaaaaaaaaaaaaaaaaa")
    await source.others_append(source.task, other)
    problem = await refusal(source, 7)
    assert (problem.status, problem.code) == (409, "snapshot_lost")
    assert not [key for key in source.bucket.objects if FORK in key]
