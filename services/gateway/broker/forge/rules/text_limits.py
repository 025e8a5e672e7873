"""Text limits of pull requests: titles and bodies are fitted before they are sent. Pure.

Sources: GitHub REST, "Create a pull request" (title 256, body 65,536 characters); GitLab REST,
"Create MR" (title 255, description 1,048,576 characters).
"""

from typing import Final, Literal, NamedTuple

DRAFT: Final = "Draft: "

_FOOTER: Final = "\n\n---\n"
_MAX_FOOTER_CHARACTERS: Final = 300


class TextLimits(NamedTuple):
    """Maximum lengths a forge accepts, in characters."""

    title: int
    body: int


LIMITS: Final[dict[str, TextLimits]] = {
    "github": TextLimits(256, 65_536),
    "gitlab": TextLimits(255, 1_048_576),
}


def fit_title(title: str, branch: str, kind: Literal["github", "gitlab"], *, room: int = 0) -> str:
    """Return a one-line title within the limit; a blank one is made from the branch.

    `room` is the number of characters reserved for a prefix.
    """
    line = " ".join("".join(c if c.isprintable() else " " for c in title).split())
    limit = LIMITS[kind].title - room
    line = line or f"Changes on {branch}"
    return line if len(line) <= limit else f"{line[: limit - 1].rstrip()}…"


def fit_body(body: str, kind: Literal["github", "gitlab"]) -> str:
    """Return a body within the limit; a truncated one says so and keeps its footer."""
    text = "".join(c for c in body if c in "\n\t" or ord(c) >= ord(" ")).encode(errors="replace")
    body, limit = text.decode(), LIMITS[kind].body
    if len(body) <= limit:
        return body
    head, mark, footer = body.rpartition(_FOOTER)
    if not mark or len(footer) > _MAX_FOOTER_CHARACTERS:
        head, mark, footer = body, "", ""
    end = f"\n\n[… cut: {limit} characters are the most this forge takes]{mark}{footer}"
    return head[: limit - len(end)].rstrip() + end
