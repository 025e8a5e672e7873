"""A command handler over a log in memory."""

import msgspec

from events import AccountId, History, PersonId
from events.protocol import frames
from infra.runtime.clock import DraftFactory
from services.gateway.commands.command_handler import CommandHandler
from services.gateway.commands.fork.preparation import ForkPreparation
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.object_store import Storage
from services.gateway.tasks.access import Principal
from services.gateway.tasks.command_declarations import decode_frame, parse_command_id
from services.gateway.tasks.repository_url import Forge
from services.gateway.tasks.request_validation import SubmissionRules
from tests.gateway.kit.memory_bucket import MemoryBucket, attachments_in
from tests.gateway.kit.scenario import NOON
from tests.kit.fakes.in_memory_log import InMemoryLog

ADA = Principal(AccountId("acc_a"), PersonId("per_a"), "ses_a")
BOB = Principal(AccountId("acc_b"), PersonId("per_b"), "ses_b")
ONE = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e11"
TWO = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e12"
THREE = "0198c5a2-6b1e-7d3f-9a51-3c6f0d2b8e13"
RULES = SubmissionRules(
    (Forge(kind="github", url="https://github.com", api_url="https://x"),), "server-model"
)
SUBMISSION = {"prompt": "fix it", "repository": {"url": "https://github.com/ada/app"}}
EXAMPLES = {
    "submit": SUBMISSION,
    "fork": {"at": 1, "prompt": "another way"},
    "instruct": {"text": "more", "mode": "queue"},
    "edit_instruction": {"instruction": 7, "text": "less"},
    "withdraw_instruction": {"instruction": 7},
    "answer": {"request": "req_1", "text": "left"},
    "approve": {"request": "req_1", "digest": "d", "verdict": "allow", "scope": "task"},
    "interrupt": {},
    "cancel": {"reason": "enough"},
    "archive": {},
    "budget": {"cost_microusd": 7},
    "allow_host": {"host": "api.example.com", "port": 8443},
}
"""Arguments of each command, as on the stream."""


def request_for(op, **arguments):
    """Return the request of a `cmd` frame."""
    return decode_frame(frames.Cmd(ONE, op, args=msgspec.Raw(msgspec.json.encode(arguments))))


class CommandHarness:
    """Commands over a log in memory."""

    def __init__(self):
        self.log = InMemoryLog()
        self.bucket = MemoryBucket()
        self.commands = self.restarted()

    def restarted(self):
        draft_factory = DraftFactory(lambda: NOON)
        recall = TaskCache(self.log, lambda: NOON)
        return CommandHandler(
            self.log,
            recall=recall,
            attachments=attachments_in(self.bucket, recall, lambda: NOON),
            forks=ForkPreparation(self.log, Storage(self.bucket), RULES),
            rules=RULES,
            draft_factory=draft_factory,
        )

    async def submit(self, command_id=ONE, principal=ADA):
        return await self._perform(None, principal, command_id, request_for("submit", **SUBMISSION))

    async def say(self, task, op, command_id=TWO, principal=ADA, **arguments):
        return await self._perform(task, principal, command_id, request_for(op, **arguments))

    async def _perform(self, task, principal, command_id, request):
        return await self.commands.perform(
            principal, task, command_id=parse_command_id(command_id), request=request
        )

    async def others_append(self, task, *events):
        history = History(ADA.account, task)
        known = await TaskCache(self.log, lambda: NOON).task(history)
        drafts = DraftFactory(lambda: NOON).drafts(events, by="worker:1")
        await self.log.append(history, drafts, after=known.head)

    def events(self, task):
        return self.log.events(History(ADA.account, task))
