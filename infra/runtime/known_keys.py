"""Keys of well-known shapes in a text: each is replaced by `[redacted:NAME]`. Pure.

Every pass is linear in the text.
"""

import re
from collections.abc import Sequence
from typing import Final

MAX_HELD_CHARACTERS: Final = 16_384
"""A text that comes in pieces is held back no further than this from its end."""

_MAX_KEY_LINES: Final = 200

_KNOWN_KEYS: Final[Sequence[tuple[str, Sequence[str], re.Pattern[str]]]] = tuple(
    (name, literals.split(), re.compile(shape))
    for name, literals, shape in (
        ("anthropic-key", "sk-ant-", r"sk-ant-[A-Za-z0-9_-]{16,400}"),
        ("openai-key", "sk-", r"sk-(?:proj-|svcacct-|admin-)[A-Za-z0-9_-]{16,400}"),
        ("openai-key", "sk-", r"sk-[A-Za-z0-9]{40,64}"),
        ("github-token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{20,300}"),
        ("github-token", "github_pat_", r"github_pat_[A-Za-z0-9_]{20,300}"),
        (
            "gitlab-token",
            "glpat- glptt- gldt- glrt- glcbt- glsoat-",
            r"gl(?:pat|ptt|dt|rt|cbt|soat)-[A-Za-z0-9_.-]{16,300}",
        ),
        ("aws-key", "AKIA ASIA", r"A(?:KI|SI)A[A-Z0-9]{16}(?![A-Z0-9])"),
        ("slack-token", "xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,300}"),
        ("slack-token", "xapp-", r"xapp-[A-Za-z0-9-]{10,300}"),
        ("google-key", "AIza", r"AIza[A-Za-z0-9_-]{35}"),
        ("npm-token", "npm_", r"npm_[A-Za-z0-9]{30,300}"),
        ("pypi-token", "pypi-", r"pypi-[A-Za-z0-9_-]{16,400}"),
        ("sendgrid-key", "SG.", r"SG\.[A-Za-z0-9_-]{16,64}\.[A-Za-z0-9_-]{16,128}"),
        ("stripe-key", "sk_live_ sk_test_", r"sk_(?:live|test)_[A-Za-z0-9]{10,300}"),
        ("stripe-key", "rk_live_ rk_test_", r"rk_(?:live|test)_[A-Za-z0-9]{10,300}"),
        ("stripe-key", "whsec_", r"whsec_[A-Za-z0-9+/=]{16,300}"),
        ("nats-seed", "SU SA SN SO SX", r"S[UANOX][A-Z2-7]{56}(?![A-Z2-7])"),
        (
            "errand-token",
            "errand_",
            r"errand_[a-z0-9_]{1,20}_(?:[A-Za-z0-9]{36}|[A-Za-z0-9_-]{43})(?![A-Za-z0-9_-])",
        ),
        ("errand-link", "share_", r"share_[A-Za-z0-9_-]{43}(?![A-Za-z0-9_-])"),
        (
            "jwt",
            "eyJ",
            r"(?<![\w-])eyJ[\w-]{8,4096}\.[\w-]{8,8192}\.[\w-]{8,2048}",
        ),
    )
)
_LITERALS: Final = (*(each for _, literals, _ in _KNOWN_KEYS for each in literals), "-----BEGIN ")
_OPENINGS: Final = (*_LITERALS, "aws", "AWS", "Aws")
_LONGEST: Final = max(map(len, _OPENINGS))
_BEGINNINGS: Final = [
    tuple({each[:size] for each in _OPENINGS if len(each) >= size}) for size in range(_LONGEST + 1)
]
_AWS_CHARACTERS: Final = 110
_HEADER_CHARACTERS: Final = 80
_RUN: Final = "".join(chr(c) for c in range(128) if chr(c).isalnum()) + "_.-"
_AWS_SECRET: Final = re.compile(
    r"(?<![A-Za-z0-9])((?i:aws.{0,20}?secret.{0,20}?[=:\"'\s]{1,4}))"
    r"[A-Za-z0-9/+]{40}(?![A-Za-z0-9/+])"
)
_KEY_BEGINS: Final = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_ENDS: Final = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY(?: BLOCK)?-----")
_KEY_LINE: Final = re.compile(
    r"[ \t+>|-]{0,20}(?:\d{1,7}[\t:|]?[ \t]{0,8})?"
    r"(?:[A-Za-z0-9+/=]{1,80}|[A-Za-z-]{1,40}: .{0,80}|)(?:\\n)?\r?"
)
_MARGIN: Final = re.compile(r"[ \t+>|-]?")


