"""Start the Kubernetes API: `python -m maas_lab.local.kube --home FOLDER --schemas FILE`."""

from __future__ import annotations

import argparse
import base64
import json
import logging
import secrets
import socket
from collections.abc import Callable, Iterable
from pathlib import Path

import uvicorn

from maas_lab.local.home import try_lock, write_private
from maas_lab.local.kube import certificates, schema
from maas_lab.local.kube.lifecycle import Objects
from maas_lab.local.kube.oauth import Account
from maas_lab.local.kube.rules import Rules
from maas_lab.local.kube.server import Runs, Server
from maas_lab.local.kube.store import Store
from maas_lab.local.kube.tokens import Tokens, User

NAME = "maas-lab-local"
Controllers = Iterable[Callable[[Objects], Runs]]
USERS = {
    "alice": {"full_name": "Alice, a consumer", "groups": ["litemaas-users"]},
    "bob": {"full_name": "Bob, a consumer", "groups": ["litemaas-users"]},
    "carol": {"full_name": "Carol, an administrator", "groups": ["litemaas-admins"]},
    "dave": {"full_name": "Dave, an auditor", "groups": ["litemaas-readonly"]},
}


def main() -> None:
    """Serve until stopped; the kubeconfig is written when the port is open."""
    parser = argparse.ArgumentParser(prog="python -m maas_lab.local.kube", description=__doc__)
    parser.add_argument("--home", type=Path, required=True, help="the lab's home; state and kubeconfig go there")
    parser.add_argument("--schemas", type=Path, required=True, help="the runtime environment's file of schemas")
    given = parser.parse_args()
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    serve(given.home, given.schemas)


def serve(home: Path, schemas: Path, controllers: Controllers = ()) -> None:
    """Serve one home's cluster, and let controllers work on it, on a loopback port that the kernel chooses."""
    folder = home / "kube"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        if not try_lock(lock.fileno()):
            raise SystemExit(f"another API server serves {home}; two would overwrite each other's objects")
        _serve(home, folder, schemas, controllers)


def _serve(home: Path, folder: Path, schemas: Path, controllers: Controllers) -> None:
    authority, certificate, key = certificates.ensure(folder)
    known = _secrets(folder / "secrets.json")
    store = Store(folder / "state.db")
    tokens = Tokens(known["token"], known["key"], store.owner)
    server = Server(
        store, Rules(schema.load(schemas)), tokens, accounts(folder / "users.json"), controllers=controllers
    )
    listener = socket.create_server(("127.0.0.1", 0))
    address = f"https://127.0.0.1:{listener.getsockname()[1]}"
    write_private(home / "kubeconfig", kubeconfig(address, authority.read_bytes(), known["token"]))
    try:
        _Uvicorn(_config(server, certificate, key), server).run([listener])
    finally:
        store.close()


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


def accounts(file: Path) -> dict[str, Account]:
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


if __name__ == "__main__":
    main()
