"""The shape every fact shares.

Tags are the storage format: a class may be renamed, its tag may not. A new field needs a default,
a changed meaning a new tag, any other change of a shape an upcaster (events.upcast). No field may
be called `id`, `task`, `version`, `at`, `by`, `cause` or `schema`: those names belong to the
envelope that is stored around the fact (events.codec). Made of values alone, a fact is never part
of a cycle, and the garbage collector need not look at it.
"""

import msgspec


class Fact(
    msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True, gc=False
):
    """Something that happened. Named in the past tense, never changed."""
