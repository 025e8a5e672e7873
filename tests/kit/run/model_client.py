"""A worker's model client that asks a model, and its answers."""

import pytest

from services.worker.agent.system_prompt import system_blocks
from services.worker.effects.model.client import AnthropicModel
from services.worker.ports import ModelFailure, ModelReply, ModelRequest
from services.worker.tools.toolbox import specs

PROMPT = "the tests fail, fix it"


def question(*messages, prompt=PROMPT, name="claude-sonnet-5-5", effort=""):
    first = {"role": "user", "content": [{"type": "text", "text": prompt}]}
    return ModelRequest(
        model=name,
        effort=effort,
        system=system_blocks({"AGENTS.md": "Use tabs."}),
        messages=[first, *messages],
        tools=specs(),
        user="task_1",
    )


class Deltas(list):
    def __call__(self, kind, index, text):
        self.append((kind, index, text))

    def said(self, kind, index):
        return "".join(text for k, i, text in self if (k, i) == (kind, index))


async def ask(client: AnthropicModel, asked: ModelRequest) -> ModelReply:
    return await client.ask(asked, Deltas())


async def model_error_of(client: AnthropicModel, asked: ModelRequest):
    with pytest.raises(ModelFailure) as caught:
        await client.ask(asked, Deltas())
    return caught.value.model_error
