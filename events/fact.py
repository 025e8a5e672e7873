"""The shape every fact shares.

Tags are the storage format: a class may be renamed, its tag may not. A new field needs a default;
a changed meaning needs a new tag. No field may be called `id`, `task`, `version`, `at`, `by` or
`cause`: those names belong to the envelope that is stored around the fact (events.record).
"""

import msgspec


class Fact(msgspec.Struct, frozen=True, kw_only=True, tag_field="type", omit_defaults=True):
    """Something that happened. Named in the past tense, never changed."""
