"""Credentials of attempts: issued once per attempt, and checked for validity.

They are valid while the attempt is the task's newest, the task has not ended, and the attempt's
deadline has not passed.
"""

import re
from datetime import timedelta
from typing import Final, NamedTuple

from events import AccountId, History, PersonId, TaskId, task_branch
from events.protocol.broker import ClaimRequest, NatsAccess
from events.protocol.readers import reader_name
from infra.log.nats_permissions import WorkerGrant
from infra.log.nats_users import SEED_BYTES, Signer, seed, worker_user
from infra.runtime.clock import Clock
from infra.runtime.machine_claim import is_claim
from infra.stores.lru import LruMap
from services.gateway.accounts.tokens import Entropy
from services.gateway.broker.accounting.spend_limits import BillingContext
from services.gateway.broker.grants import Grant, Grants
from services.gateway.problems import Refused, refused, unavailable
from services.gateway.queries.task_cache import TaskCache
from services.gateway.tasks.access import is_task_id
from services.gateway.tasks.task import Task

_ACCOUNT: Final = re.compile(r"[a-z0-9_]{1,64}")
_TRUSTED_SECONDS: Final = 2.0
_MAX_REMEMBERED: Final = 2_000


class CredentialSettings(NamedTuple):
    """Settings for issuing credentials: the NATS URL, the signing key, the claim secret.

    No credentials are valid for longer than `machine_seconds`.
    """

    nats_url: str
    signer: Signer
    claim_secret: str
    machine_seconds: float


class Credentials(NamedTuple):
    """Credentials of an attempt. `reader` is its consumer's name."""

    nats: NatsAccess
    token: str
    reader: str
    grant: Grant


class TokenHolder(NamedTuple):
    """Holder of a broker token: an attempt of a task, its repository and billing context."""

    grant: Grant
    repository: str
    payer: BillingContext

    @property
    def history(self) -> History:
        """The task's history."""
        return self.grant.history

    @property
    def branch(self) -> str:
        """The only branch this task may push."""
        return task_branch(self.history.task)


class Attempts:
    """Issues and checks the tokens of attempts."""

    def __init__(
        self,
        grants: Grants,
        *,
        recall: TaskCache,
        minter: CredentialSettings,
        clock: Clock,
        entropy: Entropy,
    ) -> None:
        self._grants = grants
        self._recall = recall
        self._minter = minter
        self._clock = clock
        self._entropy = entropy
        self._remembered: LruMap[str, Grant] = LruMap(_MAX_REMEMBERED)

    async def claim(self, claim: ClaimRequest) -> Credentials:
        """Issue an attempt's credentials, once.

        Raises Refused: 403 when the code is wrong, the attempt is not the newest, its task has
        ended, its deadline has passed or its claim was used; 503 when a dependency is unavailable.
        """
        now = self._clock()
        task, attempt = TaskId(claim.task), claim.attempt
        is_true = is_claim(self._minter.claim_secret, task, attempt, claim.code)
        if not is_true or not is_task_id(task):
            raise _refused("the code is wrong")
        history = await self._history(task, claim.account)
        known = (await self._recall.task(history)).task
        if known.end or known.attempt != attempt:
            raise _refused("the attempt is not the task's newest, or the task has ended")
        if known.deadline is None or known.deadline <= now:
            raise _refused("the attempt's deadline has passed")
        most = now + timedelta(seconds=self._minter.machine_seconds)
        grant = Grant(
            history,
            attempt,
            min(known.deadline, most),
            known.repository,
            _person(known),
            known.model,
        )
        token = await self._grants.claim(grant, machine=claim.machine[:100], now=now)
        if token is None:
            raise _refused("the code was used before")
        reader = reader_name(task, attempt)
        credentials = worker_user(
            self._minter.signer,
            WorkerGrant(history.account, task, reader),
            user_seed=seed("user", self._entropy(SEED_BYTES)),
            now=now,
            expires=grant.expires_at,
        )
        return Credentials(NatsAccess(self._minter.nats_url, credentials), token, reader, grant)

    async def grant(self, token: str) -> Grant | None:
        """Return the grant of a token until its deadline, even if its attempt is over."""
        now = self._clock()
        grant = self._remembered.get(token) or await self._grants.find(token, now=now)
        if grant is None or grant.expires_at <= now:
            self._remembered.pop(token, None)
            return None
        self._remember(token, grant)
        return grant

    async def holder(self, token: str) -> TokenHolder | None:
        """Return the holder of a valid token. May be two seconds behind the log."""
        grant = await self.grant(token)
        if grant is None:
            return None
        known = (await self._recall.task(grant.history, age_seconds=_TRUSTED_SECONDS)).task
        if known.end or known.attempt != grant.attempt:
            known = (await self._recall.task(grant.history)).task  # never refuse on old knowledge
        if known.end or known.attempt != grant.attempt:
            return None
        repository = grant.repository or known.repository
        return TokenHolder(grant, repository, _payer(grant, known))

    async def payer_now(self, holder: TokenHolder) -> BillingContext:
        """Return the billing context from the log's current state."""
        known = (await self._recall.task(holder.history)).task
        return _payer(holder.grant, known)

    async def task_now(self, holder: TokenHolder) -> Task:
        """Return the holder's task from the log's current state."""
        return (await self._recall.task(holder.history)).task

    async def _history(self, task: TaskId, account: str) -> History:
        if account and not _ACCOUNT.fullmatch(account):
            raise _refused("the account is none")
        owner = AccountId(account) if account else await self._grants.owner(task)
        if owner is None:
            raise unavailable("The task is not in the read model yet.", retry_after_seconds=1)
        return History(owner, task)

    def _remember(self, token: str, grant: Grant) -> None:
        self._remembered.put(token, grant)


def _payer(grant: Grant, known: Task) -> BillingContext:
    """Return the billing context as of the claim, with the limit from the log."""
    return BillingContext(
        account=grant.history.account,
        person=grant.person or _person(known),
        task=grant.history.task,
        attempt=grant.attempt,
        limit_microusd=known.limit_microusd,
        model=grant.model,
    )


def _person(known: Task) -> PersonId:
    return PersonId(known.by.removeprefix("person:"))


def _refused(cause: str) -> Refused:
    return refused(
        403,
        "claim_refused",
        f"This machine gets no credentials: {cause}. The scheduler starts another if one is due.",
    )
