"""Put the portal's parts together."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator

from maas_lab.local.portal.approvals import Approvals
from maas_lab.local.portal.audit import Audit
from maas_lab.local.portal.calls import Rule
from maas_lab.local.portal.catalog import Catalog
from maas_lab.local.portal.configuration import Configuration
from maas_lab.local.portal.database import Database
from maas_lab.local.portal.gateway import GatewayAdmin
from maas_lab.local.portal.health import Health
from maas_lab.local.portal.keyrules import KeyRules
from maas_lab.local.portal.keys import Keys
from maas_lab.local.portal.limits import KeyLimits
from maas_lab.local.portal.login import Login
from maas_lab.local.portal.models import Models
from maas_lab.local.portal.people import People
from maas_lab.local.portal.refusals import Refused
from maas_lab.local.portal.sessions import Sessions, Vault
from maas_lab.local.portal.spend import Spend
from maas_lab.local.portal.subscriptions import Subscriptions
from maas_lab.local.portal.tables import MIGRATIONS
from maas_lab.local.portal.usage import Usage

EXPIRY_S = 5.0
log = logging.getLogger(__name__)


class Portal:
    """All parts of one portal, and the rules by which they answer."""

    def __init__(self, chosen: Configuration) -> None:
        self.chosen = chosen
        self._database = database = Database(chosen.database, "the portal's database", MIGRATIONS)
        self._books = Database(chosen.spend, "the gateway's database", read_only=True)
        self._gateway = gateway = GatewayAdmin(chosen.gateway, chosen.gateway_key)
        self.sessions, self.audit = Sessions(chosen, database), Audit(database)
        spend, self._catalog = Spend(self._books), Catalog(database, gateway)
        people, limits = People(database, gateway, spend), KeyLimits(database)
        keys = Keys(database, gateway, spend, people, limits, Vault(chosen.secret))
        self._login, self._models = Login(chosen, database, self.sessions), Models(database, gateway, self._catalog)
        self._subscriptions = subscriptions = Subscriptions(database, self._catalog, people, spend, keys.close_model)
        answering = (
            *(Health(chosen, database, gateway), self._login, self._catalog, self._models, subscriptions),
            *(Approvals(database, subscriptions, people), KeyRules(keys, people, spend, subscriptions)),
            *(limits, people, Usage(database, spend, people), self.audit),
        )
        self.rules: list[Rule] = [rule for part in answering for rule in part.rules]

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Do what has to be done again and again while the block runs, and close every connection at its end."""
        tasks = [asyncio.create_task(task()) for task in (self._keep_in_step, self._end_what_expires)]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for part in (self._login, self._models, self._gateway, self._database, self._books):
                await part.close()

    async def _keep_in_step(self) -> None:
        while self.chosen.sync_s:
            await self._catalog.refresh()
            await asyncio.sleep(self.chosen.sync_s)

    async def _end_what_expires(self) -> None:
        while True:
            try:
                await self._subscriptions.end_expired()
            except Refused as error:  # database or gateway are away
                log.warning("expired subscriptions could not be ended: %s", error)
            await asyncio.sleep(EXPIRY_S)
