"""Usage as the gateway's own database tells it: the same frames as through its API, for who holds its credentials."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from io import BufferedReader, RawIOBase
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pandas as pd
import psycopg
from psycopg import Connection, IsolationLevel, errors
from psycopg.conninfo import conninfo_to_dict

from maas_lab import usage_sql
from maas_lab.errors import AccountingError, UsageError
from maas_lab.usage_frames import COLUMNS, SUMS, TEXT, TIME, dimensions, rows_frame, summary_frame
from maas_lab.windows import Window

_EXAMPLE = "postgresql://USER:PASSWORD@HOST:5432/litellm_db"
# What Prisma, and so LiteLLM's DATABASE_URL, may hold beside what PostgreSQL's own clients know.
_PRISMA = {"schema", "connection_limit", "pool_timeout", "socket_timeout", "pgbouncer", "statement_cache_size"}
_HINT_LOGIN = f"give the user, password and database of LiteLLM's DATABASE_URL: usage.DatabaseUsage({_EXAMPLE!r})"
_HINT_NETWORK = (
    "outside the cluster, or where a NetworkPolicy forbids it, forward its port: `oc port-forward service/postgres 5432"
    ' -n maas-system`, then lab.usage_database(host="127.0.0.1")'
)
_CONNECT_S = 10
_QUERY_S = 300  # after that PostgreSQL itself ends the query: the gateway needs its database
_NUMBERS = {"time": "int64", "cost": TEXT, "latency_s": TEXT}  # texts, which become the doubles that were booked


class DatabaseError(AccountingError):
    """The gateway's database refused a query or could not be reached."""


class DatabaseUsage:
    """Spend rows of a gateway, read from its PostgreSQL: each call is one read-only query of one snapshot.

    It shows the same as `GatewayUsage`, in a hundredth of the time, and needs no more memory than what it returns.

    Args:
        url: of LiteLLM's database, e.g. `postgresql://USER:PASSWORD@HOST:5432/litellm_db`, as in LiteLLM's own
            `DATABASE_URL`. It is not shown again. A role that may only `SELECT` is enough.

    Attributes:
        name: in words.

    Raises:
        UsageError: this is not the address of a PostgreSQL database.
    """

    name = "the gateway's database"

    def __init__(self, url: str) -> None:
        options = _options(url)
        self._where = f"{options.get('dbname', '')} at {options.get('host', 'localhost')}:{options.get('port', 5432)}"
        # In a function, so that `vars()` and viewers that walk through objects find no password.
        self._connect = lambda: psycopg.connect(**options)

    def __repr__(self) -> str:
        return f"DatabaseUsage({self._where})"

    def rows(self, window: Window) -> pd.DataFrame:
        """Return one row per booked call of a window; `maas_lab.usage` says which columns.

        Raises:
            DatabaseError: the database refused, failed, or did not answer.
        """
        statement = f"copy ({usage_sql.ROWS}) to stdout (format csv)"
        with self._cursor() as cursor, cursor.copy(statement, _span(window)) as copy:
            return _frame(copy)

    def summary(self, window: Window, by: str | Sequence[str] = ("application", "model")) -> pd.DataFrame:
        """Return the calls of a window, added up by the database; `maas_lab.usage` says which columns.

        Args:
            window: when the calls arrived.
            by: which of `usage.DIMENSIONS` to keep apart.

        Raises:
            UsageError: there is no such dimension.
            DatabaseError: the database refused, failed, or did not answer.
        """
        names = dimensions(by)
        with self._cursor() as cursor:
            found = cursor.execute(usage_sql.summary(names), _span(window)).fetchall()
        frame = pd.DataFrame(found, columns=[*names, *SUMS], dtype="object")
        if "hour" in names:
            frame["hour"] = pd.to_datetime(frame["hour"]).astype("datetime64[us]").dt.tz_localize("UTC")
        return summary_frame(frame, names)

    @contextmanager
    def _cursor(self) -> Iterator[psycopg.Cursor]:
        try:
            with self._connect() as connection:
                _only_read(connection)
                with connection.cursor() as cursor:
                    yield cursor
        except psycopg.Error as error:
            # Without the cause: its traceback holds the password.
            raise self._told(error) from None

    def _told(self, error: psycopg.Error) -> DatabaseError:
        why = " ".join(str(error).split())
        if isinstance(error, errors.UndefinedTable | errors.UndefinedColumn | errors.InvalidCatalogName):
            what = f"{self._where} is not the database of a LiteLLM gateway"
            return DatabaseError(
                what, why, "name the database of its DATABASE_URL; the lab knows that of LiteLLM 1.81.0"
            )
        if isinstance(error, errors.QueryCanceled):
            hint = "ask for a shorter window, or add up: summary() instead of rows()"
            return DatabaseError(f"the database did not answer in {_QUERY_S} s", why, hint)
        if isinstance(error, errors.InsufficientPrivilege | errors.InvalidPassword):
            hint = 'its owner runs: GRANT SELECT ON ALL TABLES IN SCHEMA public TO "USER"'
            return DatabaseError(f"the database at {self._where} refuses to be read", why, hint)
        if isinstance(error, psycopg.OperationalError):
            hint = _HINT_LOGIN if "FATAL" in why else _HINT_NETWORK
            return DatabaseError(f"the database {self._where} cannot be read", why, hint)
        return DatabaseError(
            f"the database {self._where} refused the query", why, "`lab.usage` asks the gateway instead"
        )


