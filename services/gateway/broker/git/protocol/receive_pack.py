"""Broker's receive-pack advertisement and report of a refused push. Pure.

Specification: gitprotocol-pack(5), "Report Status", and gitprotocol-capabilities(5). A pack to be
inspected must be self-contained, so `no-thin` is offered; push options and certificates would
make the forge do more than move one ref, so they are not offered.
"""

from collections.abc import Set as AbstractSet
from typing import Final

MAX_FIRST_LINES_BYTES: Final = 2 * 65_520
_PREFIX: Final = 4
_FLUSH: Final = b"0000"
_NOT_OFFERED: Final = (b"push-options", b"push-cert")
_BAND_RESULT, _BAND_PROGRESS = b"\x01", b"\x02"


def offered(start: bytes) -> bytes | None:
    """Return the start of an advertisement with the broker's capabilities instead of the forge's.

    None when more bytes are needed. Anything but an advertisement is returned unchanged.
    """
    position = 0
    while position + _PREFIX <= len(start):
        digits = start[position : position + _PREFIX]
        try:
            length = int(digits, 16)
        except ValueError:
            return start
        end = position + max(length, _PREFIX)
        if end > len(start):
            break
        line = start[position + _PREFIX : end]
        if b"\0" in line:
            return start[:position] + _packet(_with_own_capabilities(line)) + start[end:]
        position = end
    return start if len(start) > MAX_FIRST_LINES_BYTES else None


def _with_own_capabilities(line: bytes) -> bytes:
    ref, _, capabilities = line.rstrip(b"\n").partition(b"\0")
    kept = [c for c in capabilities.split() if c.partition(b"=")[0] not in _NOT_OFFERED]
    return ref + b"\0" + b" ".join(kept if b"no-thin" in kept else [*kept, b"no-thin"]) + b"\n"


def report_refusal(ref: str, why: str, capabilities: AbstractSet[str]) -> bytes | None:
    """Return the report of a push whose only ref is refused; None when git takes no report."""
    if not capabilities & {"report-status", "report-status-v2"}:
        return None
    line = " ".join(why.split())
    report = _packet(b"unpack ok\n") + _packet(f"ng {ref} {line}\n".encode()) + _FLUSH
    if "side-band-64k" not in capabilities:
        return report
    progress = _packet(_BAND_PROGRESS + f"{line}\n".encode())
    return progress + _packet(_BAND_RESULT + report) + _FLUSH


def _packet(content: bytes) -> bytes:
    return b"%04x" % (len(content) + _PREFIX) + content
