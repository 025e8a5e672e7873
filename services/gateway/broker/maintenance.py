"""What the broker sees to by itself, every few seconds: that nothing stays reserved for ever.

It says that this gateway lives, presumes what dead ones left open, and wraps anew what an older
key-encryption key wraps. Whatever it was doing when it died, the next round does.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from infra.runtime.clock import Clock
from infra.runtime.telemetry import logger
from services.gateway.broker.model.ledger import Ledger
from services.gateway.broker.secrets.vault import Vault
from services.gateway.problems import Refused

EVERY_SECONDS: Final = 10.0

Reconcile = Callable[[], Awaitable[None]]
_log = logger(__name__)


class Maintenance:
    """Runs beside the broker. `reconcile` compares with the provider's own report, if one is."""

    def __init__(
        self, ledger: Ledger, vault: Vault | None, reconcile: Reconcile | None, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._reconcile = reconcile
        self._clock = clock

    async def run(self) -> None:
        """Go round until cancelled."""
        while True:
            try:
                await self.once()
            except Refused as away:
                _log.warning("the broker's round was broken off", reason=str(away))
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Go round once. Raises Refused (503)."""
        swept = await self._ledger.sweep(self._clock())
        if swept:
            _log.warning("calls whose end was not seen stand at their worst case", calls=swept)
        if self._vault is not None and (rewrapped := await self._vault.rewrap()):
            _log.info("secrets were wrapped anew", count=rewrapped, by=self._vault.current)
        if self._reconcile is not None:
            await self._reconcile()
