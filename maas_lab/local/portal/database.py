"""PostgreSQL, reached when first needed: the portal starts without it, and says so until it answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import Any

import asyncpg
import orjson

from maas_lab.local.portal.refusals import unavailable

CONNECTIONS = 8
# What says that the server is not there, or not ready yet, and not that a statement is wrong.
ABSENT = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.exceptions.OperatorInterventionError,
    asyncpg.exceptions.InsufficientResourcesError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.UndefinedTableError,
)
Row = asyncpg.Record


class Database:
    """A database and its connections.

    Args:
        url: its address.
        what: what people call it.
        migrations: statements that make the tables, each group once and in order.
        read_only: whether PostgreSQL shall refuse every change.
    """

    def __init__(self, url: str, what: str, migrations: Sequence[str] = (), *, read_only: bool = False) -> None:
        self._url, self._what, self._migrations = url, what, migrations
        self._settings = {"application_name": "portal"} | ({"default_transaction_read_only": "on"} if read_only else {})
        self._pool: asyncpg.Pool | None = None
        self._opening = asyncio.Lock()

    async def rows(self, statement: str, *values: Any) -> list[Row]:
        """Return the rows of a query.

        Raises:
            Refused: 503, the server does not answer.
        """
        async with self.connection() as connection:
            return await connection.fetch(statement, *values)

    async def row(self, statement: str, *values: Any) -> Row | None:
        """Return the first row of a query, None without one.

        Raises:
            Refused: 503.
        """
        async with self.connection() as connection:
            return await connection.fetchrow(statement, *values)

    async def value(self, statement: str, *values: Any) -> Any:
        """Return the first value of a query's first row.

        Raises:
            Refused: 503.
        """
        found = await self.row(statement, *values)
        return found[0] if found else None

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection.

        Raises:
            Refused: 503.
        """
        try:
            pool = self._pool or await self._open()
            async with pool.acquire(timeout=10) as connection:
                yield connection
        except ABSENT as error:
            raise unavailable(self._what) from error

    @contextlib.asynccontextmanager
    async def transaction(self) -> AsyncIterator[asyncpg.Connection]:
        """Lend a connection on which all happens or nothing.

        Raises:
            Refused: 503.
        """
        async with self.connection() as connection, connection.transaction():
            yield connection

    async def close(self) -> None:
        """Close all connections."""
        if self._pool is not None:
            self._pool.terminate()

    async def _open(self) -> asyncpg.Pool:
        async with self._opening:
            if self._pool is None:
                options = {"min_size": 1, "max_size": CONNECTIONS, "timeout": 5, "command_timeout": 20}
                pool = await asyncpg.create_pool(
                    self._url, **options, init=_speak_json, reset=_as_it_is, server_settings=self._settings
                )
                try:
                    await self._migrate(pool)
                except BaseException:
                    pool.terminate()
                    raise
                self._pool = pool
            return self._pool

    async def _migrate(self, pool: asyncpg.Pool) -> None:
        if not self._migrations:
            return
        async with pool.acquire() as connection, connection.transaction():
            await connection.execute("select pg_advisory_xact_lock(4242)")  # another portal may start now
            await connection.execute("create table if not exists portal_migrations (number int primary key)")
            done = await connection.fetchval("select coalesce(max(number), 0) from portal_migrations")
            for number, statements in enumerate(self._migrations[done:], done + 1):
                await connection.execute(statements)
                await connection.execute("insert into portal_migrations values ($1)", number)


async def _speak_json(connection: asyncpg.Connection) -> None:
    options = {"encoder": lambda value: orjson.dumps(value).decode(), "decoder": orjson.loads, "schema": "pg_catalog"}
    for kind in ("json", "jsonb"):
        await connection.set_type_codec(kind, **options)


async def _as_it_is(connection: asyncpg.Connection) -> None:
    """Give a connection back without asking the server to forget: nothing of a request stays on it."""
