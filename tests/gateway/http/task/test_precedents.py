"""Earlier approvals of similar calls, over HTTP, on rows as the projector writes them."""

import pytest

from events import ApprovalAnswered, RequestId
from services.projector.projections import approvals
from services.projector.projections.table import storable
from tests.gateway.kit.histories import approval_asked, projected
from tests.gateway.kit.problems import is_problem

OTHER = "https://github.com/ada/other"


@pytest.fixture
def asked(world, read_model):
    """Ask for approval in a new task, let it be answered or not; all of it in the read model."""

    async def ask(person, request, *, verdict="", url="https://github.com/ada/app", **changes):
        task = await person.submit(url=url)
        await projected(read_model, person, task)
        history = person.history(task)
        version = await world.append(history, approval_asked(request, **changes))
        if verdict:
            said = ApprovalAnswered(request=RequestId(request), digest="d", verdict=verdict)
            await world.append(history, said, by=f"person:{person.session['person']}")
        for recorded in await world.log.read(history):
            for row in approvals.project(recorded):
                await write(read_model, row)
        return task, version

    return ask


async def write(connection, row):
    names = list(row.values)
    places = ", ".join(f"${n}" for n in range(1, len(names) + 1))
    changes = ", ".join(f"{n} = excluded.{n}" for n in names)
    await connection.execute(
        f"INSERT INTO read.approval ({', '.join(names)}) VALUES ({places})"
        f" ON CONFLICT (task, request) DO UPDATE SET {changes}",
        *(storable(each) if isinstance(each, str) else each for each in row.values.values()),
    )


async def precedents(person, task, request="req_now"):
    return await person.http.get(f"/v1/tasks/{task}/approvals/{request}/precedents")


async def test_similar_calls_in_the_same_repository_are_counted_with_their_answers(ada, asked):
    first, at = await asked(ada, "req_a", verdict="allow")
    await asked(ada, "req_b", verdict="deny", command="rm -r dist", title="Run rm -r dist")
    await asked(ada, "req_c")
    await asked(ada, "req_d", verdict="allow", url=OTHER)
    await asked(ada, "req_e", verdict="allow", covers="reaching the network")
    await asked(ada, "req_f", verdict="allow", tool="write")
    now, _ = await asked(ada, "req_now")
    told = (await precedents(ada, now)).json()
    assert (told["asked"], told["allowed"], told["denied"]) == (3, 1, 1)
    assert [each["verdict"] for each in told["data"]] == [None, "deny", "allow"]
    assert [each["is_same_call"] for each in told["data"]] == [True, False, True]
    oldest = told["data"][-1]
    assert (oldest["task"], oldest["version"], oldest["scope"]) == (first, at, "once")
    assert oldest["answered_by"] == f"person:{ada.session['person']}"
    assert not told["is_capped"]


async def test_what_was_asked_later_is_no_precedent(ada, asked):
    first, _ = await asked(ada, "req_a", verdict="allow")
    await asked(ada, "req_b", verdict="allow")
    told = (await precedents(ada, first, "req_a")).json()
    assert (told["asked"], told["data"]) == (0, [])


async def test_of_a_script_that_nobody_can_read_only_the_same_one_counts(ada, asked):
    alone = {"covers": "this script alone", "title": "Run a script"}
    await asked(ada, "req_a", verdict="allow", command="eval $X", **alone)
    await asked(ada, "req_b", verdict="allow", command="eval $Y", **alone)
    now, _ = await asked(ada, "req_now", command="eval $Y", **alone)
    told = (await precedents(ada, now)).json()
    assert (told["asked"], told["allowed"]) == (1, 1)
    assert told["data"][0]["is_same_call"]


async def test_another_accounts_answers_are_no_precedent(ada, bob, asked):
    await asked(bob, "req_a", verdict="allow")
    now, _ = await asked(ada, "req_now")
    assert (await precedents(ada, now)).json()["asked"] == 0
    is_problem(await precedents(bob, now), 404, "not_found")


async def test_a_request_that_the_read_model_has_not_yet_is_known_from_the_log(
    ada, asked, world, read_model
):
    await asked(ada, "req_a", verdict="allow")
    task = await ada.submit()
    await projected(read_model, ada, task)
    await world.append(ada.history(task), approval_asked("req_now"))
    assert (await precedents(ada, task)).json()["allowed"] == 1
    is_problem(await precedents(ada, task, "req_none"), 404, "not_found")


async def test_a_nul_in_what_is_asked_is_compared_as_it_is_stored(ada, asked):
    await asked(ada, "req_a", verdict="allow", title="odd\0")
    now, _ = await asked(ada, "req_now", title="odd\0")
    assert (await precedents(ada, now)).json()["data"][0]["is_same_call"]


async def test_the_index_finds_them_among_many(ada, asked, read_model):
    now, _ = await asked(ada, "req_now")
    await read_model.execute(
        """INSERT INTO read.approval (task, request, account, version, tool, title, covers, command,
               diff, asked_at)
           SELECT $1, 'r' || n, $2, n + 100, 'bash', 't', 'c' || n % 1000, '', '', '2020-01-01'
           FROM generate_series(1, 20000) AS n""",
        now,
        ada.session["account"],
    )
    await read_model.execute("ANALYZE read.approval")
    plan = await read_model.fetch(
        """EXPLAIN SELECT * FROM read.approval AS a WHERE a.account = $1
           AND md5(a.covers) = md5('c7') AND a.covers = 'c7' ORDER BY a.asked_at DESC LIMIT 500""",
        ada.session["account"],
    )
    assert any("approval_by_kind" in row[0] for row in plan)
