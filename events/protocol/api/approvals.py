"""Answers about approvals: what people answered to similar calls before."""

from datetime import datetime

import msgspec

from events.gateway import Scope, Verdict


class Precedent(msgspec.Struct, frozen=True, kw_only=True):
    """One earlier request for approval, at a version of its task, and the answer.

    `verdict` is null when nobody answered it. `answered_by` is written as in the log:
    `person:per_…`. `is_same_call`: it asked for exactly the same.
    """

    task: str
    version: int
    title: str
    asked_at: datetime
    verdict: Verdict | None
    scope: Scope | None
    answered_by: str
    answered_at: datetime | None
    is_same_call: bool


class PrecedentList(msgspec.Struct, frozen=True, kw_only=True):
    """Counts of similar requests in the same repository, and the newest five of them.

    Those that nobody answered are in `asked` alone. `is_capped`: there are more than were counted.
    """

    asked: int
    allowed: int
    denied: int
    is_capped: bool
    data: list[Precedent]
