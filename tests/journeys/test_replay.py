"""Looking back at a task, forking it, and reading the log from outside, on the whole stack."""

import asyncio
import json
import os
import sys

import pyarrow.parquet as pq
import pytest

from events import ModelReplied, SnapshotTaken, TaskFinished, WorkspacePrepared
from tests.kit.fakes.webhook_receiver import receiving
from tests.kit.paths import ROOT
from tests.kit.run.errand_command import errand, finished_task
from tests.kit.run.phone import pull_requests, repository, stored
from tests.kit.servers.forge import git_ok


@pytest.fixture(scope="module")
def done(stack):
    """A task at its end, and its events."""
    return asyncio.run(finished_task(stack))


def at(events, kind, *, last=False):
    """The version of the first or last event of a type."""
    found = [r.version for r in events if json.loads(r.body)["type"] == kind]
    return found[-1 if last else 0]


async def test_a_task_is_shown_as_it_was_and_as_it_is(stack, phone, done, tmp_path):
    task, events = done
    early = await errand(stack, phone, tmp_path, "show", task["id"], "--at", "1")
    assert "queued" in early
    assert "Plan" not in early
    assert f"version 1 of {len(events)}" in early

    now = await errand(stack, phone, tmp_path, "show", task["id"])
    assert "finished" in now
    assert "Plan" in now
    assert "Conversation" in now
    assert "The branch against its base, as stored at version" in now
    assert "+" in now.split("The branch against its base")[1]

    stored_at = at(events, "artifact.stored")
    before = await errand(stack, phone, tmp_path, "show", task["id"], "--at", str(stored_at - 1))
    assert (
        "Edits so far, as reported by tools (changes made by shell commands are not listed)"
        in before
    )


async def test_the_past_is_told_to_programs_as_json(stack, phone, done, tmp_path):
    task, _ = done
    told = json.loads(await errand(stack, phone, tmp_path, "show", task["id"], "--json"))
    assert told["state"]["phase"] == "finished"
    assert told["conversation"][0]["role"] == "person"
    assert told["edits"]
    assert told["stored_diff"]["diff"].startswith("diff --git")


async def test_a_history_is_played_as_a_phone_saw_it(stack, phone, done, tmp_path):
    task, events = done
    told = await errand(stack, phone, tmp_path, "replay", task["id"], "--speed", "1000", "--json")
    played = [json.loads(line) for line in told.splitlines()]
    assert played == [json.loads(r.body) for r in events]
    shown = await errand(stack, phone, tmp_path, "replay", task["id"], "--longest-pause", "0")
    assert "Pull request #" in shown


async def test_a_worker_of_today_would_take_the_same_steps(stack, phone, done, tmp_path):
    task, events = done
    told = await errand(stack, phone, tmp_path, "replay", task["id"], "--check", "--json")
    assert json.loads(told) == {"task": task["id"], "events": len(events), "divergence": None}


async def test_a_policy_is_tried_on_the_calls_of_a_task(stack, phone, done, tmp_path):
    task, _ = done
    words = ("policy", "test", task["id"], "--policy", "never", "--rule", "deny tool bash")
    told = json.loads(await errand(stack, phone, tmp_path, *words, "--json"))
    assert {each["reasons"] for each in told["tried"]} == {"using bash"}
    shown = await errand(stack, phone, tmp_path, "policy", "test", "--policy", "always")
    assert "asked about" in shown


async def test_two_versions_are_compared(stack, phone, done, tmp_path):
    task, events = done
    last = str(at(events, "task.finished"))
    forth = await errand(stack, phone, tmp_path, "diff", task["id"], "1", last)
    back = await errand(stack, phone, tmp_path, "diff", task["id"], last, "1")
    assert forth == back
    assert "phase: queued → finished" in forth
    assert "model: +$" in forth
    assert "Edits, as reported by tools (changes made by shell commands are not listed)" in forth


async def test_what_was_never_there_is_said_plainly(stack, phone, done, tmp_path):
    task, _ = done
    beyond = await errand(stack, phone, tmp_path, "show", task["id"], "--at", "9999", code=1)
    assert "The history ends at version" in beyond
    odd = await errand(stack, phone, tmp_path, "show", task["id"], "--at", "yesterday", code=1)
    assert "RFC 3339" in odd


async def test_the_log_is_exported_with_the_read_only_user(stack, phone, done, tmp_path):
    task, kept = done
    first = str(kept[0].sequence)
    account = ("--account", task["account"])
    await errand(stack, phone, tmp_path, "export", "--since", first, *account, "--to", "x.jsonl")
    lines = [json.loads(line) for line in (tmp_path / "x.jsonl").read_text().splitlines()]
    own = [line for line in lines if line["task"] == task["id"]]
    assert [line["version"] for line in own] == [recorded.version for recorded in kept]

    parquet = ("--format", "parquet", "--type", "task.finished", "--to", "x.parquet")
    await errand(stack, phone, tmp_path, "export", *account, *parquet)
    table = pq.read_table(tmp_path / "x.parquet").to_pylist()
    assert [row["type"] for row in table if row["task"] == task["id"]] == ["task.finished"]
    refused = await errand(
        stack, phone, tmp_path, "export", "--type", "task.done", "--to", "x", code=2
    )
    assert "task.finished" in refused


