"""The two pages people read: a repository, and a pull request. Every value is escaped."""

import base64
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from html import escape

from infra.simulators.github.git.comparison import ChangedFile, Commit
from infra.simulators.github.http.messages import Reply
from infra.simulators.github.rest.shapes import Shapes, moment
from infra.simulators.github.store.pull_request import PullRequest
from infra.simulators.github.store.repositories import Repository

_MAX_PATCH_CHARACTERS = 200_000
_STYLE = """
:root { color-scheme: light dark;
  --line: #8884; --soft: #8882; --good: #2da44e33; --bad: #cf222e33; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; line-height: 1.25; overflow-wrap: anywhere; }
h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; }
code, pre { font: .85rem/1.45 ui-monospace, monospace; }
code { background: var(--soft); border-radius: .3rem; padding: .1em .3em; overflow-wrap: anywhere; }
pre { margin: 0; overflow-x: auto; padding: .5rem 0; tab-size: 4; }
pre span { display: block; padding: 0 .75rem; min-width: max-content; }
.add { background: var(--good); } .del { background: var(--bad); } .hunk { opacity: .6; }
section, li { border: 1px solid var(--line); border-radius: .5rem; margin: 0 0 .75rem; }
section > header { padding: .5rem .75rem; border-bottom: 1px solid var(--line); }
ul { list-style: none; padding: 0; } li { padding: .5rem .75rem; }
.words { white-space: pre-wrap; overflow-wrap: anywhere; }
.state { border-radius: 1rem; padding: .15rem .7rem; color: #fff; background: #57606a; }
.open { background: #1a7f37; } .merged { background: #8250df; } .closed { background: #cf222e; }
.quiet { opacity: .7; font-size: .9rem; }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_HEADERS = {
    "content-security-policy": f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}


def page(status: int, title: str, body: str) -> Reply:
    """Make a whole page; `body` is HTML, `title` text."""
    text = (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style><main>{body}</main></html>"
    )
    return Reply(status, text.encode(), "text/html; charset=utf-8", _HEADERS)


def missing() -> Reply:
    """Return the page for an address that does not exist."""
    return page(404, "Not found", "<h1>Not found</h1><p>There is nothing at this address.</p>")


def repository_page(
    repository: Repository,
    shapes: Shapes,
    *,
    heads: Mapping[str, str],
    default_branch: str,
    pulls: Sequence[PullRequest],
    commits: Sequence[Commit],
) -> Reply:
    """Show a repository: where to clone it, its pull requests, branches and newest commits."""
    requests = (
        f'<li><a href="{escape(shapes.pull_page(repository, pull.number))}">'
        f"#{pull.number} {escape(pull.title)}</a> {_state(pull)}</li>"
        for pull in pulls
    )
    branches = (
        f"<li><code>{escape(name)}</code> {'(default)' if name == default_branch else ''} "
        f'<span class="quiet">{escape(sha[:7])}</span></li>'
        for name, sha in heads.items()
    )
    body = (
        f"<h1>{escape(repository.full_name)}</h1>"
        f"<p><code>git clone {escape(shapes.page(repository))}.git</code></p>"
        f"<h2>Pull requests</h2>{_list(requests)}<h2>Branches</h2>{_list(branches)}"
        f"<h2>Commits on {escape(default_branch)}</h2>{_list(map(_commit, reversed(commits)))}"
    )
    return page(200, repository.full_name, body)


def pull_request_page(
    repository: Repository,
    shapes: Shapes,
    pull: PullRequest,
    *,
    commits: Sequence[Commit],
    changed: Sequence[ChangedFile],
) -> Reply:
    """Show a pull request: its words, its commits and its diff."""
    added = sum(file.additions for file in changed)
    deleted = sum(file.deletions for file in changed)
    body = (
        f'<p><a href="{escape(shapes.page(repository))}">{escape(repository.full_name)}</a></p>'
        f'<h1>{escape(pull.title)} <span class="quiet">#{pull.number}</span></h1>'
        f"<p>{_state(pull)} <code>{escape(pull.head)}</code> into <code>{escape(pull.base)}</code>"
        f' <span class="quiet">opened {moment(pull.created_at)}</span></p>'
        f'<div class="words">{escape(pull.body or "")}</div>'
        f"<h2>Commits ({len(commits)})</h2>{_list(map(_commit, commits))}"
        f"<h2>Files ({len(changed)}), +{added} \N{MINUS SIGN}{deleted}</h2>"
        f"{''.join(map(_file, changed))}"
    )
    return page(200, f"{pull.title} #{pull.number}", body)


def _list(items: Iterable[str]) -> str:
    inner = "".join(items)
    return f"<ul>{inner}</ul>" if inner else '<p class="quiet">None yet.</p>'


def _state(pull: PullRequest) -> str:
    word = "merged" if pull.merged_at is not None else pull.state
    return f'<span class="state {word}">{"draft, " if pull.draft else ""}{word}</span>'


def _commit(commit: Commit) -> str:
    subject, _, rest = commit.message.partition("\n")
    return (
        f"<li><strong>{escape(subject)}</strong>"
        f'<div class="words quiet">{escape(rest.strip())}</div>'
        f'<span class="quiet">{escape(commit.author.name)}, {moment(commit.author.date)}, '
        f"<code>{escape(commit.sha[:7])}</code></span></li>"
    )


def _file(file: ChangedFile) -> str:
    patch = file.patch[:_MAX_PATCH_CHARACTERS]
    lines = "".join(_line(line) for line in patch.splitlines())
    if len(patch) < len(file.patch):
        lines += _line("@@ cut here: the rest is in the .diff of this pull request")
    shown = f"<pre>{lines}</pre>" if lines else '<p class="quiet">No text to show.</p>'
    return (
        f"<section><header><code>{escape(file.name)}</code> "
        f'<span class="quiet">{file.status}, +{file.additions} \N{MINUS SIGN}{file.deletions}'
        f"</span></header>{shown}</section>"
    )


def _line(line: str) -> str:
    kind = {"+": "add", "-": "del", "@": "hunk"}.get(line[:1], "")
    return f'<span class="{kind}">{escape(line) or " "}</span>'
