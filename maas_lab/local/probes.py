"""Ask a process whether it serves, again and again, and make sure that it is that process which answers."""

from __future__ import annotations

import http.client
import logging
import socket
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

from maas_lab.errors import LabError
from maas_lab.settings import LOOPBACK

STARTUP, LIVENESS, READINESS = "Startup", "Liveness", "Readiness"
EAGER_S = 0.1  # how often success is looked for until the first time
BODY = 10_240  # bytes of an answer that are read
USER_AGENT = "kube-probe/1.32"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Check:
    """One probe of one process, with the numbers of a manifest.

    Attributes:
        kind: `Startup`, `Liveness` or `Readiness`.
        ask: returns why the process fails, or nothing.
        delay_s: seconds after the start before failures count.
        period_s: seconds between two times.
        successes: how many in a row make a success.
        failures: how many in a row make a failure.
        grace_s: seconds that a process may take to end when this probe has failed; None for the container's own.
    """

    kind: str
    ask: Callable[[psutil.Process], str]
    delay_s: float = 0.0
    period_s: float = 10.0
    successes: int = 1
    failures: int = 3
    grace_s: float | None = None


class Prober:
    """Performs one check in a thread of its own until it is stopped.

    Until the first success it is looked for every 0.1 s, so that nobody waits for a period to pass; a failure counts
    only at the check's periods.

    Args:
        check: what is asked.
        process: whom.
        verdict: called when the result has changed, with True or False; returning False ends the thread.
        unhealthy: called with each failure that counts, and with its reason.
    """

    def __init__(
        self,
        check: Check,
        process: psutil.Process,
        verdict: Callable[[bool], bool],
        unhealthy: Callable[[str], None],
    ) -> None:
        self.check, self.process, self.judged = check, process, threading.Event()
        self._verdict, self._unhealthy = verdict, unhealthy
        self._good = self._bad = 0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"{check.kind} {process.pid}", daemon=True)

    def start(self) -> None:
        """Begin to ask."""
        self._thread.start()

    def stop(self) -> None:
        """Ask no more; a question that is under way is not waited for."""
        self._stop.set()

    def _run(self) -> None:
        due = time.monotonic() + self.check.delay_s
        eager = self.check.kind != LIVENESS and self.check.successes == 1
        while not self._stop.is_set():
            counts = time.monotonic() >= due
            if counts:
                due = time.monotonic() + self.check.period_s
            why = self._why() if counts or eager else None
            if self._stop.is_set() or (why is not None and not self._judge(why, counts)):
                return
            eager = eager and not self._good
            self.judged.set()
            self._stop.wait(min(EAGER_S, max(0.0, due - time.monotonic())) if eager else due - time.monotonic())

    def _why(self) -> str:
        try:
            return self.check.ask(self.process)
        except LabError as error:
            return error.what
        except Exception as error:
            log.exception("a probe has a bug")
            return f"{type(error).__name__}: {error}"

    def _judge(self, why: str, counts: bool) -> bool:
        """Count a result, and tell whether to go on."""
        if not why:
            self._good, self._bad = self._good + 1, 0
            return self._good != self.check.successes or self._verdict(True)
        if not counts:
            return True
        self._good, self._bad = 0, self._bad + 1
        self._unhealthy(why)
        return self._bad != self.check.failures or self._verdict(False)


def http_get(port: int, path: str, headers: Mapping[str, str], timeout_s: float) -> str:
    """Return why a GET fails, in the words of a kubelet; empty for a status of 200 to 399."""
    url = f"http://{LOOPBACK}:{port}{path}"
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=timeout_s)
    try:
        connection.request("GET", path, headers={"User-Agent": USER_AGENT, "Accept": "*/*", **headers})
        answer = connection.getresponse()
        answer.read(BODY)
    except TimeoutError:
        return f'Get "{url}": context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
    except ConnectionRefusedError:
        return f'Get "{url}": {refused(port)}'
    except (OSError, http.client.HTTPException, ValueError) as error:
        return f'Get "{url}": {error or "EOF"}'
    finally:
        connection.close()
    return "" if 200 <= answer.status < 400 else f"HTTP probe failed with statuscode: {answer.status}"


def tcp_connect(port: int, timeout_s: float) -> str:
    """Return why a connection fails, in the words of a kubelet; empty when somebody accepts it."""
    try:
        socket.create_connection((LOOPBACK, port), timeout_s).close()
    except TimeoutError:
        return f"dial tcp {LOOPBACK}:{port}: i/o timeout"
    except OSError:
        return refused(port)
    return ""


def refused(port: int) -> str:
    """Return what a kubelet says where nobody listens."""
    return f"dial tcp {LOOPBACK}:{port}: connect: connection refused"


def foreign(process: psutil.Process, port: int) -> str:
    """Return why an answer at a port does not count: it is not this process that listens there; else nothing."""
    return "" if owns_port(process, port) else f"port {port} is served by another process"


def owns_port(process: psutil.Process, port: int) -> bool:
    """Return whether the process or one of its children listens on the port.

    A process of another account that may not be looked at is believed: its port was free when it started.
    """
    try:
        if _listens(process, port):
            return True
        return any(_listens(child, port) for child in process.children(recursive=True))
    except psutil.NoSuchProcess:
        return False


def listening_ports(process: psutil.Process) -> list[int]:
    """Return the ports on which the process listens; none when it is gone or may not be looked at."""
    try:
        return _ports(process)
    except psutil.Error:
        return []


def is_free(port: int) -> bool:
    """Return whether nobody listens on a loopback port."""
    try:
        socket.create_server((LOOPBACK, port)).close()
    except OSError:
        return False
    return True


def _listens(process: psutil.Process, port: int) -> bool:
    try:
        return port in _ports(process)
    except psutil.AccessDenied:
        return True


def _ports(process: psutil.Process) -> list[int]:
    return [s.laddr.port for s in process.net_connections("tcp") if s.status == psutil.CONN_LISTEN]
