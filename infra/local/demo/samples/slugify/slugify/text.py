"""From any text to a slug: lower-case words joined by single hyphens."""

import re
import unicodedata

_NOT_A_WORD = re.compile(r"[^a-z0-9]+")


def slugify(text, max_length=None):
    """Return the slug of `text`, at most `max_length` characters long."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode("ascii")
    slug = _NOT_A_WORD.sub("-", plain.lower()).strip("-")
    return slug if max_length is None else shorten(slug, max_length)


def shorten(slug, max_length):
    """Cut `slug` to `max_length` characters at the end of a word.

    A first word that is too long by itself is cut in the middle.
    """
    if len(slug) <= max_length:
        return slug
    end = slug.rfind("-", 0, max_length + 1)
    if end == -1:
        return slug[:max_length]
    return slug[: end + 1]
