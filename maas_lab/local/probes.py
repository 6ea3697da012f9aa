"""Ask a process of the stack whether it serves, and make sure that it is that process which answers."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import psutil

from maas_lab.local.supervisor import Health
from maas_lab.settings import LOOPBACK

TIMEOUT_S = 5.0  # three of these in a row are a hang; a busy machine answers sooner
ENGINE = "query-engine"
http = httpx.Client(timeout=TIMEOUT_S, trust_env=False)  # no proxy stands between the lab and its own processes


def http_probe(port: int, path: str) -> Callable[[psutil.Process], Health]:
    """Return a probe that is Ready when the process itself answers 200 at `path`."""

    def probe(process: psutil.Process) -> Health:
        health = _answers(port, path)
        if health.ready and not owns_port(process, port):
            return Health(False, f"port {port} is served by another process", alive=False)
        return health

    return probe


def gateway_probe(port: int) -> Callable[[psutil.Process], Health]:
    """Return a probe of LiteLLM and of the query engine it started.

    LiteLLM's own readiness remembers a database for two minutes after it is gone, and nothing in it notices that
    its query engine has died. So the engine is asked: it tells the truth about the database, and without an engine
    only a restart of the gateway helps.
    """
    alive = http_probe(port, "/health/liveliness")

    def probe(process: psutil.Process) -> Health:
        health = alive(process)
        if not health.ready:
            return health
        engine = engine_port(process)
        if engine is None:
            return Health(False, "its query engine has ended", alive=False)
        health = _answers(engine, "/status")
        return health if health.ready else Health(False, f"query engine: {health.reason}", health.alive)

    return probe


def owns_port(process: psutil.Process, port: int) -> bool:
    """Return whether the process or one of its children listens on the port."""
    try:
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return False
    return any(port in listening_ports(member) for member in family)


def engine_port(process: psutil.Process) -> int | None:
    """Return the port that LiteLLM gave its query engine; None when no engine runs."""
    for child in process.children(recursive=True):
        try:
            line = child.cmdline()
        except psutil.Error:
            continue
        if any(part.endswith(ENGINE) for part in line) and "-p" in line:
            return int(line[line.index("-p") + 1])
    return None


def listening_ports(process: psutil.Process) -> list[int]:
    """Return the ports on which the process listens; none when it is gone or may not be looked at."""
    try:
        return [s.laddr.port for s in process.net_connections("tcp") if s.status == psutil.CONN_LISTEN]
    except psutil.Error:
        return []


def _answers(port: int, path: str) -> Health:
    try:
        answer = http.get(f"http://{LOOPBACK}:{port}{path}")
    except httpx.ConnectError:
        return Health(False, "does not listen yet", alive=False)
    except httpx.HTTPError as error:
        return Health(False, f"{path}: {type(error).__name__}", alive=False)
    return Health(
        answer.status_code == 200, "" if answer.status_code == 200 else f"{path} answers {answer.status_code}"
    )
