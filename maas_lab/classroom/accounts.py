"""Names and passwords at the cluster's login: lines of an htpasswd file, kept as a Secret.

OpenShift's HTPasswd identity provider reads such a Secret, and the lab's local cluster does. A platform whose provider
lets the lab write there says so in its ConfigMap: `login-htpasswd=NAMESPACE/SECRET`. Elsewhere people come from the
organisation's own identity provider, and nobody makes passwords here.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import string
from collections.abc import Mapping
from typing import Any

from maas_lab.cluster import Cluster
from maas_lab.errors import NotFound, UsageError
from maas_lab.keys import ApiKey
from maas_lab.objects import Hidden

FACT, KEY = "login-htpasswd", "htpasswd"
_LETTERS = string.ascii_letters + string.digits  # what nobody has to quote, and no spreadsheet takes for a formula
_LONG = 20


def new_password() -> ApiKey:
    """Make a password; it is random, and long enough (119 bits) to be kept as a hash without salt."""
    return ApiKey("".join(secrets.choice(_LETTERS) for _ in range(_LONG)), "password")


def line_of(login: str, password: ApiKey) -> str:
    """Return the line of an htpasswd file, as `htpasswd -s` writes it."""
    digest = hashlib.sha1(password.reveal().encode()).digest()
    return f"{login}:{{SHA}}{base64.b64encode(digest).decode()}"


def with_lines(text: str, wanted: Mapping[str, ApiKey], old: Mapping[str, ApiKey]) -> str:
    """Return an htpasswd file with these people in it; all other lines stay as they are.

    Args:
        text: of the file so far.
        wanted: passwords by login.
        old: passwords that these people had before, which may be replaced.

    Raises:
        UsageError: somebody else has one of these names.
    """
    lines = text.splitlines()
    for login, password in wanted.items():
        there = next((line for line in lines if line.startswith(f"{login}:")), None)
        line, known = line_of(login, password), [line_of(login, one) for one in (old.get(login),) if one]
        if there is None:
            lines.append(line)
        elif there == line or there in known:
            lines[lines.index(there)] = line
        else:
            why = "the cluster's login has a user of this name, who is none of this class"
            raise UsageError(f"there is already a `{login}`", why, "choose another name for the class: --name NAME")
    return "".join(f"{line}\n" for line in lines)


def without_lines(text: str, gone: Mapping[str, ApiKey]) -> str:
    """Return an htpasswd file without these people, if the passwords are still theirs."""
    left = {line_of(login, password) for login, password in gone.items()}
    return "".join(f"{line}\n" for line in text.splitlines() if line not in left)


class Accounts:
    """The htpasswd file of a cluster.

    Args:
        cluster: as somebody who may write the Secret.
        place: `NAMESPACE/SECRET`.
    """

    def __init__(self, cluster: Cluster, place: str) -> None:
        self._cluster = cluster
        self._namespace, _, self._name = place.partition("/")

    def add(self, wanted: Mapping[str, ApiKey], old: Mapping[str, ApiKey]) -> None:
        """Let people log in, as `with_lines`; nothing is written where they can already."""
        secret = self._secret()
        text = _text(secret)
        self._write(secret, text, with_lines(text, wanted, old))

    def must_be_free(self, wanted: Mapping[str, ApiKey], old: Mapping[str, ApiKey]) -> None:
        """Refuse names that somebody else has, as `with_lines`; nothing is written."""
        with_lines(_text(self._secret()), wanted, old)

    def remove(self, gone: Mapping[str, ApiKey]) -> None:
        """Let people log in no longer, as `without_lines`."""
        secret = self._secret()
        text = _text(secret)
        self._write(secret, text, without_lines(text, gone))

    def _secret(self) -> Mapping[str, Any] | None:
        try:
            return self._cluster.get("Secret", self._name, self._namespace)
        except NotFound:
            return None

    def _write(self, secret: Mapping[str, Any] | None, old: str, new: str) -> None:
        if old == new:
            return
        metadata: dict[str, Any] = {"name": self._name, "namespace": self._namespace}
        if secret:  # whoever changed it meanwhile is not overwritten
            metadata["resourceVersion"] = secret["metadata"]["resourceVersion"]
        else:
            self._cluster.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self._namespace}})
        data = Hidden({KEY: base64.b64encode(new.encode()).decode()})
        body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
        self._cluster.apply(body, force=True)


def _text(secret: Mapping[str, Any] | None) -> str:
    return base64.b64decode(((secret or {}).get("data") or {}).get(KEY, "")).decode()