def without_known_keys(text: str) -> str:
    """Return the text with every key of a well-known shape replaced by `[redacted:NAME]`."""
    text = _without_private_keys(text)
    for name, literals, shape in _KNOWN_KEYS:
        if any(literal in text for literal in literals):
            text = shape.sub(lambda found, name=name: _marked(found, name), text)  # type: ignore[misc]
    if "aws" in text.lower():
        text = _AWS_SECRET.sub(r"\1[redacted:aws-key]", text)
    return text


def _marked(found: re.Match[str], name: str) -> str:
    before = found.string[found.start() - 1 : found.start()]
    return found[0] if before.isalnum() else f"[redacted:{name}]"


def _without_private_keys(text: str) -> str:
    """Replace private keys; as many lines stay, so that a diff around them still fits."""
    if _KEY_BEGINS.search(text) is None:
        return text
    kept: list[str] = []
    inside = 0
    for line in text.split("\n"):
        begins, ends = _KEY_BEGINS.search(line), _KEY_ENDS.search(line)
        if begins:
            rest = line[ends.end() :] if ends and ends.start() >= begins.end() else ""
            kept.append(f"{line[: begins.start()]}[redacted:private-key]{rest}")
            inside = 0 if ends else 1
        elif inside and ends:
            kept.append(_margin(line) + line[ends.end() :])
            inside = 0
        elif inside and inside < _MAX_KEY_LINES and _KEY_LINE.fullmatch(line):
            kept.append(_margin(line))
            inside += 1
        else:
            kept.append(line)
            inside = 0
    return "\n".join(kept)


def _margin(line: str) -> str:
    found = _MARGIN.match(line)
    return found[0] if found else ""


def held_key(text: str) -> int:
    """Return where the end of a text may be the beginning of a key of a well-known shape."""
    tail = text[-MAX_HELD_CHARACTERS:]
    start = len(text) - len(tail) + len(tail.rstrip(_RUN))
    begun = [place for each in _LITERALS if (place := text.find(each, start)) >= 0]
    aws = text.lower().find("aws", max(0, len(text) - _AWS_CHARACTERS))
    begun += [aws] if aws >= 0 else []
    for size in range(1, min(_LONGEST, len(text)) + 1):
        place = len(text) - size
        if text.endswith(_BEGINNINGS[size]) and not text[max(0, place - 1) : place].isalnum():
            begun.append(place)
    return min([*begun, len(text), _open_key(text)])


def _open_key(text: str) -> int:
    """Return where a private key begins that may go on; the text's length if none does."""
    place = text.rfind("-----BEGIN ")
    if place < 0:
        return len(text)
    header = _KEY_BEGINS.match(text, place)
    if header is None:
        return place if len(text) - place < _HEADER_CHARACTERS else len(text)
    lines = text[header.end() : header.end() + MAX_HELD_CHARACTERS].split("\n")
    is_open = not any(map(_KEY_ENDS.search, lines)) and all(map(_may_go_on, lines))
    return place if is_open else len(text)


def _may_go_on(line: str) -> bool:
    return _KEY_LINE.fullmatch(line) is not None or line.lstrip(" +>|-\t").startswith("END ")
