"""Quirks of old histories that git forgives when it shows them: one list for all who check objects.

Source: git-fsck(1), fsck message ids. None of them is about what a checkout writes to a disk: what
is odd is a date, a name or an address, or a file mode with a zero too many. All else stays refused.
"""

from collections.abc import Mapping
from typing import Final

TOLERATED_CHECKS: Final = (
    "badDate",
    "badDateOverflow",
    "badEmail",
    "badName",
    "badTimezone",
    "missingEmail",
    "missingNameBeforeEmail",
    "missingSpaceBeforeDate",
    "missingSpaceBeforeEmail",
    "multipleAuthors",
    "nulInCommit",
    "zeroPaddedDate",
    "zeroPaddedFilemode",
)


def tolerant_settings(command: str) -> Mapping[str, str]:
    """Return the configuration by which `fetch` or `receive` forgives them."""
    return {f"{command}.fsck.{quirk}": "warn" for quirk in TOLERATED_CHECKS}
