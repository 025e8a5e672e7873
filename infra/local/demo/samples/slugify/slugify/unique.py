"""Slugs that nobody else has taken."""

from itertools import count

from slugify.text import shorten


def unique(slug, taken, max_length=None):
    """Return `slug`, or the first of `slug-2`, `slug-3`, ... that is not in `taken`.

    The number counts towards `max_length`; the words before it give way.
    """
    if slug not in taken:
        return slug
    for number in count(2):
        suffix = f"-{number}"
        words = slug if max_length is None else shorten(slug, max_length - len(suffix))
        if words + suffix not in taken:
            return words + suffix
