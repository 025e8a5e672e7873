"""The commands of a shell script, as far as they can be read without running it. Pure.

Reads what agents write: lists, pipelines, substitutions, loops, here-documents, and commands handed
to other commands (`sudo`, `xargs`, `bash -c`). Source of the grammar: POSIX.1-2024, XCU 2.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

_TOKEN: Final = re.compile(
    r"""
    (?P<space>  [ \t\r]+ | \\\n | (?<![^\s;&|()]) \#[^\n]* )
  | (?P<redirect> \d* (?: &>>? | >> | >\| | >& | > | <<< | <<-? | <& | <> | < ) )
  | (?P<operator> \n | [;&|()`]+ )
  | (?P<word> (?: '[^']*' | "(?:\\[\s\S]|[^"\\])*" | \\[\s\S] | [^\s;&|()<>'"\\`] )+ )
    """,
    re.VERBOSE,
)
_PIECE: Final = re.compile(r"""'([^']*)'|"((?:\\[\s\S]|[^"\\])*)"|\\([\s\S])""")
_HERE: Final = re.compile(r"""(?<!<)<<-?\s*(['"]?)([A-Za-z_]\w*)\1""")
_SHELL: Final = re.compile(r"(?:^|[\s|;&/])(?:ba|da|z|k)?sh\b")
_INNER: Final = re.compile(r"\$\((?!\()([\s\S]*)\)|`([^`]*)`")
_ASSIGNMENT: Final = re.compile(r"[A-Za-z_]\w*\+?=")
_MEASURE: Final = re.compile(r"\d+(\.\d+)?[smhd]?")
_RESERVED: Final = frozenset({"then", "else", "elif", "do", "if", "while", "until", "!", "{", "}"})
_SILENT: Final = frozenset({"for", "case", "select", "in", "esac", "fi", "done", "function", "["})
_SHELLS: Final = frozenset({"sh", "bash", "dash", "zsh", "ksh"})
_WRAPPERS: Final = frozenset(
    {
        *("sudo", "doas", "env", "command", "exec", "builtin", "time", "nohup", "nice", "ionice"),
        *("stdbuf", "setsid", "timeout", "xargs"),
    }
)
_MAX_DEPTH: Final = 8


class UnreadableScript(ValueError):
    """The script is not one whose commands can be told: an open quote, or nested too deeply."""


class SimpleCommand(NamedTuple):
    """One command: its program, without a path before it, its arguments, the files it writes to."""

    program: str
    arguments: Sequence[str]
    targets: Sequence[str] = ()


def simple_commands(script: str, depth: int = 0) -> Iterator[SimpleCommand]:
    """Yield the commands of a script, those inside others too. Raises UnreadableScript."""
    if depth > _MAX_DEPTH:
        raise UnreadableScript("nested too deeply")
    words: list[str] = []
    targets: list[str] = []
    redirect = ""
    for kind, text in [*_split_tokens(_without_here_documents(script)), ("operator", "\n")]:
        if kind == "redirect":
            redirect = text.lstrip("0123456789")
        elif kind == "operator":
            yield from _command(words, targets, depth)
            words, targets, redirect = [], [], ""
        else:
            yield from _substituted(text, depth)
            plain = _unquoted(text)
            if not redirect:
                words.append(plain)
            elif ">" in redirect and not (redirect == ">&" and re.fullmatch(r"\d+|-", plain)):
                targets.append(plain)
            redirect = ""


def _split_tokens(script: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(script):
        found = _TOKEN.match(script, place)
        if found is None:
            raise UnreadableScript(f"not to be read from {script[place : place + 20]!r} on")
        place = found.end()
        if found.lastgroup and found.lastgroup != "space":
            yield found.lastgroup, found.group()


def _without_here_documents(script: str) -> str:
    """Leave out the bodies of here-documents, but for those that a shell is given to run."""
    kept: list[str] = []
    ends: list[tuple[str, bool]] = []
    for line in script.split("\n"):
        if ends:
            end, is_run = ends[0]
            if line.strip() == end:
                del ends[0]
            elif is_run:
                kept.append(line)
            continue
        is_run = _SHELL.search(line) is not None
        ends = [(found[2], is_run) for found in _HERE.finditer(line)]
        kept.append(line)
    return "\n".join(kept)


def _command(words: Sequence[str], targets: Sequence[str], depth: int) -> Iterator[SimpleCommand]:
    if depth > _MAX_DEPTH:
        raise UnreadableScript("nested too deeply")
    words = _from_program(words)
    program = words[0].rsplit("/", 1)[-1] if words else ""
    if not program or program in _SILENT:
        if targets:
            yield SimpleCommand(":", (), tuple(targets))
        return
    yield SimpleCommand(program, tuple(words[1:]), tuple(targets))
    yield from _handed_on(program, words[1:], depth)


def _handed_on(program: str, arguments: Sequence[str], depth: int) -> Iterator[SimpleCommand]:
    """Yield the commands that a command is given to run."""
    if program in _WRAPPERS:
        rest = [
            word
            for word in arguments
            if not (word.startswith("-") or _ASSIGNMENT.match(word) or _MEASURE.fullmatch(word))
        ]
        first = arguments.index(rest[0]) if rest else len(arguments)
        yield from _command(arguments[first:], (), depth + 1)
        is_value = 0 < first < len(arguments) and arguments[first - 1].startswith("-")
        if is_value and len(rest) > 1:  # `sudo -u root rm`
            second = arguments.index(rest[1], first + 1)
            yield from _command(arguments[second:], (), depth + 1)
    elif program == "eval":
        yield from simple_commands(" ".join(arguments), depth + 1)
    elif program in _SHELLS:
        for place, word in enumerate(arguments[:-1]):
            if re.fullmatch(r"-[a-z]*c[a-z]*", word):
                yield from simple_commands(arguments[place + 1], depth + 1)
    elif re.fullmatch(r"python[\d.]*", program) and "-m" in arguments[:-1]:
        yield from _command(arguments[arguments.index("-m") + 1 :], (), depth + 1)


def _from_program(words: Sequence[str]) -> list[str]:
    """Leave out what may stand before a command's name: assignments and words of the grammar."""
    rest = list(words)
    while rest and (rest[0] in _RESERVED or _ASSIGNMENT.match(rest[0])):
        del rest[0]
    return rest


def _substituted(word: str, depth: int) -> Iterator[SimpleCommand]:
    """Yield the commands inside a word's double quotes; outside of them `(` divides already."""
    for piece in _PIECE.finditer(word):
        for found in _INNER.finditer(piece[2] or ""):
            yield from simple_commands(found[1] or found[2] or "", depth + 1)


def _unquoted(word: str) -> str:
    return _PIECE.sub(_bare, word)


def _bare(piece: re.Match[str]) -> str:
    if piece[2] is not None:
        return re.sub(r"\\([\"\\$`\n])", r"\1", piece[2])
    return piece[1] if piece[1] is not None else piece[3]
