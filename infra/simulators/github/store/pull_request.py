"""Pull requests: their fields, the rules for opening one, and their states."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Literal, TypeVar

import msgspec

from infra.simulators.github.http.messages import Refusal, invalid

Wanted = TypeVar("Wanted", bound=msgspec.Struct)
State = Literal["open", "closed"]
_MAX_TITLE_CHARACTERS = 256
_MAX_BODY_CHARACTERS = 65536


class PullRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The request that branch `head` become part of branch `base` of the same repository.

    `head_sha` and `base_sha` are where the two were when last seen while it was open, so that its
    diff outlives its branches.
    """

    number: int
    title: str
    body: str | None
    draft: bool
    head: str
    base: str
    head_sha: str
    base_sha: str
    created_at: datetime
    updated_at: datetime
    state: State = "open"
    closed_at: datetime | None = None
    merged_at: datetime | None = None


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """Request to open a pull request; `head` is `branch` or `owner:branch`."""

    title: str
    head: str
    base: str
    body: str | None = None
    draft: bool = False


def propose(body: Mapping[str, object]) -> Proposal:
    """Read a proposal from a request's JSON; raises Refusal 422 in GitHub's words."""
    for name in ("head", "base", "title"):
        if name not in body:
            raise Refusal(422, f'Invalid request.\n\n"{name}" wasn\'t supplied.')
    proposal = _convert(body, Proposal)
    _check_words(proposal.title, proposal.body)
    return proposal


def head_branch(proposal: Proposal, *, owner: str) -> str:
    """Return the proposed branch; raises Refusal 422 when it is another owner's."""
    named, colon, branch = proposal.head.partition(":")
    if not colon:
        return proposal.head
    if named.lower() != owner.lower():
        raise invalid("PullRequest", code="invalid", field="head")
    return branch


def check_branches(head: str, base: str, heads: Mapping[str, str]) -> None:
    """Raise Refusal 422 unless both branches exist."""
    for field, branch in (("head", head), ("base", base)):
        if branch not in heads:
            raise invalid("PullRequest", code="invalid", field=field)


def check_only_one(head: str, base: str, existing: Iterable[PullRequest], *, owner: str) -> None:
    """Raise Refusal 422 when an open pull request asks for the same already."""
    if any(one.state == "open" and (one.head, one.base) == (head, base) for one in existing):
        raise refused(f"A pull request already exists for {owner}:{head}.")


def refused(message: str) -> Refusal:
    """Refuse a pull request for a reason said in words."""
    return invalid("PullRequest", code="custom", message=message)


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Request to edit a pull request; what is unset stays."""

    title: str | msgspec.UnsetType = msgspec.UNSET
    body: str | msgspec.UnsetType | None = msgspec.UNSET
    base: str | msgspec.UnsetType = msgspec.UNSET
    state: State | msgspec.UnsetType = msgspec.UNSET


def read_change(body: Mapping[str, object]) -> Change:
    """Read an edit from a request's JSON; raises Refusal 422 in GitHub's words."""
    change = _convert(body, Change)
    _check_words(
        "-" if change.title is msgspec.UNSET else change.title,
        None if change.body is msgspec.UNSET else change.body,
    )
    return change


def edit(
    pull: PullRequest,
    change: Change,
    *,
    heads: Mapping[str, str],
    others: Iterable[PullRequest],
    owner: str,
    now: datetime,
) -> PullRequest:
    """Apply an edit; raises Refusal 422 when it cannot be as asked."""
    state = pull.state if change.state is msgspec.UNSET else change.state
    base = pull.base if change.base is msgspec.UNSET else change.base
    reopened = state == "open" and pull.state == "closed"
    if reopened and pull.merged_at is not None:
        raise refused("state cannot be changed. The pull request is already merged.")
    if reopened or (state == "open" and base != pull.base):
        check_branches(pull.head, base, heads)
        check_only_one(pull.head, base, others, owner=owner)
    closed_now = state == "closed" and pull.state == "open"
    return msgspec.structs.replace(
        pull,
        title=pull.title if change.title is msgspec.UNSET else change.title,
        body=pull.body if change.body is msgspec.UNSET else change.body,
        base=base,
        base_sha=heads.get(base, pull.base_sha) if state == "open" else pull.base_sha,
        head_sha=heads.get(pull.head, pull.head_sha) if state == "open" else pull.head_sha,
        state=state,
        closed_at=now if closed_now else (None if state == "open" else pull.closed_at),
        updated_at=now,
    )


def follow(
    pull: PullRequest, heads: Mapping[str, str], *, merged: bool, now: datetime
) -> PullRequest:
    """Return the state of an open pull request, given where its branches point now.

    A branch that is gone closes it; a base that holds the head has merged it; otherwise it points
    to where its branches point. `merged` says whether the base holds the head.
    """
    head, base = heads.get(pull.head), heads.get(pull.base)
    if pull.state == "closed" or (head, base) == (pull.head_sha, pull.base_sha):
        return pull
    if head is None or base is None or merged:
        return msgspec.structs.replace(
            pull,
            state="closed",
            closed_at=now,
            updated_at=now,
            merged_at=now if merged else None,
            head_sha=head or pull.head_sha,
        )
    return msgspec.structs.replace(pull, head_sha=head, base_sha=base, updated_at=now)


def _check_words(title: str, body: str | None) -> None:
    if not title.strip():
        raise invalid("PullRequest", code="missing_field", field="title")
    for field, text, limit in (
        ("title", title, _MAX_TITLE_CHARACTERS),
        ("body", body, _MAX_BODY_CHARACTERS),
    ):
        if text is not None and len(text) > limit:
            raise invalid(
                "PullRequest",
                code="custom",
                field=field,
                message=f"{field} is too long (maximum is {limit} characters)",
            )


def _convert(body: Mapping[str, object], kind: type[Wanted]) -> Wanted:
    try:
        return msgspec.convert(body, kind)
    except msgspec.ValidationError as error:
        raise Refusal(422, f"Invalid request.\n\n{error}") from None
