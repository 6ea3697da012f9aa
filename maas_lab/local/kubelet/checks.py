"""Turn the probes of a manifest into checks of a process."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import psutil

from maas_lab.local.images import Program
from maas_lab.local.kube.store import Object
from maas_lab.local.probes import LIVENESS, READINESS, STARTUP, Check, foreign, http_get, refused, tcp_connect

FIELDS = {STARTUP: "startupProbe", LIVENESS: "livenessProbe", READINESS: "readinessProbe"}
Ask = Callable[[psutil.Process], str]


def checks(container: Object, ports: Mapping[int, int], program: Program) -> Iterator[Check]:
    """Yield the checks of a container.

    Args:
        container: from a pod's spec.
        ports: each port of its image, and the loopback port that is meant.
        program: its process, which offers the commands that an `exec` probe may name.
    """
    for kind, name in FIELDS.items():
        if probe := container.get(name):
            yield Check(
                kind,
                _ask(probe, container, ports, program),
                delay_s=probe.get("initialDelaySeconds") or 0,
                period_s=probe.get("periodSeconds") or 10,
                successes=probe.get("successThreshold") or 1,
                failures=probe.get("failureThreshold") or 3,
                grace_s=probe.get("terminationGracePeriodSeconds"),
            )


def _ask(probe: Object, container: Object, ports: Mapping[int, int], program: Program) -> Ask:
    timeout_s = probe.get("timeoutSeconds") or 1
    if one := probe.get("httpGet"):
        return _http(one, container, ports, timeout_s)
    if one := probe.get("tcpSocket"):
        number = _number(one["port"], container)
        return _at_port(number, ports, lambda port: tcp_connect(port, timeout_s))
    if one := probe.get("exec"):
        return _command(one.get("command") or [], program)
    return _always("the local cluster has no gRPC probes; use httpGet or tcpSocket")


def _http(one: Object, container: Object, ports: Mapping[int, int], timeout_s: float) -> Ask:
    if one.get("scheme", "HTTP") != "HTTP":
        return _always("the processes of the local cluster speak no TLS; use the scheme HTTP")
    path = "/" + (one.get("path") or "/").lstrip("/")
    headers = {"Host": one["host"]} if one.get("host") else {}
    headers |= {header["name"]: header.get("value", "") for header in one.get("httpHeaders") or ()}
    number = _number(one["port"], container)
    return _at_port(number, ports, lambda port: http_get(port, path, headers, timeout_s))


def _at_port(number: int | None, ports: Mapping[int, int], ask: Callable[[int], str]) -> Ask:
    """Ask at the loopback port of a container's port; the process itself must listen there."""
    if number is None:
        return _always("the container has no port of this name")
    port = ports.get(number)
    if port is None:
        return _always(refused(number))  # nothing of this image listens there
    return lambda process: ask(port) or foreign(process, port)


def _command(command: list[str], program: Program) -> Ask:
    """Do what a program of the image does; nothing is executed."""
    run = program.commands.get(command[0]) if command else None
    if run is None:
        offered = " and ".join(sorted(program.commands)) or "none"
        return _always(f"commands are never executed on the local cluster; what this image offers: {offered}")
    return lambda process: run(command[1:])


def _always(why: str) -> Ask:
    return lambda process: why


def _number(port: int | str, container: Object) -> int | None:
    if isinstance(port, int) or port.isdigit():
        return int(port)
    return next((one["containerPort"] for one in container.get("ports") or () if one.get("name") == port), None)
