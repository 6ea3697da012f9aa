"""What the portal is told by its container's environment, in the names that LiteMaaS's backend has for it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from maas_lab.errors import UsageError
from maas_lab.settings import LOOPBACK

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
ADMIN_PREFIX = "ltm_admin_"
SHORTEST_SECRET = 32
_NEEDED = (
    *("DATABASE_URL", "LITELLM_DATABASE_URL", "LITELLM_API_URL", "LITELLM_MASTER_KEY", "JWT_SECRET"),
    *("OAUTH_CLIENT_ID", "OAUTH_ISSUER", "OPENSHIFT_API_URL", "OAUTH_CALLBACK_URL"),
)


@dataclass(frozen=True)
class Configuration:
    """How this portal runs.

    Attributes:
        host: where it listens.
        database: the address of its own database.
        spend: the address of LiteLLM's database; it is only read.
        gateway: LiteLLM's address, for the portal itself and for its users.
        gateway_key: LiteLLM's master key.
        secret: signs sessions and encrypts stored keys.
        session_s: how long a session lasts.
        issuer: serves `/oauth/authorize` and `/oauth/token`.
        cluster: serves `/apis/user.openshift.io`.
        callback: where the cluster sends people back to.
        origins: pages elsewhere that may call the portal from a browser.
        admin_keys: bearer tokens that may read all that administrators see.
        authority: file of certificates to trust; None means those of the system.
        sync_s: seconds between two readings of the gateway's models; 0 means at start only.
        analytics_limit: requests per minute and person for the administrators' statistics.
        export_limit: the same for exports.
        rate_limit: requests per `rate_window_s` and person for everything; 0 means no limit.
    """

    host: str
    port: int
    database: str = field(repr=False)
    spend: str = field(repr=False)
    gateway: str
    gateway_key: str = field(repr=False)
    secret: str = field(repr=False)
    session_s: int
    client_id: str
    client_secret: str = field(repr=False)
    issuer: str
    cluster: str
    callback: str
    origins: tuple[str, ...]
    admin_keys: tuple[str, ...] = field(repr=False)
    authority: str | None
    sync_s: int
    analytics_limit: int
    export_limit: int
    rate_limit: int
    rate_window_s: int

    @classmethod
    def read(cls, env: Mapping[str, str]) -> Configuration:
        """Read the variables of a container.

        Raises:
            UsageError: one is missing or wrong.
        """
        if missing := [name for name in _NEEDED if not env.get(name)]:
            hint = "set them in the backend's `env`, as manifests/infrastructure/base/portal/backend.yaml does"
            raise UsageError(f"the portal cannot start without {', '.join(missing)}", hint=hint)
        if len(env["JWT_SECRET"]) < SHORTEST_SECRET:
            hint = "openssl rand -hex 24 prints a good one"
            raise UsageError(f"JWT_SECRET is shorter than {SHORTEST_SECRET} characters", "it could be guessed", hint)
        synced = env.get("LITELLM_AUTO_SYNC", "").lower() == "true"
        return cls(
            host=env.get("HOST") or LOOPBACK,
            port=_number(env, "PORT", 8080),
            database=env["DATABASE_URL"],
            spend=env["LITELLM_DATABASE_URL"],
            gateway=env["LITELLM_API_URL"].rstrip("/"),
            gateway_key=env["LITELLM_MASTER_KEY"],
            secret=env["JWT_SECRET"],
            session_s=_span(env, "JWT_EXPIRES_IN", "24h"),
            client_id=env["OAUTH_CLIENT_ID"],
            client_secret=env.get("OAUTH_CLIENT_SECRET", ""),
            issuer=env["OAUTH_ISSUER"].rstrip("/"),
            cluster=env["OPENSHIFT_API_URL"].rstrip("/"),
            callback=env["OAUTH_CALLBACK_URL"],
            origins=_listed(env.get("CORS_ORIGIN", "")),
            admin_keys=tuple(key for key in _listed(env.get("ADMIN_API_KEYS", "")) if key.startswith(ADMIN_PREFIX)),
            authority=env.get("NODE_EXTRA_CA_CERTS") or None,
            sync_s=_number(env, "LITELLM_SYNC_INTERVAL", 60) * 60 if synced else 0,
            analytics_limit=_number(env, "ADMIN_ANALYTICS_RATE_LIMIT", 10),
            export_limit=_number(env, "ADMIN_EXPORT_RATE_LIMIT", 5),
            rate_limit=_number(env, "RATE_LIMIT_MAX", 0),
            rate_window_s=_span(env, "RATE_LIMIT_TIME_WINDOW", "1m"),
        )


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name) or str(default)
    if not re.fullmatch(r"[0-9]{1,9}", text):
        raise UsageError(f"{name} is {text!r}", "it takes a whole number", f"correct {name} in the backend's `env`")
    return int(text)


def _span(env: Mapping[str, str], name: str, default: str) -> int:
    """Return the seconds of a span such as `24h`."""
    text = env.get(name) or default
    found = re.fullmatch(r"([1-9][0-9]{0,6})([smhd])", text)
    if found is None:
        hint = f"correct {name} in the backend's `env`"
        raise UsageError(f"{name} is {text!r}", "it takes a span of time such as 30m, 24h or 7d", hint)
    return int(found[1]) * SECONDS[found[2]]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(one.strip() for one in text.split(",") if one.strip())
