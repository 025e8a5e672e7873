"""Composition of the account services from the settings."""

import secrets
from dataclasses import dataclass
from typing import Final

import httpx
import redis.asyncio as redis

from infra.runtime.clock import Clock
from services.gateway.accounts.api_keys import ApiKeys
from services.gateway.accounts.authentication import Authenticator
from services.gateway.accounts.encryption import AesCipher
from services.gateway.accounts.members import Members
from services.gateway.accounts.secrets import read_secrets
from services.gateway.accounts.session_cache import Revocations, SessionCache
from services.gateway.accounts.sessions import Sessions
from services.gateway.accounts.settings import AccountSettings
from services.gateway.accounts.sign_in.app_sign_in import AppSignIns
from services.gateway.accounts.sign_in.github_client import GitHub, GitHubSettings
from services.gateway.accounts.sign_in.github_sign_in import Identities
from services.gateway.accounts.sign_in.mail import Mail, MailSettings
from services.gateway.accounts.sign_in.pairing import Pairings
from services.gateway.accounts.token_signing import TokenSigner
from services.gateway.accounts.tokens import Digests
from services.gateway.queries.task_cache import TaskCache
from services.gateway.stores.database import Pool

CALLBACK: Final = "/sign-in/github/callback"


@dataclass(frozen=True)
class Accounts:
    """Services used by the routes of people, keys and sign-in."""

    people: Authenticator
    sessions: Sessions
    pairings: Pairings
    members: Members
    keys: ApiKeys
    identities: Identities
    mail: Mail
    sign_in_methods: tuple[str, ...]


def make_accounts(
    settings: AccountSettings,
    pool: Pool,
    *,
    recall: TaskCache,
    live: redis.Redis,
    client: httpx.AsyncClient,
    clock: Clock,
) -> Accounts:
    """Build the account services. Raises Misconfigured when ACCOUNT_SECRETS is empty."""
    account_secrets = read_secrets(settings.account_secrets)
    digests, entropy = Digests(settings.claim_secret), secrets.token_bytes
    signing = TokenSigner(account_secrets, issuer=settings.public_url.rstrip("/"), entropy=entropy)
    cache = SessionCache(clock)
    revocations = Revocations(cache, live)
    people = Authenticator(
        pool, recall=recall, digests=digests, signing=signing, session_cache=cache, clock=clock
    )
    sessions = Sessions(
        pool,
        digests=digests,
        signing=signing,
        successor_secret=account_secrets[0],
        revocations=revocations,
        clock=clock,
        entropy=entropy,
    )
    pairings = Pairings(pool, sessions=sessions, digests=digests, clock=clock, entropy=entropy)
    members = Members(
        pool,
        pairings=pairings,
        session_cache=cache,
        revocations=revocations,
        clock=clock,
        entropy=entropy,
    )
    keys = ApiKeys(
        pool,
        digests=digests,
        revocations=revocations,
        environment=settings.key_environment,
        clock=clock,
        entropy=entropy,
    )
    github = GitHub(client, _github(settings))
    mail = _mail(settings, pool, pairings, clock)
    ways = {"code": True, "github": github.is_configured, "mail": mail.is_configured}
    return Accounts(
        people=people,
        sessions=sessions,
        pairings=pairings,
        members=members,
        keys=keys,
        identities=_identities(
            settings, pool, pairings, github=github, digests=digests, clock=clock
        ),
        mail=mail,
        sign_in_methods=tuple(way for way, is_there in ways.items() if is_there),
    )


def _identities(
    settings: AccountSettings,
    pool: Pool,
    pairings: Pairings,
    *,
    github: GitHub,
    digests: Digests,
    clock: Clock,
) -> Identities:
    entropy = secrets.token_bytes
    return Identities(
        pool,
        github=github,
        pairings=pairings,
        app_sign_ins=AppSignIns(
            pool, pairings=pairings, digests=digests, clock=clock, entropy=entropy
        ),
        sealer=AesCipher(read_secrets(settings.account_secrets), entropy),
        digests=digests,
        is_open=settings.sign_up == "open",
        clock=clock,
        entropy=entropy,
    )


def _github(settings: AccountSettings) -> GitHubSettings:
    return GitHubSettings(
        url=settings.github_url,
        api_url=settings.github_api_url,
        client_id=settings.github_client_id,
        client_secret=settings.github_client_secret,
        scope=settings.github_scope,
        redirect_url=settings.public_url.rstrip("/") + CALLBACK,
    )


def _mail(settings: AccountSettings, pool: Pool, pairings: Pairings, clock: Clock) -> Mail:
    terms = MailSettings(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        username=settings.smtp_username,
        password=settings.smtp_password,
        sender=settings.smtp_from,
    )
    return Mail(
        pool,
        terms,
        pairings=pairings,
        public_url=settings.public_url,
        is_open=settings.sign_up == "open",
        clock=clock,
    )
