"""Search of tasks on a real Postgres, over what the projector wrote there."""

import asyncpg
import pytest

from events import (
    AccountId,
    History,
    ModelReplied,
    QuestionAnswered,
    QuestionAsked,
    Repository,
    TaskArchived,
    TaskFinished,
    TaskInstructed,
    TaskSubmitted,
    Usage,
    task_id,
)
from events.ids import CallId, CommandId, RequestId
from services.gateway.queries import task_search
from tests.gateway.kit.problems import is_problem
from tests.kit.fakes.in_memory_log import InMemoryLog
from tests.kit.run.history_loop import append_events, caught_up, projecting


class Archive:
    """Tasks of people, written to the read model by the projector."""

    def __init__(self, database):
        self.log = InMemoryLog()
        self.database = database
        self.count = 0

    async def add(self, person, *facts, prompt="Fix it", url="https://github.com/ada/app"):
        self.count += 1
        account = AccountId(person.session["account"])
        history = History(account, task_id(account, CommandId(f"command-{self.count}")))
        submitted = TaskSubmitted(prompt=prompt, repository=Repository(url), model="m")
        await append_events(self.log, history, submitted, *facts)
        return history.task

    async def written(self):
        await caught_up(self.log, self.database)


@pytest.fixture
async def archive(world, fresh_database):
    del world
    made = Archive(fresh_database)
    async with projecting(made.log, fresh_database):
        yield made


async def found(person, words, **filters):
    answer = await person.http.get("/v1/tasks", params={"search": words, **filters})
    assert answer.status_code == 200, answer.text
    page = answer.json()
    return [(task["id"], page["matches"][task["id"]]) for task in page["data"]]


async def ids(person, words, **filters):
    return [task for task, _ in await found(person, words, **filters)]


def said(text):
    return ModelReplied(
        turn=1,
        stop_reason="end_turn",
        usage=Usage(),
        cost_microusd=1,
        blocks=({"type": "text", "text": text},),
    )


async def test_a_task_is_found_by_its_title_repository_and_all_that_was_said(ada, archive):
    first = await archive.add(ada, prompt="Make the parser accept leap years")
    other = await archive.add(
        ada,
        said("I renamed slugify_words() in src/text/slug.py."),
        QuestionAsked(request=RequestId("r"), call=CallId("c"), text="Shall the button be teal?"),
        QuestionAnswered(request=RequestId("r"), text="Rather crimson"),
        TaskInstructed(text="And mention it in the handbook"),
        TaskFinished(summary="Published as version seven", outcome="branch"),
        prompt="Rename it",
        url="https://github.com/ada/website.git",
    )
    await archive.written()

    assert await ids(ada, "leap parser") == [first]
    for words in ("slugify", "text/slug.py", "TEAL", "crimson", "handbook", "seven", "ada/website"):
        assert await ids(ada, words) == [other], words
    assert await ids(ada, "crimson handbook website rename") == [other]
    assert await ids(ada, "crimson leap") == []
    assert await ids(ada, "it", limit=1) == [other]


async def test_a_match_says_where_and_shows_the_words(ada, archive):
    long = "word " * 200 + "the needle lies here" + " word" * 200
    task = await archive.add(ada, said(long), prompt="Look for something")
    titled = await archive.add(ada, prompt="Go", url="https://github.com/ada/haystack")
    await archive.written()

    [(found_task, match)] = await found(ada, "needle")
    assert (found_task, match["role"], match["version"]) == (task, "agent", 2)
    assert "the needle lies here" in match["snippet"]
    assert len(match["snippet"]) <= 200
    [(found_task, match)] = await found(ada, "haystack")
    assert (found_task, match) == (titled, {"role": "title", "version": 0, "snippet": "Go"})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Prüfe die ÜBERSICHT der Straße", ["übersicht", "STRASSE"][0]),
        ("Исправь РАЗБОР дат", "разбор"),
        ("修复日期解析器的闰年问题", "闰年"),
        ("日付パーサーを直して", "パーサー"),
        ("أصلح محلل التواريخ", "محلل"),
        ("ΔΙΟΡΘΩΣΕ το σφάλμα", "διορθωσε"),
        ("Bug 🦄 in crème brûlée", "🦄 BRÛLÉE"),
    ],
)
async def test_every_language_is_searched_in_any_case(ada, archive, text, words):
    task = await archive.add(ada, said(text))
    await archive.add(ada, said("nothing of the kind"))
    await archive.written()

    assert await ids(ada, words) == [task]


