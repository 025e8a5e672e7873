"""Requests of a history as today's worker would make them, compared by their digests."""

from events import ModelReplied, ModelRequested, PromptDigest, Recorded
from services.worker.agent.context.prompt_digest import digest_of
from services.worker.agent.messages import Conversation
from services.worker.agent.state import AgentState
from services.worker.agent.system_prompt import own_words
from services.worker.tools.toolbox import specs


class Prompts:
    """Follows a history; knows the digest of the request that is under way."""

    def __init__(self) -> None:
        self._conversation = Conversation()
        self._asked: PromptDigest | None = None

    def add(self, recorded: Recorded, state: AgentState) -> None:
        """Take an event; `state` is where the task stood before it."""
        self._conversation.add_event(recorded, state)
        if isinstance(recorded.event, ModelRequested):
            self._conversation.add_user_message(with_queued=state.is_work_over)
            self._asked = digest_of(own_words(), specs(), self._conversation.messages)

    def changed_part(self, reply: ModelReplied) -> str:
        """Name what of the request differs from the one that this reply answered; "" if nothing."""
        now, then = self._asked, reply.prompt
        if then is None or now is None:
            return ""
        if then.system != now.system:
            return "another system prompt"
        if then.tools != now.tools:
            return "another list of tools, or other words in it"
        return "another last message" if then.message != now.message else ""
