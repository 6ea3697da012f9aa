"""The portal under load: many people, each with one connection, ask as fast as they are answered."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import httpx

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

    async def user(number: int) -> None:
        headers = {"Authorization": f"Bearer {sessions[number % len(sessions)]}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False, timeout=60) as http:
            await http.request(method, path, json=body)
            for _ in range(requests // users):
                began = time.perf_counter()
                (await http.request(method, path, json=body)).raise_for_status()
                times.append(1000 * (time.perf_counter() - began))

    began = time.perf_counter()
    await asyncio.gather(*(user(number) for number in range(users)))
    rate = requests / (time.perf_counter() - began)
    times.sort()
    return [f"{times[len(times) // 2]:.1f}", f"{times[int(0.95 * len(times))]:.1f}", f"{rate:.0f}"]
