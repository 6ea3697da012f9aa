"""Run the controller of Applications beside the API, as the GitOps operator does on OpenShift."""

from __future__ import annotations

import asyncio
from pathlib import Path

from maas_lab.local.gitops.controller import Applications
from maas_lab.local.gitops.differences import MANAGER
from maas_lab.local.gitops.identity import HOME, PROJECT
from maas_lab.local.gitops.projects import DEFAULT
from maas_lab.local.gitops.renderer import Renderer
from maas_lab.local.gitops.sources import Sources
from maas_lab.local.gitops.spec import Request
from maas_lab.local.kube.controllers.client import NAMESPACE, Client
from maas_lab.local.kube.controllers.work import Work, utc
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.runtime import Runtime


class Following:
    """Lets Applications follow their repositories.

    Args:
        objects: the objects of the cluster.
        runtime: has the library that reads repositories.
        home: the lab's home.
    """

    def __init__(self, objects: Objects, runtime: Runtime, home: Path) -> None:
        renderer = Renderer(runtime, home)
        sources = Sources(renderer.render, renderer.start, self._answered)
        self._objects, self._applications = objects, Applications(objects, utc, sources)
        self._work = Work(objects.store, [self._applications])
        self._loop: asyncio.AbstractEventLoop | None = None

    async def run(self) -> None:
        """Work until cancelled."""
        self._loop = asyncio.get_running_loop()
        self._prepare()
        await self._work.run()

    def _prepare(self) -> None:
        """Make what is there once the operator is installed: its namespace, and the project `default`."""
        client = Client(self._objects, MANAGER)
        if client.get(NAMESPACE, "", HOME) is None:
            client.create(NAMESPACE, {"metadata": {"name": HOME}})
        if client.get(PROJECT, HOME, "default") is None:
            client.create(PROJECT, {**DEFAULT, "metadata": {"name": "default", "namespace": HOME}})

    def _answered(self, request: Request) -> None:
        """Let the Applications that wait for an answer be looked at; called from another thread."""
        if self._loop and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._look, request)

    def _look(self, request: Request) -> None:
        for key in self._applications.answered(request):
            self._work.add(key)
