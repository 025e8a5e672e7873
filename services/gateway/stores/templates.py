"""A person's templates in Postgres. Every statement names account and person."""

from collections.abc import Callable
from typing import Any, Final

import msgspec

from events import AccountId, PersonId
from events.ids import prefixed
from events.protocol.api.templates import Template, TemplateKind, TemplateRequest
from infra.runtime.clock import Clock
from services.gateway.problems import not_found, refused
from services.gateway.stores.database import Pool, within

MAX_TEMPLATES: Final = 50
"""Templates of one kind that a person may have."""

_COLUMNS: Final = "template, content, updated_at"
_LIST: Final = f"""
    SELECT {_COLUMNS} FROM accounts.template
    WHERE account = $1 AND person = $2 ORDER BY created_at, template
"""  # noqa: S608 - our own columns
_COUNT: Final = """
    SELECT count(*) FROM accounts.template WHERE account = $1 AND person = $2 AND kind = $3
"""
_ADD: Final = f"""
    INSERT INTO accounts.template
        (account, person, template, kind, content, created_at, updated_at)
    VALUES ($1, $2, $3, $4, $5, $6, $6) RETURNING {_COLUMNS}
"""  # noqa: S608 - our own columns
_FIND: Final = """
    SELECT kind FROM accounts.template WHERE account = $1 AND person = $2 AND template = $3
"""
_CHANGE: Final = f"""
    UPDATE accounts.template SET content = $4, updated_at = $5
    WHERE account = $1 AND person = $2 AND template = $3 RETURNING {_COLUMNS}
"""  # noqa: S608 - our own columns
_DELETE: Final = """
    DELETE FROM accounts.template WHERE account = $1 AND person = $2 AND template = $3
    RETURNING template
"""


class TemplateStore:
    """Lists, stores and deletes templates. Raises Refused (503) when the database is away."""

    def __init__(self, pool: Pool, *, clock: Clock, entropy: Callable[[int], bytes]) -> None:
        self._pool = pool
        self._clock = clock
        self._entropy = entropy

    async def list(self, account: AccountId, person: PersonId) -> tuple[Template, ...]:
        """List a person's templates, the oldest first."""
        async with within(self._pool, account) as connection:
            rows = await connection.fetch(_LIST, account, person)
        return tuple(_template(row) for row in rows)

    async def add(self, account: AccountId, person: PersonId, content: TemplateRequest) -> Template:
        """Store a new template. Raises Refused (409) beyond MAX_TEMPLATES."""
        stored = msgspec.json.encode(content).decode()
        template, now = prefixed("tpl", self._entropy(16)), self._clock()
        async with within(self._pool, account) as connection:
            count = await connection.fetchval(_COUNT, account, person, content.kind)
            if count >= MAX_TEMPLATES:
                raise refused(
                    409,
                    "too_many_templates",
                    f"You have {MAX_TEMPLATES} templates of this kind. Remove one with "
                    "`DELETE /v1/me/templates/{template}` first.",
                )
            row = await connection.fetchrow(
                _ADD, account, person, template, content.kind, stored, now
            )
        return _template(row)

    async def kind(self, account: AccountId, person: PersonId, template: str) -> TemplateKind:
        """Return the kind of a person's template. Raises Refused (404) when there is none."""
        async with within(self._pool, account) as connection:
            kind: TemplateKind | None = await connection.fetchval(_FIND, account, person, template)
        if kind is None:
            raise not_found("template")
        return kind

    async def change(
        self, account: AccountId, person: PersonId, *, template: str, content: TemplateRequest
    ) -> Template:
        """Store a template's new content. Raises Refused (404) when there is none."""
        stored = msgspec.json.encode(content).decode()
        async with within(self._pool, account) as connection:
            row = await connection.fetchrow(
                _CHANGE, account, person, template, stored, self._clock()
            )
        if row is None:
            raise not_found("template")
        return _template(row)

    async def delete(self, account: AccountId, person: PersonId, template: str) -> None:
        """Delete one of a person's templates. Raises Refused (404) when there is none."""
        async with within(self._pool, account) as connection:
            found = await connection.fetchval(_DELETE, account, person, template)
        if found is None:
            raise not_found("template")


def _template(row: Any) -> Template:  # noqa: ANN401 - an asyncpg record
    content = msgspec.json.decode(row["content"], type=TemplateRequest)
    return Template(template=row["template"], content=content, updated_at=row["updated_at"])
