"""The portal under load: people who ask at once, directly at the backend and by the pages' way, and a whole course.

The client is no library's: on two cores, theirs take more time than the portal.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import secrets
import ssl
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil

from benchmarks.measures import admin
from maas_lab import settings, wait
from maas_lab.cluster import Cluster
from maas_lab.local import LocalCluster
from maas_lab.local.probes import listening_ports
from maas_lab.portal import Portal

USERS, REQUESTS, KEYS = 20, 1000, 3
THINK_S, TURNS = 1.0, 8
COURSE, CALLS = 50, 5
GROUPS = {"alice": "users", "bob": "users", "carol": "admins", "dave": "readonly"}  # the lab's own users
LEARNERS = [f"learner{number:02}" for number in range(COURSE)]
TODAY = datetime.now(UTC).date().isoformat()
ASKED = (
    ("catalog", "GET", "/api/v1/models", None),
    ("keys", "GET", "/api/v1/api-keys", None),
    ("subscriptions", "GET", "/api/v1/subscriptions", None),
    ("usage: budget", "GET", "/api/v1/usage/budget", None),
    ("usage: analytics", "POST", "/api/v1/usage/analytics", {"startDate": TODAY, "endDate": TODAY}),
    ("usage: hours", "GET", "/api/v1/usage/hours", None),
)
Table = tuple[str, list[str], list[list[str]]]


def enrol(home: Path) -> None:
    """Give a lab that has not started yet the users of a course."""
    users = {
        name: {"password": secrets.token_urlsafe(12), "full_name": name, "groups": [f"litemaas-{group}"]}
        for name, group in {**GROUPS, **dict.fromkeys(LEARNERS, "users")}.items()
    }
    folder = home / "kube"
    folder.mkdir(mode=0o700, parents=True)
    (folder / "users.json").touch(0o600)
    (folder / "users.json").write_text(json.dumps(users), encoding="utf-8")


@dataclass(frozen=True)
class Site:
    """A portal and its users.

    Attributes:
        backend: the address of the portal's service.
        pages: the address of its pages, which pass calls on.
        passwords: of its users, by name.
        authority: file of certificates of the cluster's login.
    """

    backend: str
    pages: str
    gateway: str
    model: str
    passwords: dict[str, str]
    authority: Path

    def log_in(self, name: str) -> Portal:
        """Log a user in."""
        trust = ssl.create_default_context(cafile=self.authority)
        return Portal.login(self.pages, name, self.passwords[name], verify=trust, timeout=120)


def site(cluster: LocalCluster) -> Site:
    """Find the portal of a running lab."""
    status, root = cluster.status(), cluster.home.root
    rows = {row["name"]: row["pid"] for row in status["workloads"]}
    (port,) = set(listening_ports(psutil.Process(rows["portal"])))
    with Cluster(cluster.kubeconfig) as client:
        pages, gateway = (client.route_url(name, settings.NAMESPACE) for name in ("litemaas", "litellm"))
    users = json.loads((root / "kube/users.json").read_text(encoding="utf-8"))
    passwords = {name: told["password"] for name, told in users.items()}
    backend = f"http://{settings.LOOPBACK}:{port}"
    return Site(backend, pages, gateway, status["model"], passwords, root / "kube/ca.crt")


def load(cluster: LocalCluster) -> Table:
    """Time what users see, by twenty at once."""
    title = f"portal, {USERS} users, each with {KEYS} keys that have spent (milliseconds)"
    header = ["request", "way", "load", "p50", "p95", "per s"]
    return title, header, load_rows(site(cluster))


def load_rows(found: Site) -> list[list[str]]:
    """Return the rows of that table."""
    sessions = [_prepared(found, name) for name in LEARNERS[:USERS]]
    ways = {"backend": (found.backend, "Authorization", "Bearer "), "pages": (found.pages, "X-Portal-Session", "")}
    rows = []
    for what, *asked in ASKED:
        for way, (url, header, prefix) in ways.items():
            users = [_Asker(url, f"{header}: {prefix}{one}", *asked) for one in sessions]
            rows.append([what, way, "closed loop, no think time", *_timed(users, REQUESTS // USERS, 0.0)])
            rows.append([what, way, f"{THINK_S:g} s of think time", *_timed(users, TURNS, THINK_S)])
    return rows


def _prepared(found: Site, name: str) -> str:
    """Give a user keys that have spent something, and return a session."""
    with found.log_in(name) as portal:
        portal.subscribe(found.model)
        for number in range(KEYS):
            _ask(found, portal.create_key(f"key {number}", [found.model]).reveal())
        return portal.token.reveal()


def _ask(found: Site, key: str) -> str:
    """Call the model and return the answer's id."""
    body = {"model": found.model, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}
    options = {"headers": {"Authorization": f"Bearer {key}"}, "timeout": 300, "trust_env": False}
    return httpx.post(f"{found.gateway}/v1/chat/completions", json=body, **options).raise_for_status().json()["id"]