async def test_strange_words_are_only_words(ada, archive):
    task = await archive.add(ada, said(r"100% of a_b 'quoted' \d+ (a|b)* ; DROP TABLE -- & !"))
    await archive.written()

    for words in ("100%", "a_b", "'quoted'", r"\d+", "(a|b)*", "; DROP TABLE --", "& !"):
        assert await ids(ada, words) == [task], words
    for words in ("%", "_", "'"):
        assert await ids(ada, words) == [task], words
    for words in ("a%b", "axb", ".*", "drop tables"):
        assert await ids(ada, words) == [], words
    answer = await ada.http.get("/v1/tasks", params={"search": "a\x00b"})
    is_problem(answer, 422, "text_refused")
    too_many = " ".join(f"w{number}" for number in range(task_search.MAX_WORDS + 1))
    is_problem(await ada.http.get("/v1/tasks", params={"search": too_many}), 400, "search_too_long")
    long = "x" * (task_search.MAX_SEARCH_CHARACTERS + 1)
    assert (await ada.http.get("/v1/tasks", params={"search": long})).status_code == 422
    blank = (await ada.http.get("/v1/tasks", params={"search": " \t "})).json()
    assert [each["id"] for each in blank["data"]] == [task]
    assert "matches" not in blank


async def test_nobody_finds_what_is_another_accounts(ada, bob, archive):
    hers = await archive.add(ada, said("a secret plan"), prompt="secret")
    his = await archive.add(bob, said("a secret recipe"), prompt="secret")
    await archive.written()

    assert await ids(ada, "secret") == [hers]
    assert await ids(bob, "secret") == [his]
    assert await ids(bob, "plan") == []


async def test_a_statement_that_forgets_the_account_still_finds_ones_own_alone(
    ada, bob, archive, fresh_database
):
    await archive.add(ada, said("a secret plan"))
    await archive.written()
    connection = await asyncpg.connect(fresh_database)
    async with connection.transaction():
        bind = "SELECT set_config('role', $1, true), set_config('errand.account', $2, true)"
        await connection.execute(bind, "errand_gateway", bob.session["account"])
        rows = await connection.fetch(
            "SELECT task FROM read.message WHERE strpos(text, 'secret') > 0"
        )
    await connection.close()

    assert rows == []


async def test_a_search_goes_on_where_its_page_ended_and_finds_everything(
    ada, archive, monkeypatch
):
    monkeypatch.setattr(task_search, "WINDOW_TASKS", 3)
    tasks = [
        await archive.add(ada, prompt="rare" if number in (0, 1, 7) else "common")
        for number in range(10)
    ]
    await archive.written()
    listed, pages, after = [], 0, ""
    while after is not None:
        query = {"search": "rare", "limit": 1, "after": after}
        page = (await ada.http.get("/v1/tasks", params=query)).json()
        listed += [task["id"] for task in page["data"]]
        after, pages = page["next"], pages + 1

    assert listed == [tasks[7], tasks[1], tasks[0]]
    assert pages <= 7


async def test_a_search_keeps_to_the_other_filters(ada, archive):
    old = await archive.add(
        ada, TaskFinished(summary="", outcome="branch"), TaskArchived(), prompt="parser"
    )
    new = await archive.add(ada, prompt="parser")
    await archive.written()

    assert await ids(ada, "parser") == [new]
    assert await ids(ada, "parser", archived="true") == [new, old]
    assert await ids(ada, "parser", archived="true", phase="finished") == [old]