async def test_cost_and_success_are_told_per_repository_and_day(stack, phone, done, tmp_path):
    task, events = done
    await errand(stack, phone, tmp_path, "costs", "--to", "costs.parquet")
    rows = pq.read_table(tmp_path / "costs.parquet").to_pylist()
    [row] = [row for row in rows if row["repository"] == task["repository"]["url"]]
    ended = await phone.task(task["id"])
    assert (row["submitted"], row["finished"], row["failed"]) == (1, 1, 0)
    assert row["model_microusd"] == ended["cost_microusd"]
    assert row["day"] == events[0].at.date()
    assert task["repository"]["url"][:30] in await errand(stack, phone, tmp_path, "costs")


async def test_events_are_forwarded_and_replayed_from_a_cursor(stack, phone, done, tmp_path):
    task, events = done
    async with receiving() as receiver:
        (tmp_path / "hooks.toml").write_text(
            "[[endpoint]]\n"
            f'name = "there"\nurl = "{receiver.url}"\nsecret_variable = "HOOK_SECRET"\n'
            f'account = "{task["account"]}"\ntypes = ["task.submitted", "task.finished"]\n'
        )
        forward = ("forward", "--config", "hooks.toml", "--once")
        await errand(stack, phone, tmp_path, *forward)
        own = [d.event["type"] for d in receiver.deliveries if d.event["task"] == task["id"]]
        assert own == ["task.submitted", "task.finished"]
        count = len(receiver.deliveries)
        assert "0 events sent" in await errand(stack, phone, tmp_path, *forward)
        assert len(receiver.deliveries) == count
        finished = next(r for r in events if r.version == at(events, "task.finished"))
        await errand(stack, phone, tmp_path, *forward, "--from", str(finished.sequence))
        assert receiver.deliveries[count].event["version"] == finished.version


async def test_the_log_of_the_stack_that_runs_here_is_found(stack, phone, done, tmp_path):
    (tmp_path / ".errand").symlink_to(stack.servers.home.directory)
    arguments = ("export", "--account", done[0]["account"], "--to", "x.jsonl")
    said = await errand(stack, phone, tmp_path, *arguments, is_told_the_log=False)
    assert "Wrote" in said
    assert done[0]["id"] in (tmp_path / "x.jsonl").read_text()


async def test_the_example_of_the_documentation_runs(stack, done):
    page = ROOT / "docs" / "guide" / "consumers.md"
    code = page.read_text().split("```python\n")[1].split("```")[0]
    code = code.replace("nats://…", stack.nats_url)
    code = code.replace("analytics.creds", str(stack.credentials("analytics")))
    child = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-c", code),
        cwd=page.parents[1],
        env=os.environ | stack.event_key_settings,
        stdout=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        while done[0]["id"] not in (await child.stdout.readline()).decode():
            assert not child.stdout.at_eof()
    child.terminate()
    await child.wait()


def of(kind, history):
    return [recorded for recorded in history if isinstance(recorded.event, kind)]


async def test_a_fork_has_the_files_of_its_version_and_ends_with_its_own_pull_request(
    stack, phone, tmp_path
):
    made = await repository(stack, "slugify")
    source = await phone.submit("rehearse 7 tool calls", made.url)
    await phone.until_end(source["id"])
    before = await stored(stack, source)
    second = of(SnapshotTaken, before)[1]
    at = next(r.version for r in of(ModelReplied, before) if r.version > second.version)

    said = await errand(
        stack, phone, tmp_path, "fork", source["id"], "--at", str(at),
        "rehearse 2 tool calls", "--detach",
    )  # fmt: skip
    fork = await phone.task(said.split()[-1])
    assert fork["origin"] == {"task": source["id"], "version": at}
    seen = await phone.until_end(fork["id"])

    assert isinstance(seen[-1].event, TaskFinished), seen[-1]
    [prepared, *_] = of(WorkspacePrepared, seen)
    [kept, *_] = of(SnapshotTaken, seen)
    assert prepared.event.commit == of(WorkspacePrepared, before)[0].event.commit
    assert kept.event.tree == second.event.tree, "it begins with the files of that version"
    assert kept.event.files == second.event.files
    then = await phone.get(f"/v1/tasks/{source['id']}/changes", at=at)
    now = await phone.get(f"/v1/tasks/{fork['id']}/changes", at=kept.version)
    assert now["data"] == then["data"]

    [pull_request] = await pull_requests(stack, made, fork["id"])
    assert pull_request["number"] != (await phone.task(source["id"]))["pull_request"]["number"]
    clone = tmp_path / "clone"
    git_ok("clone", "-q", "--branch", f"errand/{fork['id']}", made.url, clone)
    assert sorted(each.name for each in (clone / "rehearsal").iterdir()) == ["0001.txt", "0003.txt"]
    assert "Forked from" in await errand(stack, phone, tmp_path, "show", fork["id"])
    after = await stored(stack, source)
    assert [r.body for r in after][: len(before)] == [r.body for r in before]
    assert not [r for r in after[len(before) :] if r.by != "scheduler"], "it is not changed"


async def test_a_fork_of_the_beginning_starts_from_the_base(stack, phone):
    made = await repository(stack, "slugify")
    source = await phone.submit("rehearse 2 tool calls", made.url)
    fork = await phone.post(
        f"/v1/tasks/{source['id']}/fork", {"at": 1, "prompt": "rehearse 1 tool calls"}
    )
    seen = await phone.until_end(fork["id"])
    assert isinstance(seen[-1].event, TaskFinished), seen[-1]
    assert (await phone.task(fork["id"]))["files_changed"] == 1
    await phone.until_end(source["id"])
