"""Contents that were too long for an event, over HTTP: whole, in ranges, never another object."""

import httpx
import msgspec
import pytest

from events import CallId, ModelReplied, ToolCompleted, Usage
from tests.gateway.kit.full_task import OUTPUT, OUTPUT_VERSION, a_full_task
from tests.gateway.kit.histories import blob, put
from tests.gateway.kit.problems import is_problem

BLOCKS = [{"type": "text", "text": "ö" * 60_000}]


def content(task, version=OUTPUT_VERSION):
    return f"/v1/tasks/{task}/events/{version}/content"


@pytest.fixture
async def task(ada, world, servers):
    return await a_full_task(ada, world, servers)


async def test_a_long_output_is_fetched_whole_as_harmless_text(ada, task):
    answer = await ada.http.get(content(task))
    assert answer.status_code == 200
    assert answer.content == OUTPUT
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "sandbox" in answer.headers["content-security-policy"]
    assert answer.headers["content-length"] == str(len(OUTPUT))
    again = await ada.http.get(content(task), headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=65530-65549", 65530, 65550),
        (f"bytes={len(OUTPUT) - 5}-", len(OUTPUT) - 5, len(OUTPUT)),
        ("bytes=-7", len(OUTPUT) - 7, len(OUTPUT)),
        (f"bytes=-{10**12}", 0, len(OUTPUT)),
        (f"bytes=100-{10**12}", 100, len(OUTPUT)),
    ],
)
async def test_a_long_output_is_fetched_in_parts(ada, task, asked, start, end):
    answer = await ada.http.get(content(task), headers={"Range": asked})
    assert answer.status_code == 206
    assert answer.content == OUTPUT[start:end]
    assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{len(OUTPUT)}"


@pytest.mark.parametrize("asked", ["bytes=5-2", "bytes=-", "lines=1-2", "bytes=0-1,4-5", "x"])
async def test_a_range_that_makes_no_sense_is_passed_over(ada, task, asked):
    answer = await ada.http.get(content(task), headers={"Range": asked})
    assert (answer.status_code, answer.content) == (200, OUTPUT)


async def test_no_range_beyond_the_end_and_none_of_an_older_object_is_answered(ada, task):
    beyond = {"Range": f"bytes={len(OUTPUT)}-"}
    is_problem(await ada.http.get(content(task), headers=beyond), 416, "range_not_satisfiable")
    older = {"Range": "bytes=0-9", "If-Range": '"another"'}
    assert (await ada.http.get(content(task), headers=older)).content == OUTPUT


async def test_at_most_a_mebibyte_of_a_range_is_answered(ada, world, servers):
    task = await ada.submit()
    stored = await blob(servers, task, "outputs/b.txt", b"x" * (3 * 2**20))
    ended = ToolCompleted(call=CallId("b"), output="x", artifact=stored)
    version = await world.append(ada.history(task), ended)
    answer = await ada.http.get(content(task, version), headers={"Range": "bytes=1-"})
    assert answer.headers["content-range"] == f"bytes 1-{2**20}/{3 * 2**20}"
    assert len(answer.content) == 2**20


async def test_a_long_reply_is_fetched_as_its_blocks(ada, world, servers):
    task = await ada.submit()
    stored = await blob(servers, task, "replies/1-0001.json", msgspec.json.encode(BLOCKS))
    replied = ModelReplied(
        turn=1, stop_reason="end_turn", usage=Usage(), cost_microusd=1, blob=stored
    )
    version = await world.append(ada.history(task), replied)
    answer = await ada.http.get(content(task, version))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json() == BLOCKS


async def test_bytes_that_are_no_utf_8_are_sent_as_they_are(ada, world, servers):
    task = await ada.submit()
    stored = await blob(servers, task, "outputs/c.txt", b"caf\xe9\0")
    ended = ToolCompleted(call=CallId("b"), output="caf", artifact=stored)
    version = await world.append(ada.history(task), ended)
    assert (await ada.http.get(content(task, version))).content == b"caf\xe9\0"


async def test_an_event_that_has_its_content_itself_says_so(ada, task):
    is_problem(await ada.http.get(content(task, 1)), 404, "content_in_event")
    is_problem(await ada.http.get(content(task, 999)), 404, "not_found")
    assert (await ada.http.get(content(task, 0))).status_code == 422


async def test_an_object_that_is_not_the_one_named_is_not_sent(ada, task, servers):
    await put(servers, f"tasks/{task}/outputs/a.txt", OUTPUT[:-1] + b"!")
    part = await ada.http.get(content(task), headers={"Range": "bytes=0-9"})
    is_problem(part, 409, "artifact_changed")
    with pytest.raises(httpx.RemoteProtocolError):  # its last part is held back
        await ada.http.get(content(task))
    await put(servers, f"tasks/{task}/outputs/a.txt", OUTPUT[:-1])
    is_problem(await ada.http.get(content(task)), 409, "artifact_changed")


@pytest.mark.parametrize(
    "changes",
    [{"key": "tasks/task_aaaaaaaaaaaaaaaaaaaaaaaaaa/outputs/a.txt"}, {"sha256": "x"}],
)
async def test_an_object_of_another_task_is_not_sent_whatever_the_event_names(
    ada, world, servers, changes
):
    task = await ada.submit()
    await put(servers, "tasks/task_aaaaaaaaaaaaaaaaaaaaaaaaaa/outputs/a.txt", OUTPUT)
    stored = await blob(servers, task, "outputs/a.txt", OUTPUT, **changes)
    ended = ToolCompleted(call=CallId("b"), output="x", artifact=stored)
    version = await world.append(ada.history(task), ended)
    is_problem(await ada.http.get(content(task, version)), 409, "artifact_changed")
