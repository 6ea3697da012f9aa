"""One home's Kubernetes API: its files, its secrets, its kubeconfig, and the server over TLS."""

from __future__ import annotations

import base64
import contextlib
import json
import secrets
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import uvicorn

from maas_lab.local.home import Home, try_lock, write_private
from maas_lab.local.kube import certificates, schema
from maas_lab.local.kube.accounts import Account, Accounts
from maas_lab.local.kube.audit import Audit
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.server import Server
from maas_lab.local.kube.store import Store
from maas_lab.local.kube.tokens import Tokens
from maas_lab.local.kube.users import User
from maas_lab.settings import LOOPBACK

NAME = "maas-lab-local"
USERS = {
    "alice": {"full_name": "Alice, a consumer", "groups": ["litemaas-users"]},
    "bob": {"full_name": "Bob, a consumer", "groups": ["litemaas-users"]},
    "carol": {"full_name": "Carol, an administrator", "groups": ["litemaas-admins"]},
    "dave": {"full_name": "Dave, an auditor", "groups": ["litemaas-readonly"]},
}


class Api(NamedTuple):
    """What an API serves with.

    Attributes:
        home: the lab's home; the kubeconfig is written there.
        objects: all objects of the cluster.
        tokens: who may call.
        accounts: who can log in.
        audit: where requests are written down.
    """

    home: Path
    objects: Objects
    tokens: Tokens
    accounts: Accounts
    audit: Audit

    @classmethod
    @contextlib.contextmanager
    def opened(cls, home: Path, schemas: Path) -> Iterator[Api]:
        """Open the files of a home's API, which are made if they do not exist.

        Raises:
            SystemExit: another process serves this home; two would overwrite each other's objects.
        """
        folder = home / "kube"
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (folder / "lock").open("w") as lock:
            if not try_lock(lock.fileno()):
                raise SystemExit(f"another API server serves {home}; two would overwrite each other's objects")
            known, store = _secrets(folder / "secrets.json"), Store(folder / "state.db")
            with contextlib.closing(store), contextlib.closing(Audit(Home(home).audit_log)) as audit:
                objects = Objects(store, Rules(schema.load(schemas)))
                tokens = Tokens(known["token"], known["key"], store.owner)
                yield cls(home, objects, tokens, Accounts(_accounts(folder / "users.json"), store), audit)

    def serve(self, server: Server, port: int = 0) -> None:
        """Serve on a loopback port until SIGTERM or SIGINT; the kubeconfig tells where.

        Args:
            server: of this API's objects.
            port: 0 lets the kernel choose.
        """
        authority, certificate, key = certificates.ensure(self.home / "kube")
        listener = socket.create_server((LOOPBACK, port))
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # as asyncio does for sockets of its own
        address = f"https://{LOOPBACK}:{listener.getsockname()[1]}"
        token = _secrets(self.home / "kube" / "secrets.json")["token"]
        write_private(self.home / "kubeconfig", kubeconfig(address, authority.read_bytes(), token))
        _Uvicorn(_config(server, certificate, key), server).run([listener])


def _config(server: Server, certificate: Path, key: Path) -> uvicorn.Config:
    return uvicorn.Config(
        server.app(),
        log_level="warning",
        access_log=False,
        server_header=False,
        ssl_certfile=str(certificate),
        ssl_keyfile=str(key),
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
        lifespan="on",
    )


class _Uvicorn(uvicorn.Server):
    """Ends watches first when it is told to stop; they would hold it up."""

    def __init__(self, config: uvicorn.Config, server: Server) -> None:
        super().__init__(config)
        self._api = server

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._api.end_watches()
        await super().shutdown(sockets)


def _accounts(file: Path) -> dict[str, Account]:
    """Return the lab's users; they and their passwords are made once."""
    if not file.exists():
        made = {name: {"password": secrets.token_urlsafe(12), **told} for name, told in USERS.items()}
        write_private(file, json.dumps(made, indent=2))
    return {
        name: Account(User(name, f"uid-{name}", tuple(told["groups"]), told["full_name"]), told["password"])
        for name, told in json.loads(file.read_text()).items()
    }


def kubeconfig(address: str, authority: bytes, token: str) -> str:
    """Return a kubeconfig for the administrator; JSON is YAML too."""
    cluster = {"server": address, "certificate-authority-data": base64.b64encode(authority).decode()}
    told = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": NAME, "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [{"name": NAME, "context": {"cluster": NAME, "user": "admin", "namespace": "default"}}],
        "current-context": NAME,
    }
    return json.dumps(told, indent=2) + "\n"


def _secrets(file: Path) -> dict[str, str]:
    """Return the administrator's token and the signing key of a home; they are made once."""
    if not file.exists():
        write_private(file, json.dumps({"token": secrets.token_urlsafe(32), "key": secrets.token_urlsafe(48)}))
    return json.loads(file.read_text())
