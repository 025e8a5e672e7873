"""Composition of push notifications from the settings."""

import asyncio
import random
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import httpx
import msgspec

from events import GatewayEvent
from infra.log.jetstream import JetStreamLog
from infra.runtime.clock import Clock
from infra.runtime.settings import Misconfigured
from services.gateway.accounts.tokens import Entropy
from services.gateway.push.attention import Attention
from services.gateway.push.delivery_log import DeliveryLog
from services.gateway.push.devices import Devices
from services.gateway.push.log_follower import MAX_HISTORIES, LogFollower
from services.gateway.push.notification.state import EMPTY_STATE, fold_notices
from services.gateway.push.notification.vapid_contact import problem_of_contact
from services.gateway.push.providers.all import PushProviders
from services.gateway.push.providers.apns import Apns, ProviderToken
from services.gateway.push.providers.fcm import AccessToken, Fcm, GoogleAccount
from services.gateway.push.providers.web import Vapid, WebPush
from services.gateway.push.queue import PushQueue
from services.gateway.push.sender import MAX_CONCURRENT, PushSender
from services.gateway.push.settings import PushSettings
from services.gateway.queries.fold_cache import FoldCache
from services.gateway.stores.database import Pool

_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)  # well below a lease
_HOST: Final = re.compile(r"(\*\.)?[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]{1,5})?")


class Push(NamedTuple):
    """Push services for the routes, and the loops that run beside them."""

    devices: Devices
    pushes: PushQueue
    delivery_log: DeliveryLog
    providers: PushProviders
    hosts: tuple[str, ...]
    sender: PushSender
    follower: LogFollower

    async def run(self, stopping: asyncio.Event) -> None:
        """Read the log and send, until stopped."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self.follower.run(stopping))
            group.create_task(self.sender.run(stopping))


@asynccontextmanager
async def pushing(
    settings: PushSettings,
    *,
    public_url: str,
    log: JetStreamLog[GatewayEvent],
    pool: Pool,
    attention: Attention,
    clock: Clock,
    entropy: Entropy,
) -> AsyncIterator[Push]:
    """Open the push services. Raises Misconfigured, without showing a secret."""
    async with open_providers(settings, clock) as providers:
        pushes = PushQueue(pool, clock=clock)
        states = FoldCache(
            log, fold_notices, empty=EMPTY_STATE, clock=clock, max_histories=MAX_HISTORIES
        )
        sender = PushSender(
            pushes,
            states=states,
            providers=providers,
            attention=attention,
            public_url=public_url,
            clock=clock,
            chance=random.random,
        )
        yield Push(
            devices=Devices(pool, clock=clock, entropy=entropy),
            pushes=pushes,
            delivery_log=DeliveryLog(pool),
            providers=providers,
            hosts=_hosts(settings),
            sender=sender,
            follower=LogFollower(log, pushes, states),
        )


@asynccontextmanager
async def open_providers(settings: PushSettings, clock: Clock) -> AsyncIterator[PushProviders]:
    """Open the clients of the push providers. Raises Misconfigured, without showing a secret."""
    async with httpx.AsyncClient(
        http2=True,
        verify=_trusted(settings.push_ca_file),
        timeout=_TIMEOUT,
        limits=httpx.Limits(max_connections=4 * MAX_CONCURRENT),
        follow_redirects=False,
    ) as client:
        yield PushProviders(
            web=_web(settings, client, clock),
            apns=_apns(settings, client, clock),
            fcm=_fcm(settings, client, clock),
        )


def _hosts(settings: PushSettings) -> tuple[str, ...]:
    hosts = tuple(settings.web_push_hosts.replace(",", " ").split())
    for host in hosts:
        if not _HOST.fullmatch(host):
            raise Misconfigured(f"WEB_PUSH_HOSTS: {host!r} is no host, `*.host` or `host:port`.")
    return hosts


def _trusted(ca_file: str) -> ssl.SSLContext | bool:
    if not ca_file:
        return True
    try:
        return ssl.create_default_context(cafile=ca_file)
    except OSError as error:  # an SSLError is one
        raise Misconfigured(f"PUSH_CA_FILE cannot be read: {error}.") from None


def _web(settings: PushSettings, client: httpx.AsyncClient, clock: Clock) -> WebPush | None:
    if not settings.vapid_private_key:
        return None
    if wrong := problem_of_contact(settings.vapid_contact):
        raise Misconfigured(wrong)
    try:
        vapid = Vapid(settings.vapid_private_key, settings.vapid_contact, clock)
    except ValueError:
        raise Misconfigured("VAPID_PRIVATE_KEY is not 32 bytes of a P-256 key.") from None
    return WebPush(client, vapid, _hosts(settings), clock)


def _apns(settings: PushSettings, client: httpx.AsyncClient, clock: Clock) -> Apns | None:
    if not settings.apns_url:
        return None
    for name in ("apns_key", "apns_key_id", "apns_team_id", "apns_topic"):
        if not getattr(settings, name):
            raise Misconfigured(f"APNS_URL is set, so {name.upper()} is needed, too.")
    try:
        token = ProviderToken(
            Path(settings.apns_key).read_bytes(),
            key_id=settings.apns_key_id,
            team_id=settings.apns_team_id,
            clock=clock,
        )
    except (OSError, ValueError):
        raise Misconfigured("APNS_KEY is not the path of a .p8 key file.") from None
    return Apns(client, url=settings.apns_url, topic=settings.apns_topic, token=token, clock=clock)


def _fcm(settings: PushSettings, client: httpx.AsyncClient, clock: Clock) -> Fcm | None:
    if not settings.fcm_url:
        return None
    try:
        text = Path(settings.fcm_service_account).read_bytes()
        account = msgspec.json.decode(text, type=GoogleAccount)
    except (OSError, msgspec.DecodeError):
        raise Misconfigured(
            "FCM_SERVICE_ACCOUNT is not the path of a service account's JSON key file."
        ) from None
    token = AccessToken(client, account, clock)
    return Fcm(client, url=settings.fcm_url, project=account.project_id, token=token, clock=clock)