class _Asker:
    """One user with one connection, who asks the same again and again."""

    def __init__(self, url: str, session: str, method: str, path: str, body: dict | None) -> None:
        content, address = json.dumps(body).encode() if body else b"", urlsplit(url)
        self._host, self._port, self._path = address.hostname, address.port, path
        kind = ["Content-Type: application/json", f"Content-Length: {len(content)}"] if body else []
        lines = [f"{method} {address.path.rstrip('/')}{path} HTTP/1.1", f"Host: {address.netloc}", session, *kind]
        self._asked = "\r\n".join(lines).encode() + b"\r\n\r\n" + content

    async def run(self, turns: int, think_s: float, late_s: float) -> list[float]:
        """Ask so many times, and return the milliseconds of each but the first, which opens the connection."""
        await asyncio.sleep(late_s)
        reader, writer = await asyncio.open_connection(self._host, self._port)
        times = []
        for turn in range(turns + 1):
            began = time.perf_counter()
            writer.write(self._asked)
            await self._read(reader)
            if turn:
                times.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(think_s)
        writer.close()
        return times

    async def _read(self, reader: asyncio.StreamReader) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{self._path}: {head[:40]!r}")
        if length := re.search(rb"content-length: (\d+)", head, re.IGNORECASE):
            await reader.readexactly(int(length[1]))
            return
        while size := int(await reader.readuntil(b"\r\n"), 16):
            await reader.readexactly(size + 2)
        await reader.readexactly(2)


def _timed(users: Sequence[_Asker], turns: int, think_s: float) -> list[str]:
    """Let all users ask, begun one after the other within a think time, and return p50, p95 and requests per second."""

    async def everybody() -> list[float]:
        late = [number * think_s / len(users) for number in range(len(users))]
        asking = [user.run(turns, think_s, one) for user, one in zip(users, late, strict=True)]
        return [one for times in await asyncio.gather(*asking) for one in times]

    began = time.perf_counter()
    times = sorted(asyncio.run(everybody()))
    rate = len(users) * (turns + 1) / (time.perf_counter() - began)
    return [f"{times[len(times) // 2]:.1f}", f"{times[int(0.95 * len(times))]:.1f}", f"{rate:.0f}"]


def course(cluster: LocalCluster) -> Table:
    """Let a whole course come at once, and count what the gateway has booked."""
    title = f"portal, {COURSE} users at once: each logs in, makes an application and calls the model {CALLS} times"
    with admin(cluster) as gateway:
        rows = course_rows(site(cluster), lambda since: [row.request_id for row in gateway.spend_rows(since)])
    return title, ["step", "p50, s", "p95, s"], rows


def course_rows(found: Site, booked: Callable[[datetime], list[str]]) -> list[list[str]]:
    """Return the rows of that table.

    Args:
        found: the portal.
        booked: returns the ids of all calls that the gateway has booked since a moment.

    Raises:
        TookTooLong: not every call was booked.
    """
    since, began = datetime.now(UTC) - timedelta(seconds=1), time.perf_counter()
    with ThreadPoolExecutor(COURSE) as pool:
        learners = list(pool.map(lambda name: _learn(found, name), LEARNERS))
    whole = time.perf_counter() - began
    answered = [one for learner in learners for one in learner.answers]

    def all_booked() -> list[str]:
        rows = [one for one in booked(since) if one in answered]
        return rows if set(rows) == set(answered) else []

    rows = wait.until(all_booked, what="every call to be booked", timeout=60, every=1)
    once = "each once" if len(rows) == len(set(answered)) == COURSE * CALLS else "SOME TWICE"
    steps = enumerate(("log in", "make an application", "call the model"))
    told = [[what, *_seconds([one for learner in learners for one in learner.spans[step]])] for step, what in steps]
    total = f"{len(answered)} calls answered, {len(rows)} booked, {once}; seconds for everybody"
    return [*told, [total, f"{whole:.1f}", ""]]


@dataclass(frozen=True)
class _Learner:
    """What one user has done.

    Attributes:
        spans: the seconds of the login, of making the application, and of each call.
        answers: the ids of the calls.
    """

    spans: tuple[list[float], list[float], list[float]]
    answers: list[str]


def _learn(found: Site, name: str) -> _Learner:
    marks, answers = [time.perf_counter()], []
    with found.log_in(name) as portal:
        marks.append(time.perf_counter())
        key = portal.create_application(f"course of {name}", [found.model]).key.reveal()
        marks.append(time.perf_counter())
        for _ in range(CALLS):
            answers.append(_ask(found, key))
            marks.append(time.perf_counter())
    spans = [after - before for before, after in itertools.pairwise(marks)]
    return _Learner((spans[:1], spans[1:2], spans[2:]), answers)


def _seconds(times: list[float]) -> list[str]:
    ordered = sorted(times)
    return [f"{ordered[len(ordered) // 2]:.2f}", f"{ordered[int(0.95 * len(ordered))]:.2f}"]
