"""Push providers of this installation, behind one interface."""

from typing import NamedTuple

from services.gateway.problems import invalid
from services.gateway.push.notification.address import (
    Address,
    ApnsAddress,
    FcmAddress,
    Kind,
    WebAddress,
)
from services.gateway.push.notification.message import Message
from services.gateway.push.notification.outcome import Outcome, Rejection
from services.gateway.push.providers.apns import Apns
from services.gateway.push.providers.fcm import Fcm
from services.gateway.push.providers.web import WebPush


class PushProviders(NamedTuple):
    """Providers by kind; None where one is not configured."""

    web: WebPush | None
    apns: Apns | None
    fcm: Fcm | None

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Kinds that devices may register for."""
        every: tuple[tuple[Kind, object | None], ...] = (
            ("web", self.web),
            ("apns", self.apns),
            ("fcm", self.fcm),
        )
        return tuple(kind for kind, carrier in every if carrier is not None)

    def require(self, kind: Kind) -> None:
        """Raise Refused (422) when pushes of this kind cannot be sent from here."""
        if kind not in self.kinds:
            raise invalid(
                "push_kind_not_offered",
                "/kind",
                f"This server sends no pushes of kind {kind}: its operator has not set it up "
                "(docs/reference/configuration.md: VAPID_PRIVATE_KEY, APNS_URL or FCM_URL). "
                f"It sends: {', '.join(self.kinds) or 'none'}.",
            )

    async def send(self, address: Address, message: Message) -> Outcome:
        """Attempt one delivery; every error is an outcome."""
        if isinstance(address, WebAddress) and self.web:
            return await self.web.send(address, message)
        if isinstance(address, ApnsAddress) and self.apns:
            return await self.apns.send(address, message)
        if isinstance(address, FcmAddress) and self.fcm:
            return await self.fcm.send(address, message)
        return Rejection(0, "This server no longer sends pushes of this kind.")
