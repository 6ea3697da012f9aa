"""Tell whether the portal works: what it says is what it has just tried."""

from __future__ import annotations

import asyncio
from typing import Any

from maas_lab.local.portal.calls import PUBLIC, Answer, Call, Rule, now, stamp
from maas_lab.local.portal.configuration import Configuration
from maas_lab.local.portal.database import Database
from maas_lab.local.portal.gateway import GatewayAdmin
from maas_lab.local.portal.refusals import Refused

VERSION = "0.4.0"  # of LiteMaaS, whose API this is


class Health:
    """Answers probes, and what the portal is."""

    def __init__(self, chosen: Configuration, database: Database, gateway: GatewayAdmin) -> None:
        self._chosen, self._database, self._gateway = chosen, database, gateway

    @property
    def rules(self) -> list[Rule]:
        """What this part answers."""
        return [
            Rule("GET", "/api/v1/health/live", PUBLIC, self.live),
            Rule("GET", "/api/v1/health/ready", PUBLIC, self.ready),
            Rule("GET", "/api/v1/health", PUBLIC, self.health),
            Rule("GET", "/api/v1/config", PUBLIC, self.config),
        ]

    async def live(self, call: Call) -> dict[str, Any]:
        """Tell that the process lives."""
        return {"status": "alive", "timestamp": stamp(now())}

    async def ready(self, call: Call) -> Answer:
        """Tell whether requests can be answered: without the database, none can."""
        well = await self._stored()
        return Answer({"status": "ready" if well else "not ready", "timestamp": stamp(now())}, 200 if well else 503)

    async def health(self, call: Call) -> Answer:
        """Tell how everything is that the portal needs."""
        stored, gateway = await asyncio.gather(self._stored(), self._gateway.answers())
        checks = {"database": _word(stored), "litellm": _word(gateway)}
        well = stored and gateway
        told = {"status": _word(well), "timestamp": stamp(now()), "version": VERSION, "checks": checks}
        return Answer(told, 200 if well else 503)

    async def config(self, call: Call) -> dict[str, Any]:
        """Tell what a client needs before anybody logs in."""
        return {
            "version": VERSION,
            "usageCacheTtlMinutes": 0,
            "environment": "production",
            "currency": {"code": "USD", "symbol": "$", "name": "US Dollar"},
            "litellmApiUrl": self._chosen.gateway,
            "authMode": "oauth",
        }

    async def _stored(self) -> bool:
        try:
            return await self._database.value("select 1") == 1
        except Refused:
            return False


def _word(well: bool) -> str:
    return "healthy" if well else "unhealthy"
