"""The shape every fact shares, and the values that stand in the facts of workers.

Tags are the storage format: a class may be renamed, its tag may not. A new field needs a default,
a changed meaning a new tag, any other change of a shape an upcaster (events.upcast). No field may
be called `id`, `task`, `version`, `at`, `by`, `cause` or `schema`: those names belong to the
envelope that is stored around the fact (events.codec). Made of values alone, a fact is never part
of a cycle, and the garbage collector need not look at it.
"""

from typing import Annotated, Literal

import msgspec

from events.ids import CallId
from events.limits import MAX_NAME_CHARACTERS, Count, Line, Name, Text


class Fact(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False
):
    """Something that happened. Named in the past tense, never changed."""


_Call = Annotated[CallId, msgspec.Meta(max_length=MAX_NAME_CHARACTERS)]


class Usage(msgspec.Struct, frozen=True, omit_defaults=True):
    """Tokens of one model call, as the Messages API counts them."""

    input_tokens: Count = 0
    output_tokens: Count = 0
    cache_creation_input_tokens: Count = 0
    cache_read_input_tokens: Count = 0


class PlanItem(msgspec.Struct, frozen=True):
    """One line of the agent's plan."""

    text: Text
    state: Literal["pending", "active", "done"]


class UndoneCall(msgspec.Struct, frozen=True):
    """A tool call whose work is gone with its machine; `title` as in its `tool.started`."""

    call: _Call
    tool: Name
    title: Line


class LeftOut(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something in the workspace that the work leaves out.

    `reason`: ignored, build_output, too_large, submodule, history (of a repository inside the
    repository), empty_folder, refused (by git), or more: `files` others.
    """

    path: Line
    reason: Name
    files: Count = 1
