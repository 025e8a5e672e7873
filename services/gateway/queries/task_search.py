"""Search of an account's tasks by words: title, repository, and all that was said.

A word is found anywhere in a text, whatever its case and language: people search for pieces of
names and paths, and not every language puts spaces between words. Every word must occur somewhere
in the task. Row-level security lets no index of a text be used for this, so a page looks through a
bounded number of the account's own tasks, newest first, and says where the next one goes on.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from unicodedata import normalize

from events.protocol.api.tasks import Match
from services.gateway.problems import refused
from services.gateway.stores.database import Connection

MAX_SEARCH_CHARACTERS: Final = 200
MAX_WORDS: Final = 16
WINDOW_TASKS: Final = 500
"""Tasks that one page looks through."""

_BEFORE_CHARACTERS: Final = 60
_SNIPPET_CHARACTERS: Final = 200

FILTERED: Final = """
    FROM read.task
    WHERE account = $1 AND state IS NOT NULL
      AND ($2::text IS NULL OR phase = $2) AND ($3::text IS NULL OR repository = $3)
      AND ($4::timestamptz IS NULL OR (submitted_at, task) < ($4, $5))
      AND ($6 OR NOT coalesce((state->'is_archived')::boolean, false))
      AND starts_with(task, $7)
"""
_NEWEST_FIRST: Final = "ORDER BY submitted_at DESC, task DESC"
_LAST_LOOKED_AT: Final = f"""
    SELECT submitted_at, task {FILTERED} {_NEWEST_FIRST} OFFSET $8::int - 1 LIMIT 1
"""
_SEARCH: Final = f"""
    WITH word AS MATERIALIZED (
        SELECT number, lower(form) AS form FROM unnest($9::int[], $10::text[]) AS w (number, form)
    ),
    looked AS (
        SELECT task, submitted_at, state,
            lower(concat_ws(chr(10), state->>'title', repository)) AS named
        {FILTERED} {_NEWEST_FIRST} LIMIT $8
    ),
    found AS (
        SELECT task, submitted_at, state FROM looked
        WHERE NOT EXISTS (
            SELECT FROM (SELECT DISTINCT number FROM word) AS wanted
            WHERE NOT EXISTS (
                SELECT FROM word
                WHERE word.number = wanted.number AND strpos(looked.named, word.form) > 0)
            AND NOT EXISTS (
                SELECT FROM read.message AS m JOIN word ON word.number = wanted.number
                WHERE m.task = looked.task AND strpos(lower(m.text), word.form) > 0))
        {_NEWEST_FIRST} LIMIT $11
    )
    SELECT found.task, found.submitted_at, found.state, said.role, said.version, said.snippet
    FROM found LEFT JOIN LATERAL (
        SELECT m.role, m.version, count(DISTINCT word.number) AS words,
            substr(m.text, greatest(1, min(at.place) - {_BEFORE_CHARACTERS}), {_SNIPPET_CHARACTERS})
                AS snippet
        FROM read.message AS m CROSS JOIN word
            CROSS JOIN LATERAL (SELECT strpos(lower(m.text), word.form) AS place) AS at
        WHERE m.task = found.task AND at.place > 0
        GROUP BY m.task, m.version ORDER BY words DESC, m.version LIMIT 1
    ) AS said ON true
    ORDER BY found.submitted_at DESC, found.task DESC
"""  # noqa: S608 - our own words

Filters = tuple[str, str | None, str | None, datetime | None, str, bool, str]
"""Account, phase, repository, time and task of the page before, archived ones too, id's prefix."""


class SearchPage(NamedTuple):
    """Rows of the tasks found, one more than asked for if there are; and the last task looked at.

    `last` is None when all tasks were looked at.
    """

    rows: Sequence[Any]
    last: Any


def words_of(text: str) -> list[str]:
    """Split what a person typed into words. Raises Refused (400) when there are too many."""
    words = list(dict.fromkeys(normalize("NFC", text).split()))
    if len(words) > MAX_WORDS:
        raise refused(400, "search_too_long", f"Search for at most {MAX_WORDS} words at once.")
    return words


def forms_of(word: str) -> list[str]:
    """Return the forms in which a word may be written.

    A database may know small letters of ASCII only; its `lower` does the rest.
    """
    if word.isascii():
        return [word]
    return list(dict.fromkeys([word, word.lower(), word.upper(), word.capitalize()]))


async def search_tasks(
    connection: Connection, filters: Filters, words: Sequence[str], limit: int
) -> SearchPage:
    """Look through the next tasks for those in which every word occurs."""
    forms = [(number, form) for number, word in enumerate(words) for form in forms_of(word)]
    numbers, texts = [number for number, _ in forms], [form for _, form in forms]
    last = await connection.fetchrow(_LAST_LOOKED_AT, *filters, WINDOW_TASKS)
    rows = await connection.fetch(_SEARCH, *filters, WINDOW_TASKS, numbers, texts, limit + 1)
    return SearchPage(rows, last)


def match_of(row: Any, title: str) -> Match:  # noqa: ANN401 - an asyncpg record
    """Return where a task matched: what was said, else its title or repository."""
    if row["version"] is None:
        return Match("title", 0, title)
    snippet = " ".join(row["snippet"].split())
    return Match(row["role"], row["version"], snippet)
