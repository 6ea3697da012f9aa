"""An API key: a secret with a name, that never shows itself."""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from typing import NoReturn

from maas_lab.errors import UsageError

_HASH = re.compile(r"[0-9a-f]{64}")


class ApiKey:
    """A secret with a name; print it, format it, copy it: it never shows more than four characters.

    Args:
        secret: the key as the gateway or the portal handed it out, e.g. `sk-...`.
        name: what people call the key.
        models: the models that the key opens; empty when unknown, or when it opens all.

    Raises:
        UsageError: the secret is empty, or holds characters that no key has (a copied space or line end).
    """

    # No __dict__: `vars(key)` and viewers that walk through it find nothing.
    __slots__ = ("__secret", "models", "name")

    def __init__(self, secret: str, name: str = "", models: Iterable[str] = ()) -> None:
        if not isinstance(secret, str) or not re.fullmatch(r"[!#-&(-\[\]-~]+", secret):
            why = "a key is printable ASCII without spaces, quotes and backslashes"
            raise UsageError("this is not an API key", why, "copy the key again, without spaces around it")
        self.__secret, self.name, self.models = secret, name, tuple(models)

    @classmethod
    def of(cls, key: ApiKey | str) -> ApiKey:
        """Return `key` itself, or an unnamed key with that secret."""
        return key if isinstance(key, ApiKey) else cls(key)

    def reveal(self) -> str:
        """Return the secret; don't print it."""
        return self.__secret

    @property
    def hash(self) -> str:
        """The SHA-256 of the secret, hexadecimal: how the gateway's spend rows name this key."""
        return hashlib.sha256(self.__secret.encode()).hexdigest()

    def __str__(self) -> str:
        # Of a short secret, four characters would be too large a part.
        tail = self.__secret[-4:] if len(self.__secret) >= 12 else ""
        return f"{'sk-' if self.__secret.startswith('sk-') else ''}…{tail}"

    def __repr__(self) -> str:
        return f"ApiKey({self}, {self.name!r})" if self.name else f"ApiKey({self})"

    def __format__(self, spec: str) -> str:
        return format(str(self), spec)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ApiKey):
            return NotImplemented
        return hmac.compare_digest(self.__secret.encode(), other.__secret.encode())

    def __hash__(self) -> int:
        return hash(self.hash)

    def __copy__(self) -> ApiKey:
        return self

    def __deepcopy__(self, memo: object) -> ApiKey:
        return self

    def __reduce_ex__(self, *protocol: object) -> NoReturn:
        raise UsageError(
            "an API key is not written to a file",
            "a pickle would hold the secret in plain text",
            "keep the secret in an environment variable or a secret store, and make a new ApiKey from it",
        )

    __reduce__ = __getstate__ = __reduce_ex__


def key_hash(key: ApiKey | str) -> str:
    """Return the hash by which the gateway knows a key, so that no secret gets into an address or a log.

    Args:
        key: an ApiKey, a secret, or such a hash already.

    Raises:
        UsageError: it is none of them.
    """
    if isinstance(key, str) and _HASH.fullmatch(key):
        return key
    if isinstance(key, str) and not key.startswith("sk-"):
        hint = "give the ApiKey, or the `hash` of a row of gateway.keys()"
        raise UsageError("this is neither a key nor the hash of a key", "it may be a key's name", hint)
    return ApiKey.of(key).hash