class _Stream(RawIOBase):
    """What a COPY sends, as a file; no more than a piece of it is in memory."""

    def __init__(self, copy: Iterable[bytes]) -> None:
        self._copy, self._left = iter(copy), memoryview(b"")

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: memoryview) -> int:
        """Fill a buffer with what comes next, and return how many bytes that are; 0 at the end."""
        left = self._left or memoryview(next(self._copy, b""))
        size = min(len(left), len(buffer))
        buffer[:size], self._left = left[:size], left[size:]
        return size


def _frame(copy: Iterable[bytes]) -> pd.DataFrame:
    """Return the rows of a COPY; equal texts become one object."""
    kinds = {name: _NUMBERS.get(name, kind) for name, kind in COLUMNS.items()}
    missing = {name: [""] for name, kind in kinds.items() if kind in ("Int64", "boolean")}
    how: dict[str, Any] = {"dtype": kinds, "na_values": missing, "keep_default_na": False}
    found = pd.read_csv(BufferedReader(_Stream(copy)), names=list(usage_sql.NAMES), **how)
    found["time"] = pd.to_datetime(found["time"], unit="us", utc=True).astype(TIME)
    return rows_frame(found)


def _only_read(connection: Connection) -> None:
    connection.isolation_level, connection.read_only = IsolationLevel.REPEATABLE_READ, True
    connection.execute(f"set local statement_timeout = '{_QUERY_S}s'")


def _span(window: Window) -> dict[str, str]:
    # Columns of LiteLLM are in UTC and do not say so.
    until = "infinity" if window.running else _timestamp(window.until)
    return {"since": _timestamp(window.since), "until": until}


def _timestamp(when: datetime) -> str:
    return when.replace(tzinfo=None).isoformat(sep=" ")


def _options(url: str) -> dict[str, Any]:
    """Return what psycopg connects with."""
    what, hint = "this is not the address of a PostgreSQL database", f"it looks like {_EXAMPLE}"
    try:
        parts = urlsplit(url)
        query = dict(parse_qsl(parts.query))
        kept = urlencode({name: value for name, value in query.items() if name not in _PRISMA})
        options = conninfo_to_dict(parts._replace(query=kept).geturl())
    except (psycopg.Error, ValueError, TypeError, AttributeError):
        # The cause would show the address, and with it the password.
        raise UsageError(what, hint=hint) from None
    if parts.scheme not in ("postgres", "postgresql") or not options.get("dbname"):
        raise UsageError(what, "it needs a scheme, a host and a database", hint)
    if query.get("schema", "public") != "public":
        options["options"] = f"-c search_path={query['schema']}"
    return {"connect_timeout": _CONNECT_S, "application_name": "maas-lab usage", **options, "client_encoding": "utf8"}
