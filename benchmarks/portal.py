"""The portal under load: many people, each with one connection, ask as fast as they are answered.

The client is no library's: on two cores, theirs take more time than the portal.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import Sequence
from urllib.parse import urlsplit

USERS, REQUESTS = 20, 2000
TODAY = time.strftime("%Y-%m-%d", time.gmtime())
DAYS = {"startDate": TODAY, "endDate": TODAY}
ASKED = (
    ("GET", "/api/v1/models", None),
    ("GET", "/api/v1/api-keys", None),
    ("GET", "/api/v1/subscriptions", None),
    ("GET", "/api/v1/usage/budget", None),
    ("POST", "/api/v1/usage/analytics", DAYS),
)
HEADER = ["request", "p50, ms", "p95, ms", "per s"]


def rows(url: str, sessions: Sequence[str], users: int = USERS, requests: int = REQUESTS) -> list[list[str]]:
    """Measure each request.

    Args:
        url: the portal's.
        sessions: tokens of people who have logged in; they take turns.
        users: connections at the same time.
        requests: how many of each.
    """
    return [[f"{one[0]} {one[1]}", *asyncio.run(_measure(url, sessions, users, requests, *one))] for one in ASKED]


async def _measure(
    url: str, sessions: Sequence[str], users: int, requests: int, method: str, path: str, body: dict | None
) -> list[str]:
    times: list[float] = []

    content = json.dumps(body).encode() if body else b""
    address = urlsplit(url)

    async def user(number: int) -> None:
        lines = (
            f"{method} {path} HTTP/1.1",
            f"Host: {address.netloc}",
            f"Authorization: Bearer {sessions[number % len(sessions)]}",
            "Content-Type: application/json",
            f"Content-Length: {len(content)}",
        )
        asked = "\r\n".join(lines).encode() + b"\r\n\r\n" + content
        reader, writer = await asyncio.open_connection(address.hostname, address.port)
        for turn in range(requests // users + 1):
            began = time.perf_counter()
            writer.write(asked)
            head = await reader.readuntil(b"\r\n\r\n")
            if not head.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"{path}: {head[:40]!r}")
            await reader.readexactly(int(re.search(rb"content-length: (\d+)", head)[1]))
            if turn:  # the first one opens the connection
                times.append(1000 * (time.perf_counter() - began))
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(user(number) for number in range(users)))
    rate = requests / (time.perf_counter() - began)
    times.sort()
    return [f"{times[len(times) // 2]:.1f}", f"{times[int(0.95 * len(times))]:.1f}", f"{rate:.0f}"]
