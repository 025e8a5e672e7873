"""Check of the contact in VAPID tokens. Pure.

RFC 8292 leaves the contact to the sender. Apple's push service refuses every token (403
BadJwtToken) whose contact has no public host, and no other push service says anything: pushes would
reach every device but the iPhones.
"""

import re
from typing import Final
from urllib.parse import urlsplit

_LOCAL: Final = frozenset(
    {"example", "home", "internal", "invalid", "lan", "local", "localhost", "onion", "test"}
)
_HOST: Final = re.compile(
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z][a-z0-9-]{0,61}[a-z0-9]"
)
_MAILBOX: Final = re.compile(r"mailto:[^\s<>@,?]+@([^\s<>@,?]+)")
_REMEDY: Final = (
    "Apple refuses every push that is sent with such a contact. Set it to an address of yours that "
    "others can reach: `mailto:` and a mail address, or `https://` and a public host."
)


def problem_of_contact(contact: str) -> str:
    """Return cause and remedy when push services would refuse a contact, else nothing."""
    mailbox = _MAILBOX.fullmatch(contact)
    if mailbox is not None:
        host = mailbox[1].lower()
    elif contact.startswith("https://") and not re.search(r"[\s<>]", contact):
        host = _host_of(contact)
    else:
        return f"VAPID_CONTACT is {contact!r}, neither `mailto:` nor `https://`. {_REMEDY}"
    if not _HOST.fullmatch(host):
        return f"VAPID_CONTACT names {host!r}, which is no public host. {_REMEDY}"
    if host.rpartition(".")[2] in _LOCAL:
        return f"VAPID_CONTACT names {host!r}, a name of local networks or of examples. {_REMEDY}"
    return ""


def _host_of(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
