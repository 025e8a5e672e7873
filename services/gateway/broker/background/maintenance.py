"""Periodic maintenance of the broker, so that nothing stays reserved for ever.

It records this process's heartbeat, closes calls that dead processes left open, and re-wraps keys
of an older key-encryption key. An interrupted round is completed by the next one.
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
    """Runs beside the broker. `reconcile` compares with the provider's report, if configured."""

    def __init__(
        self, ledger: Ledger, vault: Vault | None, reconcile: Reconcile | None, clock: Clock
    ) -> None:
        self._ledger = ledger
        self._vault = vault
        self._reconcile = reconcile
        self._clock = clock

    async def run(self) -> None:
        """Run rounds until cancelled."""
        while True:
            try:
                await self.once()
            except Refused as away:
                _log.warning("maintenance.interrupted", reason=str(away))
            await asyncio.sleep(EVERY_SECONDS)

    async def once(self) -> None:
        """Run one round. Raises Refused (503)."""
        swept = await self._ledger.sweep(self._clock())
        if swept:
            _log.warning("model_calls.presumed", calls=swept)
        if self._vault is not None and (rewrapped := await self._vault.rewrap()):
            _log.info("secrets.rewrapped", count=rewrapped, by=self._vault.current)
        if self._reconcile is not None:
            await self._reconcile()
