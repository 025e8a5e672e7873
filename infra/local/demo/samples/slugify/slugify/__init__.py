"""Readable web addresses from titles."""

from slugify.text import shorten, slugify
from slugify.unique import unique

__all__ = ["shorten", "slugify", "unique"]
