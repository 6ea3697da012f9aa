"""Who can log in with a password: the lab's own users, and those of an htpasswd file that is kept as a Secret.

OpenShift's HTPasswd identity provider reads such a file from a Secret in `openshift-config`; so does this cluster, at
every login. Of its formats one is understood: `NAME:{SHA}` and the SHA-1 in base64, as `htpasswd -s` writes it.
It has no salt, so it is for random passwords.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from maas_lab.local.kube.kinds import of
from maas_lab.local.kube.store import Store
from maas_lab.local.kube.users import User

NAMESPACE, SECRET, KEY = "openshift-config", "htpass-secret", "htpasswd"
SHA = "{SHA}"
_KIND = of("v1", "Secret")


@dataclass(frozen=True)
class Account:
    """A user of the lab who logs in with a password.

    Attributes:
        user: who logs in.
        password: theirs; of an htpasswd file its hash, which begins with `{SHA}`.
    """

    user: User
    password: str

    def opens(self, password: str) -> bool:
        """Tell whether this is the password."""
        given = password.encode()
        if self.password.startswith(SHA):
            given = SHA.encode() + base64.b64encode(hashlib.sha1(given).digest())
        return hmac.compare_digest(given, self.password.encode())


class Accounts(Mapping[str, Account]):
    """Everybody who can log in, as it is now; the lab's own users cannot be replaced by the file.

    Args:
        own: the lab's users.
        store: holds the Secret, if there is one.
    """

    def __init__(self, own: Mapping[str, Account], store: Store) -> None:
        self._own, self._store = own, store

    def __getitem__(self, name: str) -> Account:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Account]:
        secret = self._store.get(_KIND, NAMESPACE, SECRET) or {}
        return {**read((secret.get("data") or {}).get(KEY, "")), **self._own}


def read(encoded: str) -> dict[str, Account]:
    """Return the accounts of an htpasswd file in base64; lines in another format open nothing."""
    try:
        text = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return {}
    pairs = [line.strip().partition(":") for line in text.splitlines()]
    return {
        name: Account(User(name, f"uid-{name}", (), name), hashed)
        for name, _, hashed in pairs
        if name and hashed.startswith(SHA)
    }
