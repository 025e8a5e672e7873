"""A command handler over a log in memory."""

import msgspec

from events import AccountId, History, PersonId
from infra.runtime.clock import DraftFactory
from services.gateway.queries.command_handler import CommandHandler
from services.gateway.queries.task_cache import TaskCache
from services.gateway.tasks.access import Principal
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.requests import RequestDecoder
from tests.gateway.kit.scenario import NOON
from tests.kit.fakes.in_memory_log import InMemoryLog

ADA = Principal(AccountId("acc_a"), PersonId("per_a"), "ses_a")
BOB = Principal(AccountId("acc_b"), PersonId("per_b"), "ses_b")
ONE = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"
TWO = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e12"
THREE = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e13"
SUBMISSION = msgspec.json.encode(
    {"prompt": "fix it", "repository": {"url": "https://github.com/ada/app"}}
)
TERMS = RequestDecoder(
    (Forge(kind="github", url="https://github.com", api_url="https://x"),), "harness"
)


class CommandHarness:
    """Commands over a log in memory."""

    def __init__(self):
        self.log = InMemoryLog()
        self.commands = self.restarted()

    def restarted(self):
        draft_factory = DraftFactory(lambda: NOON)
        recall = TaskCache(self.log, lambda: NOON)
        return CommandHandler(self.log, recall=recall, terms=TERMS, draft_factory=draft_factory)

    async def submit(self, command_id=ONE, principal=ADA):
        return await self.commands.perform(
            principal, None, command_id=command_id, op="submit", arguments=SUBMISSION
        )

    async def say(self, task, op, command_id=TWO, principal=ADA, **arguments):
        return await self.commands.perform(
            principal, task, command_id=command_id, op=op, arguments=msgspec.json.encode(arguments)
        )

    async def others_append(self, task, *events):
        history = History(ADA.account, task)
        known = await TaskCache(self.log, lambda: NOON).task(history)
        drafts = DraftFactory(lambda: NOON).drafts(events, by="worker:1")
        await self.log.append(history, drafts, after=known.head)

    def events(self, task):
        return self.log.events(History(ADA.account, task))
